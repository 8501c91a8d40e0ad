/* SPDX-License-Identifier: MIT */
/*
 * From records to events. What a short record leaves out is known from the resource and from the
 * stack of the thread, and both are kept here.
 */
#include "trace_parts.h"

#include <stdlib.h>

#include "../shim/reading.h"

/* A stack that is deeper is none: its afters are missing. */
#define FRAMES_MAX 65536

/* How far below the top a frame is looked for. What has ended is the top, as a rule. */
#define SEARCH_MAX 256

#define FIRST_FRAMES 16

#define MS_NS INT64_C(1000000)

static bool is_top_level(uvhooks_async_id id)
{
	return uvhooks_id_sequence(id) == 1;
}

static bool is_in_libuv(uvhooks_async_id id)
{
	return uvhooks_id_sequence(id) == 0;
}

/* Leaves the frame on top. What ran inside a frame that is left so ran in the one below, too. */
static void drop_frame(struct uvh_stream *stream)
{
	struct uvh_frame *frame = &stream->frames[--stream->depth];

	if (stream->depth != 0)
		frame[-1].inner_ns += frame->inner_ns;
	if (frame->resource != NULL)
		uvh_resource_release(frame->resource);
}

static void drop_frames(struct uvh_stream *stream, unsigned int depth)
{
	while (stream->depth > depth)
		drop_frame(stream);
}

static void push_frame(struct uvh_stream *stream, const struct uvh_frame *pushed)
{
	if (stream->depth == FRAMES_MAX)
		drop_frames(stream, 0);
	if (stream->depth == stream->room) {
		unsigned int room = stream->room == 0 ? FIRST_FRAMES : stream->room * 2;
		struct uvh_frame *frames =
		    reallocarray(stream->frames, room, sizeof(*stream->frames));

		if (frames == NULL) {
			uvh_damage_memory(stream->folder->trace);
			return;
		}
		stream->frames = frames;
		stream->room = room;
	}
	stream->frames[stream->depth++] = *pushed;
	if (pushed->resource != NULL)
		uvh_resource_hold(pushed->resource);
}

/* The depth of the uppermost frame of a kind and an id; -1 if there is none. */
static int find_frame(const struct uvh_stream *stream, int kind, uvhooks_async_id id)
{
	unsigned int lowest = stream->depth > SEARCH_MAX ? stream->depth - SEARCH_MAX : 0;

	for (unsigned int i = stream->depth; i > lowest; i--) {
		const struct uvh_frame *frame = &stream->frames[i - 1];

		if (frame->id == id && (kind < 0 || frame->kind == (enum uvh_frame_kind) kind))
			return (int) i - 1;
	}
	return -1;
}

/* Down to the frame that holds it all: the loop, in all likelihood the one that was there before.
 */
static void drop_to_loop(struct uvh_stream *stream, uvhooks_async_id id)
{
	while (stream->depth != 0) {
		const struct uvh_frame *top = &stream->frames[stream->depth - 1];

		if (top->kind == UVH_FRAME_LOOP &&
		    uvhooks_id_space(top->id) == uvhooks_id_space(id))
			return;
		drop_frame(stream);
	}
}

/*
 * The stack is what `execution` says, as far as that can be known. An id that is not on it began
 * while nothing was read.
 */
static void mend_stack(struct uvh_stream *stream, uvhooks_async_id execution)
{
	struct uvh_frame frame = {.id = execution, .kind = UVH_FRAME_CALLBACK};
	int found = find_frame(stream, -1, execution);

	if (is_top_level(execution) || found >= 0) {
		drop_frames(stream, (unsigned int) (found + 1));
		return;
	}
	drop_to_loop(stream, execution);
	if (is_in_libuv(execution))
		frame.kind = UVH_FRAME_LOOP;
	else
		frame.resource = uvh_resource_find(stream->folder, execution);
	push_frame(stream, &frame);
}

/*
 * Something is missing in front of this record. The execution id of the packet was taken during its
 * first event; so if that begins a callback, it tells nothing of what was on the stack before, and
 * some events tell themselves.
 */
static void mend(struct uvh_stream *stream, unsigned int event, const struct uvh_record *record)
{
	uvhooks_async_id execution = stream->execution;

	stream->gap = false;
	if (event == UVHOOKS_EVENT_LOOP_ENTER)
		execution = record->execution;
	if ((event == UVHOOKS_EVENT_BEFORE || event == UVHOOKS_EVENT_WORK_BEGIN) &&
	    execution == record->id)
		drop_to_loop(stream, record->id);
	else
		mend_stack(stream, execution);
	/* A callback that runs now may have ended and begun again. */
	for (unsigned int i = 0; i < stream->depth; i++) {
		if (stream->frames[i].kind != UVH_FRAME_LOOP)
			stream->frames[i].begin_ns = 0;
	}
}

/* What `kind` is entered by and left by an event; -1: it is neither. */
static int kind_begun(unsigned int event)
{
	switch (event) {
	case UVHOOKS_EVENT_BEFORE:
		return UVH_FRAME_CALLBACK;
	case UVHOOKS_EVENT_WORK_BEGIN:
		return UVH_FRAME_WORK;
	case UVHOOKS_EVENT_LOOP_ENTER:
		return UVH_FRAME_LOOP;
	}
	return -1;
}

static int kind_ended(unsigned int event)
{
	switch (event) {
	case UVHOOKS_EVENT_AFTER:
		return UVH_FRAME_CALLBACK;
	case UVHOOKS_EVENT_WORK_END:
		return UVH_FRAME_WORK;
	case UVHOOKS_EVENT_LOOP_EXIT:
		return UVH_FRAME_LOOP;
	}
	return -1;
}

static void enter(struct uvh_stream *stream, struct uvh_trace_event *event, int kind)
{
	struct uvh_resource *resource = (struct uvh_resource *) event->resource;
	struct uvh_frame frame = {
	    .id = event->async_id,
	    .kind = (enum uvh_frame_kind) kind,
	    .callback = event->callback,
	    .flags = event->flags,
	    .begin_ns = event->time_ns,
	    .resource = resource == &stream->folder->stranger ? NULL : resource,
	};

	event->depth = stream->depth;
	push_frame(stream, &frame);
}

static void leave(struct uvh_stream *stream, struct uvh_trace_event *event, int kind, bool is_short)
{
	int found = find_frame(stream, kind, event->async_id);
	struct uvh_frame *frame;

	event->depth = stream->depth;
	if (found < 0) {
		/* That it was the latest armed is likely. */
		if (is_short && event->resource != NULL)
			event->callback = event->resource->callback;
		return;
	}
	drop_frames(stream, (unsigned int) found + 1);
	frame = &stream->frames[found];
	event->depth = (unsigned int) found;
	if (is_short) {
		event->callback = frame->callback;
		event->flags = frame->flags;
		if (event->callback == 0 && event->resource != NULL)
			event->callback = event->resource->callback;
	}
	if (frame->begin_ns != 0) {
		event->begin_ns = frame->begin_ns;
		event->inner_ns = frame->inner_ns;
		/* The frame below counts all of it, not only what was inside of it. */
		frame->inner_ns = event->time_ns - frame->begin_ns;
	}
	drop_frame(stream);
}

int64_t uvh_monotonic_ms(const struct uvh_stream *stream, uint64_t ms)
{
	const struct uvh_clock *clock = &stream->folder->clock;
	int64_t ns;

	if (!clock->has_monotonic || ms == 0 || ms > INT64_MAX ||
	    __builtin_mul_overflow((int64_t) ms, MS_NS, &ns) ||
	    __builtin_add_overflow(ns, clock->from_monotonic_ns, &ns))
		return 0;
	return ns > 0 ? ns : 0;
}

/* Of a record with the low 32 bits of it: when a timer is due. 0: not known. */
static int64_t due_ns(const struct uvh_stream *stream, enum uvh_layout layout,
		      const struct uvh_record *record)
{
	const struct uvh_clock *clock = &stream->folder->clock;
	int64_t now_ns, due_ms;

	if (!clock->has_monotonic || (layout != UVH_LAYOUT_run_due && layout != UVH_LAYOUT_arm_due))
		return 0;
	if (__builtin_sub_overflow(stream->next_ns, clock->from_monotonic_ns, &now_ns))
		return 0;
	due_ms = now_ns / MS_NS;
	due_ms += (int32_t) ((uint32_t) record->due_ms - (uint32_t) due_ms);
	return due_ms < 0 ? 0 : uvh_monotonic_ms(stream, (uint64_t) due_ms);
}

/* What a record that has it all says of its resource. */
static void describe(struct uvh_resource *resource, unsigned int event, enum uvh_layout layout,
		     const struct uvh_record *record)
{
	struct uvh_trace_resource *shown = &resource->shown;

	if (layout != UVH_LAYOUT_wide && layout != UVH_LAYOUT_init)
		return;
	shown->type = record->type;
	shown->fs_type = record->fs_type;
	shown->no_loop = (record->flags & UVHOOKS_TRACE_NO_LOOP) != 0;
	if (event != UVH_TRACE_RESOURCE || record->trigger != 0)
		uvh_resource_trigger(resource, record->trigger);
}

/* As its events would tell, from how it stands. */
static bool is_armed(unsigned int type, unsigned int flags)
{
	if (uvh_is_read(type))
		return (flags & UVHOOKS_STATE_READING) != 0;
	return uvhooks_type_kind(type) == UVHOOKS_KIND_HANDLE &&
	       (flags & UVHOOKS_STATE_ACTIVE) != 0 && (flags & UVHOOKS_STATE_CLOSING) == 0;
}

static void on_init(struct uvh_trace_resource *shown, const struct uvh_stream *stream,
		    const struct uvh_trace_event *event)
{
	shown->execution_async_id = event->execution_async_id;
	shown->init_ns = event->time_ns;
	shown->init_seen = true;
	shown->thread = (uint32_t) stream->thread->index;
	shown->callback = event->callback;
	if (uvhooks_type_kind(shown->type) == UVHOOKS_KIND_REQUEST)
		shown->init_callback = event->callback;
}

static void on_before(struct uvh_trace_resource *shown, struct uvh_trace_event *event,
		      enum uvh_layout layout, int64_t next_due_ns)
{
	shown->runs++;
	shown->before_ns = event->time_ns;
	shown->after_ns = 0;
	if (event->callback != 0)
		shown->callback = event->callback;
	if ((event->flags & UVHOOKS_FLAG_CLOSING) != 0) {
		shown->armed = false;
		shown->due_ns = 0;
	} else if (shown->type == UVHOOKS_TIMERWRAP) {
		event->due_ns = shown->due_ns;
		shown->due_ns = next_due_ns;
		/* A wide record does not say whether it repeats. */
		if (layout == UVH_LAYOUT_run)
			shown->armed = false;
		else if (layout == UVH_LAYOUT_run_due)
			shown->armed = !shown->destroyed;
	}
}

static void on_start(struct uvh_trace_resource *shown, const struct uvh_trace_event *event,
		     int64_t next_due_ns)
{
	shown->armed = !shown->destroyed;
	shown->start_ns = event->time_ns;
	shown->arm_async_id = event->other_async_id;
	shown->due_ns = next_due_ns;
	if (event->callback != 0)
		shown->callback = event->callback;
}

/* The record of an event that is about a resource: what happens to that. */
static void happen(struct uvh_stream *stream, struct uvh_trace_event *event, enum uvh_layout layout,
		   const struct uvh_record *record)
{
	struct uvh_resource *resource = (struct uvh_resource *) event->resource;
	struct uvh_trace_resource *shown = event->resource;
	bool is_short = layout != UVH_LAYOUT_wide;

	switch (event->event) {
	case UVHOOKS_EVENT_INIT:
		on_init(shown, stream, event);
		break;
	case UVHOOKS_EVENT_BEFORE:
		on_before(shown, event, layout, due_ns(stream, layout, record));
		break;
	case UVHOOKS_EVENT_AFTER:
		shown->after_ns = event->time_ns;
		if (event->begin_ns != 0)
			shown->run_ns += event->time_ns - event->begin_ns;
		break;
	case UVHOOKS_EVENT_DESTROY:
		uvh_resource_destroy(resource);
		break;
	case UVHOOKS_EVENT_START:
		if (is_short)
			event->other_async_id = event->execution_async_id;
		on_start(shown, event, due_ns(stream, layout, record));
		break;
	case UVHOOKS_EVENT_STOP:
		if (is_short)
			event->other_async_id = shown->arm_async_id;
		shown->armed = false;
		shown->due_ns = 0;
		break;
	case UVHOOKS_EVENT_WORK_BEGIN:
		shown->work_begin_ns = event->time_ns;
		break;
	case UVHOOKS_EVENT_WORK_END:
		shown->work_end_ns = event->time_ns;
		break;
	case UVHOOKS_EVENT_REF:
	case UVHOOKS_EVENT_UNREF:
		shown->unref = event->event == UVHOOKS_EVENT_UNREF;
		break;
	case UVHOOKS_EVENT_POOL_END:
		shown->pool_end_ns = event->time_ns;
		shown->pool_thread = (uint32_t) stream->thread->index;
		break;
	case UVH_TRACE_STACK:
		if (event->stack_of == UVHOOKS_EVENT_INIT ||
		    (event->stack_of == UVH_TRACE_RESOURCE && stream->stacks == 0))
			shown->init_stack = event->stack;
		else if (event->stack_of == UVHOOKS_EVENT_START ||
			 event->stack_of == UVH_TRACE_RESOURCE)
			shown->start_stack = event->stack;
		break;
	case UVH_TRACE_STATE:
		uvh_resource_state(resource, stream, record);
		/* Of one that is older than the trace nothing else tells that. */
		if (!shown->init_seen && shown->start_ns == 0)
			shown->armed = is_armed(shown->type, record->flags);
		break;
	case UVH_TRACE_RESOURCE:
		shown->arm_async_id = event->other_async_id;
		if (event->callback != 0)
			shown->callback = event->callback;
		break;
	}
}

/* The execution id of a short record that does not have it. */
static uvhooks_async_id implied_execution(enum uvh_layout layout, unsigned int event,
					  const struct uvh_record *record)
{
	uvhooks_async_id in_libuv = record->id >> UVHOOKS_ID_SEQUENCE_BITS
						      << UVHOOKS_ID_SEQUENCE_BITS;

	switch (layout) {
	case UVH_LAYOUT_run:
	case UVH_LAYOUT_run_due:
		return record->id;
	case UVH_LAYOUT_id:
		return event == UVHOOKS_EVENT_DESTROY ? in_libuv : record->id;
	case UVH_LAYOUT_wake:
		return in_libuv;
	case UVH_LAYOUT_init:
	case UVH_LAYOUT_inside:
	case UVH_LAYOUT_arm:
	case UVH_LAYOUT_arm_due:
	case UVH_LAYOUT_wide:
	case UVH_LAYOUT_of:
	case UVH_LAYOUT_stuck:
	case UVH_LAYOUT_stack:
	case UVH_LAYOUT_stack_wide:
	case UVH_LAYOUT_state:
		break;
	case UVH_LAYOUT_call:
		return record->id;
	}
	return record->execution;
}

/* uv_run in a callback has the trigger of that; a thread's function counts as top level here. */
static void of_loop(struct uvh_stream *stream, struct uvh_trace_event *event,
		    enum uvh_layout layout, const struct uvh_record *record)
{
	const struct uvh_resource *runs = NULL;

	event->resource = NULL;
	event->type = record->type;
	event->fs_type = record->fs_type;
	event->no_loop = (record->flags & UVHOOKS_TRACE_NO_LOOP) != 0;
	event->trigger_async_id = record->trigger;
	if (layout == UVH_LAYOUT_wide)
		return;
	event->fs_type = UVHOOKS_FS_NONE;
	if (stream->depth > (event->event == UVHOOKS_EVENT_LOOP_EXIT ? 1 : 0))
		runs = uvh_resource_find(stream->folder, record->execution);
	if (runs != NULL && runs->shown.type != UVHOOKS_UVTHREAD)
		event->trigger_async_id = runs->shown.trigger_async_id;
}

static void of_resource(struct uvh_stream *stream, struct uvh_trace_event *event,
			enum uvh_layout layout, const struct uvh_record *record)
{
	struct uvh_resource *resource = NULL;

	/* What ends is what began last, as a rule; no need to look it up. */
	if (layout == UVH_LAYOUT_id && stream->depth != 0 &&
	    stream->frames[stream->depth - 1].id == record->id)
		resource = stream->frames[stream->depth - 1].resource;
	if (resource == NULL)
		resource = uvh_resource_get(stream->folder, record->id);
	describe(resource, event->event, layout, record);
	event->resource = &resource->shown;
	event->type = resource->shown.type;
	event->fs_type = resource->shown.fs_type;
	event->no_loop = resource->shown.no_loop;
	event->trigger_async_id = resource->shown.trigger_async_id;
	/* It ran, or runs, after its destroy. */
	if ((event->flags & UVHOOKS_FLAG_AFTER_DESTROY) != 0)
		uvh_resource_destroy(resource);
}

/* A call that ran while its caller waited is no resource; the caller's callback is one. */
static void of_caller(struct uvh_stream *stream, struct uvh_trace_event *event,
		      const struct uvh_record *record)
{
	struct uvh_resource *caller = uvh_resource_find(stream->folder, record->id);

	event->resource = caller == NULL ? NULL : &caller->shown;
	event->type = UVHOOKS_FSREQCALLBACK;
	event->fs_type = event->event == UVHOOKS_EVENT_FS_CALL ? record->fs_type : UVHOOKS_FS_NONE;
	event->no_loop = false;
	event->trigger_async_id = caller == NULL ? 0 : caller->shown.trigger_async_id;
}

/* What only some records have. */
static void take_rare(const struct uvh_stream *stream, struct uvh_trace_event *event,
		      enum uvh_layout layout, const struct uvh_record *record)
{
	event->duration_ns = 0;
	event->other_thread_id = event->stack = 0;
	event->stack_of = stream->event;
	if (layout == UVH_LAYOUT_call || layout == UVH_LAYOUT_stuck)
		event->duration_ns =
		    record->duration_ns > INT64_MAX ? INT64_MAX : (int64_t) record->duration_ns;
	if (layout == UVH_LAYOUT_stuck)
		event->other_thread_id = record->thread_id;
	if (layout == UVH_LAYOUT_stack || layout == UVH_LAYOUT_stack_wide)
		event->stack = record->stack;
}

/* Of what is it? */
static void find_subject(struct uvh_stream *stream, struct uvh_trace_event *event,
			 enum uvh_layout layout, const struct uvh_record *record)
{
	switch (event->event) {
	case UVHOOKS_EVENT_LOOP_ENTER:
	case UVHOOKS_EVENT_LOOP_EXIT:
	case UVHOOKS_EVENT_LOOP_BUSY:
		of_loop(stream, event, layout, record);
		break;
	case UVHOOKS_EVENT_FS_CALL:
		of_caller(stream, event, record);
		break;
	case UVH_TRACE_STACK:
		if (event->stack_of == UVHOOKS_EVENT_FS_CALL) {
			of_caller(stream, event, record);
			break;
		}
		/* fallthrough */
	default:
		of_resource(stream, event, layout, record);
	}
}

/* Another thread has taken the stream over; on its stack is nothing yet. */
static void hand_over(struct uvh_stream *stream)
{
	stream->thread = uvh_thread_add(stream->folder, stream->instance, stream->next_thread_id);
	stream->next_thread_id = 0;
	drop_frames(stream, 0);
}

void uvh_stream_event(struct uvh_stream *stream, struct uvh_trace_event *event)
{
	struct uvh_trace *trace = stream->folder->trace;
	struct uvh_record record;
	enum uvh_layout layout = uvh_stream_record(stream, &event->event, &record);
	int kind;

	event->ticks = stream->ticks;
	event->time_ns = stream->next_ns;
	event->process = &stream->folder->process;
	event->flags = record.flags & (uint16_t) ~UVHOOKS_TRACE_NO_LOOP;
	event->async_id = record.id;
	event->execution_async_id = implied_execution(layout, event->event, &record);
	event->other_async_id = record.other;
	event->callback = record.callback;
	event->begin_ns = event->inner_ns = event->due_ns = 0;
	if (UVH_UNLIKELY(stream->next_thread_id != 0))
		hand_over(stream);
	event->thread = stream->thread;
	if (UVH_UNLIKELY(stream->gap))
		mend(stream, event->event, &record);
	take_rare(stream, event, layout, &record);
	find_subject(stream, event, layout, &record);
	/* Good until the next event, even if its last frame is left now. */
	if (event->resource != NULL &&
	    (event->resource->destroyed || event->event == UVHOOKS_EVENT_DESTROY))
		trace->parting = (struct uvh_resource *) event->resource;
	kind = kind_begun(event->event);
	if (kind >= 0) {
		enter(stream, event, kind);
	} else if ((kind = kind_ended(event->event)) >= 0) {
		leave(stream, event, kind, layout != UVH_LAYOUT_wide);
	} else {
		event->depth = stream->depth;
	}
	if (event->resource != NULL)
		happen(stream, event, layout, &record);
	if (event->event == UVH_TRACE_STACK) {
		stream->stacks++;
	} else if (event->event != UVH_TRACE_STATE) {
		stream->event = event->event;
		stream->stacks = 0;
	}
}
