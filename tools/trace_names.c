/* SPDX-License-Identifier: MIT */
/* Adds the names of callbacks to the definitions: a packet of `symbol` records behind the others.
 */
#include "trace_names.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace_parts.h"

/* The packet as it grows; NULL: memory is short. */
struct text {
	char *bytes;
	size_t used, room;
};

static void put(struct text *text, const void *bytes, size_t count)
{
	if (text->room - text->used < count) {
		size_t room = 2 * text->room + count;
		char *more = realloc(text->bytes, room);

		if (more == NULL) {
			free(text->bytes);
			*text = (struct text){.room = SIZE_MAX / 4};
			return;
		}
		text->bytes = more;
		text->room = room;
	}
	if (text->bytes != NULL)
		memcpy(text->bytes + text->used, bytes, count);
	text->used += count;
}

static void put_symbol(struct text *text, uint64_t ticks, uint64_t address, const char *name)
{
	const uint16_t number = UVHOOKS_TRACE_DEFINITION_symbol;

	put(text, &number, sizeof(number));
	put(text, &ticks, sizeof(ticks));
	put(text, &address, sizeof(address));
	put(text, name, strlen(name) + 1);
}

/* Finds the last packet; 0, or -1 if the file is not wholly made of packets. */
static int find_end(int fd, struct uvhooks_trace_packet *last, uint64_t *size)
{
	struct stat status;
	uint64_t at = 0;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
		return -1;
	*size = (uint64_t) status.st_size;
	while (at < *size) {
		if (pread(fd, last, sizeof(*last), (off_t) at) != (ssize_t) sizeof(*last) ||
		    last->magic != UVHOOKS_TRACE_MAGIC || last->packet_size / 8 < sizeof(*last) ||
		    last->packet_size / 8 > *size - at)
			return -1;
		at += last->packet_size / 8;
	}
	return 0;
}

static void compose(struct text *text, const struct uvh_folder *folder,
		    struct uvhooks_trace_packet header)
{
	const uint64_t *addresses = folder->callbacks.items;

	header.timestamp_begin = header.timestamp_end;
	header.packet_seq_num++;
	put(text, &header, sizeof(header));
	for (size_t i = 0; i < folder->callbacks.count; i++)
		put_symbol(text, header.timestamp_end, addresses[i],
			   uvh_trace_callback_name(&folder->process, addresses[i]));
	if (text->bytes == NULL)
		return;
	header.content_size = header.packet_size = (uint64_t) text->used * 8;
	memcpy(text->bytes, &header, sizeof(header));
}

static void keep_names(const struct uvh_folder *folder)
{
	int directory = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct uvhooks_trace_packet last;
	struct text text = {0};
	uint64_t size;
	int fd;

	if (directory < 0)
		return;
	/* A process that still runs writes to that file itself. */
	if (faccessat(directory, ".buffers", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		goto out;
	fd = openat(directory, "definitions", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		goto out;
	if (find_end(fd, &last, &size) == 0) {
		compose(&text, folder, last);
		/* All of it or nothing: half a packet is damage. */
		if (text.bytes != NULL &&
		    pwrite(fd, text.bytes, text.used, (off_t) size) != (ssize_t) text.used)
			(void) !ftruncate(fd, (off_t) size);
	}
	free(text.bytes);
	close(fd);
out:
	close(directory);
}

void uvh_trace_keep_names(struct uvh_trace *trace)
{
	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const struct uvh_folder *folder =
		    (const struct uvh_folder *) uvh_trace_process(trace, i);

		if (folder->callbacks.count != 0 && folder->symbols.count == 0)
			keep_names(folder);
	}
}
