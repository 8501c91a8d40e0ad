/* SPDX-License-Identifier: MIT */
/*
 * The only file of the shim that formats text with the C library: vsnprintf into its own stack.
 *
 * A message may do no harm: it goes to the stderr that the process was started with, and to no file
 * that has got its number since; it waits for no reader, and raises no signal that kills.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ground.h"

/* How long a message may wait for a reader who is slow. */
#define PATIENCE_MS 100

static struct stat first_stderr;
static bool is_open; /* it was there */

void uvh_message_begin(void)
{
	is_open = fstat(STDERR_FILENO, &first_stderr) == 0;
}

__attribute__((noinline)) static bool is_ready(void)
{
	struct pollfd entry = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct stat now;

	return is_open && fstat(STDERR_FILENO, &now) == 0 && now.st_dev == first_stderr.st_dev &&
	       now.st_ino == first_stderr.st_ino && poll(&entry, 1, PATIENCE_MS) > 0;
}

/* A write that meets no reader, or a limit, raises a signal: it is taken away again. */
__attribute__((noinline)) static void write_quietly(const char *line, size_t length)
{
	static const struct timespec at_once;
	sigset_t set, blocked, pending;
	int raised = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &set, &blocked);
	if (write(STDERR_FILENO, line, length) < 0)
		raised = errno == EPIPE ? SIGPIPE : errno == EFBIG ? SIGXFSZ : 0;
	/* One that was waiting before is the program's. */
	if (raised != 0 && sigismember(&pending, raised) == 0) {
		sigemptyset(&set);
		sigaddset(&set, raised);
		while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
			;
	}
	pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

void uvh_message(const char *format, ...)
{
	int saved_errno = errno;
	char line[400];
	size_t length = 0;
	va_list list;
	int wrote;

	length = (size_t) snprintf(line, sizeof(line), "uvhooks: ");
	va_start(list, format);
	wrote = vsnprintf(line + length, sizeof(line) - length - 1, format, list);
	va_end(list);
	if (wrote > 0)
		length += (size_t) wrote;
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (is_ready())
		write_quietly(line, length);
	errno = saved_errno;
}
