/* SPDX-License-Identifier: MIT */
/*
 * Packets are begun, and written to where they belong in the files; what cannot be written is
 * counted.
 */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "recorder.h"

#define HEADER_BYTES sizeof(struct uvhooks_trace_packet)
#define APART_TICKS  16

_Static_assert(sizeof(struct uvhooks_trace_buffer) % 64 == 0, "packets begin with a cache line");

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

bool recorder_packet_follow_folder(struct recorder_stream *stream)
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
	struct uvhooks_trace_packet *packet =
	    (struct uvhooks_trace_packet *) recorder_packet_of(stream);
	int error;

	recorder_lock();
	recorder_packet_follow_folder(stream);
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
					    recorder_packet_of(stream), bytes);
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
	struct uvhooks_trace_packet *packet =
	    (struct uvhooks_trace_packet *) recorder_packet_of(stream);
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
	struct uvhooks_trace_packet *packet =
	    (struct uvhooks_trace_packet *) recorder_packet_of(stream);

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
	const uint64_t count =
	    recorder_record_count(recorder_packet_of(stream) + kept, bytes - kept);

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
	memcpy(recorder_packet_of(stream), header, sizeof(*header));
	stream->sink.id_base = header->id_base;
	stream->strangers = 0;
	__atomic_store_n(&buffer->last, ticks, __ATOMIC_RELAXED);
	recorder_stream_release(stream);
	__atomic_store_n(&buffer->committed, HEADER_BYTES, __ATOMIC_RELEASE);
}

void recorder_make_room(struct recorder_stream *stream, uvhooks_async_id id, uint64_t ticks)
{
	if (stream->buffer->committed >= HEADER_BYTES &&
	    stream->buffer->committed < RECORDER_PACKET_LIMIT &&
	    stream->strangers < RECORDER_STRANGERS_MAX)
		return;
	finish_packet(stream, false);
	begin_packet(stream, id, ticks);
}

void recorder_packet_write_through(struct recorder_stream *stream)
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

bool recorder_packets_finish(struct recorder_stream *stream)
{
	finish_packet(stream, true);
	if (stream->buffer->committed == 0 &&
	    stream->buffer->discarded != stream->header.events_discarded) {
		begin_packet(stream, stream->sink.id_base, stream->buffer->last);
		finish_packet(stream, true);
	}
	return is_left(stream);
}
