/* SPDX-License-Identifier: MIT */
/*
 * Moves the first instruction of an aarch64 function. A jump takes one instruction here, so it is
 * always one that is moved; most are copied as they are, and those that say something relative to
 * where they stand are said again with the address in full.
 *
 * What is written leaves every register and the flags as the instruction would, but x16 and x17:
 * any branch between two functions may lose these (a linker puts veneers there), and compilers
 * know it. Jumps are direct ones, never by a register: what they go to is the middle of a
 * function, and in a guarded page (BTI) only a direct jump may land there. What they do not reach
 * is FAR: nearer memory for the trampoline is the answer to that.
 */
#include "patch_move.h"

#define INSTRUCTION 4

/* The processor's fetches are little-endian whatever its data are. */
static uint32_t load(const uint8_t *code)
{
	return (uint32_t) code[0] | (uint32_t) code[1] << 8 | (uint32_t) code[2] << 16 |
	       (uint32_t) code[3] << 24;
}

static void store(uint8_t *code, uint32_t word)
{
	for (int i = 0; i < INSTRUCTION; i++)
		code[i] = (uint8_t) (word >> 8 * i);
}

static int64_t sign_extended(uint32_t word, int from, int bits)
{
	return (int64_t) ((uint64_t) word << (64 - from - bits)) >> (64 - bits);
}

/* A kind of instruction: those of which the bits in `mask` are `value`. */
struct form {
	uint32_t mask;
	uint32_t value;
};

static bool is(uint32_t word, struct form form)
{
	return (word & form.mask) == form.value;
}

static bool is_one_of(uint32_t word, const struct form *forms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is(word, forms[i]))
			return true;
	}
	return false;
}

#define IS_ONE_OF(word, forms) is_one_of(word, forms, sizeof(forms) / sizeof((forms)[0]))

static const struct form adr = {0x9f000000, 0x10000000};
static const struct form adrp = {0x9f000000, 0x90000000};
static const struct form jump = {0xfc000000, 0x14000000};          /* b */
static const struct form call = {0xfc000000, 0x94000000};          /* bl */
static const struct form call_register = {0xfffffc1f, 0xd63f0000}; /* blr */
static const struct form load_literal = {0x3b000000, 0x18000000};
/* br, ret, and those with a signature; the calls among them are told from these before. */
static const struct form leaves = {0xfe000000, 0xd6000000};

/* What an indirect call may land on. They do nothing else, or sign the return address. */
static const struct form landing_pads[] = {
    {0xffffff3f, 0xd503241f}, /* bti, bti c, bti j, bti jc */
    {0xffffffbf, 0xd503233f}, /* paciasp, pacibsp */
};

static const struct form breakpoints[] = {
    {0xffe0001f, 0xd4200000}, /* brk */
    {0xffe0001f, 0xd4400000}, /* hlt */
};

/* Space that is no instruction now and not meant to be: udf is the zero of it. */
static const struct form unknown[] = {
    {0x9e000000, 0x00000000},
    {0x1e000000, 0x02000000},
    {0x1e000000, 0x06000000},
    {0xff000000, 0xdc000000}, /* the load_literal that there is not */
};

static const struct form unmovable[] = {
    {0xfee00800, 0xd6200800}, /* blraa, blrab and kin: calls with a signed address */
    /* These take the place where they stand into a signature, or from one. */
    {0xffffdbff, 0xdac183fe},        /* paciasppc, pacibsppc, pacnbiasppc, pacnbibsppc */
    {0xffffffff, 0xd50324ff},        /* pacm: it makes the paciasp behind it such a one */
    {0xffc0001f, 0xf3800000 | 0x1f}, /* autiasppc, autibsppc */
    {0xffc0001f, 0x55000000 | 0x1f}, /* retaasppc, retabsppc */
    /*
     * cpyp, cpym, cpye and the set family: an interrupted one is begun again from the first
     * of the three, which the kernel takes to stand right before it.
     */
    {0x3b200c00, 0x19000400},
};

/* Direct branches, and where in the word they say how far, in instructions. */
struct branch {
	struct form form;
	uint8_t from;
	uint8_t bits;
};

static const struct branch branches[] = {
    {{0x7c000000, 0x14000000}, 0, 26}, /* b, bl */
    {{0xff000000, 0x54000000}, 5, 19}, /* b.cond, bc.cond */
    {{0x7e000000, 0x34000000}, 5, 19}, /* cbz, cbnz */
    {{0x7e000000, 0x36000000}, 5, 14}, /* tbz, tbnz */
    {{0x7e000000, 0x74000000}, 5, 9},  /* cb.cond, cbb.cond, cbh.cond */
};

static const struct branch *branch_of(uint32_t word)
{
	for (size_t i = 0; i < sizeof(branches) / sizeof(branches[0]); i++) {
		if (is(word, branches[i].form))
			return &branches[i];
	}
	return NULL;
}

static uintptr_t branch_target(uint32_t word, const struct branch *branch, uintptr_t address)
{
	return address +
	       (uintptr_t) (sign_extended(word, branch->from, branch->bits) * INSTRUCTION);
}

/* The same branch, so many instructions ahead. */
static uint32_t branch_ahead(uint32_t word, const struct branch *branch, uint32_t instructions)
{
	uint32_t mask = ((UINT32_C(1) << branch->bits) - 1) << branch->from;

	return (word & ~mask) | instructions << branch->from;
}

static uintptr_t adr_target(uint32_t word, uintptr_t address)
{
	int64_t distance = sign_extended(word, 5, 19) * 4 + (word >> 29 & 3);

	return address + (uintptr_t) distance;
}

static uintptr_t adrp_target(uint32_t word, uintptr_t address)
{
	int64_t pages = sign_extended(word, 5, 19) * 4 + (word >> 29 & 3);

	return (address & ~(uintptr_t) 0xfff) + (uintptr_t) (pages * 0x1000);
}

static uintptr_t literal_of(uint32_t word, uintptr_t address)
{
	return address + (uintptr_t) (sign_extended(word, 5, 19) * INSTRUCTION);
}

/* The code as far as it is written. */
struct writer {
	uint8_t *out;
	uintptr_t address;
	uint8_t length;
	bool far; /* some jump in it does not reach */
};

static void emit(struct writer *writer, uint32_t word)
{
	store(writer->out + writer->length, word);
	writer->length += INSTRUCTION;
}

static void emit_jump(struct writer *writer, uintptr_t to)
{
	uint8_t code[UVH_JUMP_BYTES] = {0};

	if (!uvh_move_jump(code, writer->address + writer->length, to))
		writer->far = true;
	emit(writer, load(code));
}

#define X17 17
#define X30 30

/* Numbers in the code and not beside it: it needs no data that it could read. */
static void emit_number(struct writer *writer, uint32_t reg, uint64_t number)
{
	const uint32_t movz = 0xd2800000, movk = 0xf2800000;
	uint32_t word = movz;

	for (uint32_t quarter = 0; quarter < 4; quarter++) {
		uint32_t bits = (uint32_t) (number >> 16 * quarter) & 0xffff;

		if (bits == 0 && (quarter < 3 || word == movk))
			continue;
		emit(writer, word | quarter << 21 | bits << 5 | reg);
		word = movk;
	}
}

/* The branch around the way on: only so far does a tbz reach for sure. */
static void emit_conditional(struct writer *writer, uint32_t word, const struct branch *branch,
			     uintptr_t to, uintptr_t on)
{
	emit(writer, branch_ahead(word, branch, 2));
	emit_jump(writer, on);
	emit_jump(writer, to);
}

/* ldr, ldrsw, prfm: by x17, with the same register or prefetch operation. */
static void emit_load(struct writer *writer, uint32_t word, uintptr_t literal)
{
	static const uint32_t by_register[2][4] = {
	    {0xb9400000, 0xf9400000, 0xb9800000, 0xf9800000}, /* ldr w, ldr x, ldrsw, prfm */
	    {0xbd400000, 0xfd400000, 0x3dc00000},             /* ldr s, ldr d, ldr q */
	};

	emit_number(writer, X17, literal);
	emit(writer, by_register[word >> 26 & 1][word >> 30] | X17 << 5 | (word & 0x1f));
}

/* Writes what stands for `word` of `address`; `on` is where its successor is. */
static void emit_moved(struct writer *writer, uint32_t word, uintptr_t address)
{
	const uintptr_t on = address + INSTRUCTION;
	const struct branch *branch = branch_of(word);

	if (is(word, adr)) {
		emit_number(writer, word & 0x1f, adr_target(word, address));
	} else if (is(word, adrp)) {
		emit_number(writer, word & 0x1f, adrp_target(word, address));
	} else if (is(word, load_literal)) {
		emit_load(writer, word, literal_of(word, address));
	} else if (is(word, call_register)) {
		/* It may be x30 itself; and `br x17` may land where `blr` may. */
		emit(writer, 0xaa0003e0 | (word >> 5 & 0x1f) << 16 | X17); /* mov x17, xN */
		emit_number(writer, X30, on);
		emit(writer, 0xd61f0000 | X17 << 5); /* br x17 */
		return;
	} else if (is(word, call)) {
		emit_number(writer, X30, on);
		emit_jump(writer, branch_target(word, branch, address));
		return;
	} else if (is(word, jump)) {
		emit_jump(writer, branch_target(word, branch, address));
		return;
	} else if (branch) {
		emit_conditional(writer, word, branch, branch_target(word, branch, address), on);
		return;
	} else {
		emit(writer, word);
		if (is(word, leaves))
			return;
	}
	emit_jump(writer, on);
}

/*
 * Does anything in the function go to what will not be there any more? To its first instruction
 * it may call: then it means the function.
 */
static bool goes_into_entry(const uint8_t *code, size_t bytes, uintptr_t address, size_t end)
{
	for (size_t i = 0; i + INSTRUCTION <= bytes; i += INSTRUCTION) {
		const uint32_t word = load(code + i);
		const struct branch *branch = branch_of(word);
		uintptr_t offset;

		if (branch)
			offset = branch_target(word, branch, address + i) - address;
		else if (is(word, adr))
			offset = adr_target(word, address + i) - address;
		else
			continue;
		/* The address of the first instruction is the function's. */
		if (offset < end && !(offset == 0 && (is(word, call) || is(word, adr))))
			return true;
	}
	return false;
}

static bool reads_entry(uint32_t word, uintptr_t address)
{
	/* The literal is 16 bytes at most. */
	return is(word, load_literal) &&
	       literal_of(word, address) + 15 - address < INSTRUCTION + 15;
}

enum uvh_move_refusal uvh_move_entry(const uint8_t *code, size_t bytes, uintptr_t address,
				     bool calls, uint8_t out[UVH_MOVED_MAX], uintptr_t out_address,
				     struct uvh_moved *moved)
{
	struct writer writer = {.out = out, .address = out_address};
	uint32_t word;
	uint8_t at = 0;

	if (bytes < INSTRUCTION)
		return UVH_MOVE_SHORT;
	word = load(code);
	if (IS_ONE_OF(word, landing_pads)) {
		/*
		 * It stays, as the function may be called indirectly; but what calls the code
		 * written here calls the function, so it is done here too. paciasp signs the
		 * return address: who comes by the jump behind it has to undo that, by autiasp.
		 */
		at = INSTRUCTION;
		if (bytes < at + (size_t) INSTRUCTION)
			return UVH_MOVE_SHORT;
		emit(&writer, word);
		word = load(code + at);
	}

	if (IS_ONE_OF(word, breakpoints))
		return UVH_MOVE_BREAKPOINT;
	if (IS_ONE_OF(word, unknown) || address % INSTRUCTION != 0)
		return UVH_MOVE_UNKNOWN;
	if (IS_ONE_OF(word, unmovable) || reads_entry(word, address + at))
		return UVH_MOVE_UNMOVABLE;
	if (!calls && (is(word, call) || is(word, call_register)))
		return UVH_MOVE_UNMOVABLE;
	if (goes_into_entry(code, bytes, address, at + INSTRUCTION))
		return UVH_MOVE_BRANCH_INTO;

	emit_moved(&writer, word, address + at);
	if (writer.far)
		return UVH_MOVE_FAR;
	*moved = (struct uvh_moved){.at = at, .bytes = INSTRUCTION, .length = writer.length};
	return UVH_MOVE_DONE;
}

bool uvh_move_jump(uint8_t out[UVH_JUMP_BYTES], uintptr_t address, uintptr_t to)
{
	int64_t distance = (int64_t) (to - address);

	if (distance < -UVH_JUMP_REACH || distance >= UVH_JUMP_REACH || distance % INSTRUCTION != 0)
		return false;
	store(out, jump.value | ((uint32_t) (distance / INSTRUCTION) & 0x03ffffff));
	return true;
}
