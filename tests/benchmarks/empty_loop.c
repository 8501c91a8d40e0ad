/* SPDX-License-Identifier: MIT */
/* An operation: nothing but the loop and the check that stand around a call in the others. */
#include "benchmark.h"

#define ROUNDS 1000

static int store;

static void setup(uv_loop_t *loop)
{
	(void) loop;
}

static void batch(uv_loop_t *loop)
{
	(void) loop;
	for (int i = 0; i < ROUNDS; i++) {
		void *found = &store;

		__asm__ volatile("" : "+r"(found) : : "memory"); /* the compiler knows it no more */
		CHECK(found == &store);
	}
}

const struct benchmark benchmark = {ROUNDS, 20, setup, batch};
