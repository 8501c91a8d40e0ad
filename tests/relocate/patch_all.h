/* SPDX-License-Identifier: MIT */
/* What patch_all.so counts, in the file that PATCH_COUNTS names; shared by every process. */
#ifndef PATCH_ALL_H
#define PATCH_ALL_H

#include <stdint.h>

/* Every function of libuv: its index is that of its counters. */
static const char *const patch_names[] = {
#define HOOK(function, file, since) #function,
#define CALL(function, why)         #function,
#define LEFT(function, why)         #function,
#include "hooks.def"
};

#define PATCH_NAMES (sizeof patch_names / sizeof *patch_names)

struct patch_counts {
	uint64_t calls[PATCH_NAMES];   /* through moved code */
	uint64_t patched[PATCH_NAMES]; /* processes in which it was patched */
};

#endif
