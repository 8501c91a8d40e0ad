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
	uint64_t callback;
	uint16_t type;
	int16_t fs_type;
	int64_t begin_ns;
	int64_t inner_ns;
	int64_t stalled_ns; /* it ran at least so long, says the watchdog */
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
	enum uvhooks_kind kind = uvhooks_type_kind(event->type);

	if (event->event == UVHOOKS_EVENT_LOOP_ENTER)
		return true;
	if (event->event == UVHOOKS_EVENT_WORK_BEGIN || kind == UVHOOKS_KIND_THREAD)
		return false;
	return kind == UVHOOKS_KIND_HANDLE || kind == UVHOOKS_KIND_REQUEST || is_loop_below(state);
}

static void enter(struct uvh_stall_state *state, const struct uvh_trace_event *event)
{
	struct frame frame = {
	    .kind = event->event == UVHOOKS_EVENT_LOOP_ENTER   ? LOOP
		    : event->event == UVHOOKS_EVENT_WORK_BEGIN ? WORK
							       : CALLBACK,
	    .id = event->async_id,
	    .callback = event->callback,
	    .type = event->type,
	    .fs_type = event->fs_type,
	    .begin_ns = event->time_ns,
	};

	drop_frames(state, event->depth);
	frame.on_loop = is_on_loop(state, event);
	/* What lies below and was not seen to begin is nothing. */
	state->frames = uvh_grow(state->frames, &state->room, (size_t) event->depth + 1,
				 sizeof(*state->frames));
	while (state->depth < event->depth)
		state->frames[state->depth++] = (struct frame){
		    .kind = CALLBACK, .id = event->async_id, .on_loop = frame.on_loop};
	state->frames[state->depth++] = frame;
}

static int64_t within(const struct uvh_stalls *stalls, int64_t begin_ns, int64_t end_ns)
{
	if (begin_ns < stalls->from_ns)
		begin_ns = stalls->from_ns;
	if (end_ns > stalls->to_ns)
		end_ns = stalls->to_ns;
	return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

/* A loop that runs inside another one is no time of its own; nor is one inside itself. */
static void add_loop_time(struct uvh_stalls *stalls, const struct uvh_stall_state *state,
			  size_t depth, int64_t begin_ns, int64_t end_ns, uvhooks_async_id id)
{
	const unsigned int space = uvhooks_id_space(id);
	const int64_t ns = within(stalls, begin_ns, end_ns);
	bool inside_any = false, inside_itself = false;

	for (size_t i = 0; i < depth && i < state->depth; i++) {
		const struct frame *frame = &state->frames[i];

		inside_any |= frame->kind == LOOP;
		inside_itself |= frame->kind == LOOP && uvhooks_id_space(frame->id) == space;
	}
	if (!inside_any)
		stalls->elapsed_ns += ns;
	if (!inside_itself)
		uvh_stalls_loop(stalls, state->thread->process, space)->elapsed_ns += ns;
}

static const struct uvh_stall_inside nothing;

/* It ran itself for so long. */
static void add_run(struct uvh_stalls *stalls, struct uvh_stall_state *state,
		    const struct uvh_trace_resource *resource, uint64_t callback, int64_t begin_ns,
		    int64_t ns, const struct uvh_stall_inside *inside)
{
	struct uvh_stall_row *row;

	stalls->callbacks++;
	if (ns > stalls->longest.longest_ns) {
		stalls->longest.process = resource->process;
		stalls->longest.callback = callback;
		stalls->longest.type = resource->type;
		stalls->longest.fs_type = resource->fs_type;
		stalls->longest.init_stack = resource->init_stack;
		stalls->longest.longest_ns = ns;
		stalls->longest.begin_ns = begin_ns;
		stalls->longest.id = resource->id;
	}
	if (ns < stalls->over_ns)
		return;
	row = uvh_stalls_row(stalls, resource, callback);
	row->count++;
	row->total_ns += ns;
	row->fs_ns += uvh_stalls_calls_ns(inside);
	uvh_stalls_merge_inside(&row->inside, inside);
	uvh_stalls_loop(stalls, resource->process, uvhooks_id_space(resource->id))->blocked_ns +=
	    ns;
	if (ns > row->longest_ns)
		uvh_stalls_longest(row, resource, begin_ns, ns);
	state->row = row;
	state->row_id = resource->id;
}

static void leave(struct uvh_stalls *stalls, struct uvh_stall_state *state,
		  const struct uvh_trace_event *event, bool wanted)
{
	const struct frame *frame =
	    event->depth < state->depth ? &state->frames[event->depth] : NULL;
	bool known = frame != NULL && frame->id == event->async_id;

	if (event->event == UVHOOKS_EVENT_LOOP_EXIT && event->begin_ns != 0)
		add_loop_time(stalls, state, event->depth, event->begin_ns, event->time_ns,
			      event->async_id);
	if (event->event == UVHOOKS_EVENT_AFTER && event->begin_ns != 0 && wanted &&
	    (known ? frame->on_loop : is_on_loop(state, event)))
		add_run(stalls, state, event->resource, event->callback, event->begin_ns,
			event->time_ns - event->begin_ns - event->inner_ns,
			known ? &frame->inside : &nothing);
	drop_frames(state, event->depth);
	if (state->depth > 0 && event->begin_ns != 0)
		state->frames[state->depth - 1].inner_ns += event->time_ns - event->begin_ns;
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

/* Not more than has passed since the beginning: what a file says is not to be trusted. */
static int64_t duration_of(const struct uvh_trace_event *event, int64_t since_ns)
{
	int64_t most_ns = event->time_ns > since_ns ? event->time_ns - since_ns : 0;

	if (event->duration_ns < 0)
		return 0;
	return event->duration_ns < most_ns ? event->duration_ns : most_ns;
}

static void add_call(struct uvh_stall_state *state, const struct uvh_trace_event *event)
{
	int64_t ns = duration_of(event, event->process->start_ns);

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
	struct frame *frame;

	stalls->samples_seen = true;
	state->stuck = stuck_thread(stalls, event);
	state->stuck_id = event->async_id;
	if (state->stuck == NULL)
		return;
	frame = frame_of(state->stuck, event->async_id);
	if (frame != NULL && duration_of(event, frame->begin_ns) > frame->stalled_ns)
		frame->stalled_ns = duration_of(event, frame->begin_ns);
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
			add_call(state, event);
		break;
	case UVHOOKS_EVENT_STALL:
		add_stall(stalls, state, event);
		break;
	case UVH_TRACE_STACK:
		add_stack(state, event);
		break;
	}
}

static void add_open(struct uvh_stalls *stalls, const struct uvh_stall_state *state,
		     const struct frame *frame)
{
	stalls->open = uvh_grow(stalls->open, &stalls->open_room, stalls->open_count + 1,
				sizeof(*stalls->open));
	stalls->open[stalls->open_count++] = (struct uvh_stall_open){
	    .process = state->thread->process,
	    .id = frame->id,
	    .callback = frame->callback,
	    .type = frame->type,
	    .fs_type = frame->fs_type,
	    .begin_ns = frame->begin_ns,
	};
}

/* A callback that had not returned when the trace ended. */
static void end_frame(struct uvh_stalls *stalls, struct uvh_stall_state *state,
		      const struct frame *frame, int64_t end_ns, bool is_top)
{
	const struct uvh_trace_process *process = state->thread->process;
	const struct uvh_trace_resource *resource =
	    uvh_trace_find(stalls->trace, process, frame->id);
	int64_t ns = end_ns - frame->begin_ns - frame->inner_ns;

	if (resource == NULL || !frame->on_loop ||
	    !uvh_trace_filter_wants_resource(stalls->filter, resource))
		return;
	if (ns >= stalls->over_ns) {
		add_run(stalls, state, resource, frame->callback, frame->begin_ns, ns,
			&frame->inside);
		if (ns > state->row->open_ns)
			state->row->open_ns = ns;
	} else if (is_top && !process->ended) {
		add_open(stalls, state, frame);
	}
}

static void end_thread(struct uvh_stalls *stalls, struct uvh_stall_state *state)
{
	int64_t end_ns = state->thread->process->last_ns;

	if (state->call_waits)
		settle_call(stalls, state);
	if (end_ns > stalls->to_ns)
		end_ns = stalls->to_ns;
	for (size_t i = 0; i < state->depth; i++)
		if (state->frames[i].begin_ns + state->frames[i].stalled_ns > end_ns)
			end_ns = state->frames[i].begin_ns + state->frames[i].stalled_ns;
	for (size_t i = state->depth; i > 0; i--) {
		struct frame *frame = &state->frames[i - 1];

		if (frame->begin_ns == 0)
			continue;
		if (i > 1)
			frame[-1].inner_ns += end_ns - frame->begin_ns;
		if (frame->kind == CALLBACK)
			end_frame(stalls, state, frame, end_ns, i == state->depth);
		else if (frame->kind == LOOP)
			add_loop_time(stalls, state, i - 1, frame->begin_ns, end_ns, frame->id);
	}
	drop_frames(state, 0);
	free(state->frames);
	state->frames = NULL;
}

void uvh_stalls_end(struct uvh_stalls *stalls)
{
	for (size_t i = 0; i < stalls->state_count; i++)
		end_thread(stalls, stalls->states[i]);
	uvh_stalls_merge_rows(stalls);
}

void uvh_stalls_free(struct uvh_stalls *stalls)
{
	for (size_t i = 0; i < stalls->state_count; i++) {
		stalls->states[i]->thread->user = NULL;
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
