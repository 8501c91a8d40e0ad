/* SPDX-License-Identifier: MIT */
/*
 * The slow path: threads come and go, and what is new is defined.
 *
 * A stream belongs to its thread. Only what stands in its file is also touched by whoever ends the
 * process, and for that `busy` is taken. Streams are never freed: when a thread ends, the next one
 * goes on with its stream, in its file. So there are as many as threads lived at one time.
 */
#include "recorder.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"

#define FROZEN_STREAMS 64

/* Where a thread is that has no stream yet: nothing fits into it, so all goes the slow way. */
struct recorder_stream recorder_nobody;

__thread struct recorder_stream *recorder_here __attribute__((tls_model("initial-exec"))) =
    &recorder_nobody;

struct recorder_counters recorder_counters;

static pthread_key_t at_thread_end;
static struct recorder_stream *_Atomic all_streams; /* linked by `next`; only ever added to */
static atomic_ullong instances;
static atomic_uint recordings;

void recorder_stream_hold(struct recorder_stream *stream)
{
	while (atomic_flag_test_and_set_explicit(&stream->busy, memory_order_acquire))
		recorder_pause();
}

void recorder_stream_release(struct recorder_stream *stream)
{
	atomic_flag_clear_explicit(&stream->busy, memory_order_release);
}

static void look_at_clock(uint64_t ticks)
{
	struct recorder_moment moment;
	struct recorder_clock clock;

	if (!recorder_clock_is_due(ticks))
		return;
	recorder_lock();
	recorder_clock_look(&moment, &clock);
	recorder_define_clock(&moment);
	if (!recorder_frozen)
		recorder_metadata_clock(&clock);
	recorder_unlock();
}

static bool is_defined(const struct recorder_stream *stream, const struct uvhooks_event *event)
{
	return uvhooks_sink_knows(&stream->sink, event->callback) &&
	       recorder_is_type_known(event->type) && recorder_are_stacks_known(event->stack);
}

static void define(struct recorder_stream *stream, const struct uvhooks_event *event)
{
	if (is_defined(stream, event))
		return;
	recorder_lock();
	if (event->callback != NULL)
		recorder_define_callback(event->callback);
	if (event->type >= UVHOOKS_TYPE_NAMED)
		recorder_define_type(event->type);
	recorder_define_stacks(event->stack);
	recorder_unlock();
	if (event->callback != NULL)
		stream->sink.callbacks[uvhooks_sink_slot(event->callback)] =
		    uvhooks_sink_bits(event->callback);
}

static void put(struct recorder_stream *stream, const struct uvhooks_event *event, uint64_t ticks)
{
	struct recorder_values values;
	const unsigned int number = recorder_record_number(event, stream->sink.id_base, &values);

	stream->strangers =
	    (event->async_id ^ stream->sink.id_base) >> 32 == 0 ? 0 : stream->strangers + 1;
	recorder_record_put(stream, number, ticks, &values);
	if (RECORDER_UNLIKELY((event->stack | stream->sink.asks) != 0))
		recorder_record_more(stream, event, ticks);
}

/* Is it only the record that is out of the ordinary? */
static bool is_ready(const struct recorder_stream *stream, const struct uvhooks_event *event,
		     uint64_t ticks)
{
	return atomic_load(&recorder_process->state) == RECORDER_RUNS &&
	       event->event != UVHOOKS_EVENT_LOOP_BUSY &&
	       stream->sink.at < __atomic_load_n(&stream->sink.limit, __ATOMIC_RELAXED) &&
	       stream->strangers < RECORDER_STRANGERS_MAX &&
	       stream->generation == atomic_load(&recorder_generation) &&
	       is_defined(stream, event) && !recorder_clock_is_due(ticks);
}

static void get_ready(struct recorder_stream *stream, const struct uvhooks_event *event,
		      uint64_t ticks)
{
	/* When the process ends, each event comes here. */
	if (atomic_load(&recorder_process->state) == RECORDER_RUNS)
		__atomic_store_n(&stream->sink.limit, RECORDER_PACKET_LIMIT, __ATOMIC_SEQ_CST);
	stream->sink.asks = recorder_options.details;
	define(stream, event);
	look_at_clock(ticks);
	recorder_make_room(stream, event->async_id, ticks);
	recorder_tell_again(stream, event);
	recorder_make_room(stream, event->async_id, ticks);
}

static struct recorder_stream *add_stream(void)
{
	struct recorder_stream *stream =
	    mmap(NULL, sizeof(*stream), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stream == MAP_FAILED)
		return NULL;
	/* Without it, recorder_streams_nudge() does it: see recorder_process.c. */
	madvise(stream, sizeof(*stream), MADV_WIPEONFORK);
	stream->instance = atomic_fetch_add(&instances, 1) + 1;
	stream->next = atomic_load(&all_streams);
	atomic_store(&all_streams, stream);
	return stream;
}

/* With their buffers, for threads that come later. */
bool recorder_streams_reserve(void)
{
	char *buffers = recorder_buffers_reserve(FROZEN_STREAMS);

	for (size_t i = 0; buffers != NULL && i < FROZEN_STREAMS; i++) {
		struct recorder_stream *stream = add_stream();

		if (stream == NULL)
			return false;
		stream->buffer =
		    (struct uvhooks_trace_buffer *) (buffers + i * RECORDER_BUFFER_BYTES);
	}
	return buffers != NULL;
}

/* One that a thread has left, with its buffer, or a new one; and it is taken. */
static struct recorder_stream *take_stream(void)
{
	struct recorder_stream *stream;

	recorder_lock();
	for (stream = atomic_load(&all_streams); stream != NULL && stream->used;)
		stream = stream->next;
	if (stream == NULL && !recorder_frozen)
		stream = add_stream();
	if (stream != NULL)
		stream->used = true;
	recorder_unlock();
	return stream;
}

/*
 * Nothing of an earlier recording is left; what a thread on the hot path may have added goes, too.
 * And nothing is older than the recording, be it the event that has begun it: in a fork's child.
 */
static void begin_recording(struct recorder_stream *stream)
{
	memset(stream->buffer, 0, sizeof(*stream->buffer));
	stream->buffer->last = recorder_clock_begun();
	memset(&stream->header, 0, sizeof(stream->header));
	stream->recording = atomic_load(&recordings);
	stream->written = 0;
}

/* For this thread, and for this recording. */
static void begin_here(struct recorder_stream *stream, uint32_t thread_id)
{
	if (stream->recording != atomic_load(&recordings))
		begin_recording(stream);
	stream->sink.size = sizeof(stream->sink);
	stream->sink.clock_is_tsc = recorder_clock_is_tsc;
	stream->sink.packet = recorder_packet_of(stream);
	stream->sink.types = recorder_main.definitions.type_known;
	memset(stream->sink.callbacks, 0, sizeof(stream->sink.callbacks));
	stream->thread_id = thread_id;
	stream->generation = atomic_load(&recorder_generation);
	stream->untold = true;
	stream->header.magic = UVHOOKS_TRACE_MAGIC;
	stream->header.stream_id = UVHOOKS_TRACE_EVENTS;
	stream->header.stream_instance_id = stream->instance;
	stream->header.thread_id = stream->thread_id;
	recorder_lock();
	if (!recorder_packet_follow_folder(stream))
		recorder_define_thread(stream->instance, stream->thread_id);
	recorder_unlock();
	__atomic_store_n(&stream->buffer->magic, UVHOOKS_TRACE_BUFFER_MAGIC, __ATOMIC_RELEASE);
}

static struct recorder_stream *begin_stream(uint32_t thread_id)
{
	struct recorder_stream *stream = take_stream();

	if (stream == NULL)
		return NULL;
	recorder_stream_hold(stream);
	if (stream->buffer == NULL)
		stream->buffer = recorder_buffer_take();
	if (stream->buffer == NULL) {
		stream->used = false;
		recorder_stream_release(stream);
		return NULL;
	}
	begin_here(stream, thread_id);
	recorder_stream_release(stream);
	recorder_here = stream;
	recorder_lend(stream);
	pthread_setspecific(at_thread_end, stream);
	return stream;
}

/*
 * In the child of a fork the thread's stream is wiped. Where another thread has recorded first,
 * that one has put only its own away.
 */
static bool has_stream(void)
{
	return recorder_here != &recorder_nobody && recorder_here->buffer != NULL;
}

struct recorder_stream *recorder_own_stream(uint32_t thread_id)
{
	struct recorder_stream *stream;

	if (atomic_load(&recorder_process->state) == RECORDER_FORKED)
		recorder_begin_again();
	if (!has_stream())
		return begin_stream(thread_id);
	stream = recorder_here;
	if (stream->recording != atomic_load(&recordings)) {
		recorder_stream_hold(stream);
		begin_here(stream, thread_id);
		recorder_stream_release(stream);
	}
	return stream;
}

/* The hot path goes by its own copy. */
void recorder_follow_buffer(struct recorder_stream *stream)
{
	stream->sink.at = stream->buffer->committed;
	stream->sink.last = stream->buffer->last;
}

void recorder_slow(const struct uvhooks_event *event)
{
	const uint64_t ticks = recorder_ticks();
	struct recorder_stream *stream = recorder_here;
	struct recorder_guard guard;

	if (is_ready(stream, event, ticks)) {
		put(stream, event, ticks);
		recorder_follow_buffer(stream);
		return;
	}
	if (!recorder_slow_enter(&guard))
		return;
	stream = recorder_own_stream(event->thread_id);
	if (stream == NULL) {
		atomic_fetch_add(&recorder_counters.events_discarded, 1);
	} else {
		get_ready(stream, event, ticks);
		put(stream, event, ticks);
		if (event->event == UVHOOKS_EVENT_LOOP_BUSY)
			recorder_tell_states(stream, false, event->async_id);
		if (atomic_load(&recorder_process->state) == RECORDER_ENDS)
			recorder_packet_write_through(stream);
		recorder_follow_buffer(stream);
	}
	recorder_slow_leave(&guard);
}

static void end_stream(void *data)
{
	struct recorder_stream *stream = data;
	struct recorder_guard guard;
	bool left = false;

	/* In the child of a fork it is the parent's. */
	if (atomic_load(&recorder_process->state) == RECORDER_FORKED || stream != recorder_here)
		return;
	recorder_lend(NULL);
	/* Stopped: what is in it has been written. */
	if (!recorder_slow_enter(&guard)) {
		recorder_here = &recorder_nobody;
		atomic_store(&stream->used, false);
		return;
	}
	if (stream->recording == atomic_load(&recordings)) {
		left = recorder_packets_finish(stream);
		/* Nothing is in the buffer: a packet is begun by the next thread. */
		if (!left)
			__atomic_store_n(&stream->buffer->committed, 0, __ATOMIC_RELEASE);
		recorder_follow_buffer(stream);
	}
	recorder_here = &recorder_nobody;
	stream->used = left;
	recorder_slow_leave(&guard);
}

/* In the child of a fork, whose only thread this is. */
void recorder_streams_forked(void)
{
	atomic_store(&all_streams, NULL);
	recorder_here = &recorder_nobody;
}

/* Each thread begins anew with its next event; none is among them yet. */
void recorder_streams_begin(void)
{
	atomic_fetch_add(&recordings, 1);
	recorder_streams_nudge();
}

struct recorder_stream *recorder_streams(void)
{
	return atomic_load(&all_streams);
}

/* Of a thread that has ended, and could not write then how much it had lost. */
static void finish_unused(struct recorder_stream *stream)
{
	bool unused;

	recorder_lock();
	unused = !stream->used && stream->buffer != NULL;
	if (unused)
		stream->used = true;
	recorder_unlock();
	if (unused)
		recorder_packets_finish(stream);
}

/* Other threads may go on; what they record from now on is written event by event. */
void recorder_streams_end(void)
{
	recorder_streams_nudge();
	if (has_stream()) {
		recorder_tell_states(recorder_here, true, 0);
		recorder_packets_finish(recorder_here);
	}
	for (struct recorder_stream *stream = atomic_load(&all_streams); stream != NULL;
	     stream = stream->next)
		if (stream->recording == atomic_load(&recordings)) {
			recorder_packet_write_through(stream);
			finish_unused(stream);
		}
}

void recorder_streams_nudge(void)
{
	for (struct recorder_stream *stream = atomic_load(&all_streams); stream != NULL;
	     stream = stream->next)
		__atomic_store_n(&stream->sink.limit, 0, __ATOMIC_SEQ_CST);
}

int recorder_streams_start(void)
{
	return pthread_key_create(&at_thread_end, end_stream);
}
