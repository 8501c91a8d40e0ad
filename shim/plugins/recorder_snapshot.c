/* SPDX-License-Identifier: MIT */
/*
 * A snapshot: a trace of its own that has what lives now, how it stands as far as the asking thread
 * may look, and where it was made; finished at once. A recording that goes on is not touched: it
 * waits where it wants the lock.
 */
#include "recorder.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PACKET_MAX (RECORDER_BUFFER_BYTES - sizeof(struct uvhooks_trace_buffer))
#define LIMIT      (PACKET_MAX - RECORDER_RECORD_BYTES)

struct snapshot {
	struct recorder_trace trace;
	struct recorder_stream stream;
	char buffer[RECORDER_BUFFER_BYTES] __attribute__((aligned(64)));
	int error;
};

static void begin_packet(struct snapshot *snapshot, uvhooks_async_id id)
{
	struct recorder_stream *stream = &snapshot->stream;

	stream->header.timestamp_begin = stream->buffer->last = recorder_ticks();
	stream->header.id_base = stream->sink.id_base = id >> 32 << 32;
	stream->buffer->committed = sizeof(stream->header);
}

static void write_packet(struct snapshot *snapshot)
{
	static char path[PATH_MAX];
	struct recorder_stream *stream = &snapshot->stream;
	struct uvhooks_trace_packet *header = &stream->header;
	const size_t bytes = stream->buffer->committed;

	header->timestamp_end = stream->buffer->last;
	header->content_size = header->packet_size = bytes * 8;
	memcpy(stream->sink.packet, header, sizeof(*header));
	if (snapshot->error == 0)
		snapshot->error = recorder_file_path(path, stream->buffer->file);
	if (snapshot->error == 0)
		snapshot->error = recorder_file_write(path, stream->written == 0, stream->written,
						      stream->written, stream->sink.packet, bytes);
	stream->written += bytes;
	header->packet_seq_num++;
}

static void tell(const struct uvhooks_resource *resource, void *data)
{
	struct snapshot *snapshot = data;
	struct recorder_stream *stream = &snapshot->stream;
	struct recorder_values values;
	uint64_t ticks;

	recorder_tell_definitions(resource);
	recorder_tell_values(resource, &values);
	if (stream->buffer->committed >= LIMIT) {
		write_packet(snapshot);
		begin_packet(snapshot, resource->async_id);
	}
	ticks = recorder_ticks();
	recorder_record_put(stream, UVHOOKS_TRACE_RESOURCE, ticks, &values);
	recorder_record_places(stream, resource, ticks);
	recorder_record_state(stream, resource->async_id, resource->type, resource->pointer, ticks);
}

static void begin_stream(struct recorder_stream *stream, void *buffer)
{
	static const char name[] = "thread-1-1-0";

	stream->instance = 1;
	stream->buffer = buffer;
	stream->sink.packet = (char *) (stream->buffer + 1);
	stream->thread_id = (uint32_t) syscall(SYS_gettid);
	memcpy(stream->buffer->file, name, sizeof(name));
	memcpy(stream->header.uuid, recorder_trace->uuid, sizeof(stream->header.uuid));
	stream->header.magic = UVHOOKS_TRACE_MAGIC;
	stream->header.stream_id = UVHOOKS_TRACE_EVENTS;
	stream->header.stream_instance_id = stream->instance;
	stream->header.thread_id = stream->thread_id;
	stream->header.execution = uvhooks_execution_async_id();
	recorder_define_thread(stream->instance, stream->thread_id);
}

/* Under the lock. */
static int take(struct snapshot *snapshot, const char *dir)
{
	struct recorder_moment moment;
	struct recorder_clock clock;
	int error = recorder_make_folder(dir);

	if (error != 0)
		return error;
	recorder_clock_begin_or_look(&moment, &clock);
	error = recorder_begin_files(&moment, &clock);
	if (error != 0)
		return error;
	begin_stream(&snapshot->stream, snapshot->buffer);
	begin_packet(snapshot, uvhooks_execution_async_id());
	uvhooks_for_each_resource(tell, snapshot);
	write_packet(snapshot);
	recorder_define_counters();
	recorder_define_end(false);
	recorder_define_write();
	return snapshot->error;
}

int recorder_snapshot(const struct recorder_options *options)
{
	struct recorder_guard guard;
	struct snapshot *snapshot = mmap(NULL, sizeof(*snapshot), PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (snapshot == MAP_FAILED)
		return errno;
	snapshot->trace.mode = "snapshot";
	recorder_guard_enter(&guard);
	recorder_lock();
	recorder_trace = &snapshot->trace;
	error = take(snapshot, options->dir);
	recorder_trace = &recorder_main;
	recorder_unlock();
	recorder_guard_leave(&guard);
	munmap(snapshot, sizeof(*snapshot));
	return error;
}
