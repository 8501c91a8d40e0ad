/* SPDX-License-Identifier: MIT */
/*
 * Reads a trace, however broken, and aborts where the reader breaks a promise of tools/trace.h.
 */
#ifndef CHECK_TRACE_H
#define CHECK_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct checked {
	int opened;
	uint64_t events;
	size_t damage; /* parts that could not be read */
};

struct checked check_trace(const char *path);

#endif
