/* SPDX-License-Identifier: MIT */
/*
 * The slow path: threads come and go, packets are begun and written, and what is new is defined.
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

#define PACKET_MAX     (RECORDER_BUFFER_BYTES - sizeof(struct uvhooks_trace_buffer))
#define LIMIT          (PACKET_MAX - RECORDER_RECORD_BYTES)
#define HEADER_BYTES   sizeof(struct uvhooks_trace_packet)
#define STRANGERS_MAX  32
#define APART_TICKS    16
#define FROZEN_STREAMS 64

_Static_assert(sizeof(struct uvhooks_trace_buffer) % 64 == 0, "packets begin with a cache line");

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

static char *packet_of(const struct recorder_stream *stream)
{
	return (char *) (stream->buffer + 1);
}

/* The name of the file that the packet will go to. */
static void name_file(struct recorder_stream *stream)
{
	struct log_line line = {.used = 0};

	log_line_text(&line, "thread-");
	log_line_number(&line, stream->thread_id);
	log_line_text(&line, "-");
	log_line_number(&line, stream->instance);
	log_line_text(&line, "-");
	log_line_number(&line, stream->file);
	memset(stream->buffer->file, 0, sizeof(stream->buffer->file));
	memcpy(stream->buffer->file, line.text, line.used);
	stream->created = false;
	stream->written = 0;
	stream->buffer->offset = 0;
}

static void next_file(struct recorder_stream *stream)
{
	stream->file++;
	name_file(stream);
}

/* The process has begun a folder since: nothing of this stream is in it yet. Under the lock. */
static bool follow_folder(struct recorder_stream *stream)
{
	const unsigned int folder = atomic_load(&recorder_folder_number);

	if (stream->folder == folder)
		return false;
	stream->folder = folder;
	stream->file = 0;
	name_file(stream);
	recorder_define_thread(stream->instance, stream->thread_id);
	return true;
}

/* Where the packet goes to, now. */
static int address_packet(struct recorder_stream *stream)
{
	struct uvhooks_trace_packet *packet = (struct uvhooks_trace_packet *) packet_of(stream);
	int error;

	recorder_lock();
	follow_folder(stream);
	memcpy(packet->uuid, recorder_main.uuid, sizeof(packet->uuid));
	error = recorder_file_path(stream->path, stream->buffer->file);
	recorder_unlock();
	return error;
}

/* Was the file deleted, is it not as it was left, or is there something else in its place? */
static bool is_spoiled(int error)
{
	return error == ENOENT || error == ESTALE || error == EEXIST || error == ELOOP ||
	       error == EISDIR || error == ENXIO;
}

/* 0, or why the packet cannot be written; then what may help was done. */
static int try_to_write(struct recorder_stream *stream, size_t bytes)
{
	struct uvhooks_trace_buffer *buffer = stream->buffer;
	int error = address_packet(stream);

	if (error == 0)
		error = recorder_file_write(stream->path, !stream->created,
					    buffer->offset + stream->written, buffer->offset,
					    packet_of(stream), bytes);
	if (error == 0) {
		stream->created = true;
		recorder_ring_wrote(stream, bytes - stream->written);
		stream->written = bytes;
		return 0;
	}
	if (is_spoiled(error))
		next_file(stream);
	/* The program may have given up the right to write here; perhaps not beside it. */
	else if (error == EACCES || error == EPERM)
		recorder_begin_again();
	return error;
}

/* Not for want of room: who reads the trace may be allowed what this process is not. */
static bool is_refusal(int error)
{
	return error == EACCES || error == EPERM || error == EMFILE || error == ENFILE ||
	       (error != 0 && recorder_main.folder[0] == '\0');
}

static bool write_packet(struct recorder_stream *stream, size_t bytes)
{
	const struct uvhooks_trace_buffer *buffer = stream->buffer;
	struct uvhooks_trace_packet *packet = (struct uvhooks_trace_packet *) packet_of(stream);
	enum recorder_room room = recorder_ring_room(stream, bytes - stream->written);
	int error;

	stream->error = 0;
	/* At exit it may be that of a later record than `bytes` has: that is no lie. */
	packet->timestamp_end = __atomic_load_n(&buffer->last, __ATOMIC_RELAXED);
	packet->content_size = packet->packet_size = bytes * 8;
	packet->events_discarded = __atomic_load_n(&buffer->discarded, __ATOMIC_RELAXED);
	if (room == RECORDER_NEXT_FILE) {
		next_file(stream);
		room = recorder_ring_room(stream, bytes);
	}
	if (room != RECORDER_WRITE)
		return false;
	/* Again, if the first time something was found that the second can do without. */
	error = try_to_write(stream, bytes);
	if (error != 0)
		error = try_to_write(stream, bytes);
	stream->error = error;
	return error == 0;
}

/*
 * The packet that was not written stays in its buffer, where the reader finds it: as news, if it
 * says something else than the buffer of how much was lost.
 */
static bool is_left(const struct recorder_stream *stream)
{
	struct uvhooks_trace_packet *packet = (struct uvhooks_trace_packet *) packet_of(stream);

	if (!is_refusal(stream->error) || atomic_load(&recorder_process->state) != RECORDER_ENDS)
		return false;
	packet->events_discarded = stream->header.events_discarded;
	recorder_buffers_keep();
	return true;
}

/* What is not in the file already is lost. Returns how many events that are. */
static uint64_t count_lost(const struct recorder_stream *stream, size_t bytes)
{
	const size_t kept = stream->written > HEADER_BYTES ? stream->written : HEADER_BYTES;
	const uint64_t count = recorder_record_count(packet_of(stream) + kept, bytes - kept);

	atomic_fetch_add(&recorder_counters.events_discarded, count);
	if (recorder_options.max_size_bytes != UINT64_MAX)
		atomic_fetch_add(&recorder_counters.events_over_max_size, count);
	else
		atomic_fetch_add(&recorder_counters.packets_not_written, 1);
	return count;
}

/* Is there anything in the packet that is not in the file: events, or the count of lost ones? */
static bool is_news(const struct recorder_stream *stream, size_t bytes)
{
	return bytes > HEADER_BYTES || stream->buffer->discarded != stream->header.events_discarded;
}

/* Until it is no more it is there twice, as the same file. */
static void keep_packet(struct recorder_stream *stream, size_t bytes)
{
	recorder_frozen_keep(stream->buffer, bytes);
	stream->header.events_discarded = stream->buffer->discarded;
	__atomic_store_n(&stream->buffer->committed, 0, __ATOMIC_RELEASE);
	stream->header.packet_seq_num++;
	next_file(stream);
}

/* Nothing comes behind the last packet, which may stay where it is. */
static void finish_packet(struct recorder_stream *stream, bool last)
{
	struct uvhooks_trace_buffer *buffer = stream->buffer;
	const size_t bytes = buffer->committed;

	if (bytes < HEADER_BYTES || !is_news(stream, bytes))
		return;
	recorder_stream_hold(stream);
	if (recorder_frozen) {
		keep_packet(stream, bytes);
		recorder_stream_release(stream);
		return;
	}
	if (bytes == stream->written || write_packet(stream, bytes)) {
		stream->header.events_discarded = buffer->discarded;
	} else if (last && is_left(stream)) {
		recorder_stream_release(stream);
		return;
	} else {
		buffer->error = (uint64_t) stream->error;
		__atomic_store_n(&buffer->discarded, buffer->discarded + count_lost(stream, bytes),
				 __ATOMIC_RELAXED);
	}
	/* From here on the packet is no more: a killed process must not have it twice. */
	__atomic_store_n(&buffer->committed, 0, __ATOMIC_RELEASE);
	/* Where it failed, a part of it may have been written before, as a packet that counts. */
	buffer->offset += stream->written;
	stream->header.packet_seq_num += stream->written != 0;
	stream->written = 0;
	recorder_stream_release(stream);
}

static void begin_packet(struct recorder_stream *stream, uvhooks_async_id id, uint64_t ticks)
{
	struct uvhooks_trace_buffer *buffer = stream->buffer;
	struct uvhooks_trace_packet *header = &stream->header;

	/* Readers put packets in the order in which they begin, and some count in nanoseconds. */
	if (ticks < buffer->last)
		ticks = buffer->last;
	if (ticks < header->timestamp_begin + APART_TICKS)
		ticks = header->timestamp_begin + APART_TICKS;
	recorder_stream_hold(stream);
	memcpy(header->uuid, recorder_main.uuid, sizeof(header->uuid));
	header->timestamp_begin = header->timestamp_end = ticks;
	header->id_base = id >> 32 << 32;
	header->execution = uvhooks_execution_async_id();
	memcpy(packet_of(stream), header, sizeof(*header));
	stream->sink.id_base = header->id_base;
	stream->strangers = 0;
	__atomic_store_n(&buffer->last, ticks, __ATOMIC_RELAXED);
	recorder_stream_release(stream);
	__atomic_store_n(&buffer->committed, HEADER_BYTES, __ATOMIC_RELEASE);
}

void recorder_make_room(struct recorder_stream *stream, uvhooks_async_id id, uint64_t ticks)
{
	if (stream->buffer->committed >= HEADER_BYTES && stream->buffer->committed < LIMIT &&
	    stream->strangers < STRANGERS_MAX)
		return;
	finish_packet(stream, false);
	begin_packet(stream, id, ticks);
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

/* Written at once, though the packet goes on: who has ended may be gone at any moment. */
static void write_through(struct recorder_stream *stream)
{
	size_t bytes;

	if (recorder_frozen)
		return; /* it is where it will be found */
	recorder_stream_hold(stream);
	bytes = stream->buffer == NULL
		    ? 0
		    : __atomic_load_n(&stream->buffer->committed, __ATOMIC_ACQUIRE);
	if (bytes >= HEADER_BYTES && is_news(stream, bytes) && bytes != stream->written &&
	    !write_packet(stream, bytes) && !is_left(stream))
		count_lost(stream, bytes);
	recorder_stream_release(stream);
}

/* All of it, and how much was lost. */
static void finish_stream(struct recorder_stream *stream)
{
	finish_packet(stream, true);
	if (stream->buffer->committed != 0 ||
	    stream->buffer->discarded == stream->header.events_discarded)
		return;
	begin_packet(stream, stream->sink.id_base, stream->buffer->last);
	finish_packet(stream, true);
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
	       stream->strangers < STRANGERS_MAX &&
	       stream->generation == atomic_load(&recorder_generation) &&
	       is_defined(stream, event) && !recorder_clock_is_due(ticks);
}

static void get_ready(struct recorder_stream *stream, const struct uvhooks_event *event,
		      uint64_t ticks)
{
	/* When the process ends, each event comes here. */
	if (atomic_load(&recorder_process->state) == RECORDER_RUNS)
		__atomic_store_n(&stream->sink.limit, LIMIT, __ATOMIC_SEQ_CST);
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
	stream->sink.packet = packet_of(stream);
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
	if (!follow_folder(stream))
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
			write_through(stream);
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
		finish_stream(stream);
		left = is_left(stream);
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
		finish_stream(stream);
}

/* Other threads may go on; what they record from now on is written event by event. */
void recorder_streams_end(void)
{
	recorder_streams_nudge();
	if (has_stream()) {
		recorder_tell_states(recorder_here, true, 0);
		finish_stream(recorder_here);
	}
	for (struct recorder_stream *stream = atomic_load(&all_streams); stream != NULL;
	     stream = stream->next)
		if (stream->recording == atomic_load(&recordings)) {
			write_through(stream);
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
