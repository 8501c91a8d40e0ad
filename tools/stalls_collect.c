/* SPDX-License-Identifier: MIT */
/*
 * What each event says of callbacks that ran long. A thread's callbacks, work and loops are kept on
 * a stack here as they are in the reader, with what is seen while they run: samples of the watchdog
 * and calls of the file system. It is thrown away with a callback that was quick.
 */
#include "stalls.h"

#include <stdlib.h>

struct frame {
	enum { CALLBACK, WORK, LOOP } kind;
	bool on_loop; /* a loop waits for it */
	uvhooks_async_id id;
	struct uvh_stall_inside inside;
};

/* Invariant: frames[0..depth) are what event->depth of the thread's latest event counts. */
struct uvh_stall_state {
	struct uvh_trace_thread *thread;
	struct frame *frames;
	size_t depth, room;
	/* A call of the file system whose stack may follow. */
	struct uvh_stall_call call;
	bool call_waits;
	/* Of a watchdog: what it looked at, until the stack follows. */
	struct uvh_stall_state *stuck;
	uvhooks_async_id stuck_id;
	/* The latest that ran too long. */
	struct uvh_stall_row *row;
	uvhooks_async_id row_id;
	bool top_left; /* all has been read, and what was on top then is told */
	/* A loop ran already when the first was seen of this thread: since then, if not longer. */
	int64_t first_ns;
	bool assumed;
	uvhooks_async_id assumed_id; /* of something in it */
};

/* Pointers to states must last, so each stands for itself; a thread's `user` points to it. */
static struct uvh_stall_state *state_of(struct uvh_stalls *stalls, struct uvh_trace_thread *thread)
{
	if (thread->user == NULL) {
		struct uvh_stall_state *state = uvh_zeros(1, sizeof(*state));

		state->thread = thread;
		thread->user = state;
		stalls->states = uvh_grow(stalls->states, &stalls->state_room,
					  stalls->state_count + 1, sizeof(*stalls->states));
		stalls->states[stalls->state_count++] = state;
	}
	return thread->user;
}

static void drop_frames(struct uvh_stall_state *state, size_t depth)
{
	while (state->depth > depth)
		uvh_stalls_free_inside(&state->frames[--state->depth].inside);
}

static bool is_loop_below(const struct uvh_stall_state *state)
{
	return state->depth > 0 && state->frames[state->depth - 1].on_loop;
}

/* libuv calls what is its own from a loop only; a thread's function is called by nobody's. */
static bool is_on_loop(const struct uvh_stall_state *state, const struct uvh_trace_event *event)
{
	if (event->event == UVHOOKS_EVENT_LOOP_ENTER)
		return true;
	if (event->event == UVHOOKS_EVENT_WORK_BEGIN ||
	    uvhooks_type_kind(event->type) == UVHOOKS_KIND_THREAD)
		return false;
	return uvh_is_libuvs(event->type) || is_loop_below(state);
}

static bool is_inside_loop(const struct uvh_stall_state *state)
{
	for (size_t i = 0; i < state->depth; i++)
		if (state->frames[i].kind == LOOP)
			return true;
	return state->assumed;
}

/* libuv calls what is its own from a loop only: where none was seen to begin, it has before. */
static void assume_loop(struct uvh_stall_state *state, const struct uvh_trace_event *event)
{
	if (event->event != UVHOOKS_EVENT_BEFORE || event->no_loop || is_inside_loop(state) ||
	    !uvh_is_libuvs(event->type))
		return;
	state->assumed = true;
	state->assumed_id = event->async_id;
}

static void enter(struct uvh_stall_state *state, const struct uvh_trace_event *event)
{
	struct frame frame = {
	    .kind = event->event == UVHOOKS_EVENT_LOOP_ENTER   ? LOOP
		    : event->event == UVHOOKS_EVENT_WORK_BEGIN ? WORK
							       : CALLBACK,
	    .id = event->async_id,
	};

	drop_frames(state, event->depth);
	frame.on_loop = is_on_loop(state, event);
	/* What lies below and was not seen to begin is nothing. */
	state->frames = uvh_grow(state->frames, &state->room, (size_t) event->depth + 1,
				 sizeof(*state->frames));
	while (state->depth < event->depth)
		state->frames[state->depth++] = (struct frame){
		    .kind = CALLBACK, .id = event->async_id, .on_loop = frame.on_loop};
	assume_loop(state, event);
	state->frames[state->depth++] = frame;
}

/* A loop that runs inside another one is no time of its own; nor is one inside itself. */
static void add_loop_time(struct uvh_stalls *stalls, const struct uvh_stall_state *state,
			  const struct uvh_trace_event *event)
{
	const unsigned int space = uvhooks_id_space(event->async_id);
	bool inside_any = state->assumed;
	bool inside_itself = state->assumed && uvhooks_id_space(state->assumed_id) == space;

	for (size_t i = 0; i < event->depth && i < state->depth; i++) {
		const struct frame *frame = &state->frames[i];

		inside_any |= frame->kind == LOOP;
		inside_itself |= frame->kind == LOOP && uvhooks_id_space(frame->id) == space;
	}
	if (!inside_any)
		stalls->elapsed_ns += event->ran_ns;
	if (!inside_itself)
		uvh_stalls_loop(stalls, event->process, space)->elapsed_ns += event->ran_ns;
}

static void end_assumed(struct uvh_stalls *stalls, struct uvh_stall_state *state,
			const struct uvh_trace_process *process, int64_t now_ns)
{
	const int64_t ns = uvh_trace_within(stalls->trace, state->first_ns, now_ns);

	if (!state->assumed)
		return;
	state->assumed = false;
	/* If it ran inside another one, that goes on. */
	state->first_ns = now_ns;
	stalls->elapsed_ns += ns;
	uvh_stalls_loop(stalls, process, uvhooks_id_space(state->assumed_id))->elapsed_ns += ns;
}

static const struct uvh_stall_inside nothing;

/* How long it ran itself, in the window or not. */
static int64_t length_of(const struct uvh_trace_event *event)
{
	return event->time_ns - event->begin_ns - event->inner_ns;
}

static void add_run(struct uvh_stalls *stalls, struct uvh_stall_state *state,
		    const struct uvh_trace_event *event, const struct uvh_stall_inside *inside)
{
	const struct uvh_trace_resource *resource = event->resource;
	const int64_t ns = event->self_ns;
	struct uvh_stall_row *row;

	stalls->callbacks++;
	if (ns > stalls->longest.longest_ns) {
		stalls->longest.process = resource->process;
		stalls->longest.callback = event->callback;
		stalls->longest.type = resource->type;
		stalls->longest.fs_type = resource->fs_type;
		stalls->longest.init_stack = resource->init_stack;
		stalls->longest.longest_ns = ns;
		stalls->longest.begin_ns = event->begin_ns;
		stalls->longest.id = resource->id;
	}
	if (length_of(event) < stalls->over_ns || (ns == 0 && length_of(event) > 0))
		return;
	row = uvh_stalls_row(stalls, resource, event->callback);
	row->count++;
	row->total_ns += ns;
	row->fs_ns += uvh_stalls_calls_ns(inside);
	uvh_stalls_merge_inside(&row->inside, inside);
	uvh_stalls_loop(stalls, resource->process, uvhooks_id_space(resource->id))->blocked_ns +=
	    ns;
	if (ns > row->longest_ns)
		uvh_stalls_longest(row, resource, event->begin_ns, ns);
	if (event->unfinished && ns > row->open_ns)
		row->open_ns = ns;
	state->row = row;
	state->row_id = resource->id;
}

static void add_open(struct uvh_stalls *stalls, const struct uvh_trace_event *event)
{
	stalls->open = uvh_grow(stalls->open, &stalls->open_room, stalls->open_count + 1,
				sizeof(*stalls->open));
	stalls->open[stalls->open_count++] = (struct uvh_stall_open){
	    .process = event->process,
	    .id = event->async_id,
	    .callback = event->callback,
	    .type = event->type,
	    .fs_type = event->fs_type,
	    .begin_ns = event->begin_ns,
	};
}

/* The process was killed in it, or still runs: how long it will have run is not known. */
static bool is_open(const struct uvh_stalls *stalls, const struct uvh_trace_event *event)
{
	return event->unfinished && !event->process->ended &&
	       event->process->last_ns <= stalls->to_ns && length_of(event) < stalls->over_ns;
}

static void leave(struct uvh_stalls *stalls, struct uvh_stall_state *state,
		  const struct uvh_trace_event *event, bool wanted)
{
	const struct frame *frame =
	    event->depth < state->depth ? &state->frames[event->depth] : NULL;
	bool known = frame != NULL && frame->id == event->async_id;

	if (event->event == UVHOOKS_EVENT_LOOP_EXIT && event->begin_ns != 0)
		add_loop_time(stalls, state, event);
	else if (event->event == UVHOOKS_EVENT_LOOP_EXIT)
		end_assumed(stalls, state, event->process, event->time_ns);
	if (event->event == UVHOOKS_EVENT_AFTER && event->begin_ns != 0 && wanted &&
	    (known ? frame->on_loop : is_on_loop(state, event))) {
		if (!is_open(stalls, event))
			add_run(stalls, state, event, known ? &frame->inside : &nothing);
		else if (!state->top_left)
			add_open(stalls, event);
	}
	drop_frames(state, event->depth);
}

/* The stack of a call comes right behind it, or not at all. */
static void settle_call(struct uvh_stalls *stalls, struct uvh_stall_state *state)
{
	state->call_waits = false;
	if (state->depth > 0)
		uvh_stalls_add_call(&state->frames[state->depth - 1].inside, &state->call);
	/* Numbers of stacks are those of one process. */
	state->call.stack = 0;
	uvh_stalls_add_call(&stalls->calls, &state->call);
}

static void add_call(const struct uvh_stalls *stalls, struct uvh_stall_state *state,
		     const struct uvh_trace_event *event)
{
	int64_t begin_ns = event->process->start_ns, ns;

	/* Not before there was anything: what a file says is not to be trusted. */
	if (event->duration_ns < event->time_ns - begin_ns)
		begin_ns = event->time_ns - event->duration_ns;
	ns = uvh_trace_within(stalls->trace, begin_ns, event->time_ns);

	if (!is_loop_below(state))
		return;
	state->call_waits = true;
	state->call = (struct uvh_stall_call){
	    .fs_type = event->fs_type,
	    .count = 1,
	    .ns = ns,
	    .longest_ns = ns,
	};
}

static struct frame *frame_of(struct uvh_stall_state *state, uvhooks_async_id id)
{
	for (size_t i = state->depth; i > 0; i--)
		if (state->frames[i - 1].kind == CALLBACK && state->frames[i - 1].id == id)
			return &state->frames[i - 1];
	return NULL;
}

/* The kernel gives the id of a thread that has ended to another one. */
static struct uvh_stall_state *stuck_thread(struct uvh_stalls *stalls,
					    const struct uvh_trace_event *event)
{
	struct uvh_stall_state *found = NULL;

	for (size_t i = uvh_trace_thread_count(event->process); i > 0; i--) {
		struct uvh_trace_thread *thread = uvh_trace_thread(event->process, i - 1);

		if (thread->thread_id != event->other_thread_id)
			continue;
		found = state_of(stalls, thread);
		if (frame_of(found, event->async_id) != NULL)
			return found;
	}
	return found;
}

/* What was sampled: a callback that runs, or the one that has just returned. */
static struct uvh_stall_inside *sampled(const struct uvh_stall_state *watchdog)
{
	struct uvh_stall_state *stuck = watchdog->stuck;
	struct frame *frame;

	if (stuck == NULL)
		return NULL;
	frame = frame_of(stuck, watchdog->stuck_id);
	if (frame != NULL)
		return &frame->inside;
	return stuck->row != NULL && stuck->row_id == watchdog->stuck_id ? &stuck->row->inside
									 : NULL;
}

static void add_stall(struct uvh_stalls *stalls, struct uvh_stall_state *state,
		      const struct uvh_trace_event *event)
{
	stalls->samples_seen = true;
	state->stuck = stuck_thread(stalls, event);
	state->stuck_id = event->async_id;
	if (sampled(state) != NULL)
		uvh_stalls_add_sample(sampled(state), 0, 1);
}

/* The sample was counted as one without a stack. */
static void add_stack(struct uvh_stall_state *state, const struct uvh_trace_event *event)
{
	struct uvh_stall_inside *inside;

	if (event->stack_of == UVHOOKS_EVENT_FS_CALL && state->call_waits)
		state->call.stack = event->stack;
	if (event->stack_of != UVHOOKS_EVENT_STALL || event->stack == 0)
		return;
	inside = sampled(state);
	state->stuck = NULL;
	for (size_t i = 0; inside != NULL && i < inside->sample_count; i++)
		if (inside->samples[i].stack == 0 && inside->samples[i].count > 0) {
			inside->samples[i].count--;
			uvh_stalls_add_sample(inside, event->stack, 1);
			return;
		}
}

void uvh_stalls_add(struct uvh_stalls *stalls, const struct uvh_trace_event *event)
{
	struct uvh_stall_state *state = state_of(stalls, event->thread);
	bool wanted = uvh_trace_filter_wants(stalls->filter, stalls->trace, event);

	if (state->first_ns == 0)
		state->first_ns = event->time_ns;
	if (state->call_waits && event->event != UVH_TRACE_STACK)
		settle_call(stalls, state);
	switch (event->event) {
	case UVHOOKS_EVENT_BEFORE:
	case UVHOOKS_EVENT_WORK_BEGIN:
	case UVHOOKS_EVENT_LOOP_ENTER:
		enter(state, event);
		break;
	case UVHOOKS_EVENT_AFTER:
	case UVHOOKS_EVENT_WORK_END:
	case UVHOOKS_EVENT_LOOP_EXIT:
		leave(stalls, state, event, wanted);
		break;
	case UVHOOKS_EVENT_FS_CALL:
		if (wanted)
			add_call(stalls, state, event);
		break;
	case UVHOOKS_EVENT_STALL:
		add_stall(stalls, state, event);
		break;
	case UVH_TRACE_STACK:
		add_stack(state, event);
		break;
	}
}

/* What had not returned when all was read, the innermost first. */
static void add_running(const struct uvh_trace_event *event, void *data)
{
	struct uvh_stalls *stalls = data;
	struct uvh_stall_state *state = state_of(stalls, event->thread);

	leave(stalls, state, event, uvh_trace_filter_wants(stalls->filter, stalls->trace, event));
	state->top_left = true;
}

void uvh_stalls_end(struct uvh_stalls *stalls)
{
	for (size_t i = 0; i < stalls->state_count; i++)
		if (stalls->states[i]->call_waits)
			settle_call(stalls, stalls->states[i]);
	uvh_trace_for_each_running(stalls->trace, add_running, stalls);
	for (size_t i = 0; i < stalls->state_count; i++)
		end_assumed(stalls, stalls->states[i], stalls->states[i]->thread->process,
			    stalls->states[i]->thread->process->last_ns);
	uvh_stalls_merge_rows(stalls);
}

void uvh_stalls_free(struct uvh_stalls *stalls)
{
	for (size_t i = 0; i < stalls->state_count; i++) {
		stalls->states[i]->thread->user = NULL;
		drop_frames(stalls->states[i], 0);
		free(stalls->states[i]->frames);
		free(stalls->states[i]);
	}
	for (size_t i = 0; i < stalls->row_count; i++) {
		uvh_stalls_free_inside(&stalls->rows[i]->inside);
		free(stalls->rows[i]);
	}
	uvh_stalls_free_inside(&stalls->calls);
	uvh_index_free(&stalls->row_index);
	free(stalls->states);
	free(stalls->rows);
	free(stalls->loops);
	free(stalls->open);
}
