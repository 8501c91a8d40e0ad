/* SPDX-License-Identifier: MIT */
/* One write, without the harm that a write can do to a program that did not ask for it. */
#include "log_file.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How long one line may wait for a reader who is slow, before it counts as lost. */
#define PATIENCE_MS 100
#define ATTEMPTS    8

static atomic_bool impatient; /* a reader has kept us waiting in vain, and not read since */
static atomic_bool torn;      /* the last write was cut short within a line */

/* What there was before SIGPIPE and SIGXFSZ were blocked. */
struct guard {
	sigset_t blocked;
	bool pipe_pending;
	bool size_pending;
};

/* May the write raise SIGPIPE or SIGXFSZ, which kill? The program may set a limit at any time. */
static bool may_raise(mode_t mode)
{
	struct rlimit limit;

	if (S_ISREG(mode))
		return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
	return S_ISFIFO(mode) || S_ISSOCK(mode);
}

static void guard_enter(struct guard *guard)
{
	sigset_t set;

	sigpending(&set);
	guard->pipe_pending = sigismember(&set, SIGPIPE) == 1;
	guard->size_pending = sigismember(&set, SIGXFSZ) == 1;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, &guard->blocked);
}

/* Takes away the signal that our write has raised; one that was waiting before is the program's. */
static void guard_leave(const struct guard *guard, int error)
{
	static const struct timespec at_once;
	sigset_t set;

	sigemptyset(&set);
	if (error == EPIPE && !guard->pipe_pending)
		sigaddset(&set, SIGPIPE);
	if (error == EFBIG && !guard->size_pending)
		sigaddset(&set, SIGXFSZ);
	if (error == EPIPE || error == EFBIG)
		while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &guard->blocked, NULL);
}

/* Waits until a reader has made room. */
static bool wait_for_room(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLOUT};

	if (atomic_load(&impatient))
		return false;
	if (poll(&entry, 1, PATIENCE_MS) > 0)
		return true;
	atomic_store(&impatient, true);
	return false;
}

static int write_all(int fd, const char *text, size_t bytes)
{
	size_t done = 0;
	int error = EAGAIN;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		ssize_t wrote = write(fd, text + done, bytes - done);

		if (wrote >= 0) {
			done += (size_t) wrote;
			if (done == bytes) {
				atomic_store_explicit(&impatient, false, memory_order_relaxed);
				return 0;
			}
			continue;
		}
		error = errno;
		if (error == EINTR || (error == EAGAIN && wait_for_room(fd)))
			continue;
		break;
	}
	if (done > 0)
		atomic_store(&torn, true);
	return error;
}

/* The line of the log that was cut short ends before the next one begins. */
static int mend_line(int fd)
{
	int error = 0;

	if (atomic_load_explicit(&torn, memory_order_relaxed)) {
		error = write_all(fd, "\n", 1);
		if (error == 0)
			atomic_store(&torn, false);
	}
	return error;
}

static int write_guarded(int fd, mode_t mode, const char *text, size_t bytes, bool is_log)
{
	bool guarded = may_raise(mode);
	struct guard guard;
	int error;

	if (guarded)
		guard_enter(&guard);
	error = is_log ? mend_line(fd) : 0;
	if (error == 0)
		error = write_all(fd, text, bytes);
	if (guarded)
		guard_leave(&guard, error);
	return error;
}

int log_write(int fd, mode_t mode, const char *text, size_t bytes)
{
	return write_guarded(fd, mode, text, bytes, true);
}

int log_write_beside(int fd, mode_t mode, const char *text, size_t bytes)
{
	return write_guarded(fd, mode, text, bytes, false);
}
