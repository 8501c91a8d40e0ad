/* SPDX-License-Identifier: MIT */
/*
 * Words for the end of the process:
 *
 *	last=HOW   in the last callback of the next work: kill, abort, fault, _exit, quick_exit,
 *		   exit, fork (the child comes out of the callback and goes on, then the parent)
 *	then=HOW   now; thread_exit besides: the main thread leaves, and another one ends the
 *process
 */
#include "faults.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define STATUS 3

/* No core is written: that would take longer than all the rest. */
static void end_by(int signal)
{
	const struct rlimit none = {0, 0};

	CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
	raise(signal);
}

static void end_by_kill(void)
{
	end_by(SIGKILL);
}

static void end_by_abort(void)
{
	end_by(0);
	abort();
}

static void end_by_fault(void)
{
	static volatile uintptr_t nowhere = 16;

	end_by(0);
	*(volatile int *) nowhere = 0;
}

static void end_at_once(void)
{
	_exit(STATUS);
}

static void say_exit(void)
{
	printf("at exit\n");
}

static void end_quickly(void)
{
	CHECK(at_quick_exit(say_exit) == 0);
	quick_exit(STATUS);
}

static void end_by_exit(void)
{
	CHECK(atexit(say_exit) == 0);
	exit(STATUS);
}

static void fork_here(void)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		CHECK_OK(uv_loop_fork(&faults_load.loop));
		/* libuv forgets the parent's pool when the child uses its own, and not before. */
		faults_load.plain = false;
		printf("child\n");
		return;
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	printf("parent\n");
}

static void *end_from_thread(void *main_thread)
{
	CHECK(pthread_join(*(pthread_t *) main_thread, NULL) == 0);
	exit(STATUS);
}

static void leave_thread(void)
{
	static pthread_t self;
	pthread_t thread;

	self = pthread_self();
	CHECK(pthread_create(&thread, NULL, end_from_thread, &self) == 0);
	pthread_exit(NULL);
}

static const struct {
	const char *name;
	void (*end)(void);
} ends[] = {
    {"kill", end_by_kill},  {"abort", end_by_abort},       {"fault", end_by_fault},
    {"_exit", end_at_once}, {"quick_exit", end_quickly},   {"exit", end_by_exit},
    {"fork", fork_here},    {"thread_exit", leave_thread},
};

static void (*end_called(const char *name))(void)
{
	for (size_t i = 0; i < COUNT(ends); i++)
		if (strcmp(ends[i].name, name) == 0)
			return ends[i].end;
	CHECK(!"an end of that name");
	return NULL;
}

static void end_in_last(const char *value)
{
	faults_open(&faults_load);
	faults_load.in_last = end_called(value);
	/* What the threads of the pool are at is at no child of a fork. */
	faults_load.plain = true;
}

static void end_now(const char *value)
{
	end_called(value)();
}

const struct faults_word faults_ends[] = {
    {"last", end_in_last},
    {"then", end_now},
    {NULL, NULL},
};
