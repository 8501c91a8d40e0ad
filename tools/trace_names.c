/* SPDX-License-Identifier: MIT */
/*
 * Adds the names of callbacks, and the lines of what is on stacks, to the definitions: packets of
 * `symbol` and `line` records behind the others.
 */
#include "trace_names.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stack_lines.h"
#include "trace_parts.h"

/* A packet that has grown so far is ended. */
#define PACKET_BYTES ((size_t) 1 << 20)

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

/* As the file has them: made printable is what is read. */
static void put_line(struct text *text, uint64_t ticks, uint64_t address,
		     const struct uvh_trace_line *line)
{
	const uint16_t number = UVHOOKS_TRACE_DEFINITION_line;

	put(text, &number, sizeof(number));
	put(text, &ticks, sizeof(ticks));
	put(text, &address, sizeof(address));
	put(text, &line->line, sizeof(line->line));
	put(text, line->function, strlen(line->function) + 1);
	put(text, line->path, strlen(line->path) + 1);
	put(text, line->module, strlen(line->module) + 1);
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

/* The packets that are added. The header of the last, at `begin`, is not complete yet. */
struct addition {
	struct text all;
	struct uvhooks_trace_packet header;
	size_t begin;
};

static void begin_packet(struct addition *addition)
{
	addition->begin = addition->all.used;
	addition->header.packet_seq_num++;
	put(&addition->all, &addition->header, sizeof(addition->header));
}

static void end_packet(struct addition *addition)
{
	uint64_t bits = (uint64_t) (addition->all.used - addition->begin) * 8;

	addition->header.content_size = addition->header.packet_size = bits;
	if (addition->all.bytes != NULL)
		memcpy(addition->all.bytes + addition->begin, &addition->header,
		       sizeof(addition->header));
}

/* Between two definitions. */
static void may_end_packet(struct addition *addition)
{
	if (addition->all.used - addition->begin < PACKET_BYTES)
		return;
	end_packet(addition);
	begin_packet(addition);
}

static int by_number(const void *left, const void *right)
{
	const uint64_t *one = left, *other = right;

	return *one < *other ? -1 : *one > *other;
}

/* The addresses of all stacks, each once. */
static uint64_t *find_addresses(const struct uvh_folder *folder, size_t *count)
{
	const uint64_t *all = folder->addresses.items;
	uint64_t *addresses = malloc((folder->addresses.count + 1) * sizeof(*addresses));
	size_t used = 0;

	*count = 0;
	if (addresses == NULL || folder->addresses.count == 0)
		return addresses;
	memcpy(addresses, all, folder->addresses.count * sizeof(*addresses));
	qsort(addresses, folder->addresses.count, sizeof(*addresses), by_number);
	for (size_t i = 1; i < folder->addresses.count; i++)
		if (addresses[i] != addresses[used])
			addresses[++used] = addresses[i];
	*count = used + 1;
	return addresses;
}

static void put_lines(struct addition *addition, const struct uvh_folder *folder)
{
	struct uvh_stack_lines lines = {.process = &folder->process};
	struct uvh_trace_line found[UVH_ELF_LINES_MAX];
	uint64_t *addresses;
	size_t count;

	addresses = find_addresses(folder, &count);
	for (size_t i = 0; i < count; i++) {
		size_t known = uvh_stack_lines_find(&lines, addresses[i], found);

		may_end_packet(addition);
		for (size_t k = 0; k < known; k++)
			put_line(&addition->all, addition->header.timestamp_end, addresses[i],
				 &found[k]);
	}
	free(addresses);
	uvh_stack_lines_free(&lines);
}

static void compose(struct addition *addition, const struct uvh_folder *folder)
{
	const uint64_t *callbacks = folder->callbacks.items;

	addition->header.timestamp_begin = addition->header.timestamp_end;
	begin_packet(addition);
	for (size_t i = 0; folder->symbols.count == 0 && i < folder->callbacks.count; i++) {
		may_end_packet(addition);
		put_symbol(&addition->all, addition->header.timestamp_end, callbacks[i],
			   uvh_trace_callback_name(&folder->process, callbacks[i]));
	}
	if (folder->line_groups.count == 0)
		put_lines(addition, folder);
	end_packet(addition);
}

static void keep_names(const struct uvh_folder *folder)
{
	int directory = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct addition addition = {0};
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
	if (find_end(fd, &addition.header, &size) == 0) {
		compose(&addition, folder);
		/* All of it or nothing: half a packet is damage. */
		if (addition.all.bytes != NULL &&
		    pwrite(fd, addition.all.bytes, addition.all.used, (off_t) size) !=
			(ssize_t) addition.all.used)
			(void) !ftruncate(fd, (off_t) size);
	}
	free(addition.all.bytes);
	close(fd);
out:
	close(directory);
}

static bool is_named(const struct uvh_folder *folder)
{
	return (folder->callbacks.count == 0 || folder->symbols.count != 0) &&
	       (folder->addresses.count == 0 || folder->line_groups.count != 0);
}

void uvh_trace_keep_names(struct uvh_trace *trace)
{
	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const struct uvh_folder *folder =
		    (const struct uvh_folder *) uvh_trace_process(trace, i);

		if (!is_named(folder))
			keep_names(folder);
	}
}
