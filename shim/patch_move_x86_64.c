/* SPDX-License-Identifier: MIT */
/*
 * Moving the entry of an x86-64 function: decoded by Zydis, in three steps.
 *
 * 1. The window: whole instructions from the function's first on, or from behind its endbr64, until
 *    the jump has room.
 * 2. The scan: does anything in the function branch into the window, or to the function's start? A
 *    branch into the window would land inside the jump; one to the start, a loop, would take the
 *    jump again at each turn, and each turn would look like a call. Calls of the start are calls.
 * 3. The move: each instruction is copied, or replaced by what does the same elsewhere.
 *
 * Which branches the scan sees: those of every instruction that can be reached from the first by
 * going on and by direct branches, and those of what a disassembler sees in a line behind them. So
 * neither data between the code nor a jump into the middle of what looks like an instruction hides
 * one. What it cannot see are targets of indirect jumps: no compiler leads those into the first
 * bytes of a function. Code of the function that lies elsewhere, a part that is seldom executed and
 * was split off, is uvh_move_is_entered()'s business, as it needs more than the function's bytes.
 */
#include "patch_move.h"

#include <Zydis/Zydis.h>
#include <string.h>

/* The longest function that is followed along its branches; the rest of a longer one is swept. */
#define FOLLOWED_MAX 16384

struct function {
	const uint8_t *code;
	size_t bytes;
	uintptr_t address;
	/* the window: offsets of its first byte, and of the first behind it */
	size_t at;
	size_t end;
	bool calls; /* may calls be moved? */
	ZydisDecoder decoder;
};

typedef ZydisDecodedInstruction instruction;

/* Code that is written, and will run at `address`. `full`: there was no room for all of it. */
struct output {
	uint8_t *bytes;
	uintptr_t address;
	size_t length;
	bool full;
};

static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

static void init_decoder(ZydisDecoder *decoder)
{
	ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	/* Operands are not looked at. */
	ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
}

static bool decode(const struct function *function, size_t offset, instruction *decoded)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
	    &function->decoder, NULL, function->code + offset, function->bytes - offset, decoded));
}

static bool is_breakpoint(const instruction *decoded)
{
	return decoded->mnemonic == ZYDIS_MNEMONIC_INT3 ||
	       decoded->mnemonic == ZYDIS_MNEMONIC_INT1 ||
	       (decoded->mnemonic == ZYDIS_MNEMONIC_INT && decoded->raw.imm[0].value.u == 3);
}

/* Does the processor never go on behind it? */
static bool is_end(const instruction *decoded)
{
	return decoded->mnemonic == ZYDIS_MNEMONIC_JMP || decoded->mnemonic == ZYDIS_MNEMONIC_RET;
}

/* Where a direct branch at `offset` leads, as an offset too; it may lie far outside. */
static uintptr_t target_of(const instruction *decoded, size_t offset)
{
	return offset + decoded->length + (uintptr_t) decoded->raw.imm[0].value.s;
}

/* Finds where the window ends. */
static enum uvh_move_refusal find_window(struct function *function)
{
	bool ended = false;
	instruction decoded;

	if (function->bytes >= sizeof endbr64 &&
	    memcmp(function->code, endbr64, sizeof endbr64) == 0)
		function->at = sizeof endbr64;
	if (function->bytes < function->at + UVH_JUMP_BYTES)
		return UVH_MOVE_SHORT;
	function->end = function->at;
	while (function->end < function->at + UVH_JUMP_BYTES) {
		if (!decode(function, function->end, &decoded))
			return ended ? UVH_MOVE_SHORT : UVH_MOVE_UNKNOWN;
		/*
		 * Behind the end of a very short function only padding may be overwritten: anything
		 * else is there for somebody.
		 */
		if (ended && decoded.mnemonic != ZYDIS_MNEMONIC_NOP &&
		    decoded.mnemonic != ZYDIS_MNEMONIC_INT3)
			return UVH_MOVE_SHORT;
		if (!ended && is_breakpoint(&decoded))
			return UVH_MOVE_BREAKPOINT;
		ended = ended || is_end(&decoded);
		function->end += decoded.length;
	}
	return UVH_MOVE_DONE;
}

/* May a branch of the function itself not go there? A call of the function is one like others. */
static bool is_into_window(const struct function *function, const instruction *decoded,
			   uintptr_t target)
{
	if (target >= function->end)
		return false;
	return decoded->mnemonic != ZYDIS_MNEMONIC_CALL || (target != 0 && target != function->at);
}

/* A set of offsets into the function. */
struct offsets {
	uint64_t words[FOLLOWED_MAX / 64];
};

static void offsets_add(struct offsets *offsets, size_t offset)
{
	offsets->words[offset / 64] |= UINT64_C(1) << offset % 64;
}

static bool offsets_have(const struct offsets *offsets, size_t offset)
{
	return (offsets->words[offset / 64] >> offset % 64 & 1) != 0;
}

/*
 * Walks from `start` in a line, until the function ends or what comes next was seen before. Leaves
 * in `targets` where branches lead; stops and says true at one into the window.
 */
static bool walk_finds_branch(const struct function *function, size_t start, struct offsets *seen,
			      struct offsets *targets)
{
	instruction decoded;

	for (size_t offset = start; offset < function->bytes; offset += decoded.length) {
		uintptr_t target;

		if (offset < FOLLOWED_MAX) {
			if (offsets_have(seen, offset))
				return false;
			offsets_add(seen, offset);
		}
		if (!decode(function, offset, &decoded)) {
			/* Data, or padding: code may begin at any byte behind it. */
			decoded.length = 1;
			continue;
		}
		if (!decoded.raw.imm[0].is_relative)
			continue;
		target = target_of(&decoded, offset);
		if (is_into_window(function, &decoded, target))
			return true;
		if (target < function->bytes && target < FOLLOWED_MAX)
			offsets_add(targets, target);
	}
	return false;
}

static bool scan_finds_branch(const struct function *function)
{
	struct offsets seen = {0}, targets = {0};

	if (walk_finds_branch(function, 0, &seen, &targets))
		return true;
	for (size_t i = 0; i < FOLLOWED_MAX / 64 && i * 64 < function->bytes;) {
		uint64_t news = targets.words[i] & ~seen.words[i];

		if (news == 0) {
			i++;
			continue;
		}
		if (walk_finds_branch(function, i * 64 + (size_t) __builtin_ctzll(news), &seen,
				      &targets))
			return true;
		/* The walk may have found targets before this one. */
		i = 0;
	}
	return false;
}

static void put(struct output *output, const void *bytes, size_t count)
{
	if (count > UVH_MOVED_MAX - output->length) {
		output->full = true;
		return;
	}
	memcpy(output->bytes + output->length, bytes, count);
	output->length += count;
}

#define PUT(output, ...)                                                                           \
	put(output, (const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

static void put_32(struct output *output, uint32_t value)
{
	put(output, &value, sizeof value);
}

/*
 * The distance to `to` from the end of an instruction of `length` bytes that comes next in the
 * output; false if it does not fit into 32 bits.
 */
static bool distance(const struct output *output, size_t length, uintptr_t to, int32_t *found)
{
	int64_t wide = (int64_t) (to - (output->address + output->length + length));

	*found = (int32_t) wide;
	return *found == wide;
}

#define JUMP_NEAR 5
#define JUMP_FAR  14

static size_t jump_length(const struct output *output, size_t before, uintptr_t to)
{
	int32_t ignored;

	return distance(output, before + JUMP_NEAR, to, &ignored) ? JUMP_NEAR : JUMP_FAR;
}

static void put_jump(struct output *output, uintptr_t to)
{
	int32_t relative;

	if (distance(output, JUMP_NEAR, to, &relative)) {
		PUT(output, 0xe9);
		put_32(output, (uint32_t) relative);
	} else { /* jmp [rip+0], and the address behind it */
		PUT(output, 0xff, 0x25, 0, 0, 0, 0);
		put(output, &to, sizeof to);
	}
}

/* `condition` as the low four bits of every conditional jump's opcode have it. */
static void put_conditional_jump(struct output *output, uint8_t condition, uintptr_t to)
{
	int32_t relative;

	if (distance(output, 6, to, &relative)) {
		PUT(output, 0x0f, 0x80 | condition);
		put_32(output, (uint32_t) relative);
	} else { /* over a jump, if not */
		PUT(output, 0x70 | (condition ^ 1), (uint8_t) jump_length(output, 2, to));
		put_jump(output, to);
	}
}

/*
 * loop, jrcxz and their like have a distance of 8 bits only: two bytes on, where a jump stands; who
 * does not jump goes round that one.
 */
static void put_loop(struct output *output, const struct function *function, size_t offset,
		     const instruction *decoded, uintptr_t to)
{
	put(output, function->code + offset, decoded->length - 1U);
	PUT(output, 2);
	PUT(output, 0xeb, (uint8_t) jump_length(output, 2, to));
	put_jump(output, to);
}

/* Pushes a return address. It needs no register, and leaves the flags alone. */
static void put_push(struct output *output, uintptr_t value)
{
	uint32_t low = (uint32_t) value, high = (uint32_t) (value >> 32);

	PUT(output, 0x68); /* push imm32, which the processor extends by its sign */
	put_32(output, low);
	if ((uint64_t) (int64_t) (int32_t) low != value) {
		PUT(output, 0xc7, 0x44, 0x24, 4); /* mov dword [rsp+4], imm32 */
		put_32(output, high);
	}
}

/* Is its memory operand relative to rip? */
static bool is_rip_relative(const instruction *decoded)
{
	return (decoded->attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && decoded->raw.modrm.mod == 0 &&
	       decoded->raw.modrm.rm == 5 && decoded->raw.disp.size == 32;
}

/* lea r64, [rip+x] knows another form for an address that is out of its reach. */
static bool put_far_lea(struct output *output, const instruction *decoded, uintptr_t to)
{
	if (decoded->mnemonic != ZYDIS_MNEMONIC_LEA || decoded->operand_width != 64)
		return false;
	PUT(output, 0x48 | decoded->raw.rex.R, 0xb8 | (decoded->raw.modrm.reg & 7));
	put(output, &to, sizeof to);
	return true;
}

/* Copies an instruction, given as `bytes`, so that its operand in memory stays the same one. */
static enum uvh_move_refusal put_copy(struct output *output, const struct function *function,
				      size_t offset, const instruction *decoded,
				      const uint8_t *bytes)
{
	uint8_t copy[ZYDIS_MAX_INSTRUCTION_LENGTH];
	uintptr_t to;
	int32_t relative;

	memcpy(copy, bytes, decoded->length);
	if (is_rip_relative(decoded)) {
		if (decoded->address_width != 64)
			return UVH_MOVE_UNMOVABLE;
		to = function->address + offset + decoded->length +
		     (uintptr_t) decoded->raw.disp.value;
		if (!distance(output, decoded->length, to, &relative))
			return put_far_lea(output, decoded, to) ? UVH_MOVE_DONE : UVH_MOVE_FAR;
		memcpy(copy + decoded->raw.disp.offset, &relative, sizeof relative);
	}
	put(output, copy, decoded->length);
	return UVH_MOVE_DONE;
}

/* Prefix 0x66 makes a branch of 16 bits on one maker's processors, and means nothing to others. */
static bool has_size_prefix(const instruction *decoded)
{
	for (size_t i = 0; i < decoded->raw.prefix_count; i++)
		if (decoded->raw.prefixes[i].value == 0x66)
			return true;
	return false;
}

/* Does the operand of an indirect call change with the stack pointer? */
static bool uses_rsp(const instruction *decoded)
{
	if (decoded->raw.modrm.rm != 4 || decoded->raw.rex.B != 0)
		return false;
	return decoded->raw.modrm.mod == 3 || decoded->raw.sib.base == 4;
}

/*
 * A call becomes a push of the return address that it had and a jump, so that the callee returns
 * into the function itself: unwinders and profilers find there what they know. Behind the window,
 * of course: where instructions of the window would come after the call, it cannot be moved.
 */
static enum uvh_move_refusal move_call(struct output *output, const struct function *function,
				       size_t offset, const instruction *decoded)
{
	uint8_t jump[ZYDIS_MAX_INSTRUCTION_LENGTH];
	size_t behind = offset + decoded->length;

	if (!function->calls || behind != function->end || has_size_prefix(decoded))
		return UVH_MOVE_UNMOVABLE;
	if (decoded->raw.imm[0].is_relative) {
		put_push(output, function->address + behind);
		put_jump(output, function->address + target_of(decoded, offset));
		return UVH_MOVE_DONE;
	}
	if (uses_rsp(decoded))
		return UVH_MOVE_UNMOVABLE;
	put_push(output, function->address + behind);
	/* call is /2 of this opcode, jmp is /4 */
	memcpy(jump, function->code + offset, decoded->length);
	jump[decoded->raw.modrm.offset] =
	    (uint8_t) ((jump[decoded->raw.modrm.offset] & ~(7 << 3)) | 4 << 3);
	return put_copy(output, function, offset, decoded, jump);
}

static enum uvh_move_refusal move_branch(struct output *output, const struct function *function,
					 size_t offset, const instruction *decoded)
{
	uintptr_t to = function->address + target_of(decoded, offset);

	if (has_size_prefix(decoded))
		return UVH_MOVE_UNMOVABLE;
	switch (decoded->mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
		put_jump(output, to);
		return UVH_MOVE_DONE;
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_JECXZ:
	case ZYDIS_MNEMONIC_JRCXZ:
		put_loop(output, function, offset, decoded, to);
		return UVH_MOVE_DONE;
	default:
		break;
	}
	if (decoded->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
	    !((decoded->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	       (decoded->opcode & 0xf0) == 0x70) ||
	      (decoded->opcode_map == ZYDIS_OPCODE_MAP_0F && (decoded->opcode & 0xf0) == 0x80)))
		return UVH_MOVE_UNMOVABLE; /* xbegin */
	put_conditional_jump(output, decoded->opcode & 0x0f, to);
	return UVH_MOVE_DONE;
}

/*
 * Instructions that tell others where they stand: the kernel, a supervisor, or another code segment
 * gets their address, may keep it and may come back to it.
 */
static bool tells_its_address(const instruction *decoded)
{
	switch (decoded->meta.category) {
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
		return true;
	default:
		break;
	}
	switch (decoded->mnemonic) {
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_UIRET:
	case ZYDIS_MNEMONIC_RSM:
		return true;
	default:
		return decoded->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	}
}

static enum uvh_move_refusal move_one(struct output *output, const struct function *function,
				      size_t offset, const instruction *decoded)
{
	if (tells_its_address(decoded))
		return UVH_MOVE_UNMOVABLE;
	if (decoded->mnemonic == ZYDIS_MNEMONIC_CALL)
		return move_call(output, function, offset, decoded);
	if (decoded->raw.imm[0].is_relative)
		return move_branch(output, function, offset, decoded);
	return put_copy(output, function, offset, decoded, function->code + offset);
}

enum uvh_move_refusal uvh_move_entry(const uint8_t *code, size_t bytes, uintptr_t address,
				     bool calls, uint8_t out[UVH_MOVED_MAX], uintptr_t out_address,
				     struct uvh_moved *moved)
{
	struct function function = {
	    .code = code, .bytes = bytes, .address = address, .calls = calls};
	struct output output = {.bytes = out, .address = out_address};
	enum uvh_move_refusal refusal;
	bool ended = false;
	instruction decoded;

	init_decoder(&function.decoder);
	refusal = find_window(&function);
	if (refusal != UVH_MOVE_DONE)
		return refusal;
	if (scan_finds_branch(&function))
		return UVH_MOVE_BRANCH_INTO;
	for (size_t offset = function.at; offset < function.end && !ended;
	     offset += decoded.length) {
		if (!decode(&function, offset, &decoded))
			return UVH_MOVE_UNKNOWN;
		refusal = move_one(&output, &function, offset, &decoded);
		if (refusal != UVH_MOVE_DONE)
			return refusal;
		/* A moved call does not go on either: it returns behind the window. */
		ended = is_end(&decoded) || decoded.mnemonic == ZYDIS_MNEMONIC_CALL;
	}
	if (!ended)
		put_jump(&output, address + function.end);
	if (output.full)
		return UVH_MOVE_UNMOVABLE;
	moved->at = (uint8_t) function.at;
	moved->bytes = (uint8_t) (function.end - function.at);
	moved->length = (uint8_t) output.length;
	return UVH_MOVE_DONE;
}

/* How much code apart from the function is looked at: more than it ever has, by far. */
#define APART_BRANCHES     64
#define APART_INSTRUCTIONS 1024

/* Code apart from a function, found by following branches from one to the other. */
struct apart {
	struct function text;
	size_t begin, end; /* of the function, in the text */
	size_t targets[APART_BRANCHES];
	size_t count;
};

static void apart_add(struct apart *apart, uintptr_t target)
{
	if (target >= apart->text.bytes || (target >= apart->begin && target < apart->end) ||
	    apart->count == APART_BRANCHES)
		return;
	for (size_t i = 0; i < apart->count; i++)
		if (apart->targets[i] == target)
			return;
	apart->targets[apart->count++] = target;
}

/*
 * What is split off is reached by conditional jumps. A jump out of the function is most often its
 * last call, and one to its start, from outside, most often another's last call, which is a call
 * like others: so neither is looked at.
 */
bool uvh_move_is_entered(const uint8_t *text, size_t text_bytes, uintptr_t text_address,
			 uintptr_t address, size_t bytes, const struct uvh_moved *moved)
{
	struct apart apart = {.text = {.code = text, .bytes = text_bytes, .address = text_address},
			      .begin = address - text_address};
	size_t first = apart.begin + moved->at, instructions = 0;
	instruction decoded;

	if (apart.begin > text_bytes || bytes > text_bytes - apart.begin)
		return false;
	apart.end = apart.begin + bytes;
	init_decoder(&apart.text.decoder);
	for (size_t offset = apart.begin; offset < apart.end; offset += decoded.length) {
		if (!decode(&apart.text, offset, &decoded))
			decoded.length = 1;
		else if (decoded.raw.imm[0].is_relative &&
			 decoded.meta.category == ZYDIS_CATEGORY_COND_BR)
			apart_add(&apart, target_of(&decoded, offset));
	}
	for (size_t i = 0; i < apart.count; i++)
		for (size_t offset = apart.targets[i];
		     instructions < APART_INSTRUCTIONS && decode(&apart.text, offset, &decoded);
		     offset += decoded.length, instructions++) {
			uintptr_t target = target_of(&decoded, offset);

			if (decoded.raw.imm[0].is_relative) {
				if (target > first && target < first + moved->bytes)
					return true;
				if (decoded.mnemonic != ZYDIS_MNEMONIC_CALL)
					apart_add(&apart, target);
			}
			if (is_end(&decoded))
				break;
		}
	return false;
}

/*
 * Functions begin at multiples of 16, if anything stands between them at all. A function may begin
 * with nops, too, that leave room for patches; those are single bytes, and padding is as few
 * instructions as possible, or breakpoints.
 */
size_t uvh_move_padding(const uint8_t *behind, size_t bytes, uintptr_t address)
{
	struct function function = {.code = behind, .bytes = -address % 16};
	instruction decoded;

	if (function.bytes > bytes)
		return 0;
	init_decoder(&function.decoder);
	for (size_t offset = 0; offset < function.bytes; offset += decoded.length) {
		if (!decode(&function, offset, &decoded))
			return 0;
		if (decoded.mnemonic == ZYDIS_MNEMONIC_INT3 && decoded.length == 1)
			continue;
		if (decoded.mnemonic != ZYDIS_MNEMONIC_NOP ||
		    (decoded.length == 1 && offset + 1 != function.bytes))
			return 0;
	}
	return function.bytes;
}

bool uvh_move_jump(uint8_t out[UVH_JUMP_BYTES], uintptr_t address, uintptr_t to)
{
	struct output output = {.bytes = out, .address = address};

	if (jump_length(&output, 0, to) != JUMP_NEAR)
		return false;
	put_jump(&output, to);
	return true;
}
