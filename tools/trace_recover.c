/* SPDX-License-Identifier: MIT */
/*
 * A killed process leaves the newest packet of each thread in shared memory; its files may end with
 * a part of that packet, since a kill also ends a write. So each packet is written, whole, to where
 * it belongs, and what is behind the last whole packet of `definitions` is cut off.
 *
 * Nothing here trusts what it finds. Ids of segments come again: after the machine has started
 * anew, and in each IPC namespace. So a segment must be one that the folder's owner has made, or
 * who reads it, and hold no packet of another trace; what is another one's is left as it is. Where
 * nothing was found the folder is left as it is, too: its process may run where this one cannot see
 * it.
 */
#include "trace_recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uvhooks/trace.h>

#include "command.h"

#define HEADER_BYTES     sizeof(struct uvhooks_trace_packet)
#define LIST_BYTES_MAX   (1 << 20)
#define BUFFER_BYTES_MAX (1 << 26)

/* One line of `.buffers`. */
struct segment {
	int id;
	size_t buffer_bytes;
	size_t count;
	struct shmid_ds status;
	const char *memory; /* it is there, and is the trace's; else NULL */
	bool refused;       /* it may be there */
};

struct left_over {
	int folder; /* descriptors */
	int list;
	const char *name; /* of the folder, for messages */
	uid_t owner;
	time_t listed; /* when its last segment was */
	long pid;
	unsigned long long start;
	struct segment *segments;
	size_t count;
	uint8_t uuid[16];
	bool has_uuid;
	int error; /* why something is lost; 0 if nothing is, or not for that */
};

/* When the process of this id was started, in the kernel's unit; 0: there is none, or a zombie. */
static unsigned long long start_of(long pid)
{
	char path[64], text[1024];
	unsigned long long start = 0;
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	at = strrchr(text, ')'); /* the end of field 2, which may hold anything */
	if (at != NULL && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0))
		return 0;
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at != NULL)
		start = strtoull(at, NULL, 10);
	return start;
}

static bool read_list(struct left_over *left)
{
	FILE *file = fdopen(dup(left->list), "r");
	struct segment segment = {0};
	bool sound;

	if (file == NULL)
		return false;
	sound = fscanf(file, "%ld %llu", &left->pid, &left->start) == 2 && left->pid > 0;
	while (sound && fscanf(file, "%d %zu %zu", &segment.id, &segment.buffer_bytes,
			       &segment.count) == 3) {
		struct segment *more =
		    realloc(left->segments, (left->count + 1) * sizeof(*left->segments));

		if (more == NULL || segment.buffer_bytes > BUFFER_BYTES_MAX ||
		    segment.buffer_bytes < sizeof(struct uvhooks_trace_buffer) + HEADER_BYTES)
			break;
		left->segments = more;
		left->segments[left->count++] = segment;
	}
	fclose(file);
	return sound;
}

/* The trace's, from the first packet of the definitions, which is there from the beginning. */
static void read_uuid(struct left_over *left)
{
	struct uvhooks_trace_packet packet;
	int fd =
	    openat(left->folder, "definitions", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	if (pread(fd, &packet, HEADER_BYTES, 0) == (ssize_t) HEADER_BYTES &&
	    packet.magic == UVHOOKS_TRACE_MAGIC) {
		memcpy(left->uuid, packet.uuid, sizeof(left->uuid));
		left->has_uuid = true;
	}
	close(fd);
}

static bool is_of_trace(const struct left_over *left, const struct uvhooks_trace_packet *packet)
{
	return !left->has_uuid || memcmp(packet->uuid, left->uuid, sizeof(left->uuid)) == 0;
}

/* What makes a segment and lists it takes its time from two clocks, which are no second apart. */
#define CLOCKS_APART_S 2

/* Is there a packet of another trace in what a segment holds? */
static bool is_foreign(const struct left_over *left, const struct segment *segment)
{
	for (size_t i = 0; i < segment->count; i++) {
		const char *memory = segment->memory + i * segment->buffer_bytes;
		struct uvhooks_trace_buffer buffer;
		struct uvhooks_trace_packet packet;

		memcpy(&buffer, memory, sizeof(buffer));
		memcpy(&packet, memory + sizeof(buffer), HEADER_BYTES);
		if (buffer.magic == UVHOOKS_TRACE_BUFFER_MAGIC &&
		    packet.magic == UVHOOKS_TRACE_MAGIC && !is_of_trace(left, &packet))
			return true;
	}
	return false;
}

static void attach(const struct left_over *left, struct segment *segment)
{
	const struct shmid_ds *status = &segment->status;
	void *memory;
	size_t bytes;

	if (__builtin_mul_overflow(segment->buffer_bytes, segment->count, &bytes))
		return;
	if (shmctl(segment->id, IPC_STAT, &segment->status) != 0) {
		segment->refused = errno == EACCES;
		return;
	}
	if (status->shm_segsz != bytes || status->shm_ctime > left->listed + CLOCKS_APART_S)
		return;
	segment->refused =
	    status->shm_perm.cuid != left->owner && status->shm_perm.cuid != geteuid();
	if (segment->refused)
		return;
	memory = shmat(segment->id, NULL, SHM_RDONLY);
	if (memory == (void *) -1) {
		segment->refused = errno != EINVAL && errno != EIDRM; /* removed since */
		return;
	}
	segment->memory = memory;
	if (is_foreign(left, segment)) {
		shmdt(memory);
		segment->memory = NULL;
	}
}

/* Its memory is attached by the process alone; by none that was killed, or is another program now.
 */
static bool is_alive(const struct left_over *left)
{
	for (size_t i = 0; i < left->count; i++)
		if (left->segments[i].memory != NULL)
			return left->segments[i].status.shm_nattch > 0;
	return left->start != 0 && start_of(left->pid) == left->start;
}

static bool is_regular(int fd, struct stat *status)
{
	return fstat(fd, status) == 0 && S_ISREG(status->st_mode);
}

static int open_stream(const struct left_over *left, const char *name, bool create)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

	return openat(left->folder, name, flags | (create ? O_CREAT : 0), 0600);
}

/* Has the file what was before the packet? Somebody may have cut it: then the packet goes beside.
 */
static int open_at(const struct left_over *left, const struct uvhooks_trace_buffer *buffer,
		   uint64_t *offset)
{
	char name[sizeof(buffer->file) + 16];
	struct stat status;
	int fd;

	*offset = buffer->offset;
	fd = open_stream(left, buffer->file, *offset == 0);
	if (fd >= 0 && is_regular(fd, &status) && (uint64_t) status.st_size >= *offset)
		return fd;
	if (fd >= 0)
		close(fd);
	*offset = 0;
	snprintf(name, sizeof(name), "%s-recovered", buffer->file);
	return open_stream(left, name, true);
}

static bool write_all(int fd, const char *data, size_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t wrote = pwrite(fd, data, bytes, (off_t) offset);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		data += wrote;
		bytes -= (size_t) wrote;
		offset += (uint64_t) wrote;
	}
	return true;
}

static bool is_definitions(const char *name)
{
	return strcmp(name, "definitions") == 0;
}

static bool is_file_name(const char *name, size_t bytes)
{
	return memchr(name, '\0', bytes) != NULL && strchr(name, '/') == NULL &&
	       (strncmp(name, "thread-", 7) == 0 || is_definitions(name));
}

/* `packet` is a copy: nothing in it changes any more. */
static bool is_packet(const struct left_over *left, const struct uvhooks_trace_packet *packet,
		      unsigned int stream_id)
{
	return packet->magic == UVHOOKS_TRACE_MAGIC && packet->stream_id == stream_id &&
	       is_of_trace(left, packet);
}

/* True unless something of it could not be written. */
static bool write_packet(const struct left_over *left, const struct uvhooks_trace_buffer *buffer,
			 char *copy, size_t bytes)
{
	struct uvhooks_trace_packet *packet = (struct uvhooks_trace_packet *) copy;
	uint64_t offset;
	bool done;
	int fd;

	/* Without events it is worth something only if it counts lost ones. */
	if (bytes == HEADER_BYTES && packet->events_discarded == buffer->discarded)
		return true;
	packet->timestamp_end = buffer->last;
	packet->content_size = packet->packet_size = (uint64_t) bytes * 8;
	packet->events_discarded = buffer->discarded;
	fd = open_at(left, buffer, &offset);
	if (fd < 0)
		return false;
	done = write_all(fd, copy, bytes, offset) && ftruncate(fd, (off_t) (offset + bytes)) == 0;
	close(fd);
	return done;
}

static bool recover_buffer(struct left_over *left, const char *memory, size_t buffer_bytes)
{
	struct uvhooks_trace_buffer buffer;
	char *copy;
	bool done;

	memcpy(&buffer, memory, sizeof(buffer));
	if (buffer.magic != UVHOOKS_TRACE_BUFFER_MAGIC || buffer.committed < HEADER_BYTES ||
	    buffer.committed > buffer_bytes - sizeof(buffer) ||
	    !is_file_name(buffer.file, sizeof(buffer.file)))
		return true;
	if (buffer.error != 0 && buffer.error <= INT_MAX)
		left->error = (int) buffer.error;
	copy = malloc(buffer.committed);
	if (copy == NULL)
		return false;
	memcpy(copy, memory + sizeof(buffer), buffer.committed);
	done = !is_packet(left, (const struct uvhooks_trace_packet *) copy,
			  is_definitions(buffer.file) ? UVHOOKS_TRACE_DEFINITIONS
						      : UVHOOKS_TRACE_EVENTS) ||
	       write_packet(left, &buffer, copy, buffer.committed);
	free(copy);
	return done;
}

static bool recover_segment(struct left_over *left, const struct segment *segment)
{
	bool done = true;

	if (segment->memory == NULL)
		return true;
	for (size_t i = 0; i < segment->count; i++)
		done &= recover_buffer(left, segment->memory + i * segment->buffer_bytes,
				       segment->buffer_bytes);
	return done;
}

/* Cuts off what is behind the last whole packet. */
static void trim_definitions(const struct left_over *left)
{
	struct uvhooks_trace_packet packet;
	struct stat status;
	uint64_t at = 0;
	int fd = openat(left->folder, "definitions", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	while (pread(fd, &packet, HEADER_BYTES, (off_t) at) == (ssize_t) HEADER_BYTES &&
	       packet.magic == UVHOOKS_TRACE_MAGIC && packet.packet_size / 8 >= HEADER_BYTES &&
	       is_regular(fd, &status) && packet.packet_size / 8 <= (uint64_t) status.st_size - at)
		at += packet.packet_size / 8;
	if (at > 0 && is_regular(fd, &status) && (uint64_t) status.st_size > at)
		(void) !ftruncate(fd, (off_t) at);
	close(fd);
}

/*
 * A program that gives up the right to write here goes on in a folder beside, with all that was not
 * written yet.
 */
static bool has_gone_on(const struct left_over *left)
{
	char path[PATH_MAX];
	struct stat status;

	return snprintf(path, sizeof(path), "%s-2", left->name) < (int) sizeof(path) &&
	       lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid != left->owner;
}

/* Tells why nothing was found. */
static void tell_nothing(const struct left_over *left, bool refused)
{
	if (has_gone_on(left))
		return;
	if (refused)
		uvh_say(
		    "%s: the last events of this process may be in shared memory that only the "
		    "user may read who ran it: read the trace as that user, and let the folder be "
		    "that user's",
		    left->name);
	else
		uvh_say(
		    "%s: the last events of this process were in shared memory that is not there: "
		    "it is gone with the machine or container in which the process ran (or by "
		    "kernel.shm_rmid_forced), or the process runs in another container",
		    left->name);
}

/* What was lost is counted in the packets; the reason is told here alone. */
static void tell_error(const struct left_over *left)
{
	const bool is_refused = left->error == EACCES || left->error == EPERM;

	if (left->error != 0)
		uvh_say("%s: events are lost, as they could not be written: %s%s", left->name,
			strerror(left->error),
			is_refused ? "; for a program that becomes another user make the folder of "
				     "the trace before, one that this user may write to"
				   : "");
}

static void recover(struct left_over *left)
{
	bool done = true, refused = false;
	size_t found = 0;

	for (size_t i = 0; i < left->count; i++) {
		found += left->segments[i].memory != NULL;
		refused |= left->segments[i].refused;
	}
	if (left->count > 0 && (found == 0 || refused)) {
		tell_nothing(left, refused);
		return;
	}
	for (size_t i = 0; i < left->count; i++)
		done &= recover_segment(left, &left->segments[i]);
	trim_definitions(left);
	tell_error(left);
	if (!done) {
		uvh_say("%s: the last events of this process are still in shared memory: they "
			"could not be written; make the folder writable and read the trace again",
			left->name);
		return;
	}
	for (size_t i = 0; i < left->count; i++)
		if (left->segments[i].memory != NULL)
			shmctl(left->segments[i].id, IPC_RMID, NULL);
	unlinkat(left->folder, ".buffers", 0);
}

/* One reader does it; the others wait, and find nothing to do. */
static bool open_list(struct left_over *left)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat status, now;

	left->list = openat(left->folder, ".buffers", O_RDWR | flags);
	if (left->list < 0) /* what is there can be told at least */
		left->list = openat(left->folder, ".buffers", O_RDONLY | flags);
	if (left->list < 0) {
		if (errno == EACCES || errno == EPERM)
			uvh_say(
			    "%s/.buffers: %s: this says where the last events of the process are; "
			    "read the trace as the user who ran it",
			    left->name, strerror(errno));
		return false;
	}
	if (flock(left->list, LOCK_EX) != 0 || !is_regular(left->list, &status) ||
	    status.st_size > LIST_BYTES_MAX ||
	    fstatat(left->folder, ".buffers", &now, AT_SYMLINK_NOFOLLOW) != 0 ||
	    now.st_ino != status.st_ino)
		return false;
	left->owner = status.st_uid;
	left->listed = status.st_mtime;
	return true;
}

bool uvh_trace_recover(const char *folder)
{
	struct left_over left = {.list = -1, .name = folder};
	bool runs = false;

	left.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (left.folder < 0)
		return false;
	if (open_list(&left) && read_list(&left)) {
		read_uuid(&left);
		for (size_t i = 0; i < left.count; i++)
			attach(&left, &left.segments[i]);
		runs = is_alive(&left);
		if (!runs)
			recover(&left);
		for (size_t i = 0; i < left.count; i++)
			if (left.segments[i].memory != NULL)
				shmdt(left.segments[i].memory);
	}
	free(left.segments);
	if (left.list >= 0)
		close(left.list);
	close(left.folder);
	return runs;
}
