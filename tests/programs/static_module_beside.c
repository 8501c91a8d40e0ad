/* SPDX-License-Identifier: MIT */
/*
 * A program that uses the shared libuv loads a module that has a libuv of its own. The dynamic
 * linker binds what the module calls to the program's libuv, which comes first.
 */
#include "modules.h"

static struct module module;

static void on_timer(uv_timer_t *timer)
{
	puts("program: timer");
	uv_close((uv_handle_t *) timer, NULL);
}

static void run_timer(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

static void taking_turns(uv_loop_t *loop)
{
	uv_loop_t own;

	CHECK_OK(uv_loop_init(&own));
	run_timer(&own);
	module = open_module("module_static_a", RTLD_LOCAL);
	printf("the default loop is %s\n", module.default_loop() == loop ? "one" : "two");
	CHECK_OK(uv_loop_close(loop));
	module.play();
	run_timer(&own);
	module.play();
	CHECK_OK(uv_loop_close(&own));
	CHECK(uv_default_loop() == loop);
	CHECK(module.default_loop() == loop);
}

static const struct scene scenes[] = {
    {"taking_turns", taking_turns},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
