/* SPDX-License-Identifier: MIT */
/* Resources that the program does not end: with their loop, with their thread, or never. */
#include "embedder.h"

#include <pthread.h>

static resource_t automatic;
static resource_t manual;
static resource_t ended;

static void make_all(void)
{
	make(&automatic, "Automatic");
	make_manual(&manual, "Manual");
	make(&ended, "Ended");
	end(&ended);
}

/* Made in the loop's callback: the loop is closed when the scene has ended. */
static void loop_closes(uv_loop_t *loop)
{
	call_in_callback(loop, make_all);
}

static void *make_in_thread(void *argument)
{
	make_all();
	return argument;
}

static void thread_ends(uv_loop_t *loop)
{
	pthread_t thread;

	(void) loop;
	CHECK(pthread_create(&thread, NULL, make_in_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void make_in_uv_thread(void *arg)
{
	(void) arg;
	make_all();
}

static void uv_thread_ends(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK_OK(uv_thread_create(&thread, make_in_uv_thread, NULL));
	CHECK_OK(uv_thread_join(&thread));
}

static void *leave_thread(void *argument)
{
	make_all();
	pthread_exit(argument);
}

static void thread_exits(uv_loop_t *loop)
{
	pthread_t thread;

	(void) loop;
	CHECK(pthread_create(&thread, NULL, leave_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void *make_in_loop(void *argument)
{
	uv_loop_t own;
	uv_timer_t timer;

	CHECK_OK(uv_loop_init(&own));
	called_in_callback = make_all;
	CHECK_OK(uv_timer_init(&own, &timer));
	CHECK_OK(uv_timer_start(&timer, close_calling_timer, 0, 0));
	CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own));
	return argument;
}

/* The loop closes first, the thread ends then. */
static void loop_of_thread(uv_loop_t *loop)
{
	pthread_t thread;

	(void) loop;
	CHECK(pthread_create(&thread, NULL, make_in_loop, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void *count(void *counter)
{
	++*(unsigned int *) counter;
	CHECK(ids_are_of(&automatic));
	mark("Inside");
	return counter;
}

/* It may run although its thread has ended, as after any destroy. */
static void run_afterwards(uv_loop_t *loop)
{
	unsigned int counter = 0;

	thread_ends(loop);
	CHECK(run_in(&automatic, count, &counter) == &counter);
	CHECK(counter == 1);
}

static const struct scene scenes[] = {
    {"loop_closes", loop_closes},       {"thread_ends", thread_ends},
    {"uv_thread_ends", uv_thread_ends}, {"thread_exits", thread_exits},
    {"loop_of_thread", loop_of_thread}, {"run_afterwards", run_afterwards},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
