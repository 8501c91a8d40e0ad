/* SPDX-License-Identifier: MIT */
/* Loops: how busy they were, what kept them so, and how late their timers came. */
#include "report.h"

#include <string.h>

static struct uvh_report_loop *loop_of(struct uvh_trace_process *process, uvhooks_async_id id)
{
	struct uvh_report_process *state = uvh_report_process(process);
	unsigned int space = uvhooks_id_space(id);
	struct uvh_report_loop *loop;

	state->loops =
	    uvh_grow(state->loops, &state->loop_room, (size_t) space + 1, sizeof(*state->loops));
	loop = state->loops[space];
	if (loop == NULL) {
		loop = uvh_zeros(1, sizeof(*loop));
		loop->process = process;
		loop->space = space;
		state->loops[space] = loop;
	}
	return loop;
}

static void leave(const struct uvh_report *report, struct uvh_report_loop *loop, int64_t now_ns)
{
	struct uvh_report_thread *thread = uvh_report_thread(loop->thread);

	loop->elapsed_ns += uvh_trace_within(report->trace, loop->enter_ns, now_ns);
	loop->running = 0;
	if (thread->loop == loop)
		thread->loop = loop->outer;
	loop->outer = NULL;
}

static void enter(struct uvh_report_loop *loop, struct uvh_trace_thread *thread, int64_t now_ns,
		  unsigned int depth)
{
	struct uvh_report_thread *state = uvh_report_thread(thread);

	loop->running = 1;
	loop->enter_ns = now_ns;
	loop->depth = depth;
	loop->thread = thread;
	loop->outer = state->loop;
	state->loop = loop;
}

static bool is_running_on(const struct uvh_report_loop *loop, const struct uvh_trace_thread *thread)
{
	const struct uvh_report_loop *other = uvh_report_thread(loop->thread)->loop;

	while (other != NULL && other != loop)
		other = other->outer;
	return other == loop && loop->thread == thread;
}

void uvh_report_loop_enter(struct uvh_report *report, const struct uvh_trace_event *event)
{
	struct uvh_report_loop *loop = loop_of(event->process, event->async_id);

	if (event->time_ns >= report->from_ns && event->time_ns <= report->to_ns)
		loop->runs++;
	if (loop->running > 0 && is_running_on(loop, event->thread) &&
	    event->depth >= loop->depth) {
		loop->running++;
		return;
	}
	/* A run whose end is not in the trace, or was jumped over. */
	if (loop->running > 0)
		leave(report, loop, event->time_ns);
	enter(loop, event->thread, event->time_ns, event->depth + 1);
}

void uvh_report_loop_exit(struct uvh_report *report, const struct uvh_trace_event *event)
{
	struct uvh_report_loop *loop = loop_of(event->process, event->async_id);

	if (loop->running > 1 && event->depth >= loop->depth)
		loop->running--;
	else if (loop->running > 0)
		leave(report, loop, event->time_ns);
}

/*
 * libuv calls what is its own from a loop only: where none is known to run, it ran before recording
 * did.
 */
void uvh_report_loop_assume(const struct uvh_trace_event *event)
{
	struct uvh_report_thread *thread = uvh_report_thread(event->thread);

	if (thread->loop != NULL || event->no_loop || !uvh_is_libuvs(event->type))
		return;
	enter(loop_of(event->process, event->async_id), event->thread, thread->first_ns,
	      event->depth);
	thread->loop->assumed = true;
}

/* The loop that has called this callback itself; NULL where another callback did, or none. */
static struct uvh_report_loop *calling_loop(const struct uvh_trace_event *event)
{
	const struct uvh_report_thread *thread = uvh_report_thread(event->thread);

	if (thread->loop == NULL || thread->loop->depth != event->depth)
		return NULL;
	return thread->loop;
}

/* Keeps the longest of all, the longest first. */
static void keep(struct uvh_report_moment *moments, size_t count,
		 const struct uvh_report_moment *moment)
{
	size_t at = count - 1;

	if (moment->ns <= moments[at].ns)
		return;
	for (; at > 0 && moments[at - 1].ns < moment->ns; at--)
		moments[at] = moments[at - 1];
	moments[at] = *moment;
}

static struct uvh_report_moment moment_of(const struct uvh_trace_event *event, int64_t ns)
{
	return (struct uvh_report_moment){
	    .ns = ns,
	    .begin_ns = event->time_ns,
	    .id = event->async_id,
	    .type = event->type,
	    .fs_type = event->fs_type,
	    .callback = event->callback,
	};
}

static void add_delay(const struct uvh_trace_event *event)
{
	struct uvh_report_loop *loop = loop_of(event->process, event->async_id);
	struct uvh_report_moment moment = moment_of(event, event->time_ns - event->due_ns);

	uvh_histogram_add(&loop->delay, moment.ns);
	keep(loop->latest, UVH_REPORT_LATEST, &moment);
}

/* Such handles are called once in each iteration of their loop. */
static bool is_once_an_iteration(unsigned int type)
{
	return type == UVHOOKS_PREPAREWRAP || type == UVHOOKS_CHECKWRAP || type == UVHOOKS_IDLEWRAP;
}

/* Of a handle that is older than the window the reader counts what was before it, too. */
static void add_iteration(const struct uvh_report *report, struct uvh_report_loop *loop,
			  const struct uvh_trace_event *event)
{
	uint64_t runs = event->resource->runs;

	if (event->resource->init_ns < report->from_ns) {
		if (loop->old == 0) {
			loop->old = event->async_id;
			loop->old_runs = runs - 1;
		}
		runs = loop->old == event->async_id ? runs - loop->old_runs : 0;
	}
	if (runs > loop->iterations)
		loop->iterations = runs;
}

static void add_callback(struct uvh_report_loop *loop, int64_t begin_ns)
{
	loop->callbacks++;
	if (loop->last_end_ns == 0 || begin_ns - loop->last_end_ns > UVH_REPORT_BURST_NS)
		loop->bursts++;
}

void uvh_report_loop_before(struct uvh_report *report, const struct uvh_trace_event *event)
{
	struct uvh_report_loop *loop = calling_loop(event);

	if (event->due_ns != 0 && (event->flags & UVHOOKS_FLAG_CLOSING) == 0)
		add_delay(event);
	if (loop == NULL)
		return;
	add_callback(loop, event->time_ns);
	if (is_once_an_iteration(event->type))
		add_iteration(report, loop, event);
}

void uvh_report_loop_after(struct uvh_report *report, const struct uvh_trace_event *event)
{
	struct uvh_report_loop *loop = calling_loop(event);
	struct uvh_report_moment moment;

	if (loop == NULL)
		return;
	if (event->begin_ns < report->from_ns)
		add_callback(loop, event->begin_ns);
	loop->busy_ns += event->ran_ns;
	loop->last_end_ns = event->time_ns;
	if (event->ran_ns <= loop->longest[UVH_REPORT_LONGEST - 1].ns)
		return;
	moment = moment_of(event, event->ran_ns);
	moment.begin_ns = event->begin_ns;
	moment.unfinished = event->unfinished;
	keep(loop->longest, UVH_REPORT_LONGEST, &moment);
}

/* The trace has ended, and perhaps not a loop that ran before it began. */
void uvh_report_loop_end(struct uvh_report *report, struct uvh_report_loop *loop)
{
	if (loop->running > 0)
		leave(report, loop, loop->process->last_ns);
}
