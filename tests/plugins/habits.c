/* SPDX-License-Identifier: MIT */
/*
 * A program with habits that are hard on a plugin which writes to a file. The argument says which:
 *
 *	timers       none: three timers on one loop
 *	threads      eight threads, each with a loop and two hundred timers
 *	closes FILE  closes every descriptor, as a daemon does, and opens FILE under their numbers
 *	stderr FILE  the same with descriptor 2 alone
 *	forks        two children that go on without exec, each with a loop of its own
 *	spawns       two children by uv_spawn, which are this program with `timers`
 *	folder FILE  moves to /, and FILE, which is relative, must be found by no one
 *	limits       may not make files longer for a while (RLIMIT_FSIZE)
 *	deaf         has made stderr non-blocking
 *	cancelled    a thread whose cancellation is due, in calls that are no cancellation points
 *	small        a thread with a stack that libuv alone needs half of
 *
 * Prints "KIND ran N timers" for each loop, whatever is done to the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,                  \
			       strerror(errno));                                                   \
			fflush(stdout);                                                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

#define THREADS        8
#define THREAD_TIMERS  200
#define DEAF_TIMERS    2000
#define SMALL_STACK    (32 * 1024)
#define FIRST_REUSED   20
#define REUSED_NUMBERS 1000

static __thread unsigned int fired;

static void on_timer(uv_timer_t *timer)
{
	fired++;
	uv_close((uv_handle_t *) timer, (uv_close_cb) free);
}

static void add_timers(uv_loop_t *loop, unsigned int count)
{
	while (count-- > 0) {
		uv_timer_t *timer = malloc(sizeof(*timer));

		CHECK(uv_timer_init(loop, timer) == 0);
		CHECK(uv_timer_start(timer, on_timer, 0, 0) == 0);
	}
}

static void run_timers(unsigned int count)
{
	uv_loop_t loop;

	fired = 0;
	CHECK(uv_loop_init(&loop) == 0);
	add_timers(&loop, count);
	CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
	CHECK(uv_loop_close(&loop) == 0);
	CHECK(fired == count);
}

static void say(const char *kind, unsigned int count)
{
	printf("%s ran %u timers\n", kind, count);
	fflush(stdout);
}

static void *thread_main(void *data)
{
	(void) data;
	run_timers(THREAD_TIMERS);
	return NULL;
}

static void run_threads(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, thread_main, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	say("threads", THREADS * THREAD_TIMERS);
}

static long long size_of(int fd)
{
	struct stat status;

	CHECK(fstat(fd, &status) == 0);
	return (long long) status.st_size;
}

static void close_all(const char *path)
{
	int fd, number;

	run_timers(3);
	say("before", 3);
	for (number = 3; number < FIRST_REUSED + REUSED_NUMBERS; number++)
		close(number);
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	/* Some are left for the loop. */
	for (number = FIRST_REUSED; number < FIRST_REUSED + REUSED_NUMBERS; number++)
		CHECK(dup3(fd, number, O_CLOEXEC) == number);
	run_timers(3);
	say("after", 3);
	printf("the file has %lld bytes\n", size_of(fd));
}

static void reuse_stderr(const char *path)
{
	int fd;

	run_timers(3);
	say("before", 3);
	close(STDERR_FILENO);
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_TRUNC, 0600);
	CHECK(fd == STDERR_FILENO);
	run_timers(3);
	say("after", 3);
	printf("the file has %lld bytes\n", size_of(fd));
}

static void wait_for(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void run_forks(void)
{
	run_timers(3);
	for (int i = 0; i < 2; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			run_timers(5);
			say("child", 5);
			exit(0);
		}
		wait_for(child);
	}
	run_timers(3);
	say("parent", 6);
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	CHECK(status == 0 && signal == 0);
	uv_close((uv_handle_t *) process, NULL);
}

static void run_spawns(const char *program)
{
	char *args[] = {(char *) program, (char *) "timers", NULL};
	uv_stdio_container_t stdio[3] = {
	    {.flags = UV_IGNORE},
	    {.flags = UV_INHERIT_FD, .data.fd = STDOUT_FILENO},
	    {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	};
	uv_process_options_t options = {
	    .file = program,
	    .args = args,
	    .exit_cb = on_exit_of_child,
	    .stdio = stdio,
	    .stdio_count = 3,
	};
	uv_loop_t loop;
	uv_process_t children[2];

	CHECK(uv_loop_init(&loop) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK(uv_spawn(&loop, &children[i], &options) == 0);
		CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
	}
	CHECK(uv_loop_close(&loop) == 0);
	say("parent", 0);
}

static void move_away(const char *path)
{
	CHECK(chdir("/") == 0);
	for (int number = 3; number < FIRST_REUSED + REUSED_NUMBERS; number++)
		close(number);
	run_timers(3);
	say("elsewhere", 3);
	printf("%s is %s\n", path, access(path, F_OK) == 0 ? "there" : "not there");
}

static void run_limits(void)
{
	struct rlimit limit;
	rlim_t before;

	run_timers(3);
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	before = limit.rlim_cur;
	limit.rlim_cur = 1;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	run_timers(5);
	limit.rlim_cur = before;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	run_timers(3);
	say("limits", 11);
}

static void run_deaf(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);

	CHECK(flags >= 0);
	CHECK(fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK) == 0);
	run_timers(DEAF_TIMERS);
	say("deaf", DEAF_TIMERS);
}

static bool went_on;

static void *cancelled_main(void *data)
{
	uv_loop_t *loop = data;
	uv_timer_t *timer = malloc(sizeof(*timer));

	pthread_cancel(pthread_self());
	CHECK(uv_timer_init(loop, timer) == 0);
	CHECK(uv_timer_start(timer, on_timer, 0, 0) == 0);
	went_on = true;
	pthread_testcancel();
	return NULL;
}

static void run_cancelled(void)
{
	uv_loop_t loop;
	pthread_t thread;
	void *result;

	CHECK(uv_loop_init(&loop) == 0);
	CHECK(pthread_create(&thread, NULL, cancelled_main, &loop) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
	printf("the thread %s\n",
	       went_on ? "reached its cancellation point" : "was cancelled early");
	CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
	CHECK(uv_loop_close(&loop) == 0);
	say("cancelled", 1);
}

static void run_small(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, SMALL_STACK) == 0);
	CHECK(pthread_create(&thread, &attributes, thread_main, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	say("small", THREAD_TIMERS);
}

int main(int argc, char **argv)
{
	const char *habit = argc > 1 ? argv[1] : "";
	const char *path = argc > 2 ? argv[2] : "";

	if (strcmp(habit, "timers") == 0) {
		run_timers(3);
		say("timers", 3);
	} else if (strcmp(habit, "threads") == 0) {
		run_threads();
	} else if (strcmp(habit, "closes") == 0) {
		close_all(path);
	} else if (strcmp(habit, "stderr") == 0) {
		reuse_stderr(path);
	} else if (strcmp(habit, "forks") == 0) {
		run_forks();
	} else if (strcmp(habit, "spawns") == 0) {
		run_spawns(argv[0]);
	} else if (strcmp(habit, "folder") == 0) {
		move_away(path);
	} else if (strcmp(habit, "limits") == 0) {
		run_limits();
	} else if (strcmp(habit, "deaf") == 0) {
		run_deaf();
	} else if (strcmp(habit, "cancelled") == 0) {
		run_cancelled();
	} else if (strcmp(habit, "small") == 0) {
		run_small();
	} else {
		fprintf(stderr, "%s: unknown habit '%s'\n", argv[0], habit);
		return 2;
	}
	return 0;
}
