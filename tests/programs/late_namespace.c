/* SPDX-License-Identifier: MIT */
/*
 * A program that loads a libuv into a namespace of its own, into which nothing is preloaded, and
 * then one into the namespace that it shares with the shim.
 */
#define _GNU_SOURCE
#include "modules.h"

static void *find(void *libuv, const char *name)
{
	void *function = dlsym(libuv, name);

	CHECK(function != NULL);
	return function;
}

static void on_timer(uv_timer_t *timer)
{
	(void) timer;
	puts("timer");
}

static void play(void *libuv)
{
	__typeof__(uv_loop_init) *loop_init;
	__typeof__(uv_timer_init) *timer_init;
	__typeof__(uv_timer_start) *timer_start;
	__typeof__(uv_close) *close_handle;
	__typeof__(uv_run) *run;
	__typeof__(uv_loop_close) *loop_close;
	uv_loop_t loop;
	uv_timer_t timer;

	*(void **) &loop_init = find(libuv, "uv_loop_init");
	*(void **) &timer_init = find(libuv, "uv_timer_init");
	*(void **) &timer_start = find(libuv, "uv_timer_start");
	*(void **) &close_handle = find(libuv, "uv_close");
	*(void **) &run = find(libuv, "uv_run");
	*(void **) &loop_close = find(libuv, "uv_loop_close");
	CHECK_OK(loop_init(&loop));
	CHECK_OK(timer_init(&loop, &timer));
	CHECK_OK(timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(run(&loop, UV_RUN_DEFAULT));
	close_handle((uv_handle_t *) &timer, NULL);
	CHECK_OK(run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(loop_close(&loop));
}

int main(void)
{
	void *apart = dlmopen(LM_ID_NEWLM, "libuv.so.1", RTLD_NOW);
	void *shared;

	CHECK(apart != NULL);
	play(apart);
	shared = dlopen("libuv.so.1", RTLD_NOW | RTLD_LOCAL);
	CHECK(shared != NULL);
	play(shared);
	report_counters();
	return 0;
}
