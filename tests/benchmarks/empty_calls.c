/* SPDX-License-Identifier: MIT */
/* An operation: a call of a function that does nothing. run_in_scope stands beside it. */
#include "benchmark.h"

#define CALLS 1000

static void *nothing(void *argument)
{
	return argument;
}

/* Volatile: who is called is found out at each call. */
static void *(*volatile function)(void *argument) = nothing;

static void setup(uv_loop_t *loop)
{
	(void) loop;
}

static void batch(uv_loop_t *loop)
{
	for (int i = 0; i < CALLS; i++)
		CHECK(function(loop) == loop);
}

const struct benchmark benchmark = {CALLS, 20, setup, batch};
