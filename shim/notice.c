/* SPDX-License-Identifier: MIT */
#include <link.h>
#include <string.h>

#include "ground.h"
#include "init.h"
#include "notice.h"
#include "patch_move.h"
#include "text.h"

/* In place of the function that the loader calls, which only returns. */
static void on_notice(void)
{
	if (_r_debug.r_state == RT_CONSISTENT)
		uvh_objects_changed();
}

/* Functions of the loader begin at multiples of this, so the space up to there is free. */
#define FUNCTION_ALIGNMENT 16

#if defined(__x86_64__)
#define ISLAND_BYTES 14

static void write_island(uint8_t *out)
{
	static const uint8_t jump[6] = {0xff, 0x25}; /* jmp *0(%rip) */
	void (*to)(void) = on_notice;

	memcpy(out, jump, sizeof(jump));
	memcpy(out + sizeof(jump), &to, sizeof(to));
}

static void write_jump(uint8_t out[UVH_JUMP_BYTES], uintptr_t at, uintptr_t to)
{
	int32_t distance = (int32_t) (to - (at + UVH_JUMP_BYTES));

	out[0] = 0xe9;
	memcpy(out + 1, &distance, sizeof(distance));
}

/* Where the jump belongs in a function that only returns; 0 if this one is more, or a breakpoint.
 */
static uintptr_t place_of_jump(uintptr_t function)
{
	static const uint8_t landing[4] = {0xf3, 0x0f, 0x1e, 0xfa}; /* endbr64 */
	const uint8_t *code = (const uint8_t *) function;

	if (memcmp(code, landing, sizeof(landing)) == 0)
		code += sizeof(landing);
	return *code == 0xc3 ? (uintptr_t) code : 0;
}
#elif defined(__aarch64__)
#define ISLAND_BYTES 16

static void write_island(uint8_t *out)
{
	static const uint32_t jump[2] = {0x58000050, 0xd61f0200}; /* ldr x16, 8 on; br x16 */
	void (*to)(void) = on_notice;

	memcpy(out, jump, sizeof(jump));
	memcpy(out + sizeof(jump), &to, sizeof(to));
}

static void write_jump(uint8_t out[UVH_JUMP_BYTES], uintptr_t at, uintptr_t to)
{
	uint32_t jump = 0x14000000 | (((uint32_t) (to - at) >> 2) & 0x3ffffff);

	memcpy(out, &jump, sizeof(jump));
}

static uintptr_t place_of_jump(uintptr_t function)
{
	const uint32_t *code = (const uint32_t *) function;

	if (*code == 0xd503245f) /* bti c */
		code++;
	return *code == 0xd65f03c0 ? (uintptr_t) code : 0;
}
#endif

/*
 * Another thread may be about to return from the function, but in no other place of it: what it
 * returns by is one instruction, and nothing behind that is ever run.
 */
static bool write_code(void *at, const void *bytes, size_t count)
{
	bool written;
	int memory;

	if (!uvh_is_single_threaded())
		return uvh_text_replace(at, bytes, count);
	memory = uvh_text_open();
	written = uvh_text_write(memory, at, bytes, count);
	uvh_text_close(memory);
	return written;
}

static bool install(void)
{
	uintptr_t function = _r_debug.r_brk;
	uint8_t jump[UVH_JUMP_BYTES];
	struct uvh_code code;
	bool written;
	uintptr_t at;

	if (function == 0 || function % FUNCTION_ALIGNMENT != 0)
		return false;
	at = place_of_jump(function);
	if (at == 0 || at + UVH_JUMP_BYTES > function + FUNCTION_ALIGNMENT)
		return false;
	if (!uvh_code_map(&code, function, function + FUNCTION_ALIGNMENT, UVH_JUMP_REACH,
			  ISLAND_BYTES))
		return false;
	write_island(code.write);
	if (!uvh_code_seal(&code))
		return false;
	write_jump(jump, at, (uintptr_t) code.run);
	written = write_code((void *) at, jump, sizeof(jump));
	if (!written)
		uvh_code_drop(&code);
	return written;
}

void uvh_notice_install(void)
{
	if (!install())
		uvh_count(UVH_COUNT_notices_failed);
}
