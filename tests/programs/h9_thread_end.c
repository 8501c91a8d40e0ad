/* SPDX-License-Identifier: MIT */
/* Canonical trace H9: pthread_exit and pthread_cancel in a callback of a thread's own loop. */
#include "program.h"

#include <pthread.h>

static uv_loop_t own_loop;
static uv_timer_t timer;
static uv_sem_t in_callback;

static void exiting(uv_timer_t *handle)
{
	(void) handle;
	puts("thread exits in a callback");
	pthread_exit(NULL);
}

/* pause() is a point of cancellation. */
static void waiting(uv_timer_t *handle)
{
	(void) handle;
	uv_sem_post(&in_callback);
	for (;;)
		pause();
}

static void exit_entry(void *arg)
{
	(void) arg;
	CHECK_OK(uv_loop_init(&own_loop));
	CHECK_OK(uv_timer_init(&own_loop, &timer));
	CHECK_OK(uv_timer_start(&timer, exiting, 1, 0));
	uv_run(&own_loop, UV_RUN_DEFAULT);
	CHECK(!"uv_run must not return");
}

static void cancel_entry(void *arg)
{
	(void) arg;
	CHECK_OK(uv_loop_init(&own_loop));
	CHECK_OK(uv_timer_init(&own_loop, &timer));
	CHECK_OK(uv_timer_start(&timer, waiting, 1, 0));
	uv_run(&own_loop, UV_RUN_DEFAULT);
	CHECK(!"uv_run must not return");
}

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	puts("closed by main");
}

/* The loop outlives its thread; main ends it. */
static void end_loop(void)
{
	uv_close((uv_handle_t *) &timer, on_close);
	CHECK_OK(uv_run(&own_loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own_loop));
}

static void thread_exit(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK_OK(uv_thread_create(&thread, exit_entry, NULL));
	CHECK_OK(uv_thread_join(&thread));
	end_loop();
}

static void thread_cancel(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK_OK(uv_sem_init(&in_callback, 0));
	CHECK_OK(uv_thread_create(&thread, cancel_entry, NULL));
	uv_sem_wait(&in_callback);
	CHECK(pthread_cancel(thread) == 0);
	CHECK_OK(uv_thread_join(&thread));
	puts("thread cancelled in a callback");
	end_loop();
	uv_sem_destroy(&in_callback);
}

static const struct scene scenes[] = {
    {"thread_exit", thread_exit},
    {"thread_cancel", thread_cancel},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
