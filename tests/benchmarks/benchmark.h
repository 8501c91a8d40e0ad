/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share. Each of them is a program that does one kind of thing with libuv, or
 * with the embedder API, in batches of operations; benchmark.c times slices of batches and prints
 * what it saw. None of them knows whether the shim is there: scripts/bench runs them with and
 * without it.
 */
#ifndef BENCHMARK_H
#define BENCHMARK_H

#include <uv.h>

#include "check.h"

struct benchmark {
	unsigned int operations; /* in a batch */
	unsigned int batches;    /* in a slice, unless the command line says another number */
	void (*setup)(uv_loop_t *loop);
	void (*batch)(uv_loop_t *loop);
};

/* Defined by each program. */
extern const struct benchmark benchmark;

/* What a batch does between these two is not timed. */
void benchmark_pause(void);
void benchmark_resume(void);

#endif
