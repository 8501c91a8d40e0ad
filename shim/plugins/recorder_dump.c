/* SPDX-License-Identifier: MIT */
/*
 * A dump: a copy of the trace as it is now, while the recording goes on.
 *
 * A packet that is finished never changes, so what lies before a stream's newest one can be copied
 * while its thread writes on; the newest is taken from its buffer, up to where it is committed. In
 * a flight recorder a file may be deleted meanwhile: then it was the oldest. Definitions come last,
 * so that they hold all that the events name.
 */
#include "recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADER_BYTES sizeof(struct uvhooks_trace_packet)

struct dump {
	struct recorder_trace trace; /* its folder is the copy's */
	char packet[RECORDER_BUFFER_BYTES] __attribute__((aligned(8)));
	char part[RECORDER_BUFFER_BYTES];
	char from[PATH_MAX], to[PATH_MAX];
};

static bool join(char path[PATH_MAX], const char *folder, const char *name)
{
	const size_t first = strlen(folder), second = strlen(name);

	if (first + 1 + second + 1 > PATH_MAX)
		return false;
	memcpy(path, folder, first);
	path[first] = '/';
	memcpy(path + first + 1, name, second);
	path[first + 1 + second] = '\0';
	return true;
}

static int name_paths(struct dump *dump, const char *name)
{
	return join(dump->from, recorder_main.folder, name) &&
		       join(dump->to, dump->trace.folder, name)
		   ? 0
		   : ENAMETOOLONG;
}

/* At most `limit` bytes of the file that `from` names. 0 or an errno; a file that is missing has
   none. */
static int copy(struct dump *dump, uint64_t limit, uint64_t *copied)
{
	int fd = open(dump->from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int error = fd < 0 && errno != ENOENT ? errno : 0;

	*copied = 0;
	while (fd >= 0 && error == 0 && *copied < limit) {
		const uint64_t rest = limit - *copied;
		const size_t bytes = rest < sizeof(dump->part) ? (size_t) rest : sizeof(dump->part);
		const ssize_t got = pread(fd, dump->part, bytes, (off_t) *copied);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			error = got < 0 ? errno : 0;
			break;
		}
		error = recorder_file_write(dump->to, *copied == 0, *copied, *copied, dump->part,
					    (size_t) got);
		*copied += (uint64_t) got;
	}
	if (fd >= 0)
		close(fd);
	return error;
}

/* The newest packet as it would be written now; 0 bytes: there is none. */
static size_t take_packet(struct dump *dump, struct recorder_stream *stream, char *name,
			  uint64_t *offset)
{
	struct uvhooks_trace_packet *packet = (struct uvhooks_trace_packet *) dump->packet;
	const struct uvhooks_trace_buffer *buffer = stream->buffer;
	size_t bytes = 0;

	recorder_stream_hold(stream);
	buffer = stream->buffer;
	if (buffer != NULL && buffer->magic == UVHOOKS_TRACE_BUFFER_MAGIC) {
		bytes = __atomic_load_n(&buffer->committed, __ATOMIC_ACQUIRE);
		memcpy(name, buffer->file, RECORDER_NAME_BYTES);
		*offset = buffer->offset;
		memcpy(dump->packet, buffer + 1, bytes);
		packet->timestamp_end = __atomic_load_n(&buffer->last, __ATOMIC_RELAXED);
		packet->content_size = packet->packet_size = (uint64_t) bytes * 8;
		packet->events_discarded = __atomic_load_n(&buffer->discarded, __ATOMIC_RELAXED);
	}
	recorder_stream_release(stream);
	return bytes;
}

static int dump_stream(struct dump *dump, struct recorder_stream *stream)
{
	char name[RECORDER_NAME_BYTES + 1] = "";
	uint64_t offset = 0, copied;
	size_t bytes = take_packet(dump, stream, name, &offset);
	int error;

	if (name[0] == '\0')
		return 0;
	error = name_paths(dump, name);
	if (error == 0)
		error = copy(dump, offset, &copied);
	if (error == 0 && bytes > HEADER_BYTES)
		error =
		    recorder_file_write(dump->to, copied == 0, copied, copied, dump->packet, bytes);
	return error;
}

/* Is a thread writing to it, since it was asked last? Then it is newer than the dump. */
static bool is_in_use(const char *name)
{
	for (struct recorder_stream *stream = recorder_streams(); stream != NULL;
	     stream = stream->next) {
		bool same;

		recorder_stream_hold(stream);
		same = stream->buffer != NULL &&
		       strncmp(stream->buffer->file, name, RECORDER_NAME_BYTES) == 0;
		recorder_stream_release(stream);
		if (same)
			return true;
	}
	return false;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/*
 * All whose names begin so, and that are not there yet. What is written under the lock is dumped
 * under it; no stream may be held then, as who holds one may wait for the lock.
 */
static int dump_files(struct dump *dump, const char *beginning, bool are_streams)
{
	DIR *dir = opendir(recorder_main.folder);
	struct dirent *entry;
	uint64_t copied;
	int error = dir == NULL ? errno : 0;

	while (error == 0 && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, beginning, strlen(beginning)) != 0)
			continue;
		error = name_paths(dump, entry->d_name);
		if (error == 0 && !exists(dump->to) && !(are_streams && is_in_use(entry->d_name)))
			error = copy(dump, UINT64_MAX, &copied);
	}
	if (dir != NULL)
		closedir(dir);
	return error;
}

static int make_folder(struct dump *dump, const char *dir)
{
	int error;

	recorder_lock();
	recorder_trace = &dump->trace;
	error = recorder_make_folder(dir);
	recorder_trace = &recorder_main;
	recorder_unlock();
	return error;
}

int recorder_dump(const char *dir)
{
	struct recorder_guard guard;
	struct dump *dump =
	    mmap(NULL, sizeof(*dump), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (dump == MAP_FAILED)
		return errno;
	recorder_guard_enter(&guard);
	error = make_folder(dump, dir);
	for (struct recorder_stream *stream = recorder_streams(); stream != NULL && error == 0;
	     stream = stream->next)
		error = dump_stream(dump, stream);
	if (error == 0)
		error = dump_files(dump, "thread-", true);
	recorder_lock();
	if (error == 0)
		error = dump_files(dump, "definitions", false);
	if (error == 0)
		error = dump_files(dump, "metadata", false);
	recorder_unlock();
	recorder_guard_leave(&guard);
	munmap(dump, sizeof(*dump));
	return error;
}
