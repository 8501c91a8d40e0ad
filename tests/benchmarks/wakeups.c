/* SPDX-License-Identifier: MIT */
/*
 * An operation: a wake-up is sent and arrives. The loop's own thread sends it: between threads the
 * kernel's part would drown all else.
 */
#include "benchmark.h"

#define ASYNCS 100

static uv_async_t asyncs[ASYNCS];
static unsigned int woken;

static void on_wakeup(uv_async_t *async)
{
	(void) async;
	woken++;
}

static void setup(uv_loop_t *loop)
{
	for (int i = 0; i < ASYNCS; i++)
		CHECK(uv_async_init(loop, &asyncs[i], on_wakeup) == 0);
}

static void batch(uv_loop_t *loop)
{
	woken = 0;
	for (int i = 0; i < ASYNCS; i++)
		uv_async_send(&asyncs[i]);
	uv_run(loop, UV_RUN_NOWAIT);
	CHECK(woken == ASYNCS);
}

const struct benchmark benchmark = {ASYNCS, 20, setup, batch};
