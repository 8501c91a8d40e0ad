/* SPDX-License-Identifier: MIT */
#include "perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Code that is compiled again and again lets a map grow; the newest is at its end. */
#define BYTES_MAX ((off_t) 64 << 20)

/* A program writes its last names when it ends, which may be after its last event. */
#define LATE_NS (INT64_C(60) * 1000000000)

struct code {
	uint64_t begin;
	uint64_t end;
	uint64_t reach; /* the furthest end of this one and all before it */
	size_t order;   /* in the file: what comes later lies there now */
	const char *function;
	const char *path; /* "" */
	uint32_t line;
};

/* Invariant: `code` is sorted by where it begins; its texts lie in `text`. */
struct uvh_perf_map {
	char *text;
	struct code *code;
	size_t count;
	size_t room;
};

static bool is_of_process(const struct stat *status, const struct uvh_trace_process *process)
{
	int64_t written_ns = status->st_mtim.tv_sec * INT64_C(1000000000) + status->st_mtim.tv_nsec;

	return S_ISREG(status->st_mode) && status->st_uid == geteuid() &&
	       written_ns >= process->start_ns && written_ns <= process->last_ns + LATE_NS;
}

/* The end of the file as a text; NULL: there is nothing that can be used. */
static char *read_text(const struct uvh_trace_process *process)
{
	char path[64], *text = NULL;
	struct stat status;
	ssize_t bytes;
	off_t from;
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", process->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && is_of_process(&status, process)) {
		from = status.st_size > BYTES_MAX ? status.st_size - BYTES_MAX : 0;
		text = malloc((size_t) (status.st_size - from) + 1);
		bytes = text != NULL ? pread(fd, text, (size_t) (status.st_size - from), from) : 0;
		if (text != NULL)
			text[bytes > 0 ? bytes : 0] = '\0';
	}
	close(fd);
	return text;
}

/* Cuts ":NUMBER" off the end of a text. */
static bool cut_number(char *text, uint32_t *number)
{
	char *colon = strrchr(text, ':'), *end;
	unsigned long value;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	value = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || value > INT32_MAX)
		return false;
	*number = (uint32_t) value;
	*colon = '\0';
	return true;
}

/*
 * V8 writes "JS:*name /path/file.js:12:34", with a mark for how the code was made, LuaJIT
 * "TRACE_1::file.lua:12" and Python "py::name:/path/file.py".
 */
static void read_name(struct code *code, char *name)
{
	char *path = strrchr(name, ' '), *prefix;
	uint32_t before;

	code->function = name;
	code->path = "";
	if (strncmp(name, "py::", 4) == 0) {
		code->function = name + 4;
		path = strchr(name + 4, ':');
	} else if (path == NULL && (path = strstr(name, "::")) != NULL) {
		*path++ = '\0';
	}
	if (path == NULL)
		return;
	*path++ = '\0';
	if (cut_number(path, &code->line) && cut_number(path, &before))
		code->line = before; /* the column came last */
	code->path = strncmp(path, "file://", 7) == 0 ? path + 7 : path;
	prefix = code->function == name ? strchr(name, ':') : NULL;
	if (prefix != NULL)
		code->function = prefix + 1 + strspn(prefix + 1, "*~^+-");
	if (code->function[0] == '\0')
		code->function = "(anonymous)";
}

/* "BEGIN SIZE NAME", the numbers in hexadecimal. */
static bool read_line(struct uvh_perf_map *map, char *line)
{
	uint64_t begin, size;
	struct code *more;
	char *end;

	errno = 0;
	begin = strtoull(line, &end, 16);
	if (end == line || *end != ' ')
		return true;
	line = end;
	size = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || errno != 0 || size == 0 || size > UINT64_MAX - begin)
		return true;
	if (map->count == map->room) {
		map->room = map->room != 0 ? 2 * map->room : 1024;
		more = reallocarray(map->code, map->room, sizeof(*more));
		if (more == NULL)
			return false;
		map->code = more;
	}
	map->code[map->count] =
	    (struct code){.begin = begin, .end = begin + size, .order = map->count};
	read_name(&map->code[map->count++], end + 1);
	return true;
}

static int by_begin(const void *left, const void *right)
{
	const struct code *one = left, *other = right;

	if (one->begin != other->begin)
		return one->begin < other->begin ? -1 : 1;
	return one->order < other->order ? -1 : one->order > other->order;
}

struct uvh_perf_map *uvh_perf_map_open(const struct uvh_trace_process *process)
{
	struct uvh_perf_map *map = calloc(1, sizeof(*map));
	uint64_t reach = 0;
	char *rest, *line;

	if (map != NULL)
		map->text = read_text(process);
	if (map == NULL || map->text == NULL) {
		free(map);
		return NULL;
	}
	rest = map->text;
	while ((line = strsep(&rest, "\n")) != NULL && read_line(map, line))
		;
	if (map->count != 0)
		qsort(map->code, map->count, sizeof(*map->code), by_begin);
	for (size_t i = 0; i < map->count; i++) {
		if (map->code[i].end > reach)
			reach = map->code[i].end;
		map->code[i].reach = reach;
	}
	return map;
}

void uvh_perf_map_close(struct uvh_perf_map *map)
{
	if (map == NULL)
		return;
	free(map->code);
	free(map->text);
	free(map);
}

/* How much of the code begins at `address` or before it. */
static size_t count_up_to(const struct uvh_perf_map *map, uint64_t address)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->code[middle].begin <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool uvh_perf_map_find(const struct uvh_perf_map *map, uint64_t address,
		       struct uvh_trace_line *line)
{
	const struct code *best = NULL;

	for (size_t i = count_up_to(map, address); i > 0 && map->code[i - 1].reach > address; i--) {
		const struct code *code = &map->code[i - 1];

		if (code->end > address && (best == NULL || code->order > best->order))
			best = code;
	}
	if (best == NULL)
		return false;
	*line = (struct uvh_trace_line){best->function, best->path, best->line, ""};
	return true;
}
