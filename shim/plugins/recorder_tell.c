/* SPDX-License-Identifier: MIT */
/*
 * Telling what lives: when recording begins late, when it ends, when a loop cannot be closed, and,
 * in a flight recorder, again and again. Who reads has not seen the inits of these resources, or
 * cannot ask any more how they stand.
 */
#include "recorder.h"

#include <sys/syscall.h>
#include <unistd.h>

struct listing {
	struct recorder_stream *stream;
	uvhooks_async_id except; /* it is about to be told otherwise */
	unsigned int space;
	bool all_spaces;
	bool with_states; /* where the loops are this thread's, and at rest */
	uint64_t left;
	uint64_t ticks; /* before the resource was looked at: it may be destroyed since */
};

static atomic_bool told; /* what was alive when recording began */
static bool late;        /* recording began when there was something */

void recorder_tell_begin(bool is_late)
{
	late = is_late;
	atomic_store(&told, is_late); /* recorder_tell_late() does */
}

void recorder_tell_values(const struct uvhooks_resource *resource, struct recorder_values *values)
{
	*values = (struct recorder_values){
	    .id = resource->async_id,
	    .trigger = resource->trigger_async_id,
	    .other = resource->arm_async_id,
	    .callback = (uintptr_t) resource->callback,
	    .flags = resource->loop == NULL ? UVHOOKS_TRACE_NO_LOOP : 0,
	    .type = resource->type,
	    .fs_type = (uint64_t) (int64_t) resource->fs_type,
	};
}

/* Stacks are defined up to a number, so the later one's will do. */
void recorder_tell_definitions(const struct uvhooks_resource *resource)
{
	if (resource->callback != NULL)
		recorder_define_callback(resource->callback);
	recorder_define_type(resource->type);
	recorder_define_stacks(resource->init_stack > resource->start_stack
				   ? resource->init_stack
				   : resource->start_stack);
}

static void define(const struct uvhooks_resource *resource)
{
	recorder_lock();
	recorder_tell_definitions(resource);
	recorder_unlock();
}

static void tell(const struct uvhooks_resource *resource, void *data)
{
	struct listing *listing = data;
	struct recorder_stream *stream = listing->stream;
	const uint64_t ticks = listing->ticks;
	struct recorder_values values;

	listing->ticks = recorder_ticks();
	if (listing->left == 0 || resource->async_id == listing->except ||
	    (!listing->all_spaces && uvhooks_id_space(resource->async_id) != listing->space))
		return;
	listing->left--;
	define(resource);
	recorder_tell_values(resource, &values);
	recorder_make_room(stream, resource->async_id, ticks);
	recorder_record_put(stream, UVHOOKS_TRACE_RESOURCE, ticks, &values);
	recorder_record_places(stream, resource, ticks);
	if (listing->with_states)
		recorder_record_state(stream, resource->async_id, resource->type, resource->pointer,
				      ticks);
}

static void tell_all(struct listing *listing)
{
	listing->ticks = recorder_ticks();
	uvhooks_for_each_resource(tell, listing);
}

/* A part of the ring that is bounded, or all of them. */
static uint64_t part_of_ring(unsigned int part)
{
	return recorder_options.ring_bytes == 0
		   ? UINT64_MAX
		   : recorder_options.ring_bytes / part / RECORDER_RECORD_BYTES;
}

/* Does the event say that this thread drives the loop of the resource? */
static bool is_driven_here(const struct uvhooks_event *event)
{
	return event->event != UVHOOKS_EVENT_WORK_BEGIN && event->event != UVHOOKS_EVENT_WORK_END &&
	       event->event != UVHOOKS_EVENT_WAKEUP && event->event != UVHOOKS_EVENT_POOL_END &&
	       event->event != UVHOOKS_EVENT_STALL;
}

/*
 * By each thread those of its loop: by a flight recorder from time to time, and once, with their
 * states, where recording began late.
 */
void recorder_tell_again(struct recorder_stream *stream, const struct uvhooks_event *event)
{
	const unsigned int generation = atomic_load(&recorder_generation);
	struct listing listing = {.stream = stream, .left = part_of_ring(16)};

	listing.except = event->event == UVHOOKS_EVENT_INIT ? event->async_id : UVHOOKS_ID_UNSET;
	listing.space = uvhooks_id_space(event->async_id);
	listing.all_spaces = !atomic_exchange(&told, true);
	if (late && stream->untold && is_driven_here(event)) {
		listing.with_states = true;
		stream->untold = false;
	}
	if (stream->generation == generation && !listing.all_spaces && !listing.with_states)
		return;
	stream->generation = generation;
	tell_all(&listing);
}

void recorder_tell_late(void)
{
	struct listing listing = {
	    .stream = recorder_own_stream((uint32_t) syscall(SYS_gettid)),
	    .except = UVHOOKS_ID_UNSET,
	    .all_spaces = true,
	    .with_states = true,
	    .left = part_of_ring(4),
	};

	if (listing.stream == NULL)
		return;
	listing.stream->untold = false;
	tell_all(&listing);
	recorder_follow_buffer(listing.stream);
}

void recorder_tell_states(struct recorder_stream *stream, bool all_spaces, uvhooks_async_id loop)
{
	struct listing listing = {
	    .stream = stream,
	    .except = UVHOOKS_ID_UNSET,
	    .space = uvhooks_id_space(loop),
	    .all_spaces = all_spaces,
	    .with_states = true,
	    .left = part_of_ring(4),
	};

	tell_all(&listing);
}
