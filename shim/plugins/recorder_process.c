/* SPDX-License-Identifier: MIT */
/*
 * What a process has of its own: its folder, its place among the other processes of the trace, and
 * the page that tells a fork's child that it is one.
 */
#include "recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define TRIES 1000 /* a process id that comes again gets another number behind it */

/* For a kernel that cannot wipe: the child of a fork that libc sees does it itself. */
static struct recorder_process wiped_by_hand;
struct recorder_process *recorder_process = &wiped_by_hand;

uint8_t recorder_uuid[16];
char recorder_folder[PATH_MAX];
char recorder_parent[RECORDER_NAME_BYTES * 2];
char recorder_program[PATH_MAX];
atomic_uint recorder_folder_number;

void recorder_lock(void)
{
	while (atomic_flag_test_and_set_explicit(&recorder_process->lock, memory_order_acquire))
		sched_yield();
}

void recorder_unlock(void)
{
	atomic_flag_clear_explicit(&recorder_process->lock, memory_order_release);
}

_Static_assert(sizeof(((struct recorder_guard *) 0)->signals) >= sizeof(sigset_t),
	       "the guard holds a set of signals");

void recorder_guard_enter(struct recorder_guard *guard)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, (sigset_t *) guard->signals);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancel);
}

void recorder_guard_leave(const struct recorder_guard *guard)
{
	pthread_setcancelstate(guard->cancel, NULL);
	pthread_sigmask(SIG_SETMASK, (const sigset_t *) guard->signals, NULL);
}

static void wipe_by_hand(void)
{
	memset(&wiped_by_hand, 0, sizeof(wiped_by_hand));
	recorder_streams_nudge();
}

static bool make_page(void)
{
	void *page = mmap(NULL, sizeof(*recorder_process), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED && madvise(page, sizeof(*recorder_process), MADV_WIPEONFORK) == 0) {
		recorder_process = page;
		return true;
	}
	return pthread_atfork(NULL, NULL, wipe_by_hand) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static void find_program(void)
{
	ssize_t bytes = readlink("/proc/self/exe", recorder_program, PATH_MAX - 1);

	recorder_program[bytes > 0 ? bytes : 0] = '\0';
}

/* "nvim-1234", of what is in any file name; "nvim-1234-2" for the second. */
static void name_folder(struct log_line *line, unsigned int number)
{
	const char *name = base_name(recorder_program);

	line->used = 0;
	for (size_t i = 0; name[i] != '\0' && i < RECORDER_NAME_BYTES; i++) {
		bool plain = (name[i] >= '0' && name[i] <= '9') ||
			     ((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z') ||
			     strchr("._+", name[i]) != NULL;
		const char letter[2] = {plain ? name[i] : '_', '\0'};

		log_line_text(line, letter);
	}
	log_line_text(line, "-");
	log_line_number(line, (uint64_t) getpid());
	if (number > 1) {
		log_line_text(line, "-");
		log_line_number(line, number);
	}
	line->text[line->used] = '\0';
}

/* The number N of a folder "PROGRAM-PID" or "PROGRAM-PID-N"; 0: it is no folder of `pid`. */
static unsigned int number_of(const char *name, pid_t pid)
{
	unsigned int last = 0, before = 0;
	const char *dash = NULL;

	for (const char *at = name; *at != '\0'; at++) {
		if (*at == '-') {
			dash = at;
			before = last;
			last = 0;
		} else if (*at >= '0' && *at <= '9') {
			last = last * 10 + (unsigned int) (*at - '0');
		} else {
			last = before = 0;
		}
	}
	if (dash == NULL)
		return 0;
	if (last == (unsigned int) pid)
		return 1;
	return before == (unsigned int) pid ? last : 0;
}

/* Who has started this program: the one that the process ran before, or its parent. */
static void find_parent(void)
{
	const pid_t pids[] = {getpid(), getppid()};
	unsigned int best[2] = {0, 0};
	struct dirent *entry;
	DIR *dir = opendir(recorder_options.dir);

	recorder_parent[0] = '\0';
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		for (size_t i = 0; i < 2; i++) {
			unsigned int number = number_of(entry->d_name, pids[i]);

			if (number <= best[i] || (i == 1 && best[0] != 0) ||
			    strlen(entry->d_name) >= sizeof(recorder_parent))
				continue;
			best[i] = number;
			memcpy(recorder_parent, entry->d_name, strlen(entry->d_name) + 1);
		}
	}
	if (dir != NULL)
		closedir(dir);
}

/* Its own, made now: so nobody can have put anything in its place. */
static int make_folder(void)
{
	const size_t dir = strlen(recorder_options.dir);
	struct log_line name;

	if (mkdir(recorder_options.dir, 0700) != 0 && errno != EEXIST)
		return errno;
	for (unsigned int number = 1; number <= TRIES; number++) {
		name_folder(&name, number);
		if (dir + 1 + name.used + 1 > PATH_MAX - RECORDER_NAME_BYTES)
			return ENAMETOOLONG;
		memcpy(recorder_folder, recorder_options.dir, dir);
		recorder_folder[dir] = '/';
		memcpy(recorder_folder + dir + 1, name.text, name.used + 1);
		if (mkdir(recorder_folder, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	recorder_folder[0] = '\0';
	return errno;
}

/* Random, and by RFC 4122 of version 4. Without the call it is at least not the same twice. */
static void make_uuid(void)
{
	static unsigned int made;
	const uint64_t parts[2] = {recorder_monotonic_ns(), (uint64_t) getpid() << 32 | ++made};

	if (getrandom(recorder_uuid, sizeof(recorder_uuid), GRND_NONBLOCK) != sizeof(recorder_uuid))
		memcpy(recorder_uuid, parts, sizeof(parts));
	recorder_uuid[6] = (uint8_t) ((recorder_uuid[6] & 0x0f) | 0x40);
	recorder_uuid[8] = (uint8_t) ((recorder_uuid[8] & 0x3f) | 0x80);
}

/* ".buffers" begins with who it is; a process id alone may come again. */
static void announce_process(void)
{
	static char path[PATH_MAX];
	static char text[1024];
	struct log_line line = {.used = 0};
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (fd >= 0)
		close(fd);
	text[bytes > 0 ? bytes : 0] = '\0';
	at = strrchr(text, ')'); /* field 2, which may hold anything */
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	log_line_number(&line, (uint64_t) getpid());
	log_line_text(&line, " ");
	if (at != NULL) {
		size_t digits = strspn(at + 1, "0123456789");

		text[(size_t) (at + 1 - text) + digits] = '\0';
		log_line_text(&line, at + 1);
	}
	log_line_end(&line);
	if (recorder_file_path(path, ".buffers") == 0)
		recorder_file_append(path, line.text, line.used);
}

/* With a folder there is a trace that can be read, from the first moment on. */
static bool begin_folder(void)
{
	struct recorder_moment moment;
	struct recorder_clock clock;
	int error;

	find_program();
	error = make_folder();
	if (error != 0) {
		errno = error;
		return false;
	}
	make_uuid();
	recorder_clock_begin(&moment, &clock);
	announce_process();
	error = recorder_metadata_write(&clock);
	if (error != 0) {
		errno = error;
		return false;
	}
	recorder_define_begin(&moment);
	recorder_define_clock(&moment);
	recorder_define_libraries();
	recorder_define_libuvs();
	recorder_define_write();
	atomic_fetch_add(&recorder_folder_number, 1);
	return true;
}

bool recorder_begin(void)
{
	bool done;

	if (!make_page())
		return false;
	find_parent();
	done = begin_folder();
	atomic_store(&recorder_process->state, RECORDER_RUNS);
	return done;
}

/* A child of the fork begins from nothing: all that there is belongs to its parent. */
static void forget_parent(void)
{
	const char *folder = base_name(recorder_folder);

	memset(recorder_parent, 0, sizeof(recorder_parent));
	memcpy(recorder_parent, folder, strnlen(folder, sizeof(recorder_parent) - 1));
	recorder_streams_forked();
	recorder_buffers_forked();
	recorder_ring_forked();
#define XX(name) atomic_store(&recorder_counters.name, 0);
	RECORDER_COUNTER_MAP(XX)
#undef XX
}

bool recorder_begin_again(void)
{
	static unsigned int failed; /* of how many a folder is missing */
	const unsigned int number = atomic_load(&recorder_folder_number);
	bool forked = atomic_load(&recorder_process->state) == RECORDER_FORKED;
	bool done = false;

	if (forked)
		forget_parent();
	recorder_lock();
	/* Another thread may have been here; and what failed will fail again. */
	if (forked || (number == atomic_load(&recorder_folder_number) && failed == 0)) {
		if (!forked)
			find_parent();
		done = begin_folder();
		failed = done ? 0 : 1;
		if (!done)
			recorder_folder[0] = '\0';
	}
	recorder_unlock();
	if (forked)
		atomic_store(&recorder_process->state, RECORDER_RUNS);
	return done;
}

void recorder_end(void)
{
	struct recorder_guard guard;
	bool ends = atomic_load(&recorder_process->state) == RECORDER_RUNS;

	/* The child of a fork that has recorded nothing ends quietly. */
	if (!ends)
		return;
	recorder_guard_enter(&guard);
	atomic_store(&recorder_process->state, RECORDER_ENDS);
	recorder_streams_end();
	recorder_lock();
	recorder_define_counters();
	recorder_define_end();
	recorder_define_write();
	recorder_unlock();
	recorder_buffers_end();
	recorder_guard_leave(&guard);
}
