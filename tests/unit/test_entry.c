/* SPDX-License-Identifier: MIT */
/*
 * The way of a call through an island: to the wrapper where the program calls, to the original
 * where libuv does, and there with every register as it was, for a caller that counts on it.
 */
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "patch_island.h"
#include "tls.h"

__thread struct uvh_tls uvh_tls;

enum { NOBODY, WRAPPER, ORIGINAL, SENDER };

static int arrived;
static const struct uvh_patched *sent;

int uvh_async_send_patched(uv_async_t *handle, const struct uvh_patched *patched)
{
	CHECK(handle == (void *) 7);
	arrived = SENDER;
	sent = patched;
	return 5;
}

/* The registers that a called function may change, as they are on arrival. */
struct registers {
	uint64_t value[9]; /* rax rcx rdx rsi rdi r8 r9 r10 r11 */
};

static struct registers seen;

__asm__(".text\n"
	"original:\n"
	"	movq %rax, seen(%rip)\n"
	"	movq %rcx, 8+seen(%rip)\n"
	"	movq %rdx, 16+seen(%rip)\n"
	"	movq %rsi, 24+seen(%rip)\n"
	"	movq %rdi, 32+seen(%rip)\n"
	"	movq %r8, 40+seen(%rip)\n"
	"	movq %r9, 48+seen(%rip)\n"
	"	movq %r10, 56+seen(%rip)\n"
	"	movq %r11, 64+seen(%rip)\n"
	"	movl $2, arrived(%rip)\n"
	"	ret\n");
extern const char original[];

static int wrapper(void *handle)
{
	CHECK(handle == (void *) 7);
	arrived = WRAPPER;
	return 5;
}

/*
 * Calls with a different value in each register. It runs as a copy elsewhere: here everything is
 * the shim's own code.
 */
__asm__(".text\n"
	"call_with_all:\n"
	"	push %rbx\n"
	"	mov %rdi, %rbx\n"
	"	mov $1, %rax\n"
	"	mov $2, %rcx\n"
	"	mov $3, %rdx\n"
	"	mov $4, %rsi\n"
	"	mov $7, %rdi\n"
	"	mov $6, %r8\n"
	"	mov $8, %r9\n"
	"	mov $9, %r10\n"
	"	mov $10, %r11\n"
	"	call *%rbx\n"
	"call_with_all_returns:\n"
	"	pop %rbx\n"
	"	ret\n"
	"call_with_all_end:\n");
extern const char call_with_all[], call_with_all_returns[], call_with_all_end[];

static struct uvh_island *island;
static char *caller;

static void make_island(const void *entry, uint8_t libuv, bool from_libuv)
{
	CHECK(mprotect(island, sizeof(*island), PROT_READ | PROT_WRITE) == 0);
	memset(island, 0, sizeof(*island));
	island->patched = (struct uvh_patched){
	    .wrapper = (void *) wrapper,
	    .original = (void *) original,
	    .text_low = (uintptr_t) caller + (call_with_all_returns - call_with_all) -
			(from_libuv ? 8 : 64),
	    .text_bytes = 16,
	    .libuv = libuv,
	    .entry = entry,
	};
	uvh_island_write(island, island, 0);
	CHECK(mprotect(island, sizeof(*island), PROT_READ | PROT_EXEC) == 0);
}

static int call(bool in_libuv)
{
	arrived = NOBODY;
	memset(&seen, 0, sizeof(seen));
	uvh_tls = (struct uvh_tls){.in_libuv = in_libuv};
	return ((int (*)(const void *)) caller)(island->start);
}

static void check_untouched(void)
{
	static const struct registers expected = {{1, 2, 3, 4, 7, 6, 8, 9, 10}};

	CHECK(arrived == ORIGINAL);
	CHECK(memcmp(&seen, &expected, sizeof(seen)) == 0);
	CHECK(uvh_tls.libuv == 0);
}

int main(void)
{
	island =
	    mmap(NULL, sizeof(*island), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	caller = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (island == MAP_FAILED || caller == MAP_FAILED)
		return 1;
	memcpy(caller, call_with_all, (size_t) (call_with_all_end - call_with_all));
	CHECK(mprotect(caller, 4096, PROT_READ | PROT_EXEC) == 0);
	for (uint8_t libuv = 0; libuv < 3; libuv++) {
		make_island(uvh_entry, libuv, true);
		CHECK_EQUAL(call(false), 5);
		CHECK(arrived == WRAPPER && uvh_tls.libuv == libuv);
		call(true);
		check_untouched();
		/* The program's own code inside of libuv. */
		make_island(uvh_entry, libuv, false);
		CHECK_EQUAL(call(true), 5);
		CHECK(arrived == WRAPPER && uvh_tls.libuv == libuv);

		make_island(uvh_entry_send, libuv, true);
		CHECK_EQUAL(call(false), 5);
		CHECK(arrived == SENDER && uvh_tls.libuv == 0);
		CHECK(sent == &island->patched && sent->libuv == libuv);
		call(true);
		check_untouched();
	}
	CHECK_DONE();
}
