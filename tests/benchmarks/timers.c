/* SPDX-License-Identifier: MIT */
/* An operation: a timer is started and fires. */
#include "benchmark.h"

#define TIMERS 10

static uv_timer_t timers[TIMERS];
static unsigned int fired;

static void on_timer(uv_timer_t *timer)
{
	(void) timer;
	fired++;
}

static void setup(uv_loop_t *loop)
{
	for (int i = 0; i < TIMERS; i++)
		CHECK(uv_timer_init(loop, &timers[i]) == 0);
}

static void batch(uv_loop_t *loop)
{
	fired = 0;
	for (int i = 0; i < TIMERS; i++)
		uv_timer_start(&timers[i], on_timer, 0, 0);
	uv_run(loop, UV_RUN_NOWAIT);
	CHECK(fired == TIMERS);
}

const struct benchmark benchmark = {TIMERS, 200, setup, batch};
