/* SPDX-License-Identifier: MIT */
/* Small stacks and stacks that are switched: what a hook may take of either is little. */
#include "program.h"

#include <pthread.h>
#include <ucontext.h>

static int fired;

static void on_close(uv_handle_t *handle)
{
	(void) handle;
}

/* Uses most of a small stack itself. */
static void on_hungry_timer(uv_timer_t *timer)
{
	volatile char own[36 * 1024];

	memset((void *) own, fired, sizeof own);
	if (++fired == 3)
		uv_close((uv_handle_t *) timer, on_close);
	CHECK(own[0] == fired - 1 && own[sizeof own - 1] == fired - 1);
}

static void *run_on_small_stack(void *arg)
{
	uv_loop_t own;
	uv_timer_t timer;

	CHECK_OK(uv_loop_init(&own));
	CHECK_OK(uv_timer_init(&own, &timer));
	CHECK_OK(uv_timer_start(&timer, on_hungry_timer, 1, 1));
	CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own));
	return arg;
}

/* 64 KiB of stack; libuv's own poll takes more than 12 KiB of it. */
static void small(uv_loop_t *loop)
{
	pthread_attr_t attributes;
	pthread_t thread;

	(void) loop;
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, 64 * 1024) == 0);
	CHECK(pthread_create(&thread, &attributes, run_on_small_stack, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(pthread_attr_destroy(&attributes) == 0);
	printf("fired %d times\n", fired);
}

static ucontext_t main_context;
static ucontext_t coroutine;
static char coroutine_stack[256 * 1024] __attribute__((aligned(16)));
static uv_timer_t first;
static uv_timer_t second;
static uv_loop_t *the_loop;

/* Returns when it has left its stack, or ended. */
static void enter_coroutine(void (*function)(void))
{
	CHECK(getcontext(&coroutine) == 0);
	coroutine.uc_stack.ss_sp = coroutine_stack;
	coroutine.uc_stack.ss_size = sizeof coroutine_stack;
	coroutine.uc_link = &main_context;
	makecontext(&coroutine, function, 0);
	CHECK(swapcontext(&main_context, &coroutine) == 0);
}

static void on_first(uv_timer_t *timer)
{
	puts("first timer: leaves its stack");
	CHECK(swapcontext(&coroutine, &main_context) == 0);
	puts("first timer: is back");
	uv_close((uv_handle_t *) timer, on_close);
}

static void run_in_coroutine(void)
{
	puts("coroutine runs the loop");
	CHECK_OK(uv_run(the_loop, UV_RUN_DEFAULT));
	puts("coroutine ends");
}

/*
 * uv_run is called on a second stack; a callback there switches back to the first one, which makes
 * a handle and calls libuv, and then lets the callback go on.
 */
static void switched_in_callback(uv_loop_t *loop)
{
	the_loop = loop;
	CHECK_OK(uv_timer_init(loop, &first));
	CHECK_OK(uv_timer_start(&first, on_first, 1, 0));
	enter_coroutine(run_in_coroutine);
	puts("main, while the callback waits");
	CHECK_OK(uv_timer_init(loop, &second));
	uv_close((uv_handle_t *) &second, on_close);
	CHECK(swapcontext(&main_context, &coroutine) == 0);
	puts("main, when the coroutine has ended");
}

static void calls_of_libuv(void)
{
	CHECK_OK(uv_timer_init(the_loop, &second));
	uv_close((uv_handle_t *) &second, on_close);
	uv_run(the_loop, UV_RUN_NOWAIT);
	puts("coroutine made and closed a handle");
}

static void on_switching(uv_timer_t *timer)
{
	enter_coroutine(calls_of_libuv);
	puts("the callback goes on");
	uv_close((uv_handle_t *) timer, on_close);
}

/* A callback enters a coroutine that ends before the callback does, as a Lua callback may. */
static void entered_from_callback(uv_loop_t *loop)
{
	the_loop = loop;
	CHECK_OK(uv_timer_init(loop, &first));
	CHECK_OK(uv_timer_start(&first, on_switching, 1, 0));
}

static const struct scene scenes[] = {
    {"small", small},
    {"switched_in_callback", switched_in_callback},
    {"entered_from_callback", entered_from_callback},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
