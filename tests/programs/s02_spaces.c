/* SPDX-License-Identifier: MIT */
/* Id spaces: a loop has one, and a thread without a loop; scopes and wakeups lead across. */
#include "embedder.h"

#include <pthread.h>

static resource_t job;
static uv_loop_t second;
static uv_async_t async;

static void make_first(void)
{
	mark("InFirst");
}

static void make_second(void)
{
	mark("InSecond");
}

/* What a callback makes is counted with its loop, what top-level code makes with the first one. */
static void two_loops(uv_loop_t *loop)
{
	CHECK_OK(uv_loop_init(&second));
	mark("AtTopLevel");
	call_in_callback(loop, make_first);
	call_in_callback(&second, make_second);
	mark("AtTopLevel");
	CHECK_OK(uv_loop_close(&second));
}

static void *make_in_thread(void *argument)
{
	CHECK(at_top_level());
	mark("InThread");
	mark("InThread");
	return argument;
}

static void in_new_thread(void *(*function)(void *), void *argument)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, function, argument) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void plain_thread(uv_loop_t *loop)
{
	(void) loop;
	in_new_thread(make_in_thread, NULL);
}

static void make_in_uv_thread(void *arg)
{
	(void) arg;
	mark("InThread");
}

static void create_thread(void)
{
	uv_thread_t thread;

	CHECK_OK(uv_thread_create(&thread, make_in_uv_thread, NULL));
	CHECK_OK(uv_thread_join(&thread));
}

/* The thread's top level is triggered by its creator. */
static void uv_threads(uv_loop_t *loop)
{
	call_in_callback(loop, create_thread);
}

static void make_before_and_in_loop(void *arg)
{
	(void) arg;
	mark("BeforeLoop");
	CHECK_OK(uv_loop_init(&second));
	call_in_callback(&second, make_second);
	CHECK_OK(uv_loop_close(&second));
	mark("BehindLoop");
}

/* A thread, and the loop that it runs. */
static void thread_and_loop(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK_OK(uv_thread_create(&thread, make_before_and_in_loop, NULL));
	CHECK_OK(uv_thread_join(&thread));
}

static void *make_in_scope(void *argument)
{
	CHECK(ids_are_of(&job));
	mark("InScope");
	return argument;
}

static void *run_job(void *argument)
{
	run_in(&job, make_in_scope, argument);
	return argument;
}

/* A resource that another thread runs: what is made there is counted there, and triggered by it. */
static void elsewhere(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	in_new_thread(run_job, NULL);
	end(&job);
}

static void *end_job(void *argument)
{
	end(&job);
	return argument;
}

/* ... or ends. */
static void ended_elsewhere(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	in_new_thread(end_job, NULL);
}

static void on_async(uv_async_t *handle)
{
	mark("InAsync");
	uv_close((uv_handle_t *) handle, NULL);
}

static void *send_wakeup(void *argument)
{
	CHECK_OK(uv_async_send(&async));
	return argument;
}

static void send_in_scope(void *arg)
{
	make(&job, "Job");
	run_in(&job, send_wakeup, arg);
	end(&job);
}

/* The loop is woken by the scope in which another thread sends. */
static void wakeup(uv_loop_t *loop)
{
	uv_thread_t thread;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_thread_create(&thread, send_in_scope, NULL));
	CHECK_OK(uv_thread_join(&thread));
}

#define THREADS 8
#define EACH    100
static resource_t crossing[THREADS][EACH];
static pthread_barrier_t barrier;

static void *check_ids(void *resource)
{
	CHECK(ids_are_of(resource));
	mark("InCrossing");
	return resource;
}

/* Makes its own, and then runs and ends those of its neighbour. */
static void *cross(void *argument)
{
	size_t own = (size_t) argument;
	size_t next = (own + 1) % THREADS;

	for (size_t i = 0; i < EACH; i++)
		make(&crossing[own][i], "Crossing");
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < EACH; i++) {
		CHECK(run_in(&crossing[next][i], check_ids, &crossing[next][i]) != NULL);
		end(&crossing[next][i]);
	}
	/* A thread's resources are its own until all are done with them. */
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void eight_threads(uv_loop_t *loop)
{
	pthread_t threads[THREADS];

	(void) loop;
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, cross, (void *) i) == 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(pthread_barrier_destroy(&barrier) == 0);
}

static const struct scene scenes[] = {
    {"two_loops", two_loops},   {"plain_thread", plain_thread},
    {"uv_threads", uv_threads}, {"thread_and_loop", thread_and_loop},
    {"elsewhere", elsewhere},   {"ended_elsewhere", ended_elsewhere},
    {"wakeup", wakeup},         {"eight_threads", eight_threads},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
