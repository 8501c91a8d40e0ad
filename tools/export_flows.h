/* SPDX-License-Identifier: MIT */
/*
 * From events to slices, lives and arrows.
 *
 * A slice is what ran in a thread: a callback, work, a loop (uv_run), or the thread's top-level
 * code, which begins with the first event at top level and ends with the thread's last event.
 * Slices of one thread nest strictly: one that has no end in the trace (it was left by an exception
 * or longjmp, the process was killed, or --to was reached) ends with the one that it runs within,
 * or where the trace ends.
 *
 * A life is that of a resource: from its init, or the first event that tells of it, to its destroy,
 * or to where the trace of its process ends. A resource that changes its type has two.
 *
 * THE RULE OF ARROWS. Every callback and every work is an effect, and has exactly one arrow if what
 * brought it about happened within a slice of the trace. That is
 *
 *   of work          the init of the request: where it was submitted
 *   of a callback    of an uv_async_t: where it was sent, which is in the latest slice of the
 *                    sender when the loop wakes up. If that slice runs still, the arrow begins at
 *                    the wake-up; if it has ended, at its end: the trace does not say when in it.
 *                    of a work request, its work's end
 *                    of a promise: where the promise that triggered it was resolved
 *                    of others, and where none of this is known: the latest start, else the init
 *
 * and the arrow begins in the innermost slice that ran then and there. One cause may have many
 * effects: a timer that repeats, or a stream that is read from, was started once. No event tells
 * who closed a handle: its close callback has the cause of the others.
 *
 * With filters an arrow is there if both its ends are.
 *
 * Invariant: an arrow never begins after it ends, and both ends lie in slices of the export.
 */
#ifndef UVH_EXPORT_FLOWS_H
#define UVH_EXPORT_FLOWS_H

#include <stdbool.h>
#include <stdint.h>
#include <uvhooks/types.h>

#include "trace.h"
#include "trace_filter.h"

enum uvh_slice_kind { UVH_SLICE_TOP_LEVEL, UVH_SLICE_LOOP, UVH_SLICE_WORK, UVH_SLICE_CALLBACK };

/* A moment in a slice. */
struct uvh_cause {
	struct uvh_export_name *name; /* of the slice; NULL: not in the trace */
	const struct uvh_trace_thread *thread;
	int64_t time_ns;
	enum uvhooks_event_type how; /* START, INIT, WAKEUP, WORK_END or PROMISE_RESOLVE */
	bool is_shown;               /* is the slice? */
	uint32_t user;               /* of the slice */
};

struct uvh_slice {
	enum uvh_slice_kind kind;
	bool is_shown; /* the filter wants it */
	bool is_cut;   /* it ends because something else does */
	uint16_t type;
	uint16_t flags;
	int16_t fs_type;
	struct uvh_export_name *name;
	const struct uvh_trace_thread *thread;
	uvhooks_async_id id; /* of the resource; the loop's sequence 0; what runs at top level */
	uvhooks_async_id trigger;
	int64_t begin_ns; /* nanoseconds since 1970, as all times here */
	int64_t end_ns;   /* when it has one */
	int64_t inner_ns; /* in the slices within it */
	struct uvh_cause cause;
	uint32_t user; /* the format's; 0 at first */
};

struct uvh_life {
	const struct uvh_trace_process *process;
	const struct uvh_trace_thread *thread; /* where it began to be heard of */
	struct uvh_export_name *name;
	uvhooks_async_id id;
	uvhooks_async_id trigger;
	uint16_t type;
	uint16_t flags; /* of its destroy */
	int16_t fs_type;
	bool no_loop;
	bool init_seen;
	bool is_alive; /* at the end of the trace */
	int64_t time_ns;
	uint64_t user; /* the format's; 0 at first */
};

/* Is there an arrow to this slice? */
static inline bool uvh_slice_has_arrow(const struct uvh_slice *slice)
{
	return slice->is_shown && slice->cause.name != NULL && slice->cause.is_shown;
}

struct uvh_flow_counts {
	uint64_t slices; /* callbacks and work only; shown ones */
	uint64_t arrows;
	uint64_t lives;
};

struct uvh_export;
struct uvh_export_format;
struct uvh_flows;

/* Tells `format` what the events mean. The `user` of all resources and threads is ours then. */
struct uvh_flows *uvh_flows_new(struct uvh_trace *trace, struct uvh_trace_filter *filter,
				const struct uvh_export_format *format, struct uvh_export *export);
void uvh_flows_event(struct uvh_flows *flows, const struct uvh_trace_event *event);

/* Ends what runs and lives still. */
void uvh_flows_end(struct uvh_flows *flows, struct uvh_flow_counts *counts);

#endif
