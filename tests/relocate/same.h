/* SPDX-License-Identifier: MIT */
/*
 * Does moved code do what the moved instructions did? Asked of every result of uvh_move_entry() by
 * the tests: both are decoded with their operands, and compared one by one. Nothing is shared with
 * the code that moves.
 */
#ifndef SAME_H
#define SAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "patch_move.h"

struct moving {
	const uint8_t *code; /* the function: `bytes`, at `address` */
	size_t bytes;
	uintptr_t address;
	const uint8_t *out; /* the code that stands for its entry, at `out_address` */
	uintptr_t out_address;
	struct uvh_moved moved;
};

/* Returns NULL if it is the same; otherwise what is wrong, in a buffer of this thread. */
const char *what_differs(const struct moving *moving);

/* "SHORT"; "DONE" where it was moved. */
static inline const char *refusal_name(enum uvh_move_refusal refusal)
{
	switch (refusal) {
#define XX(name, text)                                                                             \
	case UVH_MOVE_##name:                                                                      \
		return #name;
		UVH_MOVE_REFUSAL_MAP(XX)
#undef XX
	default:
		return "DONE";
	}
}

#endif
