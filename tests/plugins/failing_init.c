/* SPDX-License-Identifier: MIT */
/*
 * A plugin whose init fails. Option when=:
 *
 *	check     it says why, already when it is asked to check (the default)
 *	start     it finds nothing wrong before, and fails in the program
 *	silent    it returns an errno and says nothing
 *	enabled   it fails after it has enabled a hook, which must not be called
 */
#include "report.h"

static void never(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
	dprintf(STDERR_FILENO, "a hook of a plugin that failed was called\n");
}

static int failing_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = never,
	};
	const char *when = option(args, "when", "check");

	if (strcmp(when, "silent") == 0)
		return -EPERM;
	if (strcmp(when, "check") != 0 && args->dry_run)
		return 0;
	if (strcmp(when, "enabled") == 0 && hook(args, &callbacks, NULL) != 0)
		return -1;
	return uvhooks_plugin_error(args, "this plugin fails on purpose (%s)", when);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "failing_init",
    .summary = "fails to start",
    .init = failing_init,
};
