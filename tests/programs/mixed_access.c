/* SPDX-License-Identifier: MIT */
/*
 * A program that calls some functions of libuv directly and finds others with dlsym, so that what
 * is preloaded sees half of a handle's life: made but not closed, closed but never made.
 */
#include "program.h"

#include <dlfcn.h>

static __typeof__(uv_timer_init) *hidden_timer_init;
static __typeof__(uv_timer_start) *hidden_timer_start;
static __typeof__(uv_close) *hidden_close;
static __typeof__(uv_run) *hidden_run;
static __typeof__(uv_loop_init) *hidden_loop_init;

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	puts("closed");
}

static void on_timer(uv_timer_t *timer)
{
	puts("timer");
	uv_close((uv_handle_t *) timer, on_close);
}

static void on_timer_hidden(uv_timer_t *timer)
{
	puts("timer");
	hidden_close((uv_handle_t *) timer, on_close);
}

static void hidden_init(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(hidden_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
}

static void hidden_start(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(hidden_timer_start(&timer, on_timer, 1, 0));
}

static void hidden_end(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer_hidden, 1, 0));
}

static void hidden_turn(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(hidden_run(loop, UV_RUN_DEFAULT));
}

static void hidden_loop(uv_loop_t *loop)
{
	static uv_timer_t timer;
	uv_loop_t own;

	(void) loop;
	CHECK_OK(hidden_loop_init(&own));
	CHECK_OK(uv_timer_init(&own, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own));
}

static const struct scene scenes[] = {
    {"hidden_init", hidden_init}, {"hidden_start", hidden_start}, {"hidden_end", hidden_end},
    {"hidden_turn", hidden_turn}, {"hidden_loop", hidden_loop},
};

int main(int argc, char **argv)
{
	void *libuv = dlopen("libuv.so.1", RTLD_NOW | RTLD_NOLOAD);

	CHECK(libuv != NULL);
	*(void **) &hidden_timer_init = dlsym(libuv, "uv_timer_init");
	*(void **) &hidden_timer_start = dlsym(libuv, "uv_timer_start");
	*(void **) &hidden_close = dlsym(libuv, "uv_close");
	*(void **) &hidden_run = dlsym(libuv, "uv_run");
	*(void **) &hidden_loop_init = dlsym(libuv, "uv_loop_init");
	CHECK(hidden_loop_init != NULL && hidden_run != NULL);
	return PLAY(scenes);
}
