/* SPDX-License-Identifier: MIT */
/*
 * Packets of a file. One begins where the one before it ends; where none does, or where the sizes
 * of one cannot be right, the next is searched for by the magic number and the uuid.
 */
#include "trace_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Descriptors that are kept open; more files than that are opened each time. */
#define OPEN_FILES_MAX 32

#define HEADER_BYTES sizeof(struct uvhooks_trace_packet)

/* By these a packet is found. */
#define MARK_BYTES 20

#define SEARCH_BYTES 65536

static bool open_file(struct uvh_file *file)
{
	struct stat status;
	char *path;

	if (file->fd >= 0)
		return true;
	if (asprintf(&path, "%s/%s", file->folder->path, file->name) < 0)
		return false;
	/* It was a regular file when the trace was opened. If it is a FIFO now, do not wait. */
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	free(path);
	if (file->fd < 0)
		return false;
	if (fstat(file->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		close(file->fd);
		file->fd = -1;
		errno = EINVAL;
		return false;
	}
	file->folder->trace->open_files++;
	return true;
}

void uvh_file_close(struct uvh_file *file)
{
	if (file->fd < 0)
		return;
	close(file->fd);
	file->fd = -1;
	file->folder->trace->open_files--;
}

size_t uvh_file_read(struct uvh_file *file, uint64_t offset, void *buffer, size_t bytes)
{
	size_t done = 0;

	if (offset >= file->size)
		return 0;
	if (bytes > file->size - offset)
		bytes = (size_t) (file->size - offset);
	if (!open_file(file))
		return 0;
	while (done < bytes) {
		ssize_t got =
		    pread(file->fd, (char *) buffer + done, bytes - done, (off_t) (offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t) got;
	}
	if (file->folder->trace->open_files > OPEN_FILES_MAX)
		uvh_file_close(file);
	return done;
}

static void make_mark(const uint8_t *uuid, unsigned char mark[MARK_BYTES])
{
	uint32_t magic = htole32(UVHOOKS_TRACE_MAGIC);

	memcpy(mark, &magic, sizeof(magic));
	memcpy(mark + sizeof(magic), uuid, MARK_BYTES - sizeof(magic));
}

/* Past what was never written: a file may claim to be larger than all disks, at no cost. */
static uint64_t skip_hole(struct uvh_file *file, uint64_t offset)
{
	off_t data = open_file(file) ? lseek(file->fd, (off_t) offset, SEEK_DATA) : -1;

	if (data < 0)
		return errno == ENXIO ? file->size : offset;
	return (uint64_t) data;
}

/* Where the next mark is, from `offset` on; the file's size if there is none. */
static uint64_t search(struct uvh_file *file, uint64_t offset, const uint8_t *uuid)
{
	unsigned char mark[MARK_BYTES], *buffer = malloc(SEARCH_BYTES);
	uint64_t found = file->size;

	make_mark(uuid, mark);
	while (buffer != NULL && offset < file->size) {
		size_t got = uvh_file_read(file, offset, buffer, SEARCH_BYTES);
		const unsigned char *at = memmem(buffer, got, mark, sizeof(mark));

		if (at != NULL) {
			found = offset + (uint64_t) (at - buffer);
			break;
		}
		if (got < SEARCH_BYTES)
			break;
		offset = skip_hole(file, offset + got - (sizeof(mark) - 1));
	}
	free(buffer);
	return found;
}

/* Does a packet, or nothing, come at `offset`? */
static bool is_boundary(struct uvh_file *file, uint64_t offset, const uint8_t *uuid)
{
	unsigned char mark[MARK_BYTES], there[MARK_BYTES];

	if (offset >= file->size)
		return offset == file->size;
	make_mark(uuid, mark);
	return uvh_file_read(file, offset, there, sizeof(there)) == sizeof(there) &&
	       memcmp(mark, there, sizeof(mark)) == 0;
}

static void read_header(const unsigned char *bytes, struct uvhooks_trace_packet *header)
{
	const unsigned char *at = bytes + 24;
	uint64_t *const fields[] = {
	    &header->stream_instance_id, &header->timestamp_begin, &header->timestamp_end,
	    &header->content_size,       &header->packet_size,     &header->packet_seq_num,
	    &header->events_discarded,   &header->id_base,         &header->execution,
	    &header->thread_id,
	};

	header->magic = uvh_load32(bytes);
	memcpy(header->uuid, bytes + 4, sizeof(header->uuid));
	header->stream_id = uvh_load32(bytes + 20);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++, at += 8)
		*fields[i] = uvh_load64(at);
}

/* What is wrong with the header as such; NULL: nothing. */
static const char *what_is_wrong(const struct uvhooks_trace_packet *header,
				 const struct uvh_packet_rules *rules)
{
	if (header->stream_id != rules->stream_id)
		return "a packet of another kind of stream";
	if (rules->has_instance && header->stream_instance_id != rules->instance)
		return "a packet of another stream";
	if (header->timestamp_begin > header->timestamp_end)
		return "a packet that ends before it begins";
	return NULL;
}

/* A size that a header claims, in bytes; 0 if it cannot be one. */
static uint64_t claimed(uint64_t bits)
{
	return bits % 8 != 0 || bits / 8 < HEADER_BYTES ? 0 : bits / 8;
}

#define TELL(...)                                                                                  \
	do {                                                                                       \
		if (rules->tell)                                                                   \
			uvh_damage(file->folder->trace, file->folder->name, file->name,            \
				   __VA_ARGS__);                                                   \
	} while (0)

/*
 * How long the packet is: both of its sizes say so, and what follows. Where none of that fits, it
 * ends where the next one begins, or with the file.
 */
static void measure(struct uvh_file *file, const struct uvh_packet_rules *rules,
		    struct uvh_packet *packet)
{
	uint64_t left = file->size - packet->offset;
	uint64_t sizes[] = {claimed(packet->header.packet_size),
			    claimed(packet->header.content_size)};

	for (size_t i = 0; i < 2; i++) {
		if (sizes[i] == 0 || sizes[i] > left ||
		    !is_boundary(file, packet->offset + sizes[i], rules->uuid))
			continue;
		packet->bytes = sizes[i];
		packet->next = packet->offset + sizes[i];
		if (sizes[0] != sizes[1])
			TELL(packet->offset,
			     "the sizes of a packet differ; taken for %" PRIu64
			     " bytes, as another follows then",
			     sizes[i]);
		return;
	}
	packet->next = search(file, packet->offset + HEADER_BYTES, rules->uuid);
	packet->bytes = packet->next - packet->offset;
	if (sizes[0] != 0 && sizes[0] == sizes[1] && sizes[0] < packet->bytes) {
		packet->bytes = sizes[0]; /* then something foreign follows it, which is told of */
		packet->next = packet->offset + sizes[0];
	} else if (sizes[0] != 0 && packet->next == file->size) {
		if (!file->folder->process.running)
			TELL(packet->offset,
			     "a packet of %" PRIu64 " bytes is cut short; the %" PRIu64
			     " that are there were read",
			     sizes[0], packet->bytes);
	} else {
		TELL(packet->offset,
		     "the size of a packet is wrong; it was read up to byte %" PRIu64
		     ", where the next one begins",
		     packet->next);
	}
}

bool uvh_packet_find(struct uvh_file *file, uint64_t offset, const struct uvh_packet_rules *rules,
		     struct uvh_packet *packet)
{
	unsigned char bytes[HEADER_BYTES], mark[MARK_BYTES];

	make_mark(rules->uuid, mark);
	while (offset < file->size) {
		size_t got = uvh_file_read(file, offset, bytes, sizeof(bytes));
		uint64_t next;
		const char *wrong;

		if (got < sizeof(bytes)) {
			if (!file->folder->process.running)
				TELL(offset,
				     got < file->size - offset
					 ? "cannot be read on; the rest of the file was left out"
					 : "cut within the header of a packet; that was left out");
			return false;
		}
		packet->offset = offset;
		if (memcmp(bytes, mark, sizeof(mark)) != 0) {
			next = search(file, offset + 1, rules->uuid);
			TELL(offset,
			     "no packet of this trace begins here; %" PRIu64 " bytes were left out",
			     next - offset);
			offset = next;
			continue;
		}
		read_header(bytes, &packet->header);
		wrong = what_is_wrong(&packet->header, rules);
		if (wrong == NULL) {
			measure(file, rules, packet);
			return true;
		}
		next = search(file, offset + HEADER_BYTES, rules->uuid);
		TELL(offset, "%s; its %" PRIu64 " bytes were left out", wrong, next - offset);
		offset = next;
	}
	return false;
}

bool uvh_packet_uuid(struct uvh_file *file, uint8_t uuid[16])
{
	unsigned char bytes[HEADER_BYTES];
	struct uvhooks_trace_packet header;

	if (uvh_file_read(file, 0, bytes, sizeof(bytes)) < sizeof(bytes))
		return false;
	read_header(bytes, &header);
	if (header.magic != UVHOOKS_TRACE_MAGIC)
		return false;
	memcpy(uuid, header.uuid, sizeof(header.uuid));
	return true;
}

bool uvh_window_begin(struct uvh_window *window, struct uvh_file *file,
		      const struct uvh_packet *packet)
{
	if (window->buffer == NULL)
		window->buffer = malloc(UVH_WINDOW_BYTES);
	if (window->buffer == NULL)
		return false;
	window->file = file;
	window->at = window->end = window->buffer;
	window->offset = packet->offset + HEADER_BYTES;
	window->rest = packet->bytes - HEADER_BYTES;
	return true;
}

void uvh_window_read(struct uvh_window *window)
{
	size_t left = (size_t) (window->end - window->at), room = UVH_WINDOW_BYTES - left, got;
	size_t wanted = window->rest < room ? (size_t) window->rest : room;

	memmove(window->buffer, window->at, left);
	got = uvh_file_read(window->file, window->offset, window->buffer + left, wanted);
	window->at = window->buffer;
	window->end = window->buffer + left + got;
	window->offset += got;
	window->rest -= got;
	if (got == wanted)
		return;
	window->rest = 0;
	if (uvh_is_removing(window->file->folder)) {
		window->file->folder->overtaken = true;
		return;
	}
	uvh_damage(window->file->folder->trace, window->file->folder->name, window->file->name,
		   window->offset,
		   "the file has become shorter, or cannot be read any more; the "
		   "rest of this packet was left out");
}

void uvh_window_free(struct uvh_window *window)
{
	if (window->file != NULL)
		uvh_file_close(window->file);
	free(window->buffer);
	memset(window, 0, sizeof(*window));
}
