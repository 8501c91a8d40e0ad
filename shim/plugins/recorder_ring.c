/* SPDX-License-Identifier: MIT */
/*
 * How much there may be on disk. A flight recorder's streams are parted into files; when all of
 * them together are full, the one that has waited longest for a packet is deleted, whosever it is.
 */
#include "recorder.h"

#include <string.h>
#include <unistd.h>

#include "log.h"

#define FILES        1024
#define FILES_A_RING 16
#define DUMPS_A_RING 4

struct file {
	uint64_t instance;
	uint32_t number;
	uint64_t bytes; /* 0: the entry is free */
	uint64_t turn;  /* when it got its latest packet */
	char name[RECORDER_NAME_BYTES];
};

/* Under the lock. */
static struct file files[FILES];
static size_t used; /* entries from here on were never used */
static uint64_t total_bytes, written_bytes, turn;
static bool full; /* max_size= is reached: nothing more is written, be it ever so small */

atomic_uint recorder_generation;
_Atomic uint64_t recorder_bytes_written;

void recorder_ring_begin(void)
{
	memset(files, 0, sizeof(files[0]) * used);
	used = 0;
	total_bytes = written_bytes = turn = 0;
	full = false;
	atomic_store(&recorder_generation, 0);
	atomic_store(&recorder_bytes_written, 0);
}

static struct file *find(const struct recorder_stream *stream)
{
	for (size_t i = 0; i < used; i++)
		if (files[i].bytes != 0 && files[i].instance == stream->instance &&
		    files[i].number == stream->file)
			return &files[i];
	return NULL;
}

static struct file *oldest(void)
{
	struct file *file = NULL;

	for (size_t i = 0; i < used; i++)
		if (files[i].bytes != 0 && (file == NULL || files[i].turn < file->turn))
			file = &files[i];
	return file;
}

static void remove_file(struct file *file)
{
	static char path[PATH_MAX];

	if (recorder_file_path(path, file->name) == 0)
		unlink(path);
	total_bytes -= file->bytes;
	file->bytes = 0;
}

static struct file *add(const struct recorder_stream *stream)
{
	struct file *file = NULL;

	for (size_t i = 0; i < used && file == NULL; i++)
		if (files[i].bytes == 0)
			file = &files[i];
	if (file == NULL && used < FILES)
		file = &files[used++];
	if (file == NULL) {
		file = oldest();
		remove_file(file);
	}
	file->instance = stream->instance;
	file->number = stream->file;
	memcpy(file->name, stream->buffer->file, sizeof(file->name));
	return file;
}

static enum recorder_room room_in_ring(const struct recorder_stream *stream, size_t bytes)
{
	const struct file *own = find(stream);

	/* Its file is full, or was deleted since it had waited longest. */
	if (stream->created &&
	    (own == NULL || own->bytes >= recorder_options.ring_bytes / FILES_A_RING))
		return RECORDER_NEXT_FILE;
	while (total_bytes + bytes > recorder_options.ring_bytes) {
		struct file *file = oldest();

		if (file == NULL)
			return RECORDER_DISCARD;
		if (file == own)
			return RECORDER_NEXT_FILE; /* and then it goes, as the oldest */
		remove_file(file);
	}
	return RECORDER_WRITE;
}

enum recorder_room recorder_ring_room(const struct recorder_stream *stream, size_t bytes)
{
	enum recorder_room room = RECORDER_WRITE;

	recorder_lock();
	if (recorder_options.ring_bytes != 0) {
		room = room_in_ring(stream, bytes);
	} else if (bytes > sizeof(struct uvhooks_trace_packet)) { /* else it tells what was lost */
		full |= total_bytes + bytes > recorder_options.max_size_bytes;
		if (full)
			room = RECORDER_DISCARD;
	}
	if (room == RECORDER_WRITE && recorder_options.ring_bytes == 0)
		total_bytes += bytes;
	recorder_unlock();
	return room;
}

void recorder_ring_wrote(const struct recorder_stream *stream, size_t bytes)
{
	struct file *file;

	atomic_fetch_add_explicit(&recorder_bytes_written, bytes, memory_order_relaxed);
	if (recorder_options.ring_bytes == 0)
		return;
	recorder_lock();
	file = find(stream);
	if (file == NULL)
		file = add(stream);
	file->bytes += bytes;
	file->turn = ++turn;
	total_bytes += bytes;
	written_bytes += bytes;
	if (written_bytes >= recorder_options.ring_bytes / DUMPS_A_RING) {
		written_bytes = 0;
		atomic_fetch_add(&recorder_generation, 1);
		recorder_streams_nudge();
	}
	recorder_unlock();
}
