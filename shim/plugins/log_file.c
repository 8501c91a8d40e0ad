/* SPDX-License-Identifier: MIT */
/*
 * Where the lines go: a file that is opened for appending, or stderr. One write(2) per line, so
 * that lines of many threads and processes mix but never break.
 *
 * The program owns its file descriptors. It may close all of them and use the numbers again; so a
 * descriptor is asked, before each write, whether it is still the file that was opened, and the
 * file is opened again where it is not. For the same reason the number is a high one. stderr is
 * used as it is and never duplicated: whoever waits for its end must not wait for us.
 *
 * There is no lock. A fork leaves nothing half done, a signal handler that jumps away leaves
 * nothing held, and with no buffer there is nothing to flush or to write twice.
 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* So often may racing threads open the file at once before a struct is used again. */
#define OUTPUTS 64

/* After a failed open so many lines, at most, pass before the next try. */
#define PAUSE_MAX 1023

/* An open file. Immutable once it is in `current`. */
struct output {
	int fd;
	pid_t process; /* which opened it */
	dev_t device;
	ino_t inode;
	mode_t mode;
};

static struct output outputs[OUTPUTS];
static atomic_uint outputs_used;
static _Atomic(struct output *) current;

static char folder[PATH_MAX]; /* what a relative path was relative to; else empty */
static char file[PATH_MAX];   /* the option; empty: stderr */
static bool per_process;
static log_lost_line lost_line;
static struct output first_stderr; /* as it was at the start */

/*
 * Set in the process that `process` names. The page is wiped in the child of any fork, also one
 * that libc does not see. Where the kernel cannot do that it is always 0, and getpid() is asked.
 */
static atomic_int *settled;
static atomic_int never_settled;
static _Atomic pid_t process;

static _Atomic uint64_t lost;  /* lines, and not yet said */
static atomic_int lost_reason; /* errno of the latest */
static atomic_uint pause_left;
static atomic_uint pause_length;

/* Out of the program's way, and of its habit to expect the lowest number free. */
static int move_high(int fd)
{
	static const int floors[] = {900, 400, 100};

	for (size_t i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
		int high = fcntl(fd, F_DUPFD_CLOEXEC, floors[i]);

		if (high >= 0) {
			close(fd);
			return high;
		}
	}
	return fd;
}

static bool describe(struct output *output, int fd)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return false;
	output->fd = fd;
	output->process = atomic_load(&process);
	output->device = status.st_dev;
	output->inode = status.st_ino;
	output->mode = status.st_mode;
	return true;
}

static struct output *open_output(void)
{
	struct output *output = &outputs[atomic_fetch_add(&outputs_used, 1) % OUTPUTS];
	/* Not on the stack, which is the program's and may be small. */
	char *path =
	    mmap(NULL, PATH_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = -1;

	if (path != MAP_FAILED) {
		/* Non-blocking: opening a FIFO, or filling it, must not keep the program waiting.
		 */
		if (log_path_expand(folder, file, atomic_load(&process), path))
			fd = open(path,
				  O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC |
				      O_NOCTTY | O_NONBLOCK,
				  0600);
		else
			errno = ENAMETOOLONG;
	}
	if (fd < 0)
		atomic_store(&lost_reason, errno);
	if (path != MAP_FAILED)
		munmap(path, PATH_MAX);
	if (fd < 0)
		return NULL;
	fd = move_high(fd);
	if (describe(output, fd))
		return output;
	close(fd);
	return NULL;
}

static bool is_same(const struct output *output)
{
	struct stat status;

	/* A sandbox may forbid to ask. A number as high as this is hardly another's then. */
	if (fstat(output->fd, &status) != 0)
		return errno != EBADF;
	return status.st_dev == output->device && status.st_ino == output->inode;
}

static bool is_usable(const struct output *output)
{
	return output != NULL && (!per_process || output->process == atomic_load(&process)) &&
	       is_same(output);
}

/* A path that cannot be opened is not tried for every event: that would slow the program down. */
static bool must_pause(void)
{
	unsigned int left = atomic_load(&pause_left);

	if (left == 0)
		return false;
	atomic_store(&pause_left, left - 1);
	return true;
}

static void pause_longer(void)
{
	unsigned int length = atomic_load(&pause_length) * 2 + 1;

	if (length > PAUSE_MAX)
		length = PAUSE_MAX;
	atomic_store(&pause_length, length);
	atomic_store(&pause_left, length);
}

/* Opens the file again and puts it in the place of `old`, unless another thread was faster. */
static struct output *renew(struct output *old)
{
	struct output *fresh;

	if (file[0] == '\0') {
		atomic_store(&lost_reason, EBADF);
		return NULL;
	}
	if (must_pause())
		return NULL;
	fresh = open_output();
	if (fresh == NULL) {
		pause_longer();
		return NULL;
	}
	atomic_store(&pause_length, 0);
	if (!atomic_compare_exchange_strong(&current, &old, fresh)) {
		close(fresh->fd);
		return is_usable(old) ? old : NULL;
	}
	/* In the child of a fork: the parent's file, unless the number has become that of ours. */
	if (old != NULL && old->process != fresh->process && old->fd != fresh->fd && is_same(old))
		close(old->fd);
	return fresh;
}

static bool put(const struct log_line *line)
{
	struct output *output = atomic_load_explicit(&current, memory_order_acquire);
	int error;

	if (!is_usable(output)) {
		output = renew(output);
		if (output == NULL)
			return false;
	}
	error = log_write(output->fd, output->mode, line->text, line->used);
	if (error != 0)
		atomic_store(&lost_reason, error);
	return error == 0;
}

/* Where lines are missing, as soon as anything can be written again. */
__attribute__((noinline)) static void say_lost(void)
{
	struct log_line line;
	uint64_t count = atomic_exchange(&lost, 0);

	if (count == 0)
		return;
	line.used = 0;
	lost_line(&line, count);
	if (!put(&line))
		atomic_fetch_add(&lost, count);
}

/* Notices that this is the child of a fork; what the parent has lost is the parent's to say. */
static void follow_fork(void)
{
	pid_t now, before = atomic_load(&process);

	if (atomic_load_explicit(settled, memory_order_acquire) != 0)
		return;
	now = getpid();
	if (now != before && atomic_compare_exchange_strong(&process, &before, now)) {
		atomic_store(&lost, 0);
		atomic_store(&pause_left, 0);
		atomic_store(&pause_length, 0);
	}
	if (settled != &never_settled)
		atomic_store(settled, 1);
}

void log_file_write(const struct log_line *line)
{
	follow_fork();
	if (atomic_load_explicit(&lost, memory_order_relaxed) != 0)
		say_lost();
	if (!put(line))
		atomic_fetch_add(&lost, 1);
}

void log_file_say(const struct log_line *line)
{
	if (is_same(&first_stderr))
		log_write_beside(first_stderr.fd, first_stderr.mode, line->text, line->used);
}

/* The last resort: who reads the log must not take it for complete. */
static void complain(uint64_t count)
{
	struct log_line line = {.used = 0};

	log_line_text(&line, "uvhooks: ");
	log_line_text(&line, log_plugin_name);
	log_line_text(&line, ": ");
	log_line_number(&line, count);
	log_line_text(&line, " lines could not be written to ");
	log_line_text(&line, file[0] == '\0' ? "stderr" : file);
	log_line_text(&line, ": ");
	log_line_text(&line, strerror(atomic_load(&lost_reason)));
	log_line_end(&line);
	log_file_say(&line);
}

/* Events may still come after this; what is lost then is not told any more. */
__attribute__((destructor)) static void at_end(void)
{
	uint64_t count;

	if (settled == NULL)
		return;
	follow_fork();
	say_lost();
	count = atomic_load(&lost);
	if (count != 0)
		complain(count);
}

void log_file_status(char *text, size_t bytes)
{
	snprintf(text, bytes, "to %s%s%s, %llu lines lost", folder, folder[0] == '\0' ? "" : "/",
		 file[0] == '\0' ? "stderr" : file, (unsigned long long) atomic_load(&lost));
}

static void watch_forks(void)
{
	void *page = mmap(NULL, sizeof(*settled), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	atomic_store(&process, getpid());
	settled = &never_settled;
	if (page == MAP_FAILED || madvise(page, sizeof(*settled), MADV_WIPEONFORK) != 0)
		return;
	settled = page;
	atomic_store(settled, 1);
}

int log_file_start(struct uvhooks_plugin_args *args, const char *path, log_lost_line line)
{
	struct output *output = &first_stderr;

	if (log_file_check(args, path) != 0)
		return -1;
	lost_line = line;
	watch_forks();
	if (!describe(&first_stderr, STDERR_FILENO))
		first_stderr.fd = -1;
	if (path != NULL) {
		if (path[0] != '/' && getcwd(folder, sizeof(folder)) == NULL)
			return uvhooks_plugin_error(args, "file=%s: the current folder: %s", path,
						    strerror(errno));
		memcpy(file, path, strnlen(path, sizeof(file) - 1));
		per_process = log_path_per_process(path);
		/* Now: later the program may have given up the right to. */
		output = open_output();
		if (output == NULL)
			return uvhooks_plugin_error(args, "file=%s: %s", path,
						    strerror(atomic_load(&lost_reason)));
	}
	atomic_store(&current, output);
	return 0;
}
