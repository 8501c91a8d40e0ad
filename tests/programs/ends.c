/* SPDX-License-Identifier: MIT */
/*
 * Ways to end a process. With the name of one, it ends so; without, it starts itself once for each
 * and prints how that ended.
 */
#include "program.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static uv_timer_t outer;
static uv_timer_t inner;
static void (*at_end)(void);

static void on_ending(uv_timer_t *timer)
{
	(void) timer;
	puts("ends in a callback");
	at_end();
}

static void end_in_callback(void)
{
	uv_loop_t *loop = uv_default_loop();

	CHECK_OK(uv_timer_init(loop, &inner));
	CHECK_OK(uv_timer_start(&inner, on_ending, 1, 0));
	uv_run(loop, UV_RUN_DEFAULT);
	CHECK(!"the callback must end the process");
}

static void call_exit(void)
{
	exit(3);
}

static void call_underscore_exit(void)
{
	_exit(3);
}

static void call_quick_exit(void)
{
	quick_exit(3);
}

static void call_kill(void)
{
	kill(getpid(), SIGKILL);
}

static void call_abort(void)
{
	struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	abort();
}

static void way_exit(void)
{
	at_end = call_exit;
	end_in_callback();
}

static void way_underscore_exit(void)
{
	at_end = call_underscore_exit;
	end_in_callback();
}

static void way_quick_exit(void)
{
	at_end = call_quick_exit;
	end_in_callback();
}

static void way_kill(void)
{
	at_end = call_kill;
	end_in_callback();
}

static void way_abort(void)
{
	at_end = call_abort;
	end_in_callback();
}

static void on_outer(uv_timer_t *timer)
{
	(void) timer;
	puts("outer callback");
	way_exit();
}

/* Two callbacks are open when the process ends. */
static void way_nested_exit(void)
{
	uv_loop_t *loop = uv_default_loop();

	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_outer, 1, 0));
	uv_run(loop, UV_RUN_DEFAULT);
}

static void on_closing(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_outer_after_inner(uv_timer_t *timer)
{
	CHECK_OK(uv_timer_init(timer->loop, &inner));
	CHECK_OK(uv_timer_start(&inner, on_closing, 1, 0));
	CHECK_OK(uv_run(timer->loop, UV_RUN_DEFAULT));
	exit(3);
}

/* A handle has ended, yet its end could not be told before the process ends. */
static void way_queued_exit(void)
{
	uv_loop_t *loop = uv_default_loop();

	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_outer_after_inner, 1, 0));
	uv_run(loop, UV_RUN_DEFAULT);
}

static void on_never(uv_timer_t *timer)
{
	CHECK(timer == NULL);
}

/* main returns, with handles alive and a request under way. */
static void way_leak(void)
{
	static uv_fs_t req;
	uv_loop_t *loop = uv_default_loop();

	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_never, 1000000, 0));
	CHECK_OK(uv_fs_stat(loop, &req, ".", uv_fs_req_cleanup));
	uv_run(loop, UV_RUN_NOWAIT);
}

static void on_late(uv_timer_t *timer)
{
	puts("timer after main");
	uv_close((uv_handle_t *) timer, NULL);
}

static void run_after_main(void)
{
	uv_loop_t *loop = uv_default_loop();

	CHECK_OK(uv_timer_init(loop, &inner));
	CHECK_OK(uv_timer_start(&inner, on_late, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(loop));
}

/* Node's at-exit handlers run loops, too. */
static void way_atexit(void)
{
	CHECK(atexit(run_after_main) == 0);
}

static uv_sem_t working;

static void work_long(uv_work_t *req)
{
	(void) req;
	uv_sem_post(&working);
	for (volatile int i = 0; i < 20000000; i++)
		;
}

/* A pool thread is at work while destructors run; libuv's waits for it. */
static void way_work_at_exit(void)
{
	static uv_work_t req;

	CHECK_OK(uv_sem_init(&working, 0));
	CHECK_OK(uv_queue_work(uv_default_loop(), &req, work_long, NULL));
	uv_sem_wait(&working);
}

static void on_busy(uv_timer_t *timer)
{
	if (timer->data == NULL) {
		timer->data = timer;
		uv_sem_post(&working);
	}
}

static void be_busy(void *arg)
{
	static uv_loop_t own;
	static uv_timer_t timer;

	(void) arg;
	CHECK_OK(uv_loop_init(&own));
	CHECK_OK(uv_timer_init(&own, &timer));
	CHECK_OK(uv_timer_start(&timer, on_busy, 0, 1));
	uv_run(&own, UV_RUN_DEFAULT);
}

/* Another thread's loop turns while the process ends. */
static void way_busy_thread(void)
{
	uv_thread_t thread;

	CHECK_OK(uv_sem_init(&working, 0));
	CHECK_OK(uv_thread_create(&thread, be_busy, NULL));
	uv_sem_wait(&working);
}

static void on_last_timer(uv_timer_t *timer)
{
	puts("thread outlives main");
	uv_close((uv_handle_t *) timer, NULL);
}

static void outlive(void *arg)
{
	uv_loop_t own;
	uv_timer_t timer;

	CHECK(pthread_join(*(pthread_t *) arg, NULL) == 0);
	CHECK_OK(uv_loop_init(&own));
	CHECK_OK(uv_timer_init(&own, &timer));
	CHECK_OK(uv_timer_start(&timer, on_last_timer, 1, 0));
	CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own));
}

/* The main thread leaves by pthread_exit, and a thread goes on. */
static void way_main_leaves(void)
{
	static pthread_t self;
	uv_thread_t thread;

	self = pthread_self();
	CHECK_OK(uv_thread_create(&thread, outlive, &self));
	pthread_exit(NULL);
}

static void way_shutdown(void)
{
	static uv_work_t req;

	CHECK_OK(uv_sem_init(&working, 0));
	CHECK_OK(uv_queue_work(uv_default_loop(), &req, work_long, NULL));
	CHECK_OK(uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(uv_default_loop()));
	uv_library_shutdown();
}

static const struct {
	const char *name;
	void (*end)(void);
} ways[] = {
    {"exit", way_exit},
    {"_exit", way_underscore_exit},
    {"quick_exit", way_quick_exit},
    {"kill", way_kill},
    {"abort", way_abort},
    {"nested_exit", way_nested_exit},
    {"queued_exit", way_queued_exit},
    {"leak", way_leak},
    {"atexit", way_atexit},
    {"work_at_exit", way_work_at_exit},
    {"busy_thread", way_busy_thread},
    {"main_leaves", way_main_leaves},
    {"shutdown", way_shutdown},
};

static void start_and_wait(const char *own_path, const char *way)
{
	pid_t child;
	int status;

	printf("way %s\n", way);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		execl(own_path, own_path, way, (char *) NULL);
		_exit(127);
	}
	CHECK(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status))
		printf("ended with %d\n", WEXITSTATUS(status));
	else
		printf("ended by signal %d\n", WTERMSIG(status));
}

int main(int argc, char **argv)
{
	char own_path[4096];
	size_t bytes = sizeof own_path;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	for (size_t i = 0; i < COUNT(ways); i++) {
		if (argc > 1 && strcmp(argv[1], ways[i].name) == 0) {
			ways[i].end();
			return 0;
		}
	}
	CHECK(argc == 1);
	CHECK_OK(uv_exepath(own_path, &bytes));
	for (size_t i = 0; i < COUNT(ways); i++)
		start_and_wait(own_path, ways[i].name);
	return 0;
}
