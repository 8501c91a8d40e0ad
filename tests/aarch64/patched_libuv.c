/* SPDX-License-Identifier: MIT */
/*
 * Linked into a static program with a libuv of its own: patches every function of it, before main,
 * as it would be done for a traced program. A patched function goes to an island, which counts the
 * call and calls the moved entry. Built and run by scripts/check-aarch64.
 *
 *	PATCH=COUNTS        patch; COUNTS is a file, to which the calls are added by all processes
 *	PATCH_LIST=1        print which functions were left alone and how many not, and end
 *	TEST_PROGRAM=PATH   what runs this program again, as the processor of the machine cannot
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "patch_move.h"

/* functions.def is made of the library's symbols: FUNCTION(name, bytes), in no order. */
#define FUNCTION(name, bytes) extern char name[];
#include "functions.def"
#undef FUNCTION

struct function {
	const char *name;
	char *code;
	size_t bytes;
	enum uvh_move_refusal refusal;
	struct uvh_moved moved;
};

static struct function functions[] = {
#define FUNCTION(name, bytes) {#name, name, bytes, UVH_MOVE_DONE, {0, 0, 0}},
#include "functions.def"
#undef FUNCTION
};

#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

#define PACIASP   0xd503233f
#define PACIBSP   0xd503237f
#define AUTIASP   0xd50323bf
#define AUTIBSP   0xd50323ff
#define NOP       0xd503201f
#define PROT_BTI_ 0x10

struct place {
	uint8_t moved[UVH_MOVED_MAX];
	uint32_t island[16];
};

static struct place *places;
static uint32_t *counts;

static void fail(const char *what)
{
	perror(what);
	exit(3);
}

/* Near the program, which is of a few megabytes: 64 MiB behind it. */
static void *map_places(uintptr_t after)
{
	const uintptr_t wanted = (after + 0x4000000) & ~(uintptr_t) 0xffff;
	void *mapped = mmap((void *) wanted, FUNCTIONS * sizeof(struct place),
			    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mapped == MAP_FAILED || mapped != (void *) wanted)
		fail("no place for moved code");
	return mapped;
}

static void map_counts(const char *path)
{
	int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0 || ftruncate(file, FUNCTIONS * sizeof(counts[0])) != 0)
		fail(path);
	counts =
	    mmap(NULL, FUNCTIONS * sizeof(counts[0]), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (counts == MAP_FAILED)
		fail(path);
	close(file);
}

static void make_island(struct place *place, uint32_t first, const uint32_t *count)
{
	const uintptr_t at = (uintptr_t) count;
	const uint32_t code[] = {
	    /* What paciasp has done, as the jump stands behind it. */
	    first == PACIASP   ? AUTIASP
	    : first == PACIBSP ? AUTIBSP
			       : NOP,
	    0xd2800011 | (uint32_t) (at & 0xffff) << 5,       /* movz x17 */
	    0xf2a00011 | (uint32_t) (at >> 16 & 0xffff) << 5, /* movk */
	    0xf2c00011 | (uint32_t) (at >> 32 & 0xffff) << 5, /* movk */
	    0xb9400230,                                       /* ldr w16, [x17] */
	    0x11000610,                                       /* add w16, w16, 1 */
	    0xb9000230,                                       /* str w16, [x17] */
	    0xa9bf7bfd,                                       /* stp x29, x30, [sp, -16]! */
	    0x910003fd,                                       /* mov x29, sp */
	    0x94000000,                                       /* bl, see below */
	    0xa8c17bfd,                                       /* ldp x29, x30, [sp], 16 */
	    0xd65f03c0,                                       /* ret */
	};

	memcpy(place->island, code, sizeof(code));
	if (!uvh_move_jump((uint8_t *) &place->island[9], (uintptr_t) &place->island[9],
			   (uintptr_t) place->moved))
		fail("an island far from its code");
	place->island[9] |= 0x80000000;
}

static void patch(void)
{
	for (size_t i = 0; i < FUNCTIONS; i++) {
		struct function *function = &functions[i];
		struct place *place = &places[i];
		const uintptr_t address = (uintptr_t) function->code;
		uint32_t first;

		function->refusal =
		    uvh_move_entry((uint8_t *) function->code, function->bytes, address, true,
				   place->moved, (uintptr_t) place->moved, &function->moved);
		if (function->refusal != UVH_MOVE_DONE)
			continue;
		memcpy(&first, function->code, sizeof(first));
		make_island(place, first, &counts[i]);
		if (!uvh_move_jump((uint8_t *) function->code + function->moved.at,
				   address + function->moved.at, (uintptr_t) place->island))
			fail("an island out of reach");
	}
}

static void list(bool guarded)
{
	size_t moved = 0, behind = 0;

	for (size_t i = 0; i < FUNCTIONS; i++) {
		const struct function *function = &functions[i];

		moved += function->refusal == UVH_MOVE_DONE;
		behind += function->refusal == UVH_MOVE_DONE && function->moved.at > 0;
		if (function->refusal != UVH_MOVE_DONE)
			printf("left %s: %s\n", function->name,
			       uvh_move_refusal_text(function->refusal));
	}
	printf("%zu functions, %zu moved, %zu of them behind a landing pad; %s\n", FUNCTIONS, moved,
	       behind, guarded ? "guarded pages" : "no guarded pages");
	fflush(stdout);
	_exit(0);
}

__attribute__((constructor)) static void patch_all(void)
{
	const char *path = getenv("PATCH");
	const long page = sysconf(_SC_PAGESIZE);
	uintptr_t begin = UINTPTR_MAX, end = 0, first_page, last_page;
	bool guarded = false;

	if (!path)
		return;
	for (size_t i = 0; i < FUNCTIONS; i++) {
		const uintptr_t code = (uintptr_t) functions[i].code;

		if (code < begin)
			begin = code;
		if (code + functions[i].bytes > end)
			end = code + functions[i].bytes;
	}
	map_counts(path);
	places = map_places(end);
	first_page = begin / page * page;
	last_page = (end + page - 1) / page * page;
	if (mprotect((void *) first_page, last_page - first_page,
		     PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		fail("mprotect");
	patch();
	__builtin___clear_cache((char *) begin, (char *) end);
	__builtin___clear_cache((char *) places, (char *) (places + FUNCTIONS));
	if (mprotect((void *) first_page, last_page - first_page, PROT_READ | PROT_EXEC) != 0 ||
	    mprotect(places, FUNCTIONS * sizeof(struct place), PROT_READ | PROT_EXEC) != 0)
		fail("mprotect");
#ifdef GUARDED
	/*
	 * The pages that are libuv's alone: nothing else in the program was built for this, and
	 * some tests include a file of libuv's. On the linker's line the library is behind this.
	 */
	first_page = ((uintptr_t) uvh_move_jump + 2 * page - 1) / page * page;
	last_page -= page;
	guarded = getauxval(AT_HWCAP2) >> 17 & 1; /* HWCAP2_BTI */
	if (guarded && mprotect((void *) first_page, last_page - first_page,
				PROT_READ | PROT_EXEC | PROT_BTI_) != 0)
		fail("mprotect");
#endif
	if (getenv("PATCH_LIST"))
		list(guarded);
}

/* The tests ask this for uv_exepath, as some start their own program again. */
int program_path(char *buffer, size_t *size);

int program_path(char *buffer, size_t *size)
{
	int (*exepath)(char *, size_t *) = (int (*)(char *, size_t *))(uintptr_t) uv_exepath;
	const size_t room = size ? *size : 0;
	const char *path = getenv("TEST_PROGRAM");
	int result = exepath(buffer, size);

	if (result == 0 && path && strlen(path) < room) {
		strcpy(buffer, path);
		*size = strlen(path);
	}
	return result;
}
