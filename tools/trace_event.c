/* SPDX-License-Identifier: MIT */
/*
 * From records to events. What a short record leaves out is known from the resource, and from what
 * runs on the thread: trace_frames.c.
 */
#include "trace_parts.h"

#include "../shim/reading.h"

#define MS_NS INT64_C(1000000)

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

/* Does it say all that there is to say? */
static bool is_wide(enum uvh_layout layout)
{
	return layout == UVH_LAYOUT_wide || layout == UVH_LAYOUT_wide_due;
}

static bool has_due(enum uvh_layout layout)
{
	return layout == UVH_LAYOUT_run_due || layout == UVH_LAYOUT_arm_due ||
	       layout == UVH_LAYOUT_wide_due;
}

/* Of a record with the low 32 bits of it: when a timer is due. 0: not known. */
static int64_t due_ns(const struct uvh_stream *stream, enum uvh_layout layout,
		      const struct uvh_record *record)
{
	const struct uvh_clock *clock = &stream->folder->clock;
	int64_t now_ns, due_ms;

	if (!clock->has_monotonic || !has_due(layout))
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

	if (!is_wide(layout) && layout != UVH_LAYOUT_init)
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
		shown->armed = has_due(layout) && !shown->destroyed;
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
	bool is_short = !is_wide(layout);

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
	case UVH_LAYOUT_wide_due:
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
	if (is_wide(layout))
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
	uvh_frames_drop(stream);
}

void uvh_stream_event(struct uvh_stream *stream, struct uvh_trace_event *event)
{
	struct uvh_trace *trace = stream->folder->trace;
	struct uvh_record record;
	enum uvh_layout layout = uvh_stream_record(stream, &event->event, &record);

	event->ticks = stream->ticks;
	event->time_ns = stream->next_ns;
	event->process = &stream->folder->process;
	event->flags = record.flags & (uint16_t) ~UVHOOKS_TRACE_NO_LOOP;
	event->async_id = record.id;
	event->execution_async_id = implied_execution(layout, event->event, &record);
	event->other_async_id = record.other;
	event->callback = record.callback;
	event->begin_ns = event->inner_ns = event->due_ns = 0;
	event->ran_ns = event->self_ns = 0;
	event->unfinished = false;
	if (UVH_UNLIKELY(stream->next_thread_id != 0))
		hand_over(stream);
	event->thread = stream->thread;
	if (UVH_UNLIKELY(stream->gap))
		uvh_frames_mend(stream, event->event, &record);
	take_rare(stream, event, layout, &record);
	find_subject(stream, event, layout, &record);
	/* Good until the next event, even if its last frame is left now. */
	if (event->resource != NULL &&
	    (event->resource->destroyed || event->event == UVHOOKS_EVENT_DESTROY))
		trace->parting = (struct uvh_resource *) event->resource;
	uvh_frames_follow(stream, event, !is_wide(layout));
	if (event->resource != NULL)
		happen(stream, event, layout, &record);
	if (event->event == UVH_TRACE_STACK) {
		stream->stacks++;
	} else if (event->event != UVH_TRACE_STATE) {
		stream->event = event->event;
		stream->stacks = 0;
	}
}
