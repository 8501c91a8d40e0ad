/* SPDX-License-Identifier: MIT */
/*
 * Whatever bytes are in the files of a trace, the reader reads what it can and keeps its promises.
 *
 * The input is the files of a process, one after the other: three sizes of 16 bits for metadata,
 * definitions and one file of events, and then these; the rest is another file of events. Their
 * names do not say which stream they are of, so both may be of the same.
 * `tests/trace/make_trace.py seeds` makes such inputs.
 */
#include "../trace/check_trace.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4

static const char *const names[FILES] = {"metadata", "definitions", "thread-a", "thread-b"};
static char folder[256], paths[FILES][512];

static void remove_folder(void)
{
	char process[300];

	for (int i = 0; i < FILES; i++)
		unlink(paths[i]);
	snprintf(process, sizeof(process), "%s/p-1", folder);
	rmdir(process);
	rmdir(folder);
}

static void make_folder(void)
{
	const char *parent = getenv("TMPDIR");
	char process[300];

	snprintf(folder, sizeof(folder), "%s/fuzz-trace-XXXXXX", parent == NULL ? "/tmp" : parent);
	if (mkdtemp(folder) == NULL)
		abort();
	snprintf(process, sizeof(process), "%s/p-1", folder);
	if (mkdir(process, 0700) != 0)
		abort();
	for (int i = 0; i < FILES; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", process, names[i]);
	atexit(remove_folder);
}

/* A file without bytes is not there at all, in every second case. */
static void write_file(const char *path, const uint8_t *data, size_t bytes, int wanted)
{
	int fd;

	if (bytes == 0 && !wanted) {
		unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, data, bytes) != (ssize_t) bytes ||
	    ftruncate(fd, (off_t) bytes) != 0)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 2 * (FILES - 1);
	struct checked checked;

	if (folder[0] == '\0')
		make_folder();
	if (size < at)
		return 0;
	for (int i = 0; i < FILES; i++) {
		size_t bytes = size - at;

		if (i < FILES - 1 && (size_t) (data[2 * i] | data[2 * i + 1] << 8) < bytes)
			bytes = data[2 * i] | (size_t) data[2 * i + 1] << 8;
		write_file(paths[i], data + at, bytes, data[0] & 1);
		at += bytes;
	}
	checked = check_trace(folder);
	/* No record is shorter than 8 bytes. */
	if (checked.events > size / 8)
		abort();
	return 0;
}
