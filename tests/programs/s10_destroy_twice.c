/* SPDX-License-Identifier: MIT */
/* A second emit_destroy is an error, and no event. */
#include "embedder.h"

#include <pthread.h>

static resource_t job;

static void twice(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	CHECK_OK(uvhooks_async_resource_emit_destroy(&job));
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&job), -EALREADY);
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&job), -EALREADY);
}

static void *end_twice(void *argument)
{
	CHECK_OK(uvhooks_async_resource_emit_destroy(&job));
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&job), -EALREADY);
	return argument;
}

/* Also while the first one still waits. */
static void waiting(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	run_in(&job, end_twice, NULL);
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&job), -EALREADY);
}

static void never_made(uv_loop_t *loop)
{
	resource_t zeroes;
	resource_t ones;

	(void) loop;
	memset(&zeroes, 0, sizeof zeroes);
	memset(&ones, 0xff, sizeof ones);
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&zeroes), -EINVAL);
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&ones), -EINVAL);
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(NULL), -EINVAL);
}

#define ROUNDS 500
static resource_t raced[ROUNDS];
static pthread_barrier_t barrier;

static void *end_all(void *argument)
{
	size_t *ended = argument;

	for (size_t i = 0; i < ROUNDS; i++) {
		int result;

		pthread_barrier_wait(&barrier);
		result = uvhooks_async_resource_emit_destroy(&raced[i]);
		CHECK(result == 0 || result == -EALREADY);
		*ended += result == 0;
	}
	return NULL;
}

/* Of two threads that end it at once one is told 0. */
static void two_threads(uv_loop_t *loop)
{
	pthread_t threads[2];
	size_t ended[2] = {0, 0};

	(void) loop;
	for (size_t i = 0; i < ROUNDS; i++)
		make(&raced[i], "Raced");
	CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
	for (size_t i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, end_all, &ended[i]) == 0);
	for (size_t i = 0; i < 2; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(pthread_barrier_destroy(&barrier) == 0);
	CHECK(ended[0] + ended[1] == ROUNDS);
}

static const struct scene scenes[] = {
    {"twice", twice},
    {"waiting", waiting},
    {"never_made", never_made},
    {"two_threads", two_threads},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
