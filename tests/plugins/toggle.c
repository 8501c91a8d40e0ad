/* SPDX-License-Identifier: MIT */
/*
 * Hooks that enable and disable each other. The report is "HOOK EVENT ID", a line for each call.
 * Option case=:
 *
 *	order          a and b are enabled, a again (nothing), then a is disabled and enabled: b, a
 *	enable         a enables b in its first init; b is called from the next event on
 *	disable        a disables b, enabled after it, in its first init; b is called once more
 *	disable_self   a disables itself in its first init
 *	again          a disables and enables itself in its first init: from the next event on b, a
 *	loop           a is for the loop of the first event only, b for all
 *	wrong          what the functions return for arguments that are none
 */
#include "report.h"

struct named {
	const char *name;
	struct uvhooks_hook *hook;
};

static struct named a = {"a", NULL};
static struct named b = {"b", NULL};
static const char *which;
static bool done;

static void on_event(const struct uvhooks_event *event, void *data)
{
	const struct named *named = data;
	char id[UVHOOKS_ID_TEXT_BYTES];

	REPORT("%s %s %s\n", named->name, uvhooks_event_name(event->event),
	       uvhooks_id_text(event->async_id, id));
	if (done || named != &a || event->event != UVHOOKS_EVENT_INIT)
		return;
	done = true;
	if (strcmp(which, "enable") == 0)
		uvhooks_hook_enable(b.hook);
	if (strcmp(which, "disable") == 0)
		uvhooks_hook_disable(b.hook);
	if (strcmp(which, "disable_self") == 0 || strcmp(which, "again") == 0)
		uvhooks_hook_disable(a.hook);
	if (strcmp(which, "again") == 0)
		uvhooks_hook_enable(a.hook);
}

static struct uvhooks_callbacks callbacks = {
    .size = sizeof(callbacks),
    .init = on_event,
    .before = on_event,
    .after = on_event,
    .destroy = on_event,
};

/* Makes `a` for the loop that `b` has heard of first. */
static void on_first(const struct uvhooks_event *event, void *data)
{
	on_event(event, data);
	if (a.hook != NULL || event->loop == NULL)
		return;
	callbacks.loop = event->loop;
	a.hook = uvhooks_create_hook(&callbacks, &a);
	uvhooks_hook_enable(a.hook);
}

static void report_wrong(void)
{
	struct uvhooks_callbacks small = {.size = sizeof(small.size)};
	struct uvhooks_resource resource = {.size = 1};
	struct uvhooks_counters counters = {.size = 1};

	REPORT("create NULL %d\n", uvhooks_create_hook(NULL, NULL) == NULL);
	REPORT("create small %d\n", uvhooks_create_hook(&small, NULL) == NULL);
	REPORT("enable NULL %d\n", uvhooks_hook_enable(NULL) == -EINVAL);
	REPORT("disable NULL %d\n", uvhooks_hook_disable(NULL) == -EINVAL);
	REPORT("resource %d\n", uvhooks_execution_async_resource(&resource) == -EINVAL);
	REPORT("counters %d\n", uvhooks_get_counters(&counters) == -EINVAL);
	REPORT("walk NULL %d\n", uvhooks_for_each_resource(NULL, NULL) == 0);
	REPORT("version %d\n", strcmp(uvhooks_version(), UVHOOKS_VERSION) == 0);
}

static int toggle_init(struct uvhooks_plugin_args *args)
{
	if (args->dry_run)
		return 0;
	if (report_open(args) != 0)
		return -1;
	which = strdup(option(args, "case", ""));
	if (strcmp(which, "wrong") == 0) {
		report_wrong();
		return 0;
	}
	if (strcmp(which, "loop") == 0) {
		struct uvhooks_callbacks first = callbacks;

		first.init = on_first;
		b.hook = uvhooks_create_hook(&first, &b);
		return uvhooks_hook_enable(b.hook);
	}
	a.hook = uvhooks_create_hook(&callbacks, &a);
	b.hook = uvhooks_create_hook(&callbacks, &b);
	uvhooks_hook_enable(a.hook);
	if (strcmp(which, "enable") == 0)
		return 0;
	uvhooks_hook_enable(b.hook);
	if (strcmp(which, "order") == 0) {
		uvhooks_hook_enable(a.hook);
		uvhooks_hook_disable(a.hook);
		uvhooks_hook_enable(a.hook);
	}
	return 0;
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "toggle",
    .summary = "hooks that enable and disable each other",
    .init = toggle_init,
};
