/* SPDX-License-Identifier: MIT */
/* A program that does not do what it should measures nothing: it ends at once. */
#ifndef BENCHMARK_CHECK_H
#define BENCHMARK_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition);   \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#endif
