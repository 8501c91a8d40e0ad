/* SPDX-License-Identifier: MIT */
/*
 * A program that stands between libuv and whoever calls two of its functions: itself, and libuv,
 * which calls them for others.
 */
#include <dlfcn.h>

#include "program.h"

int uv_timer_stop(uv_timer_t *handle)
{
	int (*stop)(uv_timer_t *) = (int (*)(uv_timer_t *)) dlsym(RTLD_NEXT, "uv_timer_stop");

	puts("a timer stops");
	return stop(handle);
}

int uv_tcp_init_ex(uv_loop_t *loop, uv_tcp_t *handle, unsigned int flags)
{
	int (*init)(uv_loop_t *, uv_tcp_t *, unsigned int) =
	    (int (*)(uv_loop_t *, uv_tcp_t *, unsigned int)) dlsym(RTLD_NEXT, "uv_tcp_init_ex");

	puts("a socket begins");
	return init(loop, handle, flags);
}

static uv_tcp_t tcp;

static void on_timer(uv_timer_t *handle)
{
	puts("timer");
	uv_close((uv_handle_t *) handle, NULL);
	uv_close((uv_handle_t *) &tcp, NULL);
}

static void inits(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
}

static const struct scene scenes[] = {
    {"inits", inits},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
