/* SPDX-License-Identifier: MIT */
/*
 * A program that uses the shared libuv loads a module that has a libuv of its own, linked so that
 * its calls stay within it (-Bsymbolic): two libuvs are in use, each with its own default loop.
 */
#include "modules.h"

static struct module module;

static void on_timer(uv_timer_t *timer)
{
	puts("program: timer");
	uv_close((uv_handle_t *) timer, NULL);
}

static void two_libuvs(uv_loop_t *loop)
{
	uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	module = open_module("module_symbolic", RTLD_LOCAL);
	module.play();
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	module.play();
	CHECK(module.default_loop() != loop);
}

static const struct scene scenes[] = {
    {"two_libuvs", two_libuvs},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
