/* SPDX-License-Identifier: MIT */
/*
 * A program that loads libuv itself, RTLD_LOCAL, and asks dlsym for each function: its calls go
 * past everything that is preloaded. A module that it loads then calls libuv in the ordinary way.
 */
#include "modules.h"

static void *libuv;

static void *find(const char *name)
{
	void *function = dlsym(libuv, name);

	CHECK(function != NULL);
	return function;
}

static __typeof__(uv_close) *close_handle;

static void on_timer(uv_timer_t *timer)
{
	puts("timer");
	close_handle((uv_handle_t *) timer, NULL);
}

int main(void)
{
	__typeof__(uv_loop_init) *loop_init;
	__typeof__(uv_timer_init) *timer_init;
	__typeof__(uv_timer_start) *timer_start;
	__typeof__(uv_run) *run;
	__typeof__(uv_loop_close) *loop_close;
	struct module module;
	uv_loop_t loop;
	uv_timer_t timer;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	libuv = dlopen("libuv.so.1", RTLD_NOW | RTLD_LOCAL);
	CHECK(libuv != NULL);
	*(void **) &loop_init = find("uv_loop_init");
	*(void **) &timer_init = find("uv_timer_init");
	*(void **) &timer_start = find("uv_timer_start");
	*(void **) &run = find("uv_run");
	*(void **) &loop_close = find("uv_loop_close");
	*(void **) &close_handle = find("uv_close");
	CHECK_OK(loop_init(&loop));
	CHECK_OK(timer_init(&loop, &timer));
	CHECK_OK(timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(run(&loop, UV_RUN_DEFAULT));
	module = open_module("module_shared", RTLD_LOCAL);
	module.play();
	CHECK_OK(loop_close(&loop));
	report_counters();
	return 0;
}
