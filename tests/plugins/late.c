/* SPDX-License-Identifier: MIT */
/*
 * A plugin that takes part late: at the first `before` it walks the live resources and enables the
 * hook that reports. What it reports: "live ID TYPE trigger=T pointer loop callback" for each one
 * (the last three only if there), "walked N", then "EVENT ID TYPE" for each event.
 */
#include "report.h"

static struct uvhooks_hook *waiting;
static struct uvhooks_hook *reporting;
static bool walked;

static void on_resource(const struct uvhooks_resource *resource, void *data)
{
	char id[UVHOOKS_ID_TEXT_BYTES], trigger[UVHOOKS_ID_TEXT_BYTES];

	++*(size_t *) data;
	REPORT("live %s %s trigger=%s%s%s%s\n", uvhooks_id_text(resource->async_id, id),
	       uvhooks_type_name(resource->type),
	       uvhooks_id_text(resource->trigger_async_id, trigger),
	       resource->pointer != NULL ? " pointer" : "", resource->loop != NULL ? " loop" : "",
	       resource->callback != NULL ? " callback" : "");
}

static void on_before(const struct uvhooks_event *event, void *data)
{
	size_t seen = 0;
	size_t count;

	(void) event;
	(void) data;
	if (walked)
		return;
	walked = true;
	count = uvhooks_for_each_resource(on_resource, &seen);
	REPORT("walked %zu%s\n", count, seen == count ? "" : " (but called for others)");
	uvhooks_hook_disable(waiting);
	uvhooks_hook_enable(reporting);
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	char id[UVHOOKS_ID_TEXT_BYTES];

	(void) data;
	REPORT("%s %s %s\n", uvhooks_event_name(event->event), uvhooks_id_text(event->async_id, id),
	       uvhooks_type_name(event->type));
}

static int late_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_callbacks until = {
	    .size = sizeof(until),
	    .before = on_before,
	};
	static const struct uvhooks_callbacks from = {
	    .size = sizeof(from),
	    .init = on_event,
	    .before = on_event,
	    .after = on_event,
	    .destroy = on_event,
	};

	if (args->dry_run)
		return 0;
	if (report_open(args) != 0)
		return -1;
	waiting = uvhooks_create_hook(&until, NULL);
	reporting = uvhooks_create_hook(&from, NULL);
	return uvhooks_hook_enable(waiting);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "late",
    .summary = "takes part late",
    .init = late_init,
};
