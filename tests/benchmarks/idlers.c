/* SPDX-License-Identifier: MIT */
/* An operation: the callback of an idler. */
#include "benchmark.h"

#define IDLERS 100

static uv_idle_t idlers[IDLERS];
static unsigned int called;

static void on_idle(uv_idle_t *idler)
{
	(void) idler;
	called++;
}

static void setup(uv_loop_t *loop)
{
	for (int i = 0; i < IDLERS; i++) {
		CHECK(uv_idle_init(loop, &idlers[i]) == 0);
		CHECK(uv_idle_start(&idlers[i], on_idle) == 0);
	}
}

static void batch(uv_loop_t *loop)
{
	called = 0;
	uv_run(loop, UV_RUN_NOWAIT);
	CHECK(called == IDLERS);
}

const struct benchmark benchmark = {IDLERS, 100, setup, batch};
