/* SPDX-License-Identifier: MIT */
/*
 * Words for what the kernel refuses from now on:
 *
 *	nofile        one more descriptor, until files_again
 *	as            more memory, until memory_again
 *	fsize=BYTES   a file that is longer
 *	mdwe          memory that becomes code after it was written
 *	seccomp       system calls that are no part of the work that follows: who makes one is
 *killed timers=N      makes so many timers, in memory that was there before; each fires deep=N
 *callbacks of so many timers, one in the other
 */
#include "faults.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define FILES_MAX  64
#define TIMERS_MAX 20000
#define DEEP_MAX   300
/* libuv's uv_run has 12 KiB of events on the stack. */
#define STACK_BYTES ((size_t) DEEP_MAX * 20 * 1024)

static int open_files[FILES_MAX];
static size_t open_count;

/* Softly: it can be taken back. */
static void limit(__rlimit_resource_t what, rlim_t value)
{
	struct rlimit limits;

	CHECK(getrlimit(what, &limits) == 0);
	limits.rlim_cur = value < limits.rlim_max ? value : limits.rlim_max;
	CHECK(setrlimit(what, &limits) == 0);
}

/* The numbers below the limit that are free are filled; what has a higher one keeps it. */
static void refuse_files(const char *value)
{
	(void) value;
	faults_open(&faults_load);
	limit(RLIMIT_NOFILE, FILES_MAX);
	while ((open_files[open_count] = open("/", O_RDONLY | O_CLOEXEC)) >= 0)
		CHECK(++open_count < FILES_MAX);
	CHECK(errno == EMFILE);
}

static void allow_files(const char *value)
{
	(void) value;
	while (open_count > 0)
		CHECK(close(open_files[--open_count]) == 0);
}

static void touch_stack(void)
{
	volatile char stack[STACK_BYTES];

	for (size_t i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 1;
}

/* What the program itself needs is there: it has done such work before. */
static void refuse_memory(const char *value)
{
	(void) value;
	touch_stack();
	limit(RLIMIT_AS, 0);
}

static void allow_memory(const char *value)
{
	(void) value;
	limit(RLIMIT_AS, RLIM_INFINITY);
}

static void limit_files(const char *value)
{
	limit(RLIMIT_FSIZE, faults_number(value));
}

static void refuse_code(const char *value)
{
	(void) value;
	/* A kernel that knows none of it refuses nothing: what is tested elsewhere as well. */
	CHECK(prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0 || errno == EINVAL);
}

#define LOAD(offset)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)
#define ALLOW(call)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), ANSWER(SECCOMP_RET_ALLOW)

/* What the sandbox of a server allows that has opened all it needs: to wait, read, write and end.
 */
#define SERVER_CALLS                                                                               \
	ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_close), ALLOW(SYS_epoll_wait),                \
	    ALLOW(SYS_epoll_pwait), ALLOW(SYS_epoll_ctl), ALLOW(SYS_futex),                        \
	    ALLOW(SYS_clock_gettime), ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_brk), ALLOW(SYS_mmap),  \
	    ALLOW(SYS_munmap), ALLOW(SYS_madvise), ALLOW(SYS_exit), ALLOW(SYS_exit_group)

/* docs/faults.md lists these. */
#define PLUGIN_CALLS                                                                               \
	ALLOW(SYS_openat), ALLOW(SYS_newfstatat), ALLOW(SYS_pwrite64), ALLOW(SYS_ftruncate),       \
	    ALLOW(SYS_fallocate), ALLOW(SYS_unlink), ALLOW(SYS_shmctl), ALLOW(SYS_prlimit64),      \
	    ALLOW(SYS_rt_sigpending), ALLOW(SYS_gettid), ALLOW(SYS_getpid),                        \
	    ALLOW(SYS_sched_yield), ALLOW(SYS_process_vm_readv)

static void filter_calls(struct sock_filter *code, size_t length)
{
	const struct sock_fprog program = {.len = (unsigned short) length, .filter = code};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void refuse_calls(const char *value)
{
	static struct sock_filter tight[] = {
	    LOAD(offsetof(struct seccomp_data, nr)),
	    SERVER_CALLS,
	    ANSWER(SECCOMP_RET_KILL_PROCESS),
	};
	static struct sock_filter polite[] = {
	    LOAD(offsetof(struct seccomp_data, nr)),
	    SERVER_CALLS,
	    ANSWER(SECCOMP_RET_ERRNO | EPERM),
	};
	static struct sock_filter wide[] = {
	    LOAD(offsetof(struct seccomp_data, nr)),
	    SERVER_CALLS,
	    PLUGIN_CALLS,
	    ANSWER(SECCOMP_RET_KILL_PROCESS),
	};

	faults_load.plain = true; /* a request for a file would be refused */
	if (strcmp(value, "kill") == 0)
		filter_calls(tight, COUNT(tight));
	else if (strcmp(value, "errno") == 0)
		filter_calls(polite, COUNT(polite));
	else
		filter_calls(wide, COUNT(wide));
}

static uv_timer_t timers[TIMERS_MAX];
static unsigned long fired;

static void on_closed(uv_handle_t *handle)
{
	(void) handle;
	faults_called();
}

static void on_timer(uv_timer_t *timer)
{
	faults_called();
	fired++;
	uv_close((uv_handle_t *) timer, on_closed);
}

static void make_timers(const char *value)
{
	const unsigned long count = faults_number(value);

	CHECK(count <= TIMERS_MAX);
	faults_open(&faults_load);
	fired = 0;
	for (unsigned long i = 0; i < count; i++) {
		CHECK_OK(uv_timer_init(&faults_load.loop, &timers[i]));
		CHECK_OK(uv_timer_start(&timers[i], on_timer, 0, 0));
	}
	CHECK_OK(uv_run(&faults_load.loop, UV_RUN_DEFAULT));
	printf("%lu timers fired\n", fired);
}

static unsigned long deep, deepest;

static void on_deep(uv_timer_t *timer)
{
	faults_called();
	if (++deep == deepest)
		return;
	CHECK_OK(uv_timer_init(timer->loop, &timers[deep]));
	CHECK_OK(uv_timer_start(&timers[deep], on_deep, 0, 0));
	CHECK_OK(uv_run(timer->loop, UV_RUN_ONCE));
}

static void go_deep(const char *value)
{
	deepest = faults_number(value);
	CHECK(deepest <= DEEP_MAX);
	faults_open(&faults_load);
	deep = 0;
	CHECK_OK(uv_timer_init(&faults_load.loop, &timers[0]));
	CHECK_OK(uv_timer_start(&timers[0], on_deep, 0, 0));
	CHECK_OK(uv_run(&faults_load.loop, UV_RUN_DEFAULT));
	printf("%lu deep\n", deep);
	for (unsigned long i = 0; i < deep; i++)
		uv_close((uv_handle_t *) &timers[i], on_closed);
	CHECK_OK(uv_run(&faults_load.loop, UV_RUN_DEFAULT));
}

const struct faults_word faults_limits[] = {
    {"nofile", refuse_files},  {"files_again", allow_files},
    {"as", refuse_memory},     {"memory_again", allow_memory},
    {"fsize", limit_files},    {"mdwe", refuse_code},
    {"seccomp", refuse_calls}, {"timers", make_timers},
    {"deep", go_deep},         {NULL, NULL},
};
