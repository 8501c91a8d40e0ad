/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a function: its entry is moved rightly or refused, nothing is read or written
 * outside, and every answer is the same the second time. For clang's libFuzzer; tests/relocate.bats
 * compiles it and says how.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../relocate/same.h"
#include "patch_move.h"

/* Where functions are, and how far from there the moved code: in reach, at its edge, out of it. */
static const uintptr_t addresses[] = {0x400000, 0x7fffff00, 0xfffffff0, 0x7f0012345678};
static const uint64_t distances[] = {
    0x1000,
    -UINT64_C(0x100000),
    0x7fffff80,
    UINT64_C(0x80000000),
    -UINT64_C(0x80000000),
    UINT64_C(0x10000000000),
};

static void fail(const struct moving *moving, const char *what)
{
	fprintf(stderr, "%s\nthe function:", what);
	for (size_t i = 0; i < moving->bytes && i < 64; i++)
		fprintf(stderr, " %02x", moving->code[i]);
	fprintf(stderr, "\nmoved, %u bytes at %u:", moving->moved.bytes, moving->moved.at);
	for (size_t i = 0; i < moving->moved.length; i++)
		fprintf(stderr, " %02x", moving->out[i]);
	fprintf(stderr, "\n");
	abort();
}

static void check_jump(const struct moving *moving)
{
	uint8_t jump[UVH_JUMP_BYTES] = {0};
	int64_t distance = (int64_t) (moving->out_address - moving->address - UVH_JUMP_BYTES);
	int32_t written;

	if (uvh_move_jump(jump, moving->address, moving->out_address) !=
	    (distance == (int32_t) distance))
		fail(moving, "the jump's reach is another");
	memcpy(&written, jump + 1, sizeof written);
	if (distance == (int32_t) distance && (jump[0] != 0xe9 || written != distance))
		fail(moving, "the jump goes elsewhere");
}

/* A call cannot be moved without leave, and nothing else is different then. */
static void check_without_calls(const struct moving *moving, enum uvh_move_refusal with)
{
	uint8_t out[UVH_MOVED_MAX];
	struct uvh_moved moved;
	enum uvh_move_refusal without = uvh_move_entry(moving->code, moving->bytes, moving->address,
						       false, out, moving->out_address, &moved);

	if (without == UVH_MOVE_DONE) {
		if (with != UVH_MOVE_DONE || moved.length != moving->moved.length ||
		    memcmp(out, moving->out, moved.length) != 0)
			fail(moving, "other code without calls");
	} else if (without != with && without != UVH_MOVE_UNMOVABLE) {
		fail(moving, "another refusal without calls");
	}
}

/* Does any distance of 8, 16 or 32 bits, wherever it stands, lead into the window? */
static bool is_entered(const struct moving *moving)
{
	const size_t low = moving->moved.at + 1U, bytes = moving->moved.bytes - 1U;

	for (size_t i = moving->bytes / 2; i < moving->bytes; i++) {
		const uint8_t *at = moving->code + i;
		size_t left = moving->bytes - i;
		int16_t middle;
		int32_t wide;

		if (i + 1 + (size_t) (int8_t) *at - low < bytes)
			return true;
		if (left >= sizeof middle) {
			memcpy(&middle, at, sizeof middle);
			if (i + sizeof middle + (size_t) middle - low < bytes)
				return true;
		}
		if (left >= sizeof wide) {
			memcpy(&wide, at, sizeof wide);
			if (i + sizeof wide + (size_t) wide - low < bytes)
				return true;
		}
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct moving moving = {0};
	enum uvh_move_refusal refusal;
	const char *wrong;
	uint8_t *code, *out;

	if (size < 2)
		return 0;
	moving.bytes = size - 2;
	/* The last two bytes are not code; so a file of code is a seed as it is. */
	moving.address = addresses[data[size - 2] % (sizeof addresses / sizeof *addresses)];
	moving.out_address =
	    moving.address + distances[data[size - 1] % (sizeof distances / sizeof *distances)];
	/* Blocks of their own, so that a byte too much is seen. */
	code = malloc(moving.bytes ? moving.bytes : 1);
	out = malloc(UVH_MOVED_MAX);
	if (code == NULL || out == NULL)
		abort();
	memcpy(code, data, moving.bytes);
	moving.code = code;
	moving.out = out;

	refusal = uvh_move_entry(code, moving.bytes, moving.address, true, out, moving.out_address,
				 &moving.moved);
	if (refusal == UVH_MOVE_DONE) {
		wrong = what_differs(&moving);
		if (wrong != NULL)
			fail(&moving, wrong);
	} else if (*uvh_move_refusal_text(refusal) == '\0') {
		fail(&moving, "no refusal that is known");
	}
	check_without_calls(&moving, refusal);
	check_jump(&moving);
	/* Half of it is the function, and half of it other code. */
	if (uvh_move_entry(code, moving.bytes / 2, moving.address, true, out, moving.out_address,
			   &moving.moved) == UVH_MOVE_DONE &&
	    uvh_move_is_entered(code, moving.bytes, moving.address, moving.address,
				moving.bytes / 2, &moving.moved) &&
	    !is_entered(&moving))
		fail(&moving, "nothing enters it");
	if (uvh_move_padding(code, moving.bytes, moving.address) > 15)
		fail(&moving, "more padding than there can be");
	free(code);
	free(out);
	return 0;
}
