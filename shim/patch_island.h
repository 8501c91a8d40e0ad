/* SPDX-License-Identifier: MIT */
/* The new code for one patched function: what its entry jumps to, and where its beginning went. */
#ifndef UVH_PATCH_ISLAND_H
#define UVH_PATCH_ISLAND_H

#include "entry.h"
#include "patch_move.h"

#pragma GCC visibility push(hidden)

/* Nothing of it is changed once the entry jumps to `start`. */
struct uvh_island {
	struct uvh_patched patched;
	uint8_t start[40];
	uint8_t moved[UVH_MOVED_MAX];
};

/*
 * Writes `start`, and into `patched` where it resumes. What is written to `write` will run at
 * `run`; the rest of `patched` is filled already. `function` is the address of the function.
 */
void uvh_island_write(struct uvh_island *write, struct uvh_island *run, uintptr_t function);

/*
 * May a call be moved, as a push and a jump? Not where the processor has a shadow stack that knows
 * every return address that a call made.
 */
bool uvh_calls_may_move(void);

#pragma GCC visibility pop

#endif
