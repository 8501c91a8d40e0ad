/* SPDX-License-Identifier: MIT */
/* What was lost, in one place, so that it can be shown. */
#include <errno.h>

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
	if (counters == NULL || counters->size < sizeof(*counters))
		return -EINVAL;
#define XX(name) counters->name = uvh_counted(UVH_COUNT_##name);
	UVHOOKS_COUNTER_MAP(XX)
#undef XX
	counters->size = sizeof(*counters);
	return 0;
}
