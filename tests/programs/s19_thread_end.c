/* SPDX-License-Identifier: MIT */
/* pthread_exit and cancellation in a scope: it is left, and so is the thread. */
#include "embedder.h"

#include <pthread.h>

static resource_t job;
static uv_sem_t reached;

static void *leave(void *argument)
{
	CHECK(ids_are_of(&job));
	pthread_exit(argument);
}

static void *wait_for_cancel(void *argument)
{
	CHECK(ids_are_of(&job));
	uv_sem_post(&reached);
	for (;;)
		pause();
	return argument;
}

static void *run_leaving(void *argument)
{
	return run_in(&job, leave, argument);
}

static void *run_waiting(void *argument)
{
	return run_in(&job, wait_for_cancel, argument);
}

static void leave_by_exit(void *argument)
{
	run_leaving(argument);
}

static void exit_in_thread(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	make(&job, "Job");
	CHECK_OK(uv_thread_create(&thread, leave_by_exit, NULL));
	CHECK_OK(uv_thread_join(&thread));
	end(&job);
}

/* A thread that libuv knows nothing of. */
static void exit_in_plain_thread(uv_loop_t *loop)
{
	pthread_t thread;
	void *result = NULL;

	(void) loop;
	make(&job, "Job");
	CHECK(pthread_create(&thread, NULL, run_leaving, &job) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == &job);
	end(&job);
}

static void cancel(uv_loop_t *loop)
{
	pthread_t thread;
	void *result = NULL;

	(void) loop;
	make(&job, "Job");
	CHECK_OK(uv_sem_init(&reached, 0));
	CHECK(pthread_create(&thread, NULL, run_waiting, NULL) == 0);
	uv_sem_wait(&reached);
	CHECK(pthread_cancel(thread) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
	uv_sem_destroy(&reached);
	end(&job);
}

static void *leave_trigger_scope(void *argument)
{
	return uvhooks_default_trigger_async_id_scope(job.async_id, run_leaving, argument);
}

static void exit_in_trigger_scope(uv_loop_t *loop)
{
	pthread_t thread;

	(void) loop;
	make(&job, "Job");
	CHECK(pthread_create(&thread, NULL, leave_trigger_scope, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	end(&job);
}

static const struct scene scenes[] = {
    {"exit_in_thread", exit_in_thread},
    {"exit_in_plain_thread", exit_in_plain_thread},
    {"cancel", cancel},
    {"exit_in_trigger_scope", exit_in_trigger_scope},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
