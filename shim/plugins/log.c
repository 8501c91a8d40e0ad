/* SPDX-License-Identifier: MIT */
/*
 * The log plugin: one line per event.
 *
 * - file=PATH: append to PATH, which is relative to the folder that each process starts in; %p
 *   stands for the process id, %% for %. Default: stderr.
 * - format=text|json: for people (the default), or one JSON object a line.
 * - events=LIST: only these events: init,before,... or node (Node's five) or all (the default).
 * - types=LIST: only resources of these types, by either name: TIMERWRAP,uv_fs_t,... or embedder
 *   (all that the program makes itself, with whatever names).
 *
 * The items of a list are parted by ',' or '+'. While the program runs, all but file= can be
 * changed; types=all shows those of all types again.
 */
#include "log.h"

const char log_plugin_name[] = "log";

static void on_event(const struct uvhooks_event *event, void *data)
{
	(void) data;
	log_event(event, NULL);
}

static int log_init(struct uvhooks_plugin_args *args)
{
	static bool begun; /* in a dry run, too: so that it says what will be */
	struct log_options options = {0};

	if (log_options_read(args, NULL, &options) != 0)
		return -1;
	if (begun)
		return uvhooks_plugin_error(args, "there is one log in a process, and it has begun "
						  "with other options: name it once");
	if (args->dry_run && log_file_check(args, options.file) != 0)
		return -1;
	begun = true;
	if (args->dry_run)
		return 0;
	log_options_set(&options);
	if (log_start(args) != 0)
		return -1;
	return log_hook(args, options.events, on_event);
}

static int log_configure(struct uvhooks_plugin_args *args)
{
	struct log_options options = *atomic_load(&log_options);

	if (log_options_read(args, NULL, &options) != 0)
		return -1;
	if (options.file != NULL)
		return uvhooks_plugin_error(args, "file= is chosen when the log begins");
	if (args->dry_run)
		return 0;
	if (log_hook_again(args, options.events, on_event) != 0)
		return -1;
	log_options_set(&options);
	return 0;
}

static void log_status(char *text, size_t bytes)
{
	log_file_status(text, bytes);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "log",
    .summary = "one line per event: " LOG_OPTIONS,
    .init = log_init,
    .configure = log_configure,
    .status = log_status,
};
