/* SPDX-License-Identifier: MIT */
/* An operation: a timer is made, started, fires and is closed: all that a resource may cost. */
#include <stdbool.h>

#include "benchmark.h"

#define TIMERS 10

static uv_timer_t timers[TIMERS];
static uv_prepare_t prepare;
static bool made;
static unsigned int closed;

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	closed++;
}

static void on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, on_close);
}

static void on_prepare(uv_prepare_t *handle)
{
	if (made)
		return;
	made = true;
	for (int i = 0; i < TIMERS; i++) {
		uv_timer_init(handle->loop, &timers[i]);
		uv_timer_start(&timers[i], on_timer, 0, 0);
	}
}

/* One iteration of the loop makes the timers, and the same one or the next fires and closes them.
 */
static void batch(uv_loop_t *loop)
{
	made = false;
	closed = 0;
	while (closed < TIMERS)
		uv_run(loop, UV_RUN_NOWAIT);
}

static void setup(uv_loop_t *loop)
{
	CHECK(uv_prepare_init(loop, &prepare) == 0);
	CHECK(uv_prepare_start(&prepare, on_prepare) == 0);
}

const struct benchmark benchmark = {TIMERS, 200, setup, batch};
