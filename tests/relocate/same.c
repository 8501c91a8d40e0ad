/* SPDX-License-Identifier: MIT */
#include "same.h"

#include <Zydis/Zydis.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct decoded {
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uintptr_t address;
};

/* Reads code, one instruction after the other. */
struct cursor {
	ZydisDecoder decoder;
	const uint8_t *code;
	size_t bytes;
	size_t offset;
	uintptr_t address; /* of the first byte */
};

static _Thread_local char difference[512];

__attribute__((format(printf, 1, 2))) static const char *differs(const char *form, ...)
{
	va_list values;

	va_start(values, form);
	vsnprintf(difference, sizeof difference, form, values);
	va_end(values);
	return difference;
}

static struct cursor cursor_of(const uint8_t *code, size_t bytes, uintptr_t address)
{
	struct cursor cursor = {.code = code, .bytes = bytes, .address = address};

	ZydisDecoderInit(&cursor.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return cursor;
}

static bool take(struct cursor *cursor, struct decoded *decoded)
{
	decoded->address = cursor->address + cursor->offset;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&cursor->decoder, cursor->code + cursor->offset,
						 cursor->bytes - cursor->offset,
						 &decoded->instruction, decoded->operands)))
		return false;
	cursor->offset += decoded->instruction.length;
	return true;
}

static bool absolute(const struct decoded *decoded, int operand, uintptr_t *address)
{
	return ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(
	    &decoded->instruction, &decoded->operands[operand], decoded->address, address));
}

static bool is(const struct decoded *decoded, ZydisMnemonic mnemonic)
{
	return decoded->instruction.mnemonic == mnemonic;
}

static bool is_direct(const struct decoded *decoded)
{
	return decoded->instruction.operand_count != 0 &&
	       decoded->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       decoded->operands[0].imm.is_relative;
}

/* Takes a jump in any form that knows where it goes. */
static bool take_jump(struct cursor *cursor, uintptr_t *to)
{
	struct decoded jump;

	if (!take(cursor, &jump) || !is(&jump, ZYDIS_MNEMONIC_JMP))
		return false;
	if (is_direct(&jump))
		return absolute(&jump, 0, to);
	/* jmp [rip+0] */
	if (jump.operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    jump.operands[0].mem.base != ZYDIS_REGISTER_RIP || !absolute(&jump, 0, to) ||
	    *to != cursor->address + cursor->offset || cursor->bytes - cursor->offset < sizeof *to)
		return false;
	memcpy(to, cursor->code + cursor->offset, sizeof *to);
	cursor->offset += sizeof *to;
	return true;
}

/* Takes the push of a constant: of 32 bits, or of 32 and a store of the upper ones. */
static bool take_push(struct cursor *cursor, uintptr_t *value)
{
	struct cursor before;
	struct decoded push, store;

	if (!take(cursor, &push) || !is(&push, ZYDIS_MNEMONIC_PUSH) ||
	    push.operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	*value = push.operands[0].imm.value.u;
	before = *cursor;
	if (take(cursor, &store) && is(&store, ZYDIS_MNEMONIC_MOV) &&
	    store.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && store.operands[0].size == 32 &&
	    store.operands[0].mem.base == ZYDIS_REGISTER_RSP &&
	    store.operands[0].mem.index == ZYDIS_REGISTER_NONE &&
	    store.operands[0].mem.disp.value == 4 &&
	    store.operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		*value = (*value & UINT32_MAX) | store.operands[1].imm.value.u << 32;
	else
		*cursor = before;
	return true;
}

static bool same_memory(const struct decoded *left, const struct decoded *right, int i)
{
	const ZydisDecodedOperandMem *one = &left->operands[i].mem,
				     *other = &right->operands[i].mem;
	uintptr_t left_address, right_address;

	if (one->type != other->type || one->segment != other->segment ||
	    one->base != other->base || one->index != other->index || one->scale != other->scale)
		return false;
	if (one->base == ZYDIS_REGISTER_RIP || one->base == ZYDIS_REGISTER_EIP)
		return absolute(left, i, &left_address) && absolute(right, i, &right_address) &&
		       left_address == right_address;
	return one->disp.value == other->disp.value;
}

static bool same_operand(const struct decoded *left, const struct decoded *right, int i)
{
	const ZydisDecodedOperand *one = &left->operands[i], *other = &right->operands[i];

	if (one->type != other->type || one->size != other->size || one->actions != other->actions)
		return false;
	switch (one->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return one->reg.value == other->reg.value;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return same_memory(left, right, i);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return !one->imm.is_relative && !other->imm.is_relative &&
		       one->imm.value.u == other->imm.value.u;
	default:
		return false; /* a pointer to another segment: no such thing is moved */
	}
}

static bool same_instruction(const struct decoded *left, const struct decoded *right)
{
	if (left->instruction.mnemonic != right->instruction.mnemonic ||
	    left->instruction.attributes != right->instruction.attributes ||
	    left->instruction.operand_count != right->instruction.operand_count)
		return false;
	for (int i = 0; i < left->instruction.operand_count; i++)
		if (!same_operand(left, right, i))
			return false;
	return true;
}

/* lea of an address, which may have become a mov of the address itself */
static bool same_address_load(const struct decoded *lea, const struct decoded *mov)
{
	uintptr_t address;

	return is(lea, ZYDIS_MNEMONIC_LEA) && is(mov, ZYDIS_MNEMONIC_MOV) &&
	       lea->operands[0].size == 64 && mov->operands[0].size == 64 &&
	       mov->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       mov->operands[0].reg.value == lea->operands[0].reg.value &&
	       mov->operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       lea->operands[1].mem.base == ZYDIS_REGISTER_RIP && absolute(lea, 1, &address) &&
	       address == mov->operands[1].imm.value.u;
}

static const char *call_differs(const struct decoded *original, struct cursor *out)
{
	uintptr_t behind = original->address + original->instruction.length;
	uintptr_t pushed, to, expected;
	struct decoded jump;

	if (!take_push(out, &pushed) || pushed != behind)
		return differs("the return address of a call is not pushed");
	if (is_direct(original)) {
		if (!absolute(original, 0, &expected) || !take_jump(out, &to) || to != expected)
			return differs("a call goes elsewhere");
		return NULL;
	}
	if (!take(out, &jump) || !is(&jump, ZYDIS_MNEMONIC_JMP) ||
	    !same_operand(original, &jump, 0))
		return differs("an indirect call goes elsewhere");
	/* With the stack pointer moved on, its operand would be another. */
	if ((jump.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	     jump.operands[0].reg.value == ZYDIS_REGISTER_RSP) ||
	    (jump.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	     jump.operands[0].mem.base == ZYDIS_REGISTER_RSP))
		return differs("a call by the stack pointer was moved");
	return NULL;
}

static bool is_loop(const struct decoded *decoded)
{
	switch (decoded->instruction.mnemonic) {
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_JECXZ:
	case ZYDIS_MNEMONIC_JRCXZ:
		return true;
	default:
		return false;
	}
}

/* The opposite of a conditional jump, as the lowest bit of its opcode tells. */
static bool is_opposite(const struct decoded *left, const struct decoded *right)
{
	return (left->instruction.opcode & 0xf) == ((right->instruction.opcode & 0xf) ^ 1) &&
	       right->instruction.meta.category == ZYDIS_CATEGORY_COND_BR && !is_loop(right);
}

static const char *branch_differs(const struct decoded *original, struct cursor *out)
{
	uintptr_t to, expected, over, behind;
	struct decoded branch, skip;

	if (!absolute(original, 0, &expected))
		return differs("a branch to nowhere");
	if (is(original, ZYDIS_MNEMONIC_JMP)) {
		if (!take_jump(out, &to) || to != expected)
			return differs("a jump goes elsewhere");
		return NULL;
	}
	if (!take(out, &branch) || !is_direct(&branch) || !absolute(&branch, 0, &over))
		return differs("a branch has become something else");
	if (is_loop(original)) {
		/* the branch to a jump there; a jump over that one */
		if (!is(&branch, original->instruction.mnemonic) || !take(out, &skip) ||
		    !is(&skip, ZYDIS_MNEMONIC_JMP) || !absolute(&skip, 0, &behind) ||
		    over != out->address + out->offset || !take_jump(out, &to) || to != expected ||
		    behind != out->address + out->offset)
			return differs("a loop goes elsewhere");
		return NULL;
	}
	if (is(&branch, original->instruction.mnemonic) && over == expected)
		return NULL;
	if (!is_opposite(original, &branch) || !take_jump(out, &to) || to != expected ||
	    over != out->address + out->offset)
		return differs("a conditional jump goes elsewhere");
	return NULL;
}

static const char *plain_differs(const struct decoded *original, struct cursor *out)
{
	struct decoded copy;

	if (!take(out, &copy))
		return differs("no instruction where a copy should be");
	if (!same_instruction(original, &copy) && !same_address_load(original, &copy))
		return differs("%s has become %s, or has other operands",
			       ZydisMnemonicGetString(original->instruction.mnemonic),
			       ZydisMnemonicGetString(copy.instruction.mnemonic));
	return NULL;
}

/* Is there a branch into the window, as a disassembler sees the function? */
static const char *window_is_entered(const struct moving *moving)
{
	struct cursor cursor = cursor_of(moving->code, moving->bytes, 0);
	size_t end = moving->moved.at + moving->moved.bytes;
	struct decoded decoded;
	uintptr_t to;

	while (take(&cursor, &decoded)) {
		if (!is_direct(&decoded) || !absolute(&decoded, 0, &to) || to >= end)
			continue;
		if (is(&decoded, ZYDIS_MNEMONIC_CALL) && (to == 0 || to == moving->moved.at))
			continue;
		return differs("the branch at %#zx leads into the window",
			       (size_t) decoded.address);
	}
	return NULL;
}

const char *what_differs(const struct moving *moving)
{
	const struct uvh_moved *moved = &moving->moved;
	struct cursor code = cursor_of(moving->code, moving->bytes, moving->address);
	struct cursor out = cursor_of(moving->out, moved->length, moving->out_address);
	const char *wrong = window_is_entered(moving);
	struct decoded decoded;
	bool ended = false;
	uintptr_t to;

	difference[0] = '\0';
	if (wrong != NULL)
		return wrong;
	if (moved->bytes < UVH_JUMP_BYTES || moved->length > UVH_MOVED_MAX ||
	    moved->at + (size_t) moved->bytes > moving->bytes)
		return differs("no room for the jump, or too much taken");
	if (moved->at != 0 && (!take(&code, &decoded) || !is(&decoded, ZYDIS_MNEMONIC_ENDBR64) ||
			       code.offset != moved->at))
		return differs("the jump stands behind something else than endbr64");
	while (code.offset < moved->at + (size_t) moved->bytes) {
		if (!take(&code, &decoded))
			return differs("the window holds no instruction");
		if (ended) {
			if (!is(&decoded, ZYDIS_MNEMONIC_NOP) && !is(&decoded, ZYDIS_MNEMONIC_INT3))
				return differs(
				    "something behind the function's end is overwritten");
			continue;
		}
		if (is(&decoded, ZYDIS_MNEMONIC_CALL))
			wrong = call_differs(&decoded, &out);
		else if (is_direct(&decoded))
			wrong = branch_differs(&decoded, &out);
		else
			wrong = plain_differs(&decoded, &out);
		if (wrong != NULL)
			return wrong;
		if (is(&decoded, ZYDIS_MNEMONIC_CALL) &&
		    code.offset != moved->at + (size_t) moved->bytes)
			return differs("a call would return into the jump");
		ended = is(&decoded, ZYDIS_MNEMONIC_CALL) || is(&decoded, ZYDIS_MNEMONIC_JMP) ||
			is(&decoded, ZYDIS_MNEMONIC_RET);
	}
	if (code.offset != moved->at + (size_t) moved->bytes)
		return differs("the window ends within an instruction");
	if (!ended && (!take_jump(&out, &to) || to != code.address + code.offset))
		return differs("no jump back behind the window");
	if (out.offset != moved->length)
		return differs("more code than there should be");
	return NULL;
}
