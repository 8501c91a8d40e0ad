/* SPDX-License-Identifier: MIT */
/*
 * An operation: a tracepoint of LTTng-UST with three integers, into the buffers of a session that
 * must be there: see lttng_session.sh.
 */
#include <stdint.h>

#include "benchmark.h"

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_tracepoint.h"

#define OPERATIONS 1000

static void setup(uv_loop_t *loop)
{
	(void) loop;
	CHECK(lttng_ust_tracepoint_enabled(uvhooks_bench, three));
}

static void batch(uv_loop_t *loop)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		lttng_ust_tracepoint(uvhooks_bench, three, i, (uintptr_t) loop, i);
}

const struct benchmark benchmark = {OPERATIONS, 5, setup, batch};
