/* SPDX-License-Identifier: MIT */
/*
 * Of a thread that sleeps the kernel tells the stack pointer, but not the frame pointer, and a
 * function that is built with one can be left by that alone. So it is looked for: such a function
 * begins with a push of its caller's, right above which lies where it returns to, behind a call of
 * that very function; or of one that is not known, by a caller that was called in turn.
 */
#include "stacks.h"

#include <string.h>

#define FRAME_MAX ((uintptr_t) 64 << 10)

/* Where a function takes its room, and what registers it pushes before. */
#define BEGIN_BYTES 64
#define PUSHED_MAX  (5 * sizeof(uintptr_t))

#define CALL_BYTES     5
#define INDIRECT_BYTES 7 /* the longest */

enum call { NO_CALL, CALL_OF_IT, CALL_OF_ANY };

/* Is there a call with a register or memory behind which the code goes on at `next`? */
static bool is_indirect(const unsigned char *next)
{
	for (unsigned int bytes = 2; bytes <= INDIRECT_BYTES; bytes++)
		if (next[-(int) bytes] == 0xff && (next[1 - (int) bytes] & 0x38) == 0x10)
			return true;
	return false;
}

/* To where a function of another object is called: code that jumps on, and is no function. */
static bool is_jump(const struct stacks_object *object, uintptr_t target, uintptr_t function)
{
	struct stacks_object other;
	struct stacks_rule rule;
	uintptr_t begin = 0;

	return stacks_find_object(function, &other) && other.begin != object->begin &&
	       target - object->begin < object->end - object->begin &&
	       stacks_learn(target, object, &rule, &begin) && begin != target;
}

static enum call call_in_front_of(uintptr_t address, uintptr_t function)
{
	const unsigned char *next = (const unsigned char *) address;
	struct stacks_object object;
	int32_t distance;
	uintptr_t target;

	if (!stacks_find_object(address, &object) || address - object.begin < INDIRECT_BYTES ||
	    !stacks_can_be_read(address - INDIRECT_BYTES))
		return NO_CALL;
	if (next[-CALL_BYTES] != 0xe8)
		return is_indirect(next) ? CALL_OF_ANY : NO_CALL;
	memcpy(&distance, next - sizeof(distance), sizeof(distance));
	target = address + (uintptr_t) (intptr_t) distance;
	if (target == function)
		return CALL_OF_IT;
	return is_jump(&object, target, function) ? CALL_OF_ANY : NO_CALL;
}

static enum call call_of(uintptr_t ip, uintptr_t address)
{
	struct stacks_object object;
	struct stacks_rule rule;
	uintptr_t function;

	if (!stacks_find_object(ip - 1, &object) ||
	    !stacks_learn(ip - 1, &object, &rule, &function))
		return NO_CALL;
	return call_in_front_of(address, function);
}

static bool word_at(const struct stacks_view *view, uintptr_t address, uintptr_t *word)
{
	if (address < view->begin || address > view->end - sizeof(*word))
		return false;
	memcpy(word, (const void *) (address + (uintptr_t) view->moved), sizeof(*word));
	return true;
}

/* Does the caller, at `ip` with these registers, look as if it had been called, too? */
static bool leads_on(const struct stacks_view *view, struct stacks_registers at)
{
	struct stacks_object object;
	struct stacks_rule rule;
	uintptr_t cfa, address;

	if (!stacks_find_object(at.ip - 1, &object) ||
	    !stacks_learn(at.ip - 1, &object, &rule, NULL))
		return false;
	if (rule.cfa == STACKS_END)
		return true;
	if (rule.cfa != STACKS_FROM_SP && rule.cfa != STACKS_FROM_FP)
		return false;
	cfa = rule.cfa == STACKS_FROM_SP ? at.sp : at.fp;
	cfa += (uintptr_t) (intptr_t) rule.cfa_offset;
	return cfa > at.sp && word_at(view, cfa - sizeof(cfa), &address) &&
	       call_of(at.ip, address) != NO_CALL;
}

/* What a function takes of the stack at once when it begins; 0: nothing, or it cannot be told. */
static uintptr_t room_of(uintptr_t function)
{
	const unsigned char *code = (const unsigned char *) function;
	uint32_t bytes;

	if (!stacks_can_be_read(function) || !stacks_can_be_read(function + BEGIN_BYTES))
		return 0;
	for (unsigned int i = 0; i < BEGIN_BYTES; i++) {
		if (code[i] != 0x48 || code[i + 2] != 0xec) /* sub NUMBER, %rsp */
			continue;
		if (code[i + 1] == 0x83)
			return code[i + 3];
		memcpy(&bytes, code + i + 3, sizeof(bytes));
		if (code[i + 1] == 0x81)
			return bytes;
	}
	return 0;
}

/* Looks from `first` up, `bytes` far. What earlier calls have left there may look alike. */
static uintptr_t look_for_fp(const struct stacks_view *view, uintptr_t ip, uintptr_t first,
			     uintptr_t bytes)
{
	uintptr_t address, caller_fp;

	for (uintptr_t fp = first; fp - first <= bytes; fp += sizeof(fp)) {
		enum call call;

		if (!word_at(view, fp, &caller_fp) || !word_at(view, fp + sizeof(fp), &address))
			break;
		call = call_of(ip, address);
		if (call == CALL_OF_IT ||
		    (call == CALL_OF_ANY &&
		     leads_on(view,
			      (struct stacks_registers){address, fp + 2 * sizeof(fp), caller_fp})))
			return fp;
	}
	return 0;
}

uintptr_t stacks_guess_fp(const struct stacks_view *view, struct stacks_registers at)
{
	uintptr_t function = 0, fp;
	struct stacks_object object;
	struct stacks_rule rule;

	if (!stacks_find_object(at.ip - 1, &object) ||
	    !stacks_learn(at.ip - 1, &object, &rule, &function))
		return 0;
	/* Most have pushed some registers and taken some room. */
	fp = look_for_fp(view, at.ip, at.sp + room_of(function), PUSHED_MAX);
	return fp != 0 ? fp : look_for_fp(view, at.ip, at.sp, FRAME_MAX);
}
