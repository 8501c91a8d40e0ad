/* SPDX-License-Identifier: MIT */
/*
 * Buffers in System V shared memory. Such memory outlives the process that was killed, needs no
 * descriptor, and, unlike a mapped file, cannot be cut short by anybody: no store into it ever
 * raises SIGBUS. It is removed when the process ends by itself; else by who reads the trace.
 */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
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
static struct uvhooks_trace_memory_segment published[SEGMENTS + 1]; /* the same */

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

static size_t bytes_of(const struct segment *segment)
{
	return segment->count * RECORDER_BUFFER_BYTES;
}

/*
 * Not in the children of a fork: so who is attached is the process itself, and nobody else when it
 * has gone.
 */
static bool keep_from_children(const struct segment *segment)
{
	return madvise(segment->memory, bytes_of(segment), MADV_DONTFORK) == 0;
}

/* Memory of this process alone, at `place`, or anywhere. */
static bool reserve(struct segment *segment, void *place)
{
	void *memory = mmap(place, bytes_of(segment), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | (place == NULL ? 0 : MAP_FIXED), -1, 0);

	if (memory == MAP_FAILED)
		return false;
	segment->id = -1;
	segment->memory = memory;
	keep_from_children(segment);
	return true;
}

/* Does the kernel remove shared memory with the last process that has it? Then it is of no use. */
static bool is_removed_at_end(void)
{
	char setting = '0';
	int fd = open("/proc/sys/kernel/shm_rmid_forced", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &setting, 1) != 1)
		setting = '0';
	close(fd);
	return setting != '0';
}

/* In the place of what is there: whoever may still write to that writes here. */
static bool share(struct segment *segment)
{
	void *memory;
	int id;

	if (is_removed_at_end())
		return false;
	id = shmget(IPC_PRIVATE, bytes_of(segment), IPC_CREAT | 0600);
	if (id < 0)
		return false;
	memory = shmat(id, segment->memory, segment->memory == NULL ? 0 : SHM_REMAP);
	if (memory != (void *) -1) {
		segment->id = id;
		segment->memory = memory;
		if (keep_from_children(segment) && announce(segment) == 0)
			return true;
	}
	shmctl(id, IPC_RMID, NULL);
	if (memory != (void *) -1)
		reserve(segment, memory);
	return false;
}

static void share_or_count(struct segment *segment)
{
	if (!share(segment))
		atomic_fetch_add(&recorder_counters.buffers_not_shared, segment->count);
}

static bool add_segment(size_t count)
{
	struct segment *segment = &segments[segment_count];

	if (segment_count == SEGMENTS || recorder_frozen)
		return false;
	segment->used = 0;
	segment->count = count;
	segment->memory = NULL;
	share_or_count(segment);
	if (segment->memory == NULL && !reserve(segment, NULL))
		return false;
	published[segment_count] = (struct uvhooks_trace_memory_segment){
	    (uintptr_t) segment->memory, RECORDER_BUFFER_BYTES, segment->count};
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
	    add_segment(segment_count == 0 ? FIRST_COUNT : MORE_COUNT)) {
		segment = &segments[segment_count - 1];
		buffer = buffer_at(segment, segment->used++);
	}
	recorder_unlock();
	if (buffer != NULL)
		memset(buffer, 0, sizeof(*buffer));
	return buffer;
}

char *recorder_buffers_reserve(size_t count)
{
	struct segment *segment = &segments[segment_count];

	if (!add_segment(count))
		return NULL;
	segment->used = count;
	return segment->memory;
}

/* In the child of a fork none is mapped. */
void recorder_buffers_forked(void)
{
	segment_count = 0;
	memset(published, 0, sizeof(published));
}

static atomic_bool kept;

void recorder_buffers_keep(void)
{
	atomic_store(&kept, true);
}

/* Other threads may still write: their memory stays until the process is gone. */
void recorder_buffers_end(void)
{
	static char path[PATH_MAX];

	if (atomic_exchange(&kept, false))
		return;
	recorder_lock();
	for (size_t i = 0; i < segment_count; i++)
		if (segments[i].id >= 0)
			shmctl(segments[i].id, IPC_RMID, NULL);
	if (recorder_file_path(path, ".buffers") == 0)
		unlink(path);
	recorder_unlock();
}

/*
 * A thread may have been on the hot path when the recording was stopped, and stay there for as long
 * as it is kept waiting: so the addresses remain good for ever. Only what lies there goes.
 */
void recorder_buffers_leave(void)
{
	recorder_lock();
	for (size_t i = 0; i < segment_count; i++)
		reserve(&segments[i], segments[i].memory);
	recorder_unlock();
}

/* Those that streams have already, for another recording. Under the lock. */
void recorder_buffers_begin(void)
{
	for (size_t i = 0; i < segment_count; i++)
		share_or_count(&segments[i]);
}

const struct uvhooks_trace_memory_segment *recorder_buffer_segments(void)
{
	return published;
}
