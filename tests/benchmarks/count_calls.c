/* SPDX-License-Identifier: MIT */
/*
 * To be preloaded, before the shim: counts the calls of malloc and its kin, of mmap and mremap,
 * whoever makes them. A count of system calls would miss an allocation that reuses freed memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static uint64_t calls;

uint64_t count_calls(void);

uint64_t count_calls(void)
{
	return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

static void count(void)
{
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t bytes)
{
	count();
	return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes)
{
	count();
	return __libc_calloc(number, bytes);
}

void *realloc(void *old, size_t bytes)
{
	count();
	return __libc_realloc(old, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
	count();
	return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	count();
	return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **result, size_t alignment, size_t bytes)
{
	void *memory;

	count();
	memory = __libc_memalign(alignment, bytes);
	if (memory == NULL)
		return ENOMEM;
	*result = memory;
	return 0;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	count();
	return (void *) syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
	return mmap(address, bytes, protection, flags, fd, offset);
}

void *mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
	va_list list;
	void *address;

	va_start(list, flags);
	address = flags & MREMAP_FIXED ? va_arg(list, void *) : NULL;
	va_end(list);
	count();
	return (void *) syscall(SYS_mremap, old, old_bytes, bytes, flags, address);
}
