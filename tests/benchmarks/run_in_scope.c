/* SPDX-License-Identifier: MIT */
/* An operation: an empty function runs in the scope of an async resource. */
#include <uvhooks/async_resource.h>

#include "benchmark.h"

#define CALLS 1000

static struct uvhooks_async_resource resource;

static void *nothing(void *argument)
{
	return argument;
}

static void *(*volatile function)(void *argument) = nothing;

static void setup(uv_loop_t *loop)
{
	(void) loop;
	CHECK(uvhooks_async_resource_create(&resource, "BENCHMARK", NULL) == 0);
}

static void batch(uv_loop_t *loop)
{
	for (int i = 0; i < CALLS; i++)
		CHECK(uvhooks_async_resource_run_in_async_scope(&resource, function, loop) == loop);
}

const struct benchmark benchmark = {CALLS, 20, setup, batch};
