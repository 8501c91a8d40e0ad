/* SPDX-License-Identifier: MIT */
/* What runs on a thread: callbacks, work and loops, one inside the other. */
#include "trace_parts.h"

#include <stdlib.h>

/* How far below the top a frame is looked for. What has ended is the top, as a rule. */
#define SEARCH_MAX 256

#define FIRST_FRAMES 16

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

	if (stream->depth != 0) {
		frame[-1].inner_ns += frame->inner_ns;
		frame[-1].inner_ran_ns += frame->inner_ran_ns;
	}
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
void uvh_frames_mend(struct uvh_stream *stream, unsigned int event, const struct uvh_record *record)
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
		event->ran_ns =
		    uvh_trace_within(stream->folder->trace, frame->begin_ns, event->time_ns);
		event->self_ns = event->ran_ns - frame->inner_ran_ns;
		/* The frame below counts all of it, not only what was inside of it. */
		frame->inner_ns = event->time_ns - frame->begin_ns;
		frame->inner_ran_ns = event->ran_ns;
	}
	drop_frame(stream);
}

void uvh_frames_follow(struct uvh_stream *stream, struct uvh_trace_event *event, bool is_short)
{
	int kind = kind_begun(event->event);

	if (kind >= 0)
		enter(stream, event, kind);
	else if ((kind = kind_ended(event->event)) >= 0)
		leave(stream, event, kind, is_short);
	else
		event->depth = stream->depth;
}

void uvh_frames_drop(struct uvh_stream *stream)
{
	drop_frames(stream, 0);
}

bool uvh_frames_end(struct uvh_stream *stream, struct uvh_trace_event *event)
{
	static const unsigned int ends[] = {
	    [UVH_FRAME_CALLBACK] = UVHOOKS_EVENT_AFTER,
	    [UVH_FRAME_WORK] = UVHOOKS_EVENT_WORK_END,
	    [UVH_FRAME_LOOP] = UVHOOKS_EVENT_LOOP_EXIT,
	};
	struct uvh_trace *trace = stream->folder->trace;
	const struct uvh_frame *top;
	struct uvh_resource *resource;

	if (stream->depth == 0)
		return false;
	top = &stream->frames[stream->depth - 1];
	resource = top->resource;
	*event = (struct uvh_trace_event){
	    .event = ends[top->kind],
	    .fs_type = UVHOOKS_FS_NONE,
	    .time_ns = stream->folder->process.last_ns,
	    .async_id = top->id,
	    .execution_async_id = top->id,
	    .unfinished = true,
	    .process = &stream->folder->process,
	    .thread = stream->thread,
	};
	/* Where the headers of packets are wrong. */
	if (event->time_ns < stream->last_ns)
		event->time_ns = stream->last_ns;
	if (event->time_ns > trace->to_ns)
		event->time_ns = trace->to_ns;
	if (resource != NULL) {
		event->resource = &resource->shown;
		event->type = resource->shown.type;
		event->fs_type = resource->shown.fs_type;
		event->no_loop = resource->shown.no_loop;
		event->trigger_async_id = resource->shown.trigger_async_id;
		trace->parting = resource;
	}
	leave(stream, event, (int) top->kind, true);
	return true;
}
