/* SPDX-License-Identifier: MIT */
/* What was lost, in one place, so that it can be shown. */
#include <errno.h>
#include <string.h>

#include "ground.h"

uint64_t uvh_counts[UVH_COUNT_MAX];

void uvh_count(enum uvh_counter counter)
{
	__atomic_add_fetch(&uvh_counts[counter], 1, __ATOMIC_RELAXED);
}

uint64_t uvh_counted(enum uvh_counter counter)
{
	return __atomic_load_n(&uvh_counts[counter], __ATOMIC_RELAXED);
}

int uvhooks_get_counters(struct uvhooks_counters *counters)
{
	struct uvhooks_counters all = {.size = sizeof(all)};

	/* Who was built when there were fewer gets those. */
	if (counters == NULL || counters->size < sizeof(all.size) + sizeof(uint64_t))
		return -EINVAL;
	if (counters->size < all.size)
		all.size = counters->size;
#define XX(name) all.name = uvh_counted(UVH_COUNT_##name);
	UVHOOKS_COUNTER_MAP(XX)
#undef XX
	memcpy(counters, &all, all.size);
	return 0;
}
