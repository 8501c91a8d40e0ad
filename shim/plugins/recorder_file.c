/* SPDX-License-Identifier: MIT */
/*
 * Writing to files that may be full, cut, deleted or forbidden at any time. None is kept open: the
 * program may close all descriptors, or count them.
 */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLAGS (O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)

int recorder_file_path(char path[PATH_MAX], const char *name)
{
	size_t folder = strlen(recorder_trace->folder), bytes = strlen(name) + 1;

	if (folder == 0)
		return recorder_trace->missing != 0 ? recorder_trace->missing : ENOENT;
	if (folder + 1 + bytes > PATH_MAX)
		return ENAMETOOLONG;
	memcpy(path, recorder_trace->folder, folder);
	path[folder] = '/';
	memcpy(path + folder + 1, name, bytes);
	return 0;
}

/* Signals are blocked here. Takes away the SIGXFSZ of our write; an older one is the program's. */
static void drop_signal(bool was_pending)
{
	static const struct timespec at_once;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	while (!was_pending && sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
		;
}

static int write_at(int fd, const char *data, size_t bytes, uint64_t offset)
{
	sigset_t pending;

	sigpending(&pending);
	while (bytes > 0) {
		ssize_t wrote = pwrite(fd, data, bytes, (off_t) offset);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0 && errno == EFBIG)
			drop_signal(sigismember(&pending, SIGXFSZ) == 1);
		if (wrote <= 0)
			return wrote < 0 ? errno : ENOSPC;
		data += wrote;
		bytes -= (size_t) wrote;
		offset += (uint64_t) wrote;
	}
	return 0;
}

/* Somebody else may have had his hands on it. */
static int check(int fd, uint64_t size)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return errno;
	return S_ISREG(status.st_mode) && (uint64_t) status.st_size == size ? 0 : ESTALE;
}

int recorder_file_write(const char *path, bool create, uint64_t size, uint64_t offset,
			const void *data, size_t bytes)
{
	int fd = open(path, FLAGS | (create ? O_CREAT | O_EXCL : 0), 0600);
	int error;

	if (fd < 0)
		return errno;
	error = check(fd, size);
	if (error == 0) {
		error = write_at(fd, data, bytes, offset);
		/* Half a packet would end the stream for every reader. */
		if (error != 0 && ftruncate(fd, (off_t) size) != 0)
			error = ESTALE;
	}
	if (error != 0 && create)
		unlink(path);
	close(fd);
	return error;
}

int recorder_file_append(const char *path, const void *data, size_t bytes)
{
	int fd = open(path, FLAGS | O_CREAT | O_APPEND, 0600);
	int error;

	if (fd < 0)
		return errno;
	error = write_at(fd, data, bytes, 0); /* O_APPEND: the offset does not matter */
	close(fd);
	return error;
}

void recorder_file_reserve(const char *path, size_t bytes)
{
	int fd = open(path, FLAGS);

	if (fd < 0)
		return;
	/* Where the file system cannot do that, the end of the trace may be missing. */
	(void) !fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t) bytes);
	close(fd);
}
