/* SPDX-License-Identifier: MIT */
/*
 * What the test plugins share: options, and a report of what they saw.
 *
 * The report goes to the file of the option file=, a line at a time, so that a test finds it
 * whatever happened to the process.
 */
#ifndef REPORT_H
#define REPORT_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

/* Not every plugin needs all of this. */
#define HELPER __attribute__((unused)) static

HELPER int report_fd = -1;

#define REPORT(...) dprintf(report_fd, __VA_ARGS__)

/* The value of an option, or `otherwise`. */
HELPER const char *option(const struct uvhooks_plugin_args *args, const char *key,
			  const char *otherwise)
{
	for (size_t i = 0; i < args->count; i++)
		if (strcmp(args->options[i].key, key) == 0)
			return args->options[i].value;
	return otherwise;
}

HELPER int report_open(struct uvhooks_plugin_args *args)
{
	const char *path = option(args, "file", NULL);

	if (path == NULL)
		return uvhooks_plugin_error(args, "file=PATH is missing");
	report_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (report_fd < 0)
		return uvhooks_plugin_error(args, "%s: %s", path, strerror(errno));
	return 0;
}

/* Makes and enables a hook: 0, or what init returns. */
HELPER int hook(struct uvhooks_plugin_args *args, const struct uvhooks_callbacks *callbacks,
		void *data)
{
	if (uvhooks_hook_enable(uvhooks_create_hook(callbacks, data)) != 0)
		return uvhooks_plugin_error(args, "the hook could not be enabled");
	return 0;
}

#endif
