/* SPDX-License-Identifier: MIT */
/* An operation: a record of the floor is stored. */
#include "floor.h"

#include "benchmark.h"

#define OPERATIONS 1000

static void setup(uv_loop_t *loop)
{
	(void) loop;
}

static void batch(uv_loop_t *loop)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		store(i, loop, i);
}

const struct benchmark benchmark = {OPERATIONS, 20, setup, batch};
