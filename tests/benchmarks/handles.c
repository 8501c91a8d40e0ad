/* SPDX-License-Identifier: MIT */
/* An operation: a handle is made and closed. */
#include "benchmark.h"

#define HANDLES 100

static uv_timer_t handles[HANDLES];
static unsigned int closed;

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	closed++;
}

static void setup(uv_loop_t *loop)
{
	(void) loop;
}

static void batch(uv_loop_t *loop)
{
	closed = 0;
	for (int i = 0; i < HANDLES; i++)
		uv_timer_init(loop, &handles[i]);
	for (int i = 0; i < HANDLES; i++)
		uv_close((uv_handle_t *) &handles[i], on_close);
	uv_run(loop, UV_RUN_NOWAIT);
	CHECK(closed == HANDLES);
}

const struct benchmark benchmark = {HANDLES, 100, setup, batch};
