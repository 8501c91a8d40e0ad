/* SPDX-License-Identifier: MIT */
/*
 * An operation: a timer is started and fires. They are started in a callback, as timers mostly are,
 * and few at a time: the heap of many would cost more than all else here.
 */
#include "benchmark.h"

#define TIMERS 10

static uv_timer_t timers[TIMERS];
static uv_prepare_t prepare;
static unsigned int fired;

static void on_timer(uv_timer_t *timer)
{
	(void) timer;
	fired++;
}

static void on_prepare(uv_prepare_t *handle)
{
	(void) handle;
	for (int i = 0; i < TIMERS; i++)
		uv_timer_start(&timers[i], on_timer, 0, 0);
}

/* An iteration of the loop starts the timers, and fires them or those of the one before. */
static void batch(uv_loop_t *loop)
{
	fired = 0;
	uv_run(loop, UV_RUN_NOWAIT);
	CHECK(fired == TIMERS);
}

static void setup(uv_loop_t *loop)
{
	for (int i = 0; i < TIMERS; i++)
		CHECK(uv_timer_init(loop, &timers[i]) == 0);
	CHECK(uv_prepare_init(loop, &prepare) == 0);
	CHECK(uv_prepare_start(&prepare, on_prepare) == 0);
	uv_run(loop, UV_RUN_NOWAIT);
}

const struct benchmark benchmark = {TIMERS, 200, setup, batch};
