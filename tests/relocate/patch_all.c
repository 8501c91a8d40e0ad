/* SPDX-License-Identifier: MIT */
/*
 * To be preloaded: moves the entries of all functions of the program's libuv, and puts a jump into
 * each: to a few instructions that count the call, and on to the moved code. Nothing else is done;
 * so the program must do what it does without.
 */
#include <dlfcn.h>
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "patch_all.h"
#include "patch_move.h"

struct slot {
	uint8_t count_and_jump[32];
	uint8_t moved[UVH_MOVED_MAX];
	uint8_t end[32];
};

/* In reach of libuv: the counters, then a slot for each function. */
struct arena {
	union {
		struct patch_counts counts;
		uint8_t pages[8192];
	};
	struct slot slots[PATCH_NAMES];
};

static struct arena *map_arena(uintptr_t near)
{
	const char *path = getenv("PATCH_COUNTS");
	int fd;

	for (uintptr_t distance = 1 << 24; distance < 0x70000000; distance += 1 << 24)
		for (int side = 0; side < 2; side++) {
			uintptr_t at = (side ? near + distance : near - distance) & ~0xffffUL;
			struct arena *arena =
			    mmap((void *) at, sizeof *arena, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

			if (arena != (void *) at)
				continue;
			if (path == NULL)
				return arena;
			/* A child that is another user may not have the file, and counts alone. */
			fd = open(path, O_RDWR | O_CLOEXEC);
			if (fd < 0)
				return arena;
			if (mmap(arena, sizeof arena->pages, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
				err(125, "%s", path);
			close(fd);
			return arena;
		}
	errx(125, "no memory near libuv");
}

static void protect(uintptr_t address, size_t bytes, int protection)
{
	uintptr_t page = address & ~0xfffUL;

	if (mprotect((void *) page, address + bytes - page, protection) != 0)
		err(125, "mprotect");
}

/* lock inc qword [rip+x]: nothing is lost by it, as a function finds no flags. */
static void write_counting(struct slot *slot, uint64_t *counter)
{
	uint8_t *at = slot->count_and_jump;
	int32_t distance = (int32_t) ((uint8_t *) counter - (at + 8));

	memcpy(at, "\xf0\x48\xff\x05", 4);
	memcpy(at + 4, &distance, sizeof distance);
	uvh_move_jump(at + 8, (uintptr_t) at + 8, (uintptr_t) slot->moved);
}

static void patch(struct arena *arena, size_t i, uintptr_t address, size_t bytes)
{
	struct slot *slot = &arena->slots[i];
	struct uvh_moved moved;
	uint8_t *jump;

	/* A page does not end before. */
	bytes += uvh_move_padding((const uint8_t *) address + bytes, 16, address + bytes);
	if (uvh_move_entry((const uint8_t *) address, bytes, address, true, slot->moved,
			   (uintptr_t) slot->moved, &moved) != UVH_MOVE_DONE)
		return;
	write_counting(slot, &arena->counts.calls[i]);
	jump = (uint8_t *) address + moved.at;
	protect((uintptr_t) jump, moved.bytes, PROT_READ | PROT_WRITE);
	/* Breakpoints in what nobody may execute any more. */
	memset(jump, 0xcc, moved.bytes);
	if (!uvh_move_jump(jump, (uintptr_t) jump, (uintptr_t) slot->count_and_jump))
		errx(125, "%s: the jump does not reach", patch_names[i]);
	protect((uintptr_t) jump, moved.bytes, PROT_READ | PROT_EXEC);
	__atomic_fetch_add(&arena->counts.patched[i], 1, __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void patch_all(void)
{
	uintptr_t addresses[PATCH_NAMES] = {0};
	size_t bytes[PATCH_NAMES];
	struct arena *arena;
	void *run = dlsym(RTLD_DEFAULT, "uv_run");

	_Static_assert(sizeof(struct patch_counts) <= sizeof arena->pages, "counters have room");
	if (run == NULL)
		return;
	arena = map_arena((uintptr_t) run);
	for (size_t i = 0; i < PATCH_NAMES; i++) {
		void *function = dlsym(RTLD_DEFAULT, patch_names[i]);
		const ElfW(Sym) * symbol;
		Dl_info where;

		if (function == NULL ||
		    dladdr1(function, &where, (void **) &symbol, RTLD_DL_SYMENT) == 0 ||
		    symbol == NULL || where.dli_saddr != function)
			continue;
		/* Two names of one function. */
		for (size_t j = 0; j < i; j++)
			if (addresses[j] == (uintptr_t) function)
				function = NULL;
		addresses[i] = (uintptr_t) function;
		bytes[i] = symbol->st_size;
	}
	for (size_t i = 0; i < PATCH_NAMES; i++)
		if (addresses[i] != 0)
			patch(arena, i, addresses[i], bytes[i]);
	if (mprotect(arena->slots, sizeof arena->slots, PROT_READ | PROT_EXEC) != 0)
		err(125, "mprotect");
}
