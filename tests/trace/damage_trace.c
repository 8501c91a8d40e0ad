/* SPDX-License-Identifier: MIT */
/*
 * Damages a trace in every way at every byte: each file is cut there, and bits of the byte are
 * flipped. What does not hang on that byte must still be read, and the damage must be told.
 *
 *	damage_trace PROCESS_FOLDER EMPTY_FOLDER
 *
 * The second one is where the damaged copies go.
 */
#include "check_trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uvhooks/trace.h>

#define FILES_MAX  16
#define RECORD_MIN 8

static const unsigned char flips[] = {0x01, 0x10, 0x80, 0xff};

struct file {
	char name[256], path[1024];
	unsigned char *data;
	size_t bytes;
	bool is_events;
};

static struct file files[FILES_MAX];
static size_t file_count;
static const char *copies;
static uint64_t all_events;
static unsigned long runs;

static void fail(const struct file *file, size_t at, const char *what, uint64_t events)
{
	printf("%s at byte %zu: %s (%llu events, %llu in all)\n", file->name, at, what,
	       (unsigned long long) events, (unsigned long long) all_events);
	exit(1);
}

static void write_file(const struct file *file, size_t bytes)
{
	int fd = open(file->path, O_WRONLY | O_CREAT, 0600);

	if (fd < 0 || write(fd, file->data, bytes) != (ssize_t) bytes ||
	    ftruncate(fd, (off_t) bytes) != 0)
		fail(file, bytes, "cannot be written", 0);
	close(fd);
}

static void read_file(const char *folder, const char *name)
{
	struct file *file = &files[file_count++];
	char path[1024];
	struct stat status;
	int fd;

	snprintf(file->name, sizeof(file->name), "%s", name);
	snprintf(file->path, sizeof(file->path), "%s/%s", copies, name);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file->is_events = strncmp(name, "thread-", 7) == 0;
	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &status) != 0)
		fail(file, 0, "cannot be opened", 0);
	file->bytes = (size_t) status.st_size;
	file->data = malloc(file->bytes);
	if (read(fd, file->data, file->bytes) != (ssize_t) file->bytes)
		fail(file, 0, "cannot be read", 0);
	close(fd);
	write_file(file, file->bytes);
}

static void read_folder(const char *folder)
{
	DIR *names = opendir(folder);
	struct dirent *entry;

	while (names != NULL && (entry = readdir(names)) != NULL) {
		if (entry->d_name[0] != '.' && file_count < FILES_MAX)
			read_file(folder, entry->d_name);
	}
	if (names != NULL)
		closedir(names);
}

static struct checked check(void)
{
	runs++;
	return check_trace(copies);
}

/* The end of the packet that begins at `at`. */
static size_t end_of_packet(const struct file *file, size_t at)
{
	uint64_t bits;

	memcpy(&bits, file->data + at + offsetof(struct uvhooks_trace_packet, packet_size),
	       sizeof(bits));
	return at + (size_t) (bits / 8);
}

/* One byte more is one event more at most, and all of them are the rest of the events. */
static void cut_everywhere(const struct file *file, uint64_t *events_before)
{
	size_t boundary = 0;

	for (size_t at = 0; at <= file->bytes; at++) {
		struct checked checked;

		write_file(file, at);
		checked = check();
		events_before[at] = checked.events;
		if (file->is_events && at == boundary && at < file->bytes)
			boundary = end_of_packet(file, at);
		else if (checked.damage == 0 && at < file->bytes && file->name[0] != 'm')
			fail(file, at, "it was cut there, and nobody said so", checked.events);
		if (!file->is_events && checked.events != all_events)
			fail(file, at, "cut there, it cost events", checked.events);
		if (at > 0 && checked.events - events_before[at - 1] > 1)
			fail(file, at, "one byte more, and not one event", checked.events);
	}
	if (events_before[file->bytes] != all_events)
		fail(file, file->bytes, "not all is there", events_before[file->bytes]);
}

/* What a packet begins with, and its sizes, are known: that something is wrong must be told. */
static bool is_known(const struct file *file, size_t in_packet)
{
	return file->is_events &&
	       (in_packet < offsetof(struct uvhooks_trace_packet, timestamp_begin) ||
		(in_packet >= offsetof(struct uvhooks_trace_packet, content_size) &&
		 in_packet < offsetof(struct uvhooks_trace_packet, packet_seq_num)));
}

/* A byte of a packet costs its events at most, and makes as many as it has bytes for. */
static void flip(struct file *file, size_t at, uint64_t in_packet, size_t packet_bytes, bool known)
{
	for (size_t i = 0; i < sizeof(flips); i++) {
		struct checked checked;

		file->data[at] ^= flips[i];
		write_file(file, file->bytes);
		checked = check();
		file->data[at] ^= flips[i];
		if (known && checked.damage == 0)
			fail(file, at, "flipped, and nobody said so", checked.events);
		if (checked.events + in_packet < all_events)
			fail(file, at, "flipped, it cost events elsewhere", checked.events);
		if (checked.events > all_events - in_packet + packet_bytes / RECORD_MIN)
			fail(file, at, "flipped, it made events", checked.events);
	}
}

static void flip_everywhere(struct file *file, const uint64_t *events_before)
{
	size_t begin = 0, end = file->bytes;

	for (size_t at = 0; at < file->bytes; at++) {
		if (file->is_events && (at == 0 || at == end)) {
			begin = at;
			end = end_of_packet(file, at);
		}
		flip(file, at, file->is_events ? events_before[end] - events_before[begin] : 0,
		     file->is_events ? end - begin : 0, is_known(file, at - begin));
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	copies = argv[2];
	read_folder(argv[1]);
	all_events = check().events;
	if (file_count == 0 || all_events == 0)
		return 2;
	for (size_t i = 0; i < file_count; i++) {
		uint64_t *events_before = calloc(files[i].bytes + 1, sizeof(*events_before));

		if (events_before == NULL)
			return 2;
		cut_everywhere(&files[i], events_before);
		flip_everywhere(&files[i], events_before);
		write_file(&files[i], files[i].bytes);
		free(events_before);
		free(files[i].data);
	}
	printf("%lu damaged traces of %llu events\n", runs, (unsigned long long) all_events);
	return 0;
}
