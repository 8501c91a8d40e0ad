/* SPDX-License-Identifier: MIT */
/*
 * Holds ids against each other: within an id space each new one must be larger than all before, so
 * none comes twice. What it counts is in a file, for others to read at any time: see struct ids.
 *
 *	ids:file=PATH
 */
#include <stdatomic.h>

#include "../plugins/counts.h"

#define SPACES 65536

/* soak.py reads it: three numbers of 8 bytes. */
struct ids {
	_Atomic uint64_t inits, destroys, again;
};

static struct ids *ids;
static _Atomic uint64_t newest[SPACES];

static void on_init(const struct uvhooks_event *event, void *data)
{
	_Atomic uint64_t *mine = &newest[uvhooks_id_space(event->async_id)];
	uint64_t sequence = uvhooks_id_sequence(event->async_id);

	(void) data;
	atomic_fetch_add_explicit(&ids->inits, 1, memory_order_relaxed);
	if (atomic_exchange_explicit(mine, sequence, memory_order_relaxed) >= sequence)
		atomic_fetch_add_explicit(&ids->again, 1, memory_order_relaxed);
}

static void on_destroy(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
	atomic_fetch_add_explicit(&ids->destroys, 1, memory_order_relaxed);
}

static int ids_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks), .init = on_init, .destroy = on_destroy};
	void *map = NULL;
	const int result = map_counts(args, &map, sizeof(*ids));

	if (result != 0 || args->dry_run)
		return result;
	ids = map;
	return uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "ids",
    .summary = "holds ids against each other",
    .init = ids_init,
};
