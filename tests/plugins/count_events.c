/* SPDX-License-Identifier: MIT */
/*
 * Counts all events, of all threads and of the processes that are forked, in the first eight bytes
 * of a file: so the count is there however the process ends. Enabled behind another plugin, it has
 * counted nothing that the other one has not seen.
 *
 *	count_events:file=PATH
 */
#include "counts.h"

#include <stdatomic.h>

static _Atomic uint64_t *count;

static void count_one(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static int count_events_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks)};
	void *map = NULL;
	const int result = map_counts(args, &map, sizeof(*count));

	if (result != 0 || args->dry_run)
		return result;
	count = map;
#define XX(name, text) callbacks.text = count_one;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	return uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "count_events",
    .summary = "counts all events in a file",
    .init = count_events_init,
};
