/* SPDX-License-Identifier: MIT */
/* An operation: an async resource is created and destroyed. */
#include <uvhooks/async_resource.h>

#include "benchmark.h"

#define RESOURCES 100

static struct uvhooks_async_resource resources[RESOURCES];

static void setup(uv_loop_t *loop)
{
	(void) loop;
}

static void batch(uv_loop_t *loop)
{
	(void) loop;
	for (int i = 0; i < RESOURCES; i++)
		CHECK(uvhooks_async_resource_create(&resources[i], "BENCHMARK", NULL) == 0);
	for (int i = 0; i < RESOURCES; i++)
		CHECK(uvhooks_async_resource_emit_destroy(&resources[i]) == 0);
}

const struct benchmark benchmark = {RESOURCES, 100, setup, batch};
