/* SPDX-License-Identifier: MIT */
/*
 * The entries of patch_move_moves.S and patch_move_refusals.S: is each moved, or refused, as it
 * should be? What was moved is compared by decoding it, and then the functions are run: as they
 * are; with a jump in their entry and breakpoints in what else was moved; and from afar.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../relocate/same.h"
#include "check.h"
#include "patch_move.h"

/* As the macros of patch_move_case.inc write it. */
struct test_case {
	const char *text;
	const uint8_t *begin;
	const uint8_t *end;  /* of the function */
	const uint8_t *done; /* of all that is copied */
	const char *refusal;
	const char *far;
	uint32_t at;
	uint32_t bytes;
	uint32_t calls;
	uint32_t entered;
};

extern const struct test_case __start_move_cases[], __stop_move_cases[];

/* Where a case is put: what it may call, the case itself, and the code that is made of it. */
struct place {
	uint8_t *memory;
	uint8_t *function;
	uint8_t *out;
	const void **table;
};

#define PLACE_BYTES  65536
#define ADDRESS_MARK 0x5ca1ab1eU

/* An address of 32 bits that is no signed number of 32 bits; the sanitizer wants it for itself. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define NEGATIVE 0x20000000
#else
#define NEGATIVE 0x90000000
#endif

static void must(bool good, const struct test_case *test, const char *what)
{
	if (good)
		return;
	failures++;
	printf("%s: %s\n", test->text, what);
}

static void protect(const struct place *place, int protection)
{
	if (mprotect(place->memory, PLACE_BYTES, protection) != 0)
		abort();
}

static struct place place_at(uintptr_t address)
{
	/* mov rax, [rsp]; ret */
	static const uint8_t helper[] = {0x48, 0x8b, 0x04, 0x24, 0xc3};
	struct place place;

	place.memory = mmap((void *) address, PLACE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (place.memory != (uint8_t *) address)
		abort();
	memcpy(place.memory, helper, sizeof helper);
	place.table = (const void **) (place.memory + 64);
	place.table[0] = place.table[1] = place.memory;
	place.out = place.memory + 4096;
	place.function = place.memory + 8192;
	return place;
}

static void copy_case(const struct place *place, const struct test_case *test)
{
	size_t bytes = (size_t) (test->done - test->begin);

	protect(place, PROT_READ | PROT_WRITE);
	memcpy(place->function, test->begin, bytes);
	for (size_t i = 0; i + 8 <= bytes; i++) {
		uint64_t value;

		memcpy(&value, place->function + i, sizeof value);
		if (value >> 32 != ADDRESS_MARK)
			continue;
		value = (uintptr_t) place->function + (uint32_t) value;
		memcpy(place->function + i, &value, sizeof value);
	}
}

static uint64_t call(const uint8_t *function, const struct place *place, uint64_t a, uint64_t b)
{
	register const void *helper __asm__("r8") = place->memory;
	register const void *helper_kept __asm__("r12") = place->memory;
	const void **table = place->table;
	const void *helper_too = place->memory;
	uint64_t result = 0;

	/* It starts with the same registers each time, and below this function's red zone. */
	__asm__ volatile("sub $128, %%rsp\n\t"
			 "call *%[function]\n\t"
			 "add $128, %%rsp"
			 : "+a"(result), "+D"(a), "+S"(b), "+d"(helper_too), "+c"(table),
			   "+r"(helper)
			 : [function] "b"(function), "r"(helper_kept)
			 : "r9", "r10", "r11", "xmm0", "memory", "cc");
	return result;
}

static const uint64_t numbers[] = {
    0, 1, 2, 3, 7, 100, 0x7fffffff, 0x80000000, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX};
#define NUMBERS (sizeof numbers / sizeof *numbers)

struct results {
	uint64_t values[NUMBERS][NUMBERS];
};

static void run(const uint8_t *function, const struct place *place, struct results *results)
{
	protect(place, PROT_READ | PROT_EXEC);
	for (size_t i = 0; i < NUMBERS; i++)
		for (size_t j = 0; j < NUMBERS; j++)
			results->values[i][j] = call(function, place, numbers[i], numbers[j]);
	protect(place, PROT_READ | PROT_WRITE);
}

/* Moves it; leaves breakpoints in place of all that was moved. */
static enum uvh_move_refusal move(const struct test_case *test, const struct place *place,
				  const struct place *other, bool calls, struct uvh_moved *moved)
{
	size_t bytes = (size_t) (test->end - test->begin);
	const char *wrong = NULL;
	enum uvh_move_refusal refusal;

	copy_case(place, test);
	protect(other, PROT_READ | PROT_WRITE);
	memset(other->out, 0xcc, UVH_MOVED_MAX + 1);
	refusal = uvh_move_entry(place->function, bytes, (uintptr_t) place->function, calls,
				 other->out, (uintptr_t) other->out, moved);
	must(other->out[UVH_MOVED_MAX] == 0xcc, test, "writes too much");
	if (refusal != UVH_MOVE_DONE)
		return refusal;
	wrong = what_differs(&(struct moving){.code = place->function,
					      .bytes = bytes,
					      .address = (uintptr_t) place->function,
					      .out = other->out,
					      .out_address = (uintptr_t) other->out,
					      .moved = *moved});
	must(wrong == NULL, test, wrong);
	must(moved->at == test->at && moved->bytes == test->bytes, test,
	     "moves too much or little");
	/* The text begins before the function. */
	must(uvh_move_is_entered(place->function - 32, (size_t) (test->done - test->begin) + 32,
				 (uintptr_t) place->function - 32, (uintptr_t) place->function,
				 bytes, moved) == (test->entered != 0),
	     test, "code apart is seen wrongly");
	memset(place->function + moved->at, 0xcc, moved->bytes);
	return refusal;
}

static void check_near(const struct test_case *test, const struct place *place)
{
	struct results expected, seen;
	struct uvh_moved moved = {0};
	enum uvh_move_refusal refusal = move(test, place, place, true, &moved);

	must(strcmp(refusal_name(refusal), test->refusal) == 0, test, refusal_name(refusal));
	if (refusal != UVH_MOVE_DONE || strcmp(test->refusal, "DONE") != 0)
		return;
	if (test->entered)
		return;
	copy_case(place, test);
	run(place->function, place, &expected);
	move(test, place, place, true, &moved);
	must(uvh_move_jump(place->function + moved.at, (uintptr_t) place->function + moved.at,
			   (uintptr_t) place->out),
	     test, "the jump does not reach");
	run(place->function, place, &seen);
	must(memcmp(&expected, &seen, sizeof seen) == 0, test, "has other results");

	refusal = move(test, place, place, false, &moved);
	must(refusal == (test->calls ? UVH_MOVE_UNMOVABLE : UVH_MOVE_DONE), test,
	     "a call is moved where calls must not be");
}

/* The moved code is called itself: no jump would reach it. */
static void check_far(const struct test_case *test, const struct place *place,
		      const struct place *other)
{
	struct results expected, seen;
	struct uvh_moved moved = {0};
	enum uvh_move_refusal refusal;
	uint8_t jump[UVH_JUMP_BYTES];

	copy_case(place, test);
	run(place->function, place, &expected);
	refusal = move(test, place, other, true, &moved);
	must(strcmp(refusal_name(refusal), test->far) == 0, test, refusal_name(refusal));
	must(!uvh_move_jump(jump, (uintptr_t) place->function, (uintptr_t) other->out), test,
	     "the jump reaches too far");
	if (refusal != UVH_MOVE_DONE)
		return;
	/* What calls itself finds no jump there; put one that can be reached. */
	if (uvh_move_jump(place->function + moved.at, (uintptr_t) place->function + moved.at,
			  (uintptr_t) place->out)) {
		static const uint8_t by_address[] = {0xff, 0x25, 0, 0, 0, 0};

		memcpy(place->out, by_address, sizeof by_address);
		memcpy(place->out + sizeof by_address, &other->out, sizeof other->out);
	}
	protect(other, PROT_READ | PROT_EXEC);
	run(other->out, place, &seen);
	must(memcmp(&expected, &seen, sizeof seen) == 0, test, "has other results from afar");
}

/* Every case that can be moved, from where its branches and operands just reach and just do not. */
static void check_edge(const struct test_case *test)
{
	const uintptr_t address = 0x7f0000000000;
	uint8_t out[UVH_MOVED_MAX];
	struct moving moving = {.code = test->begin,
				.bytes = (size_t) (test->end - test->begin),
				.address = address,
				.out = out};

	for (int64_t side = -1; side <= 1; side += 2)
		for (int64_t more = -256; more < 256; more++) {
			const char *wrong;

			moving.out_address =
			    address + (uintptr_t) (side * (INT64_C(1) << 31) + more);
			if (uvh_move_entry(moving.code, moving.bytes, address, true, out,
					   moving.out_address, &moving.moved) != UVH_MOVE_DONE)
				continue;
			wrong = what_differs(&moving);
			must(wrong == NULL, test, wrong);
		}
}

static void check_jump(void)
{
	static const struct {
		uintptr_t from, to;
		bool reaches;
	} jumps[] = {
	    {0x400000, 0x400005, true},
	    {0x400000, 0x400000, true},
	    {0x400000, 0x400005 + INT64_C(0x7fffffff), true},
	    {0x400000, 0x400005 + INT64_C(0x80000000), false},
	    {0x7f0000000000, 0x7f0000000005 - INT64_C(0x80000000), true},
	    {0x7f0000000000, 0x7f0000000004 - INT64_C(0x80000000), false},
	    {0x7f0000000000, 0x400000, false},
	};

	for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
		uint8_t jump[UVH_JUMP_BYTES] = {0};
		int32_t distance;

		CHECK_EQUAL(uvh_move_jump(jump, jumps[i].from, jumps[i].to), jumps[i].reaches);
		if (!jumps[i].reaches)
			continue;
		memcpy(&distance, jump + 1, sizeof distance);
		CHECK_EQUAL(jump[0], 0xe9);
		CHECK_EQUAL(jumps[i].from + UVH_JUMP_BYTES + (uintptr_t) distance, jumps[i].to);
	}
}

static void check_padding(void)
{
	static const struct {
		uint8_t bytes[16];
		uintptr_t address; /* its last digit says how many bytes are left to the next 16 */
		size_t count;      /* of the bytes that may be looked at */
		size_t padding;
	} paddings[] = {
	    {{0x0f, 0x1f, 0x40, 0x00, 0x55}, 0x100c, 16, 4},
	    {{0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0x55}, 0x100a, 16, 6},
	    {{0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x90}, 0x1005, 16, 11},
	    {{0x66, 0x90, 0x55}, 0x100e, 16, 2},
	    {{0x90, 0x55}, 0x100f, 16, 1},
	    {{0xcc, 0xcc, 0xcc, 0xcc, 0x55}, 0x100c, 16, 4},
	    {{0xcc, 0xcc, 0xcc, 0xcc, 0x55}, 0x100c, 4, 4},
	    {{0xcc, 0xcc, 0xcc, 0xcc, 0x55}, 0x100c, 3, 0},
	    {{0xcc, 0xcc, 0xcc, 0xcc, 0x55}, 0x1004, 16, 0},
	    {{0xcc, 0xcc, 0xcc, 0xcc, 0x55}, 0x1000, 16, 0},
	    {{0x90, 0x90, 0x90, 0x90, 0x55}, 0x100c, 16, 0}, /* room for a patch */
	    {{0xcd, 0x03, 0xcc, 0xcc, 0x55}, 0x100c, 16, 0},
	    {{0x0f, 0x1f, 0x44, 0x00, 0x00}, 0x100c, 16, 0}, /* longer than the room */
	    {{0x89, 0xf8, 0xc3, 0x90, 0x55}, 0x100c, 16, 0}, /* another function */
	    {{0x06, 0x90, 0x55}, 0x100e, 16, 0},
	};

	for (size_t i = 0; i < sizeof paddings / sizeof *paddings; i++)
		CHECK_EQUAL(
		    uvh_move_padding(paddings[i].bytes, paddings[i].count, paddings[i].address),
		    paddings[i].padding);
}

/* What cannot be the function of this text is not looked at. */
static void check_text_bounds(void)
{
	static const uint8_t code[] = {0x0f, 0x88, 0, 0, 0, 0, 0xc3};
	const struct uvh_moved moved = {.bytes = 6};

	CHECK(!uvh_move_is_entered(code, sizeof code, 0x1000, 0x0fff, 1, &moved));
	CHECK(!uvh_move_is_entered(code, sizeof code, 0x1000, 0x1008, 1, &moved));
	CHECK(!uvh_move_is_entered(code, sizeof code, 0x1000, 0x1001, sizeof code, &moved));
	CHECK(!uvh_move_is_entered(code, sizeof code, 0x1000, 0x1000, sizeof code, &moved));
}

static void check_texts(void)
{
	CHECK(uvh_move_refusal_text(UVH_MOVE_DONE)[0] == '\0');
	CHECK(uvh_move_refusal_text((enum uvh_move_refusal) 99)[0] == '\0');
#define XX(name, text) CHECK(strcmp(uvh_move_refusal_text(UVH_MOVE_##name), text) == 0);
	UVH_MOVE_REFUSAL_MAP(XX)
#undef XX
}

int main(void)
{
	/* As a program at a fixed address, one whose addresses look negative, and a library. */
	static const uintptr_t addresses[] = {0x10000000, NEGATIVE, 0x6f0080000000};
	struct place other = place_at(0x5f0080000000);
	size_t moves = 0, refusals = 0;

	/* What was found is told, even if what comes next crashes. */
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		struct place place = place_at(addresses[i]);

		for (const struct test_case *test = __start_move_cases; test < __stop_move_cases;
		     test++) {
			check_near(test, &place);
			if (strcmp(test->refusal, "DONE") == 0 && !test->entered) {
				moves++;
				check_far(test, &place, &other);
				check_edge(test);
			} else {
				refusals++;
			}
		}
	}
	CHECK(moves >= 3 * 70 && refusals >= 3 * 40);
	check_jump();
	check_padding();
	check_text_bounds();
	check_texts();
	CHECK_DONE();
}
