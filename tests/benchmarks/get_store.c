/* SPDX-License-Identifier: MIT */
/* An operation: a local storage is asked for its store. */
#include <uvhooks/local_storage.h>

#include "benchmark.h"

#define CALLS 1000

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(NULL, 0);
static int store;

static void setup(uv_loop_t *loop)
{
	(void) loop;
	CHECK(uvhooks_local_storage_enter_with(&storage, &store) == 0);
}

static void batch(uv_loop_t *loop)
{
	(void) loop;
	for (int i = 0; i < CALLS; i++)
		CHECK(uvhooks_local_storage_get_store(&storage) == &store);
}

const struct benchmark benchmark = {CALLS, 20, setup, batch};
