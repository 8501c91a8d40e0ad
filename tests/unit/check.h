/* SPDX-License-Identifier: MIT */
/* CHECK prints what failed, with both values, and the program ends with the number of failures. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

static int failures;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			failures++;                                                                \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                     \
		}                                                                                  \
	} while (0)

#define CHECK_EQUAL(actual, expected)                                                              \
	do {                                                                                       \
		uint64_t actual_ = (uint64_t) (actual);                                            \
		uint64_t expected_ = (uint64_t) (expected);                                        \
                                                                                                   \
		if (actual_ != expected_) {                                                        \
			failures++;                                                                \
			printf("%s:%d: %s is %" PRIu64 ", not %" PRIu64 "\n", __FILE__, __LINE__,  \
			       #actual, actual_, expected_);                                       \
		}                                                                                  \
	} while (0)

#define CHECK_DONE() return failures == 0 ? 0 : 1

#endif
