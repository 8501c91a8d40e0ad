/* SPDX-License-Identifier: MIT */
/* Loops: several in one thread, in threads, made by uv_loop_new, busy at their close, made again.
 */
#include "program.h"

static void on_close(uv_handle_t *handle)
{
	(void) handle;
}

static void on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, on_close);
}

/* One timer that fires and closes, on a loop that ends. */
static void run_timer(uv_loop_t *loop)
{
	uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

static void two_in_main(uv_loop_t *loop)
{
	uv_loop_t second;

	run_timer(loop);
	CHECK_OK(uv_loop_init(&second));
	run_timer(&second);
	run_timer(loop);
	CHECK_OK(uv_loop_close(&second));
}

/* A loop that serves synchronous calls only: nothing ever happens in it. */
static void unused_first(uv_loop_t *loop)
{
	uv_loop_t used;

	(void) loop;
	CHECK_OK(uv_loop_init(&used));
	run_timer(&used);
	CHECK_OK(uv_loop_close(&used));
}

#define THREADS 4
#define TIMERS  25
static uv_barrier_t barrier;

static void run_many_timers(void *arg)
{
	uv_loop_t own;

	(void) arg;
	CHECK_OK(uv_loop_init(&own));
	uv_barrier_wait(&barrier);
	for (int i = 0; i < TIMERS; i++)
		run_timer(&own);
	CHECK_OK(uv_loop_close(&own));
}

/* All loops exist at the same time. */
static void in_threads(uv_loop_t *loop)
{
	uv_thread_t threads[THREADS];

	(void) loop;
	CHECK_OK(uv_barrier_init(&barrier, THREADS));
	for (int i = 0; i < THREADS; i++)
		CHECK_OK(uv_thread_create(&threads[i], run_many_timers, NULL));
	for (int i = 0; i < THREADS; i++)
		CHECK_OK(uv_thread_join(&threads[i]));
	uv_barrier_destroy(&barrier);
}

static void busy(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_RESULT(uv_loop_close(loop), UV_EBUSY);
	uv_close((uv_handle_t *) &timer, on_close);
	CHECK_RESULT(uv_loop_close(loop), UV_EBUSY);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

/* uv_loop_new and uv_loop_delete are old, and still used. */
static void new_and_delete(uv_loop_t *loop)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	uv_loop_t *made = uv_loop_new();

	(void) loop;
	CHECK(made != NULL);
	run_timer(made);
	uv_loop_delete(made);
#pragma GCC diagnostic pop
}

/* The same memory, closed in order. */
static void again(uv_loop_t *loop)
{
	uv_loop_t second;

	(void) loop;
	for (int i = 0; i < 3; i++) {
		CHECK_OK(uv_loop_init(&second));
		run_timer(&second);
		CHECK_OK(uv_loop_close(&second));
	}
}

static uv_loop_t handed_over;
static uv_timer_t handed_timer;

static void run_handed_over(void *arg)
{
	(void) arg;
	CHECK_OK(uv_run(&handed_over, UV_RUN_DEFAULT));
}

static void no_thread_work(void *arg)
{
	(void) arg;
}

/* A loop is made here, run there, and ended here, while this thread makes others. */
static void run_elsewhere(uv_loop_t *loop)
{
	uv_thread_t thread;
	uv_thread_t others[8];

	CHECK_OK(uv_loop_init(&handed_over));
	CHECK_OK(uv_timer_init(&handed_over, &handed_timer));
	CHECK_OK(uv_timer_start(&handed_timer, on_timer, 1, 0));
	CHECK_OK(uv_thread_create(&thread, run_handed_over, NULL));
	for (size_t i = 0; i < COUNT(others); i++) {
		CHECK_OK(uv_thread_create(&others[i], no_thread_work, NULL));
		CHECK_OK(uv_thread_join(&others[i]));
	}
	CHECK_OK(uv_thread_join(&thread));
	CHECK_OK(uv_loop_close(&handed_over));
	run_timer(loop);
}

static uv_loop_t *first_loop;

static void run_first_loop(void *arg)
{
	(void) arg;
	for (int i = 0; i < 200; i++)
		run_timer(first_loop);
}

/* The first loop of the process turns in another thread, while main starts threads of its own. */
static void first_elsewhere(uv_loop_t *loop)
{
	uv_thread_t thread;
	uv_thread_t other;

	first_loop = loop;
	CHECK_OK(uv_thread_create(&thread, run_first_loop, NULL));
	for (int i = 0; i < 500; i++) {
		CHECK_OK(uv_thread_create(&other, no_thread_work, NULL));
		CHECK_OK(uv_thread_join(&other));
	}
	CHECK_OK(uv_thread_join(&thread));
}

static int turns;

static void on_idle(uv_idle_t *idle)
{
	if (++turns == 3) {
		uv_stop(idle->loop);
		return;
	}
	if (turns == 5)
		uv_close((uv_handle_t *) idle, NULL);
}

/* Each way to run a loop: stopped, once, without waiting, by a program that polls for itself. */
static void modes(uv_loop_t *loop)
{
	static uv_idle_t idle;

	CHECK_OK(uv_idle_init(loop, &idle));
	CHECK_OK(uv_idle_start(&idle, on_idle));
	CHECK(uv_run(loop, UV_RUN_DEFAULT) != 0);
	CHECK(uv_run(loop, UV_RUN_ONCE) != 0);
	CHECK(uv_run(loop, UV_RUN_NOWAIT) == 0 || turns == 5);
	CHECK(uv_backend_fd(loop) >= 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("%d turns\n", turns);
}

static void on_walk(uv_handle_t *handle, void *arg)
{
	++*(int *) arg;
	if (!uv_is_closing(handle))
		uv_close(handle, on_close);
}

/* What nvim and luv do at their end. Nobody else's handle may turn up. */
static void walk(uv_loop_t *loop)
{
	static uv_timer_t timer;
	static uv_idle_t idle;
	static uv_async_t async;
	static uv_signal_t signal;
	int seen = 0;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_idle_init(loop, &idle));
	CHECK_OK(uv_async_init(loop, &async, NULL));
	CHECK_OK(uv_signal_init(loop, &signal));
	uv_walk(loop, on_walk, &seen);
	printf("%d handles\n", seen);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	seen = 0;
	uv_walk(loop, on_walk, &seen);
	printf("%d handles\n", seen);
}

static uv_timer_t made_in_walk;

static void on_making_walk(uv_handle_t *handle, void *arg)
{
	(void) arg;
	if (handle->type != UV_IDLE)
		return;
	CHECK_OK(uv_timer_init(handle->loop, &made_in_walk));
	CHECK_OK(uv_timer_start(&made_in_walk, on_timer, 1, 0));
	uv_close(handle, NULL);
}

/* A handle that is made in the callback of uv_walk belongs to whoever called uv_walk. */
static void walk_makes(uv_loop_t *loop)
{
	static uv_idle_t idle;

	CHECK_OK(uv_idle_init(loop, &idle));
	uv_walk(loop, on_making_walk, NULL);
}

static const struct scene scenes[] = {
    {"two_in_main", two_in_main},
    {"unused_first", unused_first},
    {"in_threads", in_threads},
    {"busy", busy},
    {"new_and_delete", new_and_delete},
    {"again", again},
    {"run_elsewhere", run_elsewhere},
    {"first_elsewhere", first_elsewhere},
    {"modes", modes},
    {"walk", walk},
    {"walk_makes", walk_makes},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
