/* SPDX-License-Identifier: MIT */
/*
 * An operation: a timer is made, in a function that is called by one that is called by another, so
 * that 20 return addresses lie on the stack. Always on the same way; with NEW on another way each
 * time, of as many as there are: every function has two calls of the next one. That the timers are
 * closed again is not timed.
 *
 * scripts/bench builds it with each compiler, with frame pointers and without.
 */
#include "benchmark.h"

#ifdef NEW
#define TIMERS 16
#define IS_NEW 1
#else
#define TIMERS 100
#define IS_NEW 0
#endif

#define CALLS 14 /* and what is around them */

/* Two calls with this around them stay two, and calls. */
#define DIFFERS(text) __asm__ volatile("# " text)

static uv_timer_t timers[TIMERS];
static unsigned int way;

__attribute__((noinline)) static void make(uv_loop_t *loop, unsigned int calls, uv_timer_t *timer)
{
	if (calls == 0) {
		CHECK(uv_timer_init(loop, timer) == 0);
		DIFFERS("timer");
	} else if (way >> (calls - 1) & 1) {
		DIFFERS("one");
		make(loop, calls - 1, timer);
		DIFFERS("one");
	} else {
		DIFFERS("other");
		make(loop, calls - 1, timer);
		DIFFERS("other");
	}
}

static void setup(uv_loop_t *loop)
{
	(void) loop;
}

static void batch(uv_loop_t *loop)
{
	for (int i = 0; i < TIMERS; i++) {
		make(loop, CALLS, &timers[i]);
		way += IS_NEW;
	}
	benchmark_pause();
	for (int i = 0; i < TIMERS; i++)
		uv_close((uv_handle_t *) &timers[i], NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	benchmark_resume();
}

const struct benchmark benchmark = {TIMERS, IS_NEW ? 1 : 20, setup, batch};
