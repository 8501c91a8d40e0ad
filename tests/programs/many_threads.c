/* SPDX-License-Identifier: MIT */
/* Ten thousand threads that are created and ended, a few at a time; some with a loop of their own.
 */
#include "program.h"

#include <pthread.h>

#define ROUNDS  500
#define AT_ONCE 20

static uv_async_t async;
static unsigned int entered;

static void on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

/* Every tenth thread has a loop; all wake the main loop. */
static void enter(void *arg)
{
	if (__atomic_add_fetch(&entered, 1, __ATOMIC_RELAXED) % 10 == 0) {
		uv_loop_t own;
		uv_timer_t timer;

		CHECK_OK(uv_loop_init(&own));
		CHECK_OK(uv_timer_init(&own, &timer));
		CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
		CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
		CHECK_OK(uv_loop_close(&own));
	}
	CHECK_OK(uv_async_send(arg));
}

static void on_async(uv_async_t *handle)
{
	(void) handle;
}

static void ten_thousand(uv_loop_t *loop)
{
	uv_thread_options_t options;
	uv_thread_t threads[AT_ONCE];

	memset(&options, 0, sizeof options);
	options.flags = UV_THREAD_HAS_STACK_SIZE;
	options.stack_size = 128 * 1024;
	CHECK_OK(uv_async_init(loop, &async, on_async));
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < AT_ONCE; i++)
			CHECK_OK(uv_thread_create_ex(&threads[i], &options, enter, &async));
		for (int i = 0; i < AT_ONCE; i++)
			CHECK_OK(uv_thread_join(&threads[i]));
		uv_run(loop, UV_RUN_NOWAIT);
	}
	printf("%u threads\n", entered);
	uv_close((uv_handle_t *) &async, NULL);
}

static void *enter_plain(void *arg)
{
	enter(arg);
	return arg;
}

/* The same with threads that libuv did not start. */
static void plain(uv_loop_t *loop)
{
	pthread_attr_t attributes;
	pthread_t threads[AT_ONCE];

	entered = 0;
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, 128 * 1024) == 0);
	CHECK_OK(uv_async_init(loop, &async, on_async));
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < AT_ONCE; i++)
			CHECK(pthread_create(&threads[i], &attributes, enter_plain, &async) == 0);
		for (int i = 0; i < AT_ONCE; i++)
			CHECK(pthread_join(threads[i], NULL) == 0);
		uv_run(loop, UV_RUN_NOWAIT);
	}
	printf("%u plain threads\n", entered);
	CHECK(pthread_attr_destroy(&attributes) == 0);
	uv_close((uv_handle_t *) &async, NULL);
}

static const struct scene scenes[] = {
    {"ten_thousand", ten_thousand},
    {"plain", plain},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
