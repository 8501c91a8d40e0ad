/* SPDX-License-Identifier: MIT */
/*
 * Beginning and ending recordings while the program runs.
 *
 * A thread may be on its way through a hook when the recording ends, for as long as it is kept
 * waiting. On the hot path it writes to its own buffer only, whose address stays good for ever;
 * what it writes there comes after the end. On the slow path it is counted, and waited for; who
 * comes later finds the recording stopped and turns back. So nothing of a trace is touched once it
 * has ended.
 *
 * A new recording has another number. Each thread begins anew when it sees that with its next
 * event: what belongs to a thread, only that thread resets.
 */
#include "recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool wanted; /* also in the child of a fork, which has not begun yet */
static bool begun;  /* once, here or in the parent */

bool recorder_is_wanted(void)
{
	return wanted;
}

static void count_one(const struct uvhooks_resource *resource, void *data)
{
	(void) resource;
	(void) data;
}

int recorder_start(struct uvhooks_plugin_args *args, const struct recorder_options *options)
{
	const bool forked = begun && atomic_load(&recorder_process->state) == RECORDER_FORKED;
	struct recorder_guard guard;
	bool late, done;
	int error;

	recorder_options = *options;
	recorder_guard_enter(&guard);
	done = recorder_begin(forked);
	error = errno;
	/* Before the hook: what is made from now on tells itself. */
	late = done && uvhooks_for_each_resource(count_one, NULL) > 0;
	recorder_tell_begin(late);
	if (done && recorder_hook(true) != 0) {
		error = ENOMEM;
		atomic_store(&recorder_process->state, RECORDER_STOPPED);
		done = false;
	}
	wanted = begun = done;
	if (done) {
		recorder_publish();
		if (late)
			recorder_tell_late();
	}
	recorder_guard_leave(&guard);
	return done ? 0 : uvhooks_plugin_error(args, "dir=%s: %s", options->dir, strerror(error));
}

void recorder_stop(void)
{
	struct recorder_guard guard;
	struct recorder_stream *stream;

	recorder_hook(false);
	wanted = false;
	if (atomic_load(&recorder_process->state) != RECORDER_RUNS)
		return; /* the child of a fork has recorded nothing yet */
	recorder_guard_enter(&guard);
	stream = recorder_own_stream((uint32_t) syscall(SYS_gettid));
	atomic_store(&recorder_process->state, RECORDER_STOPPED);
	while (atomic_load(&recorder_process->slow) != 0)
		recorder_pause();
	if (stream != NULL)
		recorder_streams_end();
	recorder_finish(false);
	recorder_buffers_leave();
	recorder_frozen = false;
	recorder_guard_leave(&guard);
}

static int take_snapshot(struct uvhooks_plugin_args *args, const struct recorder_options *options)
{
	const int error = recorder_snapshot(options);

	return error == 0 ? 0
			  : uvhooks_plugin_error(args, "dir=%s: %s", options->dir, strerror(error));
}

static int dump(struct uvhooks_plugin_args *args, const char *dir)
{
	int error;

	if (atomic_load(&recorder_process->state) != RECORDER_RUNS)
		return uvhooks_plugin_error(args, "dump=: nothing is recorded; dir=DIR begins");
	if (recorder_frozen)
		return uvhooks_plugin_error(args,
					    "dump=: a frozen recording is in memory only: take "
					    "a core file with gcore, and `uvhooks recover` it");
	error = recorder_dump(dir);
	return error == 0 ? 0 : uvhooks_plugin_error(args, "dump=%s: %s", dir, strerror(error));
}

/* What goes on, and what is asked for: do they go together? */
static int check(struct uvhooks_plugin_args *args, const struct recorder_request *request)
{
	const bool begins = request->options.dir[0] != '\0' && !request->snapshot;

	if (request->options.frozen && begun)
		return uvhooks_plugin_error(args, "frozen=1: only when the plugin is loaded");
	if (request->stop && !wanted)
		return uvhooks_plugin_error(args, "stop=1: nothing is recorded");
	if (begins && wanted && !request->stop)
		return uvhooks_plugin_error(args, "dir=: a recording to %s goes on; stop=1 ends it",
					    recorder_options.dir);
	if (!begins && request->has_sizes && !request->snapshot)
		return uvhooks_plugin_error(args, "ring= and max_size= are chosen when a recording "
						  "begins, with dir=DIR");
	if (!begins && request->has_details && !request->snapshot && !wanted)
		return uvhooks_plugin_error(args, "details=: nothing is recorded; dir=DIR begins");
	return 0;
}

int recorder_configure(struct uvhooks_plugin_args *args)
{
	static struct recorder_request request; /* large */

	if (recorder_options_read(args, &request) != 0 || check(args, &request) != 0)
		return -1;
	if (args->dry_run)
		return 0;
	if (!recorder_prepare())
		return uvhooks_plugin_error(args, "no memory, or no key for threads");
	if (request.dump[0] != '\0' && dump(args, request.dump) != 0)
		return -1;
	if (request.stop)
		recorder_stop();
	if (request.snapshot)
		return take_snapshot(args, &request.options);
	if (request.options.dir[0] != '\0')
		return recorder_start(args, &request.options);
	if (request.has_details) {
		recorder_options.details = request.options.details;
		recorder_streams_nudge();
	}
	return 0;
}

void recorder_status(char *text, size_t bytes)
{
	char ring[64] = "";

	if (!wanted) {
		snprintf(text, bytes, "records nothing; dir=DIR begins");
		return;
	}
	if (atomic_load(&recorder_process->state) != RECORDER_RUNS) {
		snprintf(text, bytes, "records to %s with the next event", recorder_options.dir);
		return;
	}
	if (recorder_options.ring_bytes != 0)
		snprintf(ring, sizeof(ring), ", of which the newest %" PRIu64 " are kept",
			 recorder_options.ring_bytes);
	snprintf(text, bytes, "%" PRIu64 " bytes%s, %" PRIu64 " events lost, to %s",
		 atomic_load(&recorder_bytes_written), ring,
		 atomic_load(&recorder_counters.events_discarded), recorder_main.folder);
}
