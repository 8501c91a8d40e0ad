/* SPDX-License-Identifier: MIT */
/* A library that is preloaded, too, and says how often a timer is started and a socket begins. */
#include <dlfcn.h>
#include <stdio.h>
#include <uv.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int uv_timer_start(uv_timer_t *handle, uv_timer_cb callback, uint64_t timeout_ms,
			  uint64_t repeat_ms)
{
	int (*start)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t) =
	    (int (*)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t)) dlsym(RTLD_NEXT,
									   "uv_timer_start");

	puts("a timer is started");
	return start(handle, callback, timeout_ms, repeat_ms);
}

EXPORT int uv_tcp_init_ex(uv_loop_t *loop, uv_tcp_t *handle, unsigned int flags)
{
	int (*init)(uv_loop_t *, uv_tcp_t *, unsigned int) =
	    (int (*)(uv_loop_t *, uv_tcp_t *, unsigned int)) dlsym(RTLD_NEXT, "uv_tcp_init_ex");

	puts("a socket begins");
	return init(loop, handle, flags);
}
