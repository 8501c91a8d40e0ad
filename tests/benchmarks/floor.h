/* SPDX-License-Identifier: MIT */
/*
 * What no recorder can do less than: the time is taken and 32 bytes are stored behind those before,
 * in memory that is used again and again. FLOOR_TSC says whose time it is: the processor's, or
 * CLOCK_MONOTONIC.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define RECORDS (64 * 1024 / sizeof(struct record))

struct record {
	uint64_t time;
	uint64_t id;
	uint64_t callback;
	uint64_t flags;
};

static struct record records[RECORDS];
static size_t next;

static inline uint64_t ticks(void)
{
#ifdef FLOOR_TSC
	return __builtin_ia32_rdtsc();
#else
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t) time.tv_sec * 1000000000 + (uint64_t) time.tv_nsec;
#endif
}

static inline void store(uint64_t id, const void *callback, uint64_t flags)
{
	struct record *record = &records[next++ % RECORDS];

	*record = (struct record){ticks(), id, (uintptr_t) callback, flags};
	/* Or the compiler would store but the last of each. */
	__asm__ volatile("" ::"r"(record) : "memory");
}

#endif
