/* SPDX-License-Identifier: MIT */
/* An operation: a call of one of libuv's shortest functions that the shim intercepts. */
#include "benchmark.h"

#define CALLS 1000

static uv_timer_t timer;

static void setup(uv_loop_t *loop)
{
	CHECK(uv_timer_init(loop, &timer) == 0);
}

static void batch(uv_loop_t *loop)
{
	(void) loop;
	for (int i = 0; i < CALLS; i++)
		uv_timer_stop(&timer);
}

const struct benchmark benchmark = {CALLS, 20, setup, batch};
