/* SPDX-License-Identifier: MIT */
/*
 * The shim never calls malloc: the program's allocator may be replaced, may be what interrupted us,
 * and may be where a signal handler was when it called uv_async_send.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ground.h"

static uint64_t mapped_bytes;

uint64_t uvh_mapped_bytes(void)
{
	return __atomic_load_n(&mapped_bytes, __ATOMIC_RELAXED);
}

void *uvh_map(size_t bytes)
{
	int saved_errno = errno;
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	errno = saved_errno;
	if (pages == MAP_FAILED)
		return NULL;
	__atomic_add_fetch(&mapped_bytes, bytes, __ATOMIC_RELAXED);
	return pages;
}

void *uvh_map_aligned(size_t bytes)
{
	int saved_errno = errno;
	char *pages = uvh_map(2 * bytes);
	size_t before;

	if (pages == NULL)
		return NULL;
	before = -(uintptr_t) pages & (bytes - 1);
	if (before != 0)
		munmap(pages, before);
	munmap(pages + before + bytes, bytes - before);
	__atomic_sub_fetch(&mapped_bytes, bytes, __ATOMIC_RELAXED);
	errno = saved_errno;
	return pages + before;
}

#define KEEP_BYTES ((size_t) 64 * 1024)

void *uvh_keep(size_t bytes)
{
	/* What the shim needs to begin does not depend on what the kernel gives. */
	static char first[KEEP_BYTES] __attribute__((aligned(16)));
	static char *page = first;
	static size_t left = KEEP_BYTES;
	void *piece = NULL;

	bytes = (bytes + 15) & ~(size_t) 15;
	if (bytes > KEEP_BYTES)
		return uvh_map(bytes);
	uvh_lock();
	if (bytes > left) {
		page = uvh_map(KEEP_BYTES);
		left = page == NULL ? 0 : KEEP_BYTES;
	}
	if (bytes <= left) {
		piece = page;
		page += bytes;
		left -= bytes;
	}
	uvh_unlock();
	return piece;
}

char *uvh_keep_text(const char *text, size_t length)
{
	char *copy = uvh_keep(length + 1);

	if (copy != NULL) {
		memcpy(copy, text, length);
		copy[length] = '\0';
	}
	return copy;
}

bool uvh_copy_if_there(void *copy, const void *from, size_t bytes)
{
	const struct iovec here = {copy, bytes};
	const struct iovec there = {(void *) (uintptr_t) from, bytes};
	const int saved_errno = errno;
	const bool copied = process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t) bytes;

	errno = saved_errno;
	return copied;
}
