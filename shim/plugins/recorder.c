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
 * - details=1: how a resource stands is told when it is made and armed.
 *
 * - frozen=1: with ring=. After the start only memory is written to: for programs that forbid
 *   themselves system calls (seccomp). For 64 threads at most, and not in children of a fork.
 *
 * While the program runs (configure):
 *
 * - dir=DIR, and the others beside it: a recording begins, with what lives already told first.
 * - stop=1: it ends as it does at the end of the process. Then events cost nothing again.
 * - dump=DIR: what there is of it now, as a trace of its own, while it goes on.
 * - dir=DIR,snapshot=1: a trace of what lives now and how it stands, finished at once, whether or
 *   not a recording goes on. At the start, too.
 *
 * include/uvhooks/trace.h says what is in the folder.
 */
#include "recorder.h"

#include <errno.h>
#include <string.h>

static int recorder_init(struct uvhooks_plugin_args *args)
{
	static struct recorder_request request; /* large */

	if (recorder_options_read(args, &request) != 0)
		return -1;
	if (request.stop || request.dump[0] != '\0')
		return uvhooks_plugin_error(args, "%s: nothing is recorded yet",
					    request.stop ? "stop=1" : "dump=");
	if (request.options.dir[0] == '\0')
		return uvhooks_plugin_error(args, "dir=DIR is missing: the folder of the trace");
	if (args->dry_run)
		return 0;
	if (!uvhooks_present())
		return uvhooks_plugin_error(args, "libuvhooks.so is not in this process");
	return recorder_configure(args);
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
    .configure = recorder_configure,
    .status = recorder_status,
};
