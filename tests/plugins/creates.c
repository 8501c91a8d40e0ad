/* SPDX-License-Identifier: MIT */
/*
 * A plugin that creates a resource in each hook: an idle handle on a loop of its own.
 *
 * With the option nested its hook asks for UVHOOKS_HOOK_NESTED, and sees what it makes; it creates
 * one for each of the program's timers only, else it would never end. The report is the events that
 * it saw of timers and idle handles.
 */
#include <uv.h>

#include "report.h"

static __thread uv_loop_t loop;
static __thread bool has_loop;

static void create(void)
{
	uv_idle_t idle;

	if (!has_loop && uv_loop_init(&loop) != 0)
		return;
	has_loop = true;
	uv_idle_init(&loop, &idle);
	uv_close((uv_handle_t *) &idle, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	(void) data;
	if (event->type != UVHOOKS_TIMERWRAP && event->type != UVHOOKS_IDLEWRAP)
		return;
	REPORT("%s %s\n", uvhooks_event_name(event->event), uvhooks_type_name(event->type));
	if (event->type == UVHOOKS_TIMERWRAP)
		create();
}

static int creates_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = on_event,
	    .before = on_event,
	    .after = on_event,
	    .destroy = on_event,
	};

	if (option(args, "nested", NULL) != NULL)
		callbacks.flags = UVHOOKS_HOOK_NESTED;
	if (args->dry_run)
		return 0;
	if (report_open(args) != 0)
		return -1;
	return hook(args, &callbacks, NULL);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "creates",
    .summary = "creates resources in its hooks",
    .init = creates_init,
};
