/* SPDX-License-Identifier: MIT */
/*
 * Moved entries of aarch64 functions: the bytes of every form, what is refused, and then that a
 * function does the same with its entry moved as without, for random instructions of every form,
 * near and far, in guarded pages too. Built and run by scripts/check-aarch64.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "patch_move.h"

#define FUNCTION    0x400000 /* where the functions of the pure tests are, and their moved code */
#define MOVED       0x500000
#define MIB         INT64_C(0x100000)
#define WORDS_MAX   (UVH_MOVED_MAX / 4)
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define RET       0xd65f03c0
#define RET_X15   0xd65f01e0
#define NOP       0xd503201f
#define BTI_C     0xd503245f
#define PACIASP   0xd503233f
#define PACIBSP   0xd503237f
#define AUTIASP   0xd50323bf
#define AUTIBSP   0xd50323ff
#define WHERE_X9  0x10000009 /* adr x9, . */
#define PROT_BTI_ 0x10

/* What a function takes and leaves; the assembler below knows the offsets. */
struct state {
	__uint128_t v[8];
	uint64_t x[15];
	uint64_t x18;
	uint64_t x30;
	uint64_t flags;
};

/* Calls `code` with this state and leaves in it what comes back. The way back is in x15 too. */
void call_with(struct state *state, uintptr_t code);
__asm__(".text\n"
	".globl call_with\n"
	".type call_with, %function\n"
	"call_with:\n"
	"	hint	34\n"
	"	stp	x29, x30, [sp, -32]!\n"
	"	mov	x29, sp\n"
	"	str	x0, [sp, 16]\n"
	"	mov	x17, x1\n"
	"	mov	x16, x0\n"
	"	ldp	q0, q1, [x16]\n"
	"	ldp	q2, q3, [x16, 32]\n"
	"	ldp	q4, q5, [x16, 64]\n"
	"	ldp	q6, q7, [x16, 96]\n"
	"	ldr	x18, [x16, 248]\n"
	"	ldr	x0, [x16, 264]\n"
	"	msr	nzcv, x0\n"
	"	ldp	x0, x1, [x16, 128]\n"
	"	ldp	x2, x3, [x16, 144]\n"
	"	ldp	x4, x5, [x16, 160]\n"
	"	ldp	x6, x7, [x16, 176]\n"
	"	ldp	x8, x9, [x16, 192]\n"
	"	ldp	x10, x11, [x16, 208]\n"
	"	ldp	x12, x13, [x16, 224]\n"
	"	ldr	x14, [x16, 240]\n"
	"	adr	x15, 1f\n"
	"	blr	x17\n"
	"1:	ldr	x16, [sp, 16]\n"
	"	stp	q0, q1, [x16]\n"
	"	stp	q2, q3, [x16, 32]\n"
	"	stp	q4, q5, [x16, 64]\n"
	"	stp	q6, q7, [x16, 96]\n"
	"	stp	x0, x1, [x16, 128]\n"
	"	stp	x2, x3, [x16, 144]\n"
	"	stp	x4, x5, [x16, 160]\n"
	"	stp	x6, x7, [x16, 176]\n"
	"	stp	x8, x9, [x16, 192]\n"
	"	stp	x10, x11, [x16, 208]\n"
	"	stp	x12, x13, [x16, 224]\n"
	"	stp	x14, x18, [x16, 240]\n"
	"	str	x30, [x16, 256]\n"
	"	mrs	x17, nzcv\n"
	"	str	x17, [x16, 264]\n"
	"	ldp	x29, x30, [sp], 32\n"
	"	ret\n"
	".size call_with, . - call_with\n");

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* What is tested just now, for a test that dies of it. */
static const char *current = "";
/* Where to go on if it is meant to die. */
static sigjmp_buf *survive;

static void died(int signal)
{
	const char *how =
	    signal == SIGILL ? ": illegal instruction or landing\n" : ": bad address\n";
	ssize_t ignored;

	if (survive)
		siglongjmp(*survive, signal);
	ignored = write(1, current, strlen(current));
	ignored = write(1, how, strlen(how));
	(void) ignored;
	_exit(1);
}

/* The code that the words make in memory: instructions are little-endian everywhere. */
static size_t put(uint8_t *code, const uint32_t *words, size_t count)
{
	for (size_t i = 0; i < 4 * count; i++)
		code[i] = (uint8_t) (words[i / 4] >> 8 * (i % 4));
	return 4 * count;
}

static enum uvh_move_refusal move(const uint32_t *words, size_t count, uint8_t out[UVH_MOVED_MAX],
				  struct uvh_moved *moved)
{
	uint8_t code[4 * WORDS_MAX];

	return uvh_move_entry(code, put(code, words, count), FUNCTION, true, out, MOVED, moved);
}

/* Entries, and what stands for them; each function is the entry and a `ret`. */
static const struct {
	const char *form;
	uint32_t entry[2];
	uint32_t moved[WORDS_MAX];
} forms[] = {
    /* "on" is b 0x400004; with a landing pad before the entry, b 0x400008. */
    {"add x0, x0, 1", {0x91000400}, {0x91000400, 0x17fc0000}},
    {"nop", {NOP}, {NOP, 0x17fc0000}},
    {"svc 0", {0xd4000001}, {0xd4000001, 0x17fc0000}},
    {"ldxr w1, [x0]", {0x885f7c01}, {0x885f7c01, 0x17fc0000}},
    {"fmopa, of the space beside udf", {0x80800000}, {0x80800000, 0x17fc0000}},
    {"ret", {RET}, {RET}},
    {"br x3", {0xd61f0060}, {0xd61f0060}},
    {"braa x3, x4", {0xd71f0864}, {0xd71f0864}},
    {"adr x3, 0x400123", {0x70000903}, {0xd2802463, 0xf2a00803, 0x17fbffff}},
    {"adr x3, 0x3ffffc", {0x10ffffe3}, {0xd29fff83, 0xf2a007e3, 0x17fbffff}},
    {"adrp x5, 0x401000", {0xb0000005}, {0xd2820005, 0xf2a00805, 0x17fbffff}},
    {"adrp x5, 0", {0x90ffe005}, {0xd2e00005, 0x17fc0000}},
    {"adrp x5, 0xffffffff00400000", {0x90800005}, {0xd2a00805, 0xf2dfffe5, 0xf2ffffe5, 0x17fbfffe}},
    {"adrp x5, 0x1003ff000", {0xf07fffe5}, {0xd29e0005, 0xf2a007e5, 0xf2c00025, 0x17fbfffe}},
    {"b 0x400100", {0x14000040}, {0x17fc0040}},
    {"b 0x3fff00", {0x17ffffc0}, {0x17fbffc0}},
    {"b 0x8400000 - 4", {0x15ffffff}, {0x15fbffff}},
    {"bl 0x400100", {0x94000040}, {0xd280009e, 0xf2a0081e, 0x17fc003e}},
    {"bl 0x400000: itself", {0x94000000}, {0xd280009e, 0xf2a0081e, 0x17fbfffe}},
    {"blr x3", {0xd63f0060}, {0xaa0303f1, 0xd280009e, 0xf2a0081e, 0xd61f0220}},
    {"blr x30", {0xd63f03c0}, {0xaa1e03f1, 0xd280009e, 0xf2a0081e, 0xd61f0220}},
    {"b.ne 0x400100", {0x54000801}, {0x54000041, 0x17fc0000, 0x17fc003e}},
    {"bc.ne 0x400100", {0x54000811}, {0x54000051, 0x17fc0000, 0x17fc003e}},
    {"b.al 0x3fff00", {0x54fff80e}, {0x5400004e, 0x17fc0000, 0x17fbffbe}},
    {"cbz w7, 0x400100", {0x34000807}, {0x34000047, 0x17fc0000, 0x17fc003e}},
    {"cbnz x7, 0x300000", {0xb5800007}, {0xb5000047, 0x17fc0000, 0x17f7fffe}},
    {"tbz w7, 3, 0x400100", {0x36180807}, {0x36180047, 0x17fc0000, 0x17fc003e}},
    {"tbnz x7, 63, 0x3f8000", {0xb7fc0007}, {0xb7f80047, 0x17fc0000, 0x17fbdffe}},
    {"cbgt w5, w5, 0x3ffc00", {0x74052005}, {0x74050045, 0x17fc0000, 0x17fbfefe}},
    {"cbhi x5, 63, 0x3ffc00", {0xf55fa005}, {0xf55f8045, 0x17fc0000, 0x17fbfefe}},
    {"cbhgt w5, w3, 0x3ffc00", {0x7403e005}, {0x7403c045, 0x17fc0000, 0x17fbfefe}},
    {"ldr w1, 0x400100", {0x18000801}, {0xd2802011, 0xf2a00811, 0xb9400221, 0x17fbfffe}},
    {"ldr x1, 0x3fff00", {0x58fff801}, {0xd29fe011, 0xf2a007f1, 0xf9400221, 0x17fbfffe}},
    {"ldrsw x1, 0x400100", {0x98000801}, {0xd2802011, 0xf2a00811, 0xb9800221, 0x17fbfffe}},
    {"prfm pldl1strm, 0x400100", {0xd8000801}, {0xd2802011, 0xf2a00811, 0xf9800221, 0x17fbfffe}},
    {"ldr s1, 0x400100", {0x1c000801}, {0xd2802011, 0xf2a00811, 0xbd400221, 0x17fbfffe}},
    {"ldr d1, 0x400100", {0x5c000801}, {0xd2802011, 0xf2a00811, 0xfd400221, 0x17fbfffe}},
    {"ldr q1, 0x400100", {0x9c000801}, {0xd2802011, 0xf2a00811, 0x3dc00221, 0x17fbfffe}},
    {"ldr x1, 0x400004: right behind",
     {0x58000021},
     {0xd2800091, 0xf2a00811, 0xf9400221, 0x17fbfffe}},
    /* A landing pad stays; who calls the moved code comes over one too. */
    {"bti c; add x0, x0, 1", {BTI_C, 0x91000400}, {BTI_C, 0x91000400, 0x17fc0000}},
    {"bti jc; cbz w7, 0x400104",
     {0xd50324df, 0x34000807},
     {0xd50324df, 0x34000047, 0x17fc0000, 0x17fc003e}},
    {"paciasp; adrp x5, 0x401000",
     {PACIASP, 0xb0000005},
     {PACIASP, 0xd2820005, 0xf2a00805, 0x17fbffff}},
    {"pacibsp; bl 0x400104", {PACIBSP, 0x94000040}, {PACIBSP, 0xd280011e, 0xf2a0081e, 0x17fc003e}},
    {"bti c; paciasp", {BTI_C, PACIASP}, {BTI_C, PACIASP, 0x17fc0000}},
};

static void test_forms(void)
{
	for (size_t i = 0; i < COUNT(forms); i++) {
		const uint32_t *entry = forms[i].entry;
		const uint32_t words[3] = {entry[0], entry[1] ? entry[1] : RET, RET};
		uint8_t out[UVH_MOVED_MAX] = {0}, expected[UVH_MOVED_MAX];
		struct uvh_moved moved = {0};
		size_t count = 0;
		int before = failures;

		while (forms[i].moved[count])
			count++;
		put(expected, forms[i].moved, WORDS_MAX);
		CHECK_EQUAL(move(words, 3, out, &moved), UVH_MOVE_DONE);
		CHECK_EQUAL(moved.at, entry[1] ? 4 : 0);
		CHECK_EQUAL(moved.bytes, 4);
		CHECK_EQUAL(moved.length, 4 * count);
		CHECK(memcmp(out, expected, sizeof(out)) == 0);
		if (failures > before)
			printf("... of %s\n", forms[i].form);
	}
}

static const struct {
	const char *what;
	enum uvh_move_refusal refusal;
	uint32_t words[5]; /* up to the first zero, but for one that begins with it */
} refused[] = {
    {"nothing behind the landing pad", UVH_MOVE_SHORT, {BTI_C}},
    {"brk 0", UVH_MOVE_BREAKPOINT, {0xd4200000, RET}},
    {"brk 5", UVH_MOVE_BREAKPOINT, {0xd42000a0, RET}},
    {"hlt 0xffff", UVH_MOVE_BREAKPOINT, {0xd45fffe0, RET}},
    {"bti c; brk 0", UVH_MOVE_BREAKPOINT, {BTI_C, 0xd4200000, RET}},
    {"zeros", UVH_MOVE_UNKNOWN, {0}},
    {"udf 7", UVH_MOVE_UNKNOWN, {7, RET}},
    {"space without instructions", UVH_MOVE_UNKNOWN, {0x12345678 & 0x61ffffff, RET}},
    {"space without instructions, 1", UVH_MOVE_UNKNOWN, {0xe2000000, RET}},
    {"space without instructions, 2", UVH_MOVE_UNKNOWN, {0x06000000, RET}},
    {"a literal of no size", UVH_MOVE_UNKNOWN, {0xdc000801, RET}},
    {"blraa x3, x4", UVH_MOVE_UNMOVABLE, {0xd73f0864, RET}},
    {"blraaz x3", UVH_MOVE_UNMOVABLE, {0xd63f087f, RET}},
    {"paciasppc", UVH_MOVE_UNMOVABLE, {0xdac1a3fe, RET}},
    {"pacnbibsppc", UVH_MOVE_UNMOVABLE, {0xdac187fe, RET}},
    {"bti c; pacm; paciasp", UVH_MOVE_UNMOVABLE, {BTI_C, 0xd50324ff, PACIASP, RET}},
    {"autibsppc", UVH_MOVE_UNMOVABLE, {0xf3a0003f, RET}},
    {"retaasppc", UVH_MOVE_UNMOVABLE, {0x5500003f, RET}},
    {"cpyp [x0]!, [x1]!, x2!", UVH_MOVE_UNMOVABLE, {0x1d010440, RET}},
    {"setp [x0]!, x1!, x2", UVH_MOVE_UNMOVABLE, {0x19c20420, RET}},
    {"ldr x1, itself", UVH_MOVE_UNMOVABLE, {0x58000001, RET}},
    {"ldr q1, 12 bytes before", UVH_MOVE_UNMOVABLE, {0x9cffffa1, RET}},
    {"b itself", UVH_MOVE_BRANCH_INTO, {0x14000000, RET}},
    {"b to the entry", UVH_MOVE_BRANCH_INTO, {NOP, NOP, 0x17fffffe, RET}},
    {"b.ne to the entry", UVH_MOVE_BRANCH_INTO, {NOP, NOP, 0x54ffffc1, RET}},
    {"cbz to the entry", UVH_MOVE_BRANCH_INTO, {NOP, NOP, 0x34ffffc0, RET}},
    {"tbnz to the entry", UVH_MOVE_BRANCH_INTO, {NOP, NOP, 0x3707ffc0, RET}},
    {"cbgt to the entry", UVH_MOVE_BRANCH_INTO, {NOP, NOP, 0x74053fc5, RET}},
    {"b to the landing pad", UVH_MOVE_BRANCH_INTO, {BTI_C, NOP, 0x17fffffe, RET}},
    {"b behind the landing pad", UVH_MOVE_BRANCH_INTO, {BTI_C, NOP, 0x17ffffff, RET}},
    {"bl behind the landing pad", UVH_MOVE_BRANCH_INTO, {BTI_C, NOP, 0x97ffffff, RET}},
    {"adr behind the landing pad", UVH_MOVE_BRANCH_INTO, {BTI_C, NOP, 0x10ffffe0, RET}},
    {"adr to its last byte", UVH_MOVE_BRANCH_INTO, {BTI_C, NOP, 0x70ffffe0, RET}},
};

static void test_refusals(void)
{
	struct uvh_moved moved;
	uint8_t out[UVH_MOVED_MAX], code[8];

	for (size_t i = 0; i < COUNT(refused); i++) {
		size_t count = 1;
		int before = failures;

		while (count < 5 && refused[i].words[count])
			count++;
		CHECK_EQUAL(move(refused[i].words, count, out, &moved), refused[i].refusal);
		if (failures > before)
			printf("... of %s\n", refused[i].what);
	}
	put(code, (const uint32_t[]){NOP, RET}, 2);
	CHECK_EQUAL(uvh_move_entry(code, 0, FUNCTION, true, out, MOVED, &moved), UVH_MOVE_SHORT);
	CHECK_EQUAL(uvh_move_entry(code, 3, FUNCTION, true, out, MOVED, &moved), UVH_MOVE_SHORT);
	CHECK_EQUAL(uvh_move_entry(code, 8, FUNCTION + 2, true, out, MOVED, &moved),
		    UVH_MOVE_UNKNOWN);
}

/* What is near a refusal and is none. */
static void test_no_refusals(void)
{
	static const uint32_t fine[][4] = {
	    {NOP, NOP, 0x17ffffff, RET},   /* b to the second instruction */
	    {BTI_C, NOP, NOP, 0x17ffffff}, /* b behind what is moved */
	    {NOP, NOP, 0x97fffffe, RET},   /* a function that calls itself */
	    {BTI_C, NOP, 0x97fffffe, RET}, /* so does this one */
	    {NOP, 0x10ffffe0, RET, RET},   /* and this one takes its address */
	    {0x9cffff81, RET, RET, RET},   /* ldr q1, 16 bytes before */
	    {NOP, 0xd4200000, 0, RET},     /* brk and udf, but not at the entry */
	};
	struct uvh_moved moved;
	uint8_t out[UVH_MOVED_MAX], code[16];

	for (size_t i = 0; i < COUNT(fine); i++)
		CHECK_EQUAL(move(fine[i], 4, out, &moved), UVH_MOVE_DONE);

	/* A call has to be one where there is a second stack of return addresses. */
	put(code, (const uint32_t[]){0x94000040, RET}, 2);
	CHECK_EQUAL(uvh_move_entry(code, 8, FUNCTION, false, out, MOVED, &moved),
		    UVH_MOVE_UNMOVABLE);
	put(code, (const uint32_t[]){0xd63f0060, RET}, 2);
	CHECK_EQUAL(uvh_move_entry(code, 8, FUNCTION, false, out, MOVED, &moved),
		    UVH_MOVE_UNMOVABLE);
	put(code, (const uint32_t[]){NOP, 0x94000040, RET}, 3);
	CHECK_EQUAL(uvh_move_entry(code, 12, FUNCTION, false, out, MOVED, &moved), UVH_MOVE_DONE);
}

static void test_reach(void)
{
	const uint64_t function = 256 * MIB;
	struct uvh_moved moved;
	uint8_t jump[UVH_JUMP_BYTES], expected[UVH_JUMP_BYTES], code[8], out[UVH_MOVED_MAX];

	CHECK(uvh_move_jump(jump, function, function + 128 * MIB - 4));
	put(expected, (const uint32_t[]){0x15ffffff}, 1);
	CHECK(memcmp(jump, expected, 4) == 0);
	CHECK(uvh_move_jump(jump, function, function - 128 * MIB));
	put(expected, (const uint32_t[]){0x16000000}, 1);
	CHECK(memcmp(jump, expected, 4) == 0);
	CHECK(!uvh_move_jump(jump, function, function + 128 * MIB));
	CHECK(!uvh_move_jump(jump, function, function - 128 * MIB - 4));
	CHECK(!uvh_move_jump(jump, function, function + 2));
	CHECK(!uvh_move_jump(jump, 0, UINT64_C(1) << 47));

	/* The way back, and the way of a branch: 100 MiB up from 100 MiB below is too much. */
	put(code, (const uint32_t[]){NOP, RET}, 2);
	CHECK_EQUAL(uvh_move_entry(code, 8, function, true, out, function + 127 * MIB, &moved),
		    UVH_MOVE_DONE);
	CHECK_EQUAL(uvh_move_entry(code, 8, function, true, out, function + 129 * MIB, &moved),
		    UVH_MOVE_FAR);
	put(code, (const uint32_t[]){0x14000000 | 100 * MIB / 4, RET}, 2);
	CHECK_EQUAL(uvh_move_entry(code, 8, function, true, out, function - 100 * MIB, &moved),
		    UVH_MOVE_FAR);
	CHECK_EQUAL(uvh_move_entry(code, 8, function, true, out, function + 100 * MIB, &moved),
		    UVH_MOVE_DONE);
	put(code, (const uint32_t[]){RET, RET}, 2);
	CHECK_EQUAL(uvh_move_entry(code, 8, function, true, out, 0, &moved), UVH_MOVE_DONE);
}

/* Whatever stands there, it is moved into the room that there is, or refused by a known name. */
static void test_anything(void)
{
	for (int i = 0; i < 300000; i++) {
		uint32_t words[4] = {(uint32_t) random_number(), (uint32_t) random_number(),
				     (uint32_t) random_number(), RET};
		uint8_t out[UVH_MOVED_MAX + 1];
		struct uvh_moved moved = {0};
		enum uvh_move_refusal refusal;

		if (i % 3 == 0)
			words[0] = i % 2 ? BTI_C : PACIASP;
		memset(out, 0xa5, sizeof(out));
		refusal = move(words, COUNT(words), out, &moved);
		if (refusal == UVH_MOVE_DONE) {
			CHECK(moved.length % 4 == 0 && moved.length >= 4 && moved.length <= 32);
			CHECK(out[moved.length] == 0xa5);
		}
		CHECK(refusal <= UVH_MOVE_FAR);
		CHECK((uvh_move_refusal_text(refusal)[0] == '\0') == (refusal == UVH_MOVE_DONE));
	}
}

/*
 * Memory for functions that are run. Wherever a branch may go there are pairs of `adr x9, .` and
 * `ret x15`: they tell where it went and end the function.
 */
#define AREA (3 * MIB)
#define SIDE (64 * INT64_C(1024))

static struct {
	uint8_t *middle; /* AREA bytes: functions, what they read and where they go */
	uint8_t *low;    /* SIDE bytes each, 100 MiB away, of which the second half is free */
	uint8_t *high;
	uint8_t *outs[3]; /* where moved code goes: near, and far on either side */
} memory;

static void *map_at(uint8_t *address, size_t bytes, bool guarded)
{
	void *mapped =
	    mmap(address, bytes, PROT_READ | PROT_WRITE | PROT_EXEC | (guarded ? PROT_BTI_ : 0),
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (mapped == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	for (size_t i = 0; i < bytes; i += 8)
		put((uint8_t *) mapped + i, (const uint32_t[]){WHERE_X9, RET_X15}, 2);
	return mapped;
}

static void map_memory(bool guarded)
{
	uint8_t *base =
	    mmap(NULL, 210 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	memory.low = map_at(base, SIDE, guarded);
	memory.middle = map_at(base + 100 * MIB, AREA, guarded);
	memory.high = map_at(base + 200 * MIB, SIDE, guarded);
	memory.outs[0] = map_at(memory.middle + AREA + MIB, SIDE, guarded);
	memory.outs[1] = memory.low + SIDE / 2;
	memory.outs[2] = memory.high + SIDE / 2;
}

/* Forms to be run: the word without its fields, what is free in it, and its distance. */
struct kind {
	const char *name;
	uint32_t word;
	uint32_t free; /* bits that may be anything */
	enum { NUMBER, READ, GO } does;
	uint8_t bits; /* of the distance, which is in words; it begins at bit 5, or 0 if 26 */
	bool reads_register;
	/* Counted: how often it was run, went where it says, and went on. */
	int runs, gone, on;
};

static struct kind kinds[] = {
    {"adr", 0x10000000, 0x60ffffe0, NUMBER, 0, true, 0, 0, 0},
    {"adrp", 0x90000000, 0x60ffffe0, NUMBER, 0, true, 0, 0, 0},
    {"b", 0x14000000, 0, GO, 26, false, 0, 0, 0},
    {"bl", 0x94000000, 0, GO, 26, false, 0, 0, 0},
    {"b.cond", 0x54000000, 0xf, GO, 19, false, 0, 0, 0},
    {"cbz, cbnz", 0x34000000, 0x81000000, GO, 19, true, 0, 0, 0},
    {"tbz, tbnz", 0x36000000, 0x81f80000, GO, 14, true, 0, 0, 0},
    {"ldr w", 0x18000000, 0, READ, 19, true, 0, 0, 0},
    {"ldr x", 0x58000000, 0, READ, 19, true, 0, 0, 0},
    {"ldrsw", 0x98000000, 0, READ, 19, true, 0, 0, 0},
    {"prfm", 0xd8000000, 0, READ, 19, true, 0, 0, 0},
    {"ldr s", 0x1c000000, 0, READ, 19, true, 0, 0, 0},
    {"ldr d", 0x5c000000, 0, READ, 19, true, 0, 0, 0},
    {"ldr q", 0x9c000000, 0, READ, 19, true, 0, 0, 0},
    {"blr", 0xd63f0000, 0, NUMBER, 0, false, 0, 0, 0},
    {"add x0, x0, x1", 0x8b010000, 0, NUMBER, 0, false, 0, 0, 0},
};

/* A place, multiple of 8 from its start, that this instruction at `function` can name. */
static uint8_t *some_place(const struct kind *kind, const uint8_t *function)
{
	for (;;) {
		uint8_t *place = memory.middle + random_number() % (AREA - 16) / 8 * 8;
		int64_t words;

		if (kind->bits == 26 && random_number() % 3 == 0)
			place = (random_number() % 2 ? memory.low : memory.high) +
				random_number() % (SIDE / 2) / 8 * 8;
		words = (place - function) / 4;
		if (words >= -(INT64_C(1) << (kind->bits - 1)) && words < INT64_C(1)
									      << (kind->bits - 1))
			return place;
	}
}

static uint32_t some_word(const struct kind *kind, const uint8_t *function, const uint8_t *place)
{
	uint32_t word = kind->word | ((uint32_t) random_number() & kind->free);

	if (kind->bits)
		word |= ((uint32_t) ((place - function) / 4) & ((UINT32_C(1) << kind->bits) - 1))
			<< (kind->bits == 26 ? 0 : 5);
	if (kind->reads_register)
		word |= random_number() % 8; /* v8 is not ours */
	return word;
}

static void some_state(struct state *state)
{
	static const uint64_t numbers[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 32};

	memset(state, 0, sizeof(*state));
	for (int i = 0; i < 8; i++)
		state->v[i] = (__uint128_t) random_number() << 64 | random_number();
	for (int i = 0; i < 15; i++)
		state->x[i] = random_number() % 2 ? random_number() : numbers[random_number() % 5];
	state->x18 = random_number();
	state->flags = random_number() & 0xf0000000;
}

/* Runs a function as it is, then with its entry moved: through the jump, and as its callers. */
static void run_moved(struct kind *kind, uint32_t pad)
{
	uint8_t *function = memory.middle + MIB + random_number() % MIB / 8 * 8;
	uint8_t *out = memory.outs[random_number() % 3], *island = out + UVH_MOVED_MAX;
	const size_t at = pad ? 4 : 0;
	uint8_t *place = kind->bits ? some_place(kind, function + at) : NULL;
	const uint32_t words[] = {pad, some_word(kind, function + at, place), WHERE_X9, RET_X15};
	const uint32_t *code = words + (pad ? 0 : 1);
	const size_t bytes = 4 * (COUNT(words) - (pad ? 0 : 1));
	struct state before, bare, through, direct;
	struct uvh_moved moved = {0};
	enum uvh_move_refusal refusal;
	uint8_t kept[16];

	/* The function does not overlap where it goes. */
	if (place && place < function + 16 && place + 16 > function)
		return;
	some_state(&before);
	if ((words[1] & 0xfffffc1f) == 0xd63f0000) {
		/* blr x0, to a landing pad */
		put(memory.middle, (const uint32_t[]){BTI_C, WHERE_X9, RET_X15}, 3);
		before.x[0] = (uintptr_t) memory.middle;
	}
	memcpy(kept, function, sizeof(kept));
	put(function, code, bytes / 4);
	__builtin___clear_cache((char *) function, (char *) function + 16);
	bare = through = direct = before;
	call_with(&bare, (uintptr_t) function);

	refusal = uvh_move_entry(function, bytes, (uintptr_t) function, true, out, (uintptr_t) out,
				 &moved);
	if (refusal == UVH_MOVE_FAR && kind->bits == 26) {
		CHECK(llabs(place - out) > 128 * MIB - UVH_MOVED_MAX);
	} else {
		uint32_t undo = pad == PACIASP ? AUTIASP : pad == PACIBSP ? AUTIBSP : NOP;

		CHECK_EQUAL(refusal, UVH_MOVE_DONE);
		CHECK_EQUAL(moved.at, at);
		put(island, &undo, 1);
		CHECK(uvh_move_jump(island + 4, (uintptr_t) island + 4, (uintptr_t) out));
		CHECK(uvh_move_jump(function + at, (uintptr_t) function + at, (uintptr_t) island));
		__builtin___clear_cache((char *) out, (char *) island + 8);
		__builtin___clear_cache((char *) function, (char *) function + 16);
		call_with(&through, (uintptr_t) function);
		call_with(&direct, (uintptr_t) out);
		CHECK(memcmp(&bare, &through, sizeof(bare)) == 0);
		CHECK(memcmp(&bare, &direct, sizeof(bare)) == 0);
		kind->runs++;
		kind->gone += place && bare.x[9] == (uintptr_t) place;
		kind->on += bare.x[9] == (uintptr_t) function + at + 4;
	}
	memcpy(function, kept, sizeof(kept));
}

static void test_kinds(bool guarded)
{
	static const uint32_t pads[] = {BTI_C, PACIASP, PACIBSP, 0};
	const int rounds = 250;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct kind *kind = &kinds[i];
		int before = failures;

		current = kind->name;
		kind->runs = kind->gone = kind->on = 0;
		for (int round = 0; round < rounds && failures == before; round++)
			run_moved(kind, pads[random_number() % (guarded ? 3 : 4)]);
		/* What is far is refused, for less than half of the branches. */
		CHECK(kind->runs > rounds / 2);
		if (kind->does == GO)
			CHECK(kind->gone > 20);
		if (kind->does == GO && kind->bits < 26)
			CHECK(kind->on > 20 && kind->on + kind->gone == kind->runs);
		else if (kind->does == GO)
			CHECK(kind->gone == kind->runs);
		if (failures > before)
			printf("... of %s%s\n", kind->name, guarded ? ", guarded" : "");
	}
}

/* A whole function, of which only the entry is moved: its frame, its way back, its loop. */
static void run_function(const char *name, const uint32_t *words, size_t count, uint64_t argument,
			 uint64_t result)
{
	uint8_t *function = memory.middle + 512, *out = memory.outs[2];
	uint8_t *island = out + UVH_MOVED_MAX;
	const uint32_t undo = words[0] == PACIASP ? AUTIASP : NOP;
	struct state state = {.x = {argument}};
	struct uvh_moved moved = {0};

	current = name;
	put(function, words, count);
	__builtin___clear_cache((char *) function, (char *) function + 4 * count);
	call_with(&state, (uintptr_t) function);
	CHECK_EQUAL(state.x[0], result);

	CHECK_EQUAL(uvh_move_entry(function, 4 * count, (uintptr_t) function, true, out,
				   (uintptr_t) out, &moved),
		    UVH_MOVE_DONE);
	put(island, &undo, 1);
	CHECK(uvh_move_jump(island + 4, (uintptr_t) island + 4, (uintptr_t) out));
	CHECK(uvh_move_jump(function + moved.at, (uintptr_t) function + moved.at,
			    (uintptr_t) island));
	__builtin___clear_cache((char *) out, (char *) island + 8);
	__builtin___clear_cache((char *) function, (char *) function + 4 * count);
	state = (struct state){.x = {argument}};
	call_with(&state, (uintptr_t) function);
	CHECK_EQUAL(state.x[0], result);
}

/* The guards are there: without a landing pad a function cannot be called by a register. */
static void test_guard(void)
{
	sigjmp_buf here;
	struct state state = {.x = {0}};
	int signal = sigsetjmp(here, 1);

	put(memory.middle, (const uint32_t[]){NOP, RET}, 2);
	if (signal == 0) {
		survive = &here;
		call_with(&state, (uintptr_t) memory.middle);
	}
	survive = NULL;
	CHECK_EQUAL(signal, SIGILL);
}

static void test_functions(void)
{
	static uint32_t cell;
	static const uint32_t signs[] = {
	    PACIASP,    0xa9bf7bfd, /* stp x29, x30, [sp, -16]! */
	    0x910003fd,             /* mov x29, sp */
	    0xd2800540,             /* mov x0, 42 */
	    0xa8c17bfd,             /* ldp x29, x30, [sp], 16 */
	    AUTIASP,    RET,
	};
	static const uint32_t loops[] = {
	    BTI_C,      0xd2800001, /* mov x1, 0 */
	    0x8b000021,             /* add x1, x1, x0 */
	    0xf1000400,             /* subs x0, x0, 1 */
	    0x54ffffc1,             /* b.ne: two back */
	    0xaa0103e0,             /* mov x0, x1 */
	    RET,
	};
	static const uint32_t exclusive[] = {
	    BTI_C,      0x885f7c01, /* ldxr w1, [x0] */
	    0x88027c01,             /* stxr w2, w1, [x0] */
	    0x2a0203e0,             /* mov w0, w2: 0 if nothing came between */
	    RET,
	};
	static const uint32_t system_call[] = {
	    BTI_C,
	    0xd2801588, /* mov x8, 172: getpid */
	    0xd4000001, /* svc 0 */
	    RET,
	};

	run_function("a function that signs its return address", signs, COUNT(signs), 1, 42);
	run_function("a loop right behind the entry", loops, COUNT(loops), 10, 55);
	run_function("an exclusive load", exclusive, COUNT(exclusive), (uintptr_t) &cell, 0);
	run_function("a system call", system_call, COUNT(system_call), 0, (uint64_t) getpid());
}

int main(void)
{
	const bool guards = getauxval(AT_HWCAP2) >> 17 & 1; /* HWCAP2_BTI */

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGILL, died);
	signal(SIGSEGV, died);
	signal(SIGBUS, died);

	test_forms();
	test_refusals();
	test_no_refusals();
	test_reach();
	test_anything();
	map_memory(false);
	test_kinds(false);
	test_functions();
	if (guards) {
		map_memory(true);
		test_guard();
		test_kinds(true);
		test_functions();
	}
	if (failures == 0)
		printf("%zu forms, %zu refusals, %zu kinds run%s\n", COUNT(forms), COUNT(refused),
		       COUNT(kinds), guards ? ", in guarded pages too" : "");
	CHECK_DONE();
}
