/* SPDX-License-Identifier: MIT */
/*
 * The recorder plugin: every event into a trace that survives the process.
 *
 * - dir=DIR: the folder of the trace; each process makes a folder of its own in it. Relative to the
 *   folder that each process starts in. It is made if it is missing.
 * - ring=SIZE: a flight recorder: the newest packets only, never more than SIZE on disk for each
 *   process, and 64K of memory a thread. With K, M or G.
 * - max_size=SIZE: record until a process has written SIZE; count what comes after.
 *
 * include/uvhooks/trace.h says what is in the folder.
 */
#include "recorder.h"

#include <errno.h>
#include <string.h>

static int recorder_init(struct uvhooks_plugin_args *args)
{
	if (recorder_options_read(args) != 0)
		return -1;
	if (args->dry_run)
		return 0;
	if (!uvhooks_present())
		return uvhooks_plugin_error(args, "libuvhooks.so is not in this process");
	if (recorder_streams_start() != 0 || !recorder_begin())
		return uvhooks_plugin_error(args, "dir=%s: %s", recorder_options.dir,
					    strerror(errno));
	if (recorder_hook() != 0)
		return uvhooks_plugin_error(args, "no memory for a hook");
	return 0;
}

__attribute__((destructor)) static void at_exit(void)
{
	int saved_errno = errno;

	recorder_end();
	errno = saved_errno;
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "recorder",
    .summary = "a crash-safe trace of all events: dir=DIR, ring=SIZE or max_size=SIZE",
    .init = recorder_init,
};
