/* SPDX-License-Identifier: MIT */
/* Threads that libuv starts for the program. */
#include "program.h"

#include <pthread.h>

static void on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

static void run_timer(uv_loop_t *loop)
{
	uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

static int entered;

static void enter(void *arg)
{
	CHECK(arg == &entered);
	entered++;
}

static void create(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK_OK(uv_thread_create(&thread, enter, &entered));
	CHECK_OK(uv_thread_join(&thread));
	CHECK(entered == 1);
}

static void create_ex(uv_loop_t *loop)
{
	uv_thread_t thread;
	uv_thread_options_t options;

	(void) loop;
	memset(&options, 0, sizeof options);
	options.flags = UV_THREAD_HAS_STACK_SIZE;
	options.stack_size = 256 * 1024;
	entered = 0;
	CHECK_OK(uv_thread_create_ex(&thread, &options, enter, &entered));
	CHECK_OK(uv_thread_join(&thread));
	options.flags = UV_THREAD_NO_FLAGS;
	CHECK_OK(uv_thread_create_ex(&thread, &options, enter, &entered));
	CHECK_OK(uv_thread_join(&thread));
	CHECK(entered == 2);
}

static void create_inner(void *arg)
{
	uv_thread_t thread;

	CHECK_OK(uv_thread_create(&thread, enter, arg));
	CHECK_OK(uv_thread_join(&thread));
}

/* A thread starts a thread. */
static void nested(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK_OK(uv_thread_create(&thread, create_inner, &entered));
	CHECK_OK(uv_thread_join(&thread));
}

static void on_creating_timer(uv_timer_t *timer)
{
	uv_thread_t thread;

	CHECK_OK(uv_thread_create(&thread, enter, &entered));
	CHECK_OK(uv_thread_join(&thread));
	uv_close((uv_handle_t *) timer, NULL);
}

static void from_callback(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_creating_timer, 1, 0));
}

static void run_own_loop(void *arg)
{
	uv_loop_t own;

	(void) arg;
	CHECK_OK(uv_loop_init(&own));
	run_timer(&own);
	CHECK_OK(uv_loop_close(&own));
}

static void own_loop(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK_OK(uv_thread_create(&thread, run_own_loop, NULL));
	CHECK_OK(uv_thread_join(&thread));
}

static void *run_loop_in_plain_thread(void *arg)
{
	run_own_loop(arg);
	return arg;
}

/* A thread that libuv did not start, with a loop. */
static void plain(uv_loop_t *loop)
{
	pthread_t thread;

	(void) loop;
	CHECK(pthread_create(&thread, NULL, run_loop_in_plain_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static uv_thread_t parent;

static void enter_with_id(void *arg)
{
	uv_thread_t self = uv_thread_self();

	(void) arg;
	CHECK(!uv_thread_equal(&self, &parent));
	CHECK(errno == 0);
	pthread_exit(NULL);
}

/* The thread leaves by pthread_exit outside of any callback. */
static void exits(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	parent = uv_thread_self();
	CHECK_OK(uv_thread_create(&thread, enter_with_id, NULL));
	CHECK_OK(uv_thread_join(&thread));
}

static pthread_key_t key;

static void end_of_thread(void *value)
{
	uv_loop_t own;

	(void) value;
	CHECK_OK(uv_loop_init(&own));
	run_timer(&own);
	CHECK_OK(uv_loop_close(&own));
}

static void set_key(void *arg)
{
	CHECK(pthread_setspecific(key, arg) == 0);
}

/* A destructor of thread-specific data uses libuv when the entry function is long over. */
static void at_end_of_thread(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	CHECK(pthread_key_create(&key, end_of_thread) == 0);
	CHECK_OK(uv_thread_create(&thread, set_key, &key));
	CHECK_OK(uv_thread_join(&thread));
	CHECK(pthread_key_delete(key) == 0);
}

static const struct scene scenes[] = {
    {"create", create},     {"create_ex", create_ex},
    {"nested", nested},     {"from_callback", from_callback},
    {"own_loop", own_loop}, {"plain", plain},
    {"exits", exits},       {"at_end_of_thread", at_end_of_thread},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
