/* SPDX-License-Identifier: MIT */
/*
 * Buffers in System V shared memory. Such memory outlives the process that was killed, needs no
 * descriptor, and, unlike a mapped file, cannot be cut short by anybody: no store into it ever
 * raises SIGBUS. It is removed when the process ends by itself; else by who reads the trace.
 */
#include "recorder.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "log.h"

/* The first segment is small, as most programs have few threads; the next ones are not. */
#define FIRST_COUNT 16
#define MORE_COUNT  128
#define SEGMENTS    1024

struct segment {
	int id; /* -1: memory of this process alone */
	char *memory;
	size_t count;
	size_t used;
};

/* Under `lock`, which a fork finds open: the slow path of other threads is not in the child. */
static struct segment segments[SEGMENTS];
static size_t segment_count;

static struct uvhooks_trace_buffer *buffer_at(const struct segment *segment, size_t index)
{
	return (struct uvhooks_trace_buffer *) (segment->memory + index * RECORDER_BUFFER_BYTES);
}

/* Where readers find it, before anything is in it. */
static int announce(const struct segment *segment)
{
	static char path[PATH_MAX];
	struct log_line line = {.used = 0};
	int error = recorder_file_path(path, ".buffers");

	if (error != 0)
		return error;
	log_line_number(&line, (uint64_t) segment->id);
	log_line_text(&line, " ");
	log_line_number(&line, RECORDER_BUFFER_BYTES);
	log_line_text(&line, " ");
	log_line_number(&line, segment->count);
	log_line_end(&line);
	return recorder_file_append(path, line.text, line.used);
}

static bool share(struct segment *segment)
{
	segment->id = shmget(IPC_PRIVATE, segment->count * RECORDER_BUFFER_BYTES, IPC_CREAT | 0600);
	if (segment->id < 0)
		return false;
	segment->memory = shmat(segment->id, NULL, 0);
	/* Not in the children of a fork: so who is attached is the process itself, and nobody else
	   when it has gone. */
	if (segment->memory != (void *) -1 &&
	    madvise(segment->memory, segment->count * RECORDER_BUFFER_BYTES, MADV_DONTFORK) == 0 &&
	    announce(segment) == 0)
		return true;
	shmctl(segment->id, IPC_RMID, NULL);
	if (segment->memory != (void *) -1)
		shmdt(segment->memory);
	return false;
}

static bool add_segment(void)
{
	struct segment *segment = &segments[segment_count];

	if (segment_count == SEGMENTS)
		return false;
	segment->used = 0;
	segment->count = segment_count == 0 ? FIRST_COUNT : MORE_COUNT;
	if (!share(segment)) {
		segment->id = -1;
		segment->memory = mmap(NULL, segment->count * RECORDER_BUFFER_BYTES,
				       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (segment->memory == MAP_FAILED)
			return false;
		atomic_fetch_add(&recorder_counters.buffers_not_shared, segment->count);
	}
	segment_count++;
	return true;
}

struct uvhooks_trace_buffer *recorder_buffer_take(void)
{
	struct uvhooks_trace_buffer *buffer = NULL;
	struct segment *segment;

	recorder_lock();
	if ((segment_count > 0 &&
	     segments[segment_count - 1].used < segments[segment_count - 1].count) ||
	    add_segment()) {
		segment = &segments[segment_count - 1];
		buffer = buffer_at(segment, segment->used++);
	}
	recorder_unlock();
	if (buffer != NULL)
		memset(buffer, 0, sizeof(*buffer));
	return buffer;
}

/* In the child of a fork the shared ones are the parent's, and not mapped. */
void recorder_buffers_forked(void)
{
	for (size_t i = 0; i < segment_count; i++)
		if (segments[i].id < 0)
			munmap(segments[i].memory, segments[i].count * RECORDER_BUFFER_BYTES);
	segment_count = 0;
}

/* Other threads may still write: their memory stays until the process is gone. */
void recorder_buffers_end(void)
{
	static char path[PATH_MAX];

	recorder_lock();
	for (size_t i = 0; i < segment_count; i++)
		if (segments[i].id >= 0)
			shmctl(segments[i].id, IPC_RMID, NULL);
	if (recorder_file_path(path, ".buffers") == 0)
		unlink(path);
	recorder_unlock();
}
