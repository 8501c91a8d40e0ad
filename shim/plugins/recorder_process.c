/* SPDX-License-Identifier: MIT */
/*
 * What a process has of its own: its folder, its place among the other processes of the trace, and
 * the page that tells a fork's child that it is one.
 */
#include "recorder.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uvhooks/control.h>

#include "log.h"

#define TRIES 1000 /* a process id that comes again gets another number behind it */

/* For a kernel that cannot wipe: the child of a fork that libc sees does it itself. */
static struct recorder_process wiped_by_hand;
struct recorder_process *recorder_process = &wiped_by_hand;

struct recorder_trace recorder_main;
struct recorder_trace *recorder_trace = &recorder_main;
char recorder_program[PATH_MAX];
atomic_uint recorder_folder_number;

void recorder_pause(void)
{
	if (!recorder_frozen)
		sched_yield();
#ifdef __x86_64__
	else
		__builtin_ia32_pause();
#endif
}

void recorder_lock(void)
{
	while (atomic_flag_test_and_set_explicit(&recorder_process->lock, memory_order_acquire))
		recorder_pause();
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

	/* A frozen one makes no system call: a handler that jumps out of here would leave the lock
	   behind, which a program with such handlers must do without. */
	guard->masked = !recorder_frozen;
	sigfillset(&all);
	if (guard->masked)
		pthread_sigmask(SIG_SETMASK, &all, (sigset_t *) guard->signals);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancel);
}

void recorder_guard_leave(const struct recorder_guard *guard)
{
	pthread_setcancelstate(guard->cancel, NULL);
	if (guard->masked)
		pthread_sigmask(SIG_SETMASK, (const sigset_t *) guard->signals, NULL);
}

bool recorder_slow_enter(struct recorder_guard *guard)
{
	recorder_guard_enter(guard);
	atomic_fetch_add(&recorder_process->slow, 1);
	/* The child of a fork would have to make a folder. */
	if (atomic_load(&recorder_process->state) != RECORDER_STOPPED &&
	    (atomic_load(&recorder_process->state) != RECORDER_FORKED ||
	     (recorder_is_wanted() && !recorder_frozen)))
		return true;
	recorder_slow_leave(guard);
	return false;
}

void recorder_slow_leave(const struct recorder_guard *guard)
{
	atomic_fetch_sub(&recorder_process->slow, 1);
	recorder_guard_leave(guard);
}

static void wipe_by_hand(void)
{
	memset(&wiped_by_hand, 0, sizeof(wiped_by_hand));
	recorder_streams_nudge();
}

static bool make_page(void)
{
	void *page;

	if (recorder_process != &wiped_by_hand)
		return true;
	page = mmap(NULL, sizeof(*recorder_process), PROT_READ | PROT_WRITE,
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

/* Its own, made now: so nobody can have put anything in its place. */
int recorder_make_folder(const char *path)
{
	char *folder = recorder_trace->folder;
	const size_t dir = strlen(path);
	struct log_line name;

	find_program();
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return errno;
	for (unsigned int number = 1; number <= TRIES; number++) {
		name_folder(&name, number);
		if (dir + 1 + name.used + 1 > PATH_MAX - RECORDER_NAME_BYTES)
			return ENAMETOOLONG;
		memcpy(folder, path, dir);
		folder[dir] = '/';
		memcpy(folder + dir + 1, name.text, name.used + 1);
		if (mkdir(folder, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	folder[0] = '\0';
	return errno;
}

/* Random, and by RFC 4122 of version 4. Without the call it is at least not the same twice. */
static void make_uuid(void)
{
	static unsigned int made;
	const uint64_t parts[2] = {recorder_monotonic_ns(), (uint64_t) getpid() << 32 | ++made};

	if (getrandom(recorder_trace->uuid, sizeof(recorder_trace->uuid), GRND_NONBLOCK) !=
	    sizeof(recorder_trace->uuid))
		memcpy(recorder_trace->uuid, parts, sizeof(parts));
	recorder_trace->uuid[6] = (uint8_t) ((recorder_trace->uuid[6] & 0x0f) | 0x40);
	recorder_trace->uuid[8] = (uint8_t) ((recorder_trace->uuid[8] & 0x3f) | 0x80);
}

/* With these there is a trace that can be read. */
int recorder_begin_files(const struct recorder_moment *moment, const struct recorder_clock *clock)
{
	int error;

	make_uuid();
	error = recorder_metadata_write(clock);
	if (error != 0)
		return error;
	recorder_define_begin(moment);
	recorder_define_clock(moment);
	recorder_define_libraries();
	recorder_define_libuvs();
	recorder_define_write();
	return 0;
}

/* A trace that can be read, from the first moment on. */
static bool begin_folder(void)
{
	struct recorder_moment moment;
	struct recorder_clock clock;
	int error = recorder_make_folder(recorder_options.dir);

	recorder_main.mode = recorder_options.ring_bytes != 0 ? "ring" : "all";
	if (error == 0) {
		recorder_clock_begin(&moment, &clock);
		recorder_announce();
		error = recorder_begin_files(&moment, &clock);
	}
	if (error != 0) {
		errno = error;
		return false;
	}
	atomic_fetch_add(&recorder_folder_number, 1);
	return true;
}

bool recorder_prepare(void)
{
	static bool prepared;

	if (!prepared)
		prepared = recorder_streams_start() == 0 && make_page();
	return prepared;
}

void recorder_publish(void)
{
	static struct uvhooks_trace_memory memory;

	memory = (struct uvhooks_trace_memory){
	    .size = sizeof(memory),
	    .folder = (uintptr_t) recorder_main.folder,
	    .metadata = (uintptr_t) recorder_main.metadata.text,
	    .metadata_bytes = (uintptr_t) &recorder_main.metadata.whole,
	    .definitions = (uintptr_t) recorder_main.definitions.packet,
	    .libraries = (uintptr_t) recorder_main.definitions.library_records,
	    .library_bytes = (uintptr_t) &recorder_main.definitions.library_bytes,
	    .segments = (uintptr_t) recorder_buffer_segments(),
	};
	uvhooks_publish(UVHOOKS_TRACE_MEMORY, &memory, sizeof(memory));
}

static void forget_counts(void)
{
	recorder_ring_begin();
#define XX(name) atomic_store(&recorder_counters.name, 0);
	RECORDER_COUNTER_MAP(XX)
#undef XX
}

/* The child of a fork begins from nothing: all that there is belongs to its parent. */
static void forget_parent(void)
{
	recorder_trace = &recorder_main;
	recorder_streams_forked();
	recorder_buffers_forked();
	forget_counts();
}

/* What comes later is not written, for the same reason. */
static void have_no_folder(void)
{
	recorder_main.missing = errno != 0 ? errno : ENOENT;
	recorder_main.folder[0] = '\0';
}

/* Under no lock: nobody else records. */
bool recorder_begin(bool forked)
{
	bool done;

	if (forked)
		forget_parent();
	else
		forget_counts();
	recorder_find_parent();
	recorder_streams_begin();
	recorder_lock();
	/* In the child of a fork another thread may have been in the loader. */
	if (!forked)
		recorder_define_forget_libraries();
	done = begin_folder();
	if (done)
		recorder_buffers_begin();
	if (done && recorder_options.frozen && !recorder_frozen_begin()) {
		errno = ENOMEM;
		done = false;
	}
	if (!done)
		have_no_folder();
	recorder_unlock();
	if (done)
		atomic_store(&recorder_process->state, RECORDER_RUNS);
	return done;
}

bool recorder_begin_again(void)
{
	static unsigned int failed; /* of how many a folder is missing */
	const unsigned int number = atomic_load(&recorder_folder_number);
	bool forked = atomic_load(&recorder_process->state) == RECORDER_FORKED;
	bool done = false;

	if (forked) {
		const char *folder = base_name(recorder_main.folder);

		memset(recorder_parent, 0, sizeof(recorder_parent));
		memcpy(recorder_parent, folder, strnlen(folder, sizeof(recorder_parent) - 1));
		forget_parent();
		recorder_tell_begin(false);
	}
	recorder_lock();
	/* Another thread may have been here; and what failed will fail again. */
	if (forked || (number == atomic_load(&recorder_folder_number) && failed == 0)) {
		if (!forked)
			recorder_find_parent();
		done = begin_folder();
		failed = done ? 0 : 1;
		if (!done)
			have_no_folder();
	}
	recorder_unlock();
	if (forked)
		atomic_store(&recorder_process->state, RECORDER_RUNS);
	return done;
}

void recorder_finish(bool process_ends)
{
	recorder_lock();
	recorder_define_counters();
	recorder_define_end(process_ends);
	recorder_define_write();
	recorder_unlock();
	if (!recorder_frozen)
		recorder_buffers_end();
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
	recorder_finish(true);
	recorder_guard_leave(&guard);
}
