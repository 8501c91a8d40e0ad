/* SPDX-License-Identifier: MIT */
/*
 * Asks in each hook for the current ids and the current resource, and holds the answers against
 * the event. The report: a line for each difference, and at the end how many events agreed.
 */
#include "report.h"

static unsigned long agreed;

static void differ(const struct uvhooks_event *event, const char *what, uvhooks_async_id is)
{
	char id[UVHOOKS_ID_TEXT_BYTES], wrong[UVHOOKS_ID_TEXT_BYTES];

	REPORT("%s %s: %s is %s\n", uvhooks_event_name(event->event),
	       uvhooks_id_text(event->async_id, id), what, uvhooks_id_text(is, wrong));
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	struct uvhooks_resource resource = {.size = sizeof(resource)};
	uvhooks_async_id execution = uvhooks_execution_async_id();
	uvhooks_async_id trigger = uvhooks_trigger_async_id();
	bool inside = event->event == UVHOOKS_EVENT_BEFORE || event->event == UVHOOKS_EVENT_AFTER;

	(void) data;
	if (uvhooks_execution_async_resource(&resource) != 0)
		REPORT("no resource\n");
	if (execution != event->execution_async_id)
		differ(event, "the execution id", execution);
	else if (inside && execution != event->async_id)
		differ(event, "the execution id in a callback", execution);
	else if (inside && trigger != event->trigger_async_id)
		differ(event, "the trigger id", trigger);
	else if (resource.async_id != execution)
		differ(event, "the id of the current resource", resource.async_id);
	else if (inside && resource.pointer != event->pointer)
		differ(event, "a pointer, not the event's, of the current resource", 0);
	else if (inside && resource.type != event->type)
		differ(event, "a type, not the event's, of the current resource", resource.type);
	else if (uvhooks_id_sequence(execution) < 2 && resource.type != UVHOOKS_NONE)
		differ(event, "no root, the current resource", resource.async_id);
	else
		__atomic_add_fetch(&agreed, 1, __ATOMIC_RELAXED);
}

static void at_end(void)
{
	REPORT("agreed %s\n", agreed > 0 ? "some" : "none");
}

static int current_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = on_event,
	    .before = on_event,
	    .after = on_event,
	    .destroy = on_event,
	    .start = on_event,
	    .stop = on_event,
	    .wakeup = on_event,
	};

	if (args->dry_run)
		return 0;
	if (report_open(args) != 0)
		return -1;
	atexit(at_end);
	return hook(args, &callbacks, NULL);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "current",
    .summary = "holds the current ids against the events",
    .init = current_init,
};
