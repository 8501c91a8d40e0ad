/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "patch_island.h"
#include "tls.h"

/* The distance from behind an instruction, `end` bytes into the start, back to a field of patched.
 */
#define BACK(field, end)                                                                           \
	(int32_t)(offsetof(struct uvh_patched, field)) -                                           \
	    (int32_t) (offsetof(struct uvh_island, start) + (end))

#if defined(__x86_64__)

/*
 * What uvh_entry finds for nearly all calls is found before it is gone to, which spares a jump; and
 * with no register changed. Further libuvs, and uv_async_send, begin at the second part.
 */
enum {
	SLOW = 17,
	RESUME = 32,
};

/* How far uvh_tls is from the thread pointer: the same in every thread. */
static uintptr_t tls_offset(void)
{
	uintptr_t offset;

	__asm__("movq uvh_tls@gottpoff(%%rip), %0" : "=r"(offset));
	return offset;
}

void uvh_island_write(struct uvh_island *write, struct uvh_island *run, uintptr_t function)
{
	static const uint8_t code[] = {
	    0x64, 0x80, 0x3c, 0x25, 0, 0, 0, 0, 0, /*  0: cmpb $0, %fs:in_libuv */
	    0x75, 0x06,                            /*  9: jne 17 */
	    0xff, 0x25, 0,    0,    0, 0,          /* 11: jmp *wrapper(%rip) */
	    0x41, 0x53,                            /* 17: push %r11 */
	    0x4c, 0x8d, 0x1d, 0,    0, 0, 0,       /* 19: lea patched(%rip), %r11 */
	    0xff, 0x25, 0,    0,    0, 0,          /* 26: jmp *entry(%rip) */
	    0x41, 0x5b,                            /* 32: pop %r11 */
	    0xff, 0x25, 0,    0,    0, 0,          /* 34: jmp *original(%rip) */
	};
	int32_t in_libuv = (int32_t) (tls_offset() + offsetof(struct uvh_tls, in_libuv));
	int32_t to_wrapper = BACK(wrapper, 17), to_patched = BACK(wrapper, 26);
	int32_t to_entry = BACK(entry, 32), to_original = BACK(original, 40);

	_Static_assert(sizeof(code) <= sizeof(write->start), "the start has room for it");
	(void) function;
	memcpy(write->start, code, sizeof(code));
	memcpy(write->start + 4, &in_libuv, sizeof(in_libuv));
	memcpy(write->start + 13, &to_wrapper, sizeof(to_wrapper));
	memcpy(write->start + 22, &to_patched, sizeof(to_patched));
	memcpy(write->start + 28, &to_entry, sizeof(to_entry));
	memcpy(write->start + 36, &to_original, sizeof(to_original));
	write->patched.resume = run->start + RESUME;
	if (write->patched.entry != uvh_entry || write->patched.libuv != 0) {
		write->start[0] = 0xeb; /* jmp to the second part */
		write->start[1] = SLOW - 2;
	}
}

#define ARCH_SHSTK_STATUS 0x5005
#define ARCH_SHSTK_ON     1

bool uvh_calls_may_move(void)
{
	unsigned long features = 0;

	return syscall(SYS_arch_prctl, ARCH_SHSTK_STATUS, &features) != 0 ||
	       !(features & ARCH_SHSTK_ON);
}

#elif defined(__aarch64__)

#define PACIASP 0xd503233f
#define PACIBSP 0xd503237f
#define AUTIASP 0xd50323bf
#define AUTIBSP 0xd50323ff
#define NOP     0xd503201f

/*
 * Where the function begins with paciasp, that stands before the jump and the return address is
 * signed already: the wrapper needs it plain, and the moved code signs it again.
 */
static uint32_t plain_return_address(uintptr_t function)
{
	switch (*(const uint32_t *) function) {
	case PACIASP:
		return AUTIASP;
	case PACIBSP:
		return AUTIBSP;
	default:
		return NOP;
	}
}

void uvh_island_write(struct uvh_island *write, struct uvh_island *run, uintptr_t function)
{
	uint32_t to_patched = (uint32_t) BACK(wrapper, 4); /* adr counts from itself */
	uint32_t code[] = {
	    plain_return_address(function),
	    0x10000011 | (to_patched & 3) << 29 | (to_patched >> 2 & 0x7ffff) << 5,  /* adr x17 */
	    0xf9400230 | (uint32_t) (offsetof(struct uvh_patched, entry) / 8) << 10, /* ldr x16 */
	    0xd61f0200,                                                              /* br x16 */
	};

	_Static_assert(sizeof(code) <= sizeof(write->start), "the start has room for it");
	(void) run;
	memcpy(write->start, code, sizeof(code));
	write->patched.resume = write->patched.original;
}

#define PR_GET_SHADOW_STACK_STATUS_NUMBER 74
#define SHADOW_STACK_ON                   1

bool uvh_calls_may_move(void)
{
	unsigned long features = 0;

	return prctl(PR_GET_SHADOW_STACK_STATUS_NUMBER, &features, 0, 0, 0) != 0 ||
	       !(features & SHADOW_STACK_ON);
}

#endif
