/* SPDX-License-Identifier: MIT */
/*
 * A hook that does nothing in any of its callbacks: what scripts/bench measures is then the way to
 * a hook and back. It hears what a log has unless it is told, as these are the events that are
 * counted there.
 */
#include <uvhooks/plugin.h>

static void nothing(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
}

static int empty_hook_init(struct uvhooks_plugin_args *args)
{
	/* Filled from the list of events, so that a new one is not forgotten. */
	struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks)};

	if (args->count != 0)
		return uvhooks_plugin_error(args, "this plugin takes no options");
	if (args->dry_run)
		return 0;
#define XX(name, text)                                                                             \
	if ((UVHOOKS_EVENTS_OF_A_LOG >> UVHOOKS_EVENT_##name & 1) != 0)                            \
		callbacks.text = nothing;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	return uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "empty_hook",
    .summary = "does nothing, for every event of a log",
    .init = empty_hook_init,
};
