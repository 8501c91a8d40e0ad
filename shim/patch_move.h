/* SPDX-License-Identifier: MIT */
/*
 * Moves the first instructions of a function elsewhere, so that a jump can stand in their place:
 * what is moved, with a jump back behind it, does what the function did.
 *
 * Pure: it reads bytes and writes bytes, of this process or of a file, for any address. So the
 * command can say of a program that does not run what will be left alone in it.
 *
 * One implementation for each machine: patch_move_x86_64.c, patch_move_aarch64.c.
 */
#ifndef UVH_PATCH_MOVE_H
#define UVH_PATCH_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Why the entry of a function stays as it is: name, and the words for people. */
#define UVH_MOVE_REFUSAL_MAP(XX)                                                                   \
	XX(SHORT, "it is too short for a jump")                                                    \
	XX(BRANCH_INTO, "it branches back into its entry")                                         \
	XX(BREAKPOINT, "a breakpoint stands at its entry")                                         \
	XX(UNKNOWN, "its entry is no code that can be decoded")                                    \
	XX(UNMOVABLE, "its entry holds an instruction that cannot be moved")                       \
	XX(FAR, "no memory near enough for its trampoline")

enum uvh_move_refusal {
	UVH_MOVE_DONE,
#define XX(name, text) UVH_MOVE_##name,
	UVH_MOVE_REFUSAL_MAP(XX)
#undef XX
};

/* The longest code that stands for moved instructions, the jump back included. */
#define UVH_MOVED_MAX 128

struct uvh_moved {
	uint8_t at;     /* where in the function the jump belongs: behind endbr64, or bti */
	uint8_t bytes;  /* of the function from there on that were moved: whole instructions */
	uint8_t length; /* of the code that stands for them */
};

/* What a machine's jump from a function to its trampoline takes, and how far it reaches. */
#if defined(__x86_64__)
#define UVH_JUMP_BYTES 5
#define UVH_JUMP_REACH (INT64_C(1) << 31)
#elif defined(__aarch64__)
#define UVH_JUMP_BYTES 4
#define UVH_JUMP_REACH (INT64_C(1) << 27)
#endif

/*
 * `code` are the `bytes` of the whole function, which runs at `address`. Code for its first
 * instructions is written to `out`, UVH_MOVED_MAX bytes that will run at `out_address`.
 * `calls` is false where a return address must stay on the processor's shadow stack too: then a
 * call cannot be moved, since it would have to be a push and a jump.
 */
enum uvh_move_refusal uvh_move_entry(const uint8_t *code, size_t bytes, uintptr_t address,
				     bool calls, uint8_t out[UVH_MOVED_MAX], uintptr_t out_address,
				     struct uvh_moved *moved);

/*
 * Does code of the function that lies apart from it branch into what was moved? Compilers split off
 * what is seldom executed. If so, it must be left alone: UVH_MOVE_BRANCH_INTO. `text` is all code
 * around the function, `text_bytes` at `text_address`, the function's own `bytes` among them.
 */
bool uvh_move_is_entered(const uint8_t *text, size_t text_bytes, uintptr_t text_address,
			 uintptr_t address, size_t bytes, const struct uvh_moved *moved);

/*
 * How many of the `bytes` behind a function, which are at `address`, are padding that nobody
 * executes? If they are counted as bytes of the function, one that is too short may be moved.
 */
size_t uvh_move_padding(const uint8_t *behind, size_t bytes, uintptr_t address);

/*
 * All three, for a function whose symbol says `bytes`, in the `text_bytes` of code at
 * `text_address`, which `text` holds.
 */
enum uvh_move_refusal uvh_move_function(const uint8_t *text, size_t text_bytes,
					uintptr_t text_address, uintptr_t address, size_t bytes,
					bool calls, uint8_t out[UVH_MOVED_MAX],
					uintptr_t out_address, struct uvh_moved *moved);

/* The jump that stands at `address`, UVH_JUMP_BYTES; false if `to` is out of its reach. */
bool uvh_move_jump(uint8_t out[UVH_JUMP_BYTES], uintptr_t address, uintptr_t to);

/* The words for a refusal; "" for UVH_MOVE_DONE. */
const char *uvh_move_refusal_text(enum uvh_move_refusal refusal);

#pragma GCC visibility pop

#endif
