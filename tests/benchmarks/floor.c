/* SPDX-License-Identifier: MIT */
/*
 * An operation: the time is taken and 32 bytes are stored behind those of the operation before. No
 * recorder can do less. FLOOR_TSC says whose time it is: the processor's, or CLOCK_MONOTONIC.
 */
#include <stdint.h>
#include <time.h>

#include "benchmark.h"

#define OPERATIONS 1000
#define RECORDS    (64 * 1024 / sizeof(struct record))

struct record {
	uint64_t time;
	uint64_t id;
	uint64_t callback;
	uint64_t flags;
};

static struct record records[RECORDS];
static size_t next;

#ifdef FLOOR_TSC
static uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}
#else
static uint64_t ticks(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t) time.tv_sec * 1000000000 + (uint64_t) time.tv_nsec;
}
#endif

static void setup(uv_loop_t *loop)
{
	(void) loop;
}

static void batch(uv_loop_t *loop)
{
	for (unsigned int i = 0; i < OPERATIONS; i++) {
		struct record *record = &records[next++ % RECORDS];

		*record = (struct record){ticks(), i, (uintptr_t) loop, i};
		/* Or the compiler would store but the last of each. */
		__asm__ volatile("" ::"r"(record) : "memory");
	}
}

const struct benchmark benchmark = {OPERATIONS, 20, setup, batch};
