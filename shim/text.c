/* SPDX-License-Identifier: MIT */
/*
 * The kernel may refuse each of these ways: MemoryDenyWriteExecute, SELinux, /proc that is not
 * mounted or not ours to write, memfds that may not be run. So there is more than one, and what
 * cannot be done leaves everything as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memcheck.h"
#include "text.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif

/*
 * Not by the C library's functions: sanitizers and other preloaded libraries stand before those,
 * and keep books in which the loader's own pages, or code, have no place.
 */
static void *map(void *at, size_t bytes, int protection, int flags, int fd)
{
	return (void *) syscall(SYS_mmap, at, bytes, protection, flags, fd, 0);
}

static void unmap(void *at, size_t bytes)
{
	syscall(SYS_munmap, at, bytes);
}

static size_t page_bytes(void)
{
	return (size_t) sysconf(_SC_PAGESIZE);
}

static int open_memory(size_t bytes)
{
	int fd = memfd_create("uvhooks", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("uvhooks", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t) bytes) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The farthest that anything between the two stretches is from anything else. */
static bool within(uintptr_t at, size_t bytes, uintptr_t low, uintptr_t high, int64_t reach)
{
	uintptr_t first = at < low ? at : low;
	uintptr_t end = at + bytes > high ? at + bytes : high;

	return end - first < (uintptr_t) reach;
}

static void *map_at(uintptr_t at, size_t bytes, int protection, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *found = map((void *) at, bytes, protection, flags | MAP_FIXED_NOREPLACE, fd);

	if (found == MAP_FAILED)
		return NULL;
	/* A kernel before 4.17 takes the address for a hint. */
	if (found != (void *) at) {
		unmap(found, bytes);
		return NULL;
	}
	return found;
}

/*
 * Free memory near the object: first well below it, where nothing grows; then far above it, beyond
 * where the heap of a program at a low address grows to; at last close above it.
 */
static void *map_near(uintptr_t low, uintptr_t high, int64_t reach, size_t bytes, int protection,
		      int fd)
{
	const uintptr_t page = page_bytes();
	const uintptr_t span = (uintptr_t) reach;
	const uintptr_t step = span / 128;
	const uintptr_t lowest = UINT64_C(1) << 20; /* where NULL points stays empty */

	low &= ~(page - 1);
	high = (high + page - 1) & ~(page - 1);
	for (int direction = 0; direction < 3; direction++) {
		uintptr_t from = direction == 1 ? span / 2 : step;

		for (uintptr_t distance = from; distance < span; distance += step) {
			uintptr_t at = direction == 0 ? low - distance : high + distance;
			void *found;

			at &= ~(page - 1);
			if (direction == 0 && (distance > low || at < lowest))
				break;
			if (!within(at, bytes, low, high, reach))
				break;
			found = map_at(at, bytes, protection, fd);
			if (found != NULL)
				return found;
		}
	}
	return NULL;
}

bool uvh_code_map(struct uvh_code *code, uintptr_t low, uintptr_t high, int64_t reach, size_t bytes)
{
	int saved_errno = errno;
	int fd;

	bytes = (bytes + page_bytes() - 1) & ~(page_bytes() - 1);
	*code = (struct uvh_code){.bytes = bytes};
	/* First as one memory in two places: nothing has to become executable later. */
	fd = open_memory(bytes);
	if (fd >= 0) {
		code->run = map_near(low, high, reach, bytes, PROT_READ | PROT_EXEC, fd);
		code->write = map(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
		if (code->write == MAP_FAILED)
			code->write = NULL;
		close(fd);
		code->doubled = true;
		if (code->run == NULL || code->write == NULL)
			uvh_code_drop(code);
	}
	if (code->run == NULL) {
		code->doubled = false;
		code->run = map_near(low, high, reach, bytes, PROT_READ | PROT_WRITE, -1);
		code->write = code->run;
	}
	errno = saved_errno;
	return code->run != NULL;
}

void uvh_code_drop(struct uvh_code *code)
{
	if (code->run != NULL)
		unmap(code->run, code->bytes);
	if (code->doubled && code->write != NULL)
		unmap(code->write, code->bytes);
	code->run = NULL;
	code->write = NULL;
}

bool uvh_code_seal(struct uvh_code *code)
{
	int saved_errno = errno;

	if (code->doubled)
		unmap(code->write, code->bytes);
	else if (syscall(SYS_mprotect, code->run, code->bytes, PROT_READ | PROT_EXEC) != 0)
		uvh_code_drop(code);
	code->write = NULL;
	if (code->run != NULL)
		__builtin___clear_cache((char *) code->run, (char *) code->run + code->bytes);
	errno = saved_errno;
	return code->run != NULL;
}

int uvh_text_open(void)
{
	int saved_errno = errno;
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	errno = saved_errno;
	return fd;
}

void uvh_text_close(int memory)
{
	int saved_errno = errno;

	if (memory >= 0)
		close(memory);
	errno = saved_errno;
}

/* As a debugger does: the kernel makes the page ours alone, and its protection stays. */
static bool write_by_proc(int memory, void *at, const void *bytes, size_t count)
{
	return memory >= 0 &&
	       pwrite(memory, bytes, count, (off_t) (uintptr_t) at) == (ssize_t) count;
}

/* The pages that hold some bytes. */
static uintptr_t first_page(const void *at)
{
	return (uintptr_t) at & ~(page_bytes() - 1);
}

static size_t pages_of(const void *at, size_t count)
{
	return (((uintptr_t) at + count + page_bytes() - 1) & ~(page_bytes() - 1)) - first_page(at);
}

static bool replace_by_memfd(void *at, const void *bytes, size_t count)
{
	uintptr_t low = first_page(at);
	size_t length = pages_of(at, count);
	int fd = open_memory(length);
	bool done = false;

	if (fd < 0)
		return false;
	if (pwrite(fd, (void *) low, length, 0) == (ssize_t) length &&
	    pwrite(fd, bytes, count, (off_t) ((uintptr_t) at - low)) == (ssize_t) count)
		done = map((void *) low, length, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
			   fd) != MAP_FAILED;
	close(fd);
	return done;
}

static bool replace_by_moving(void *at, const void *bytes, size_t count)
{
	uintptr_t low = first_page(at);
	size_t length = pages_of(at, count);
	char *copy = map(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (copy == MAP_FAILED)
		return false;
	memcpy(copy, (void *) low, length);
	memcpy(copy + ((uintptr_t) at - low), bytes, count);
	if (syscall(SYS_mprotect, copy, length, PROT_READ | PROT_EXEC) == 0 &&
	    syscall(SYS_mremap, copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, low) != -1)
		return true;
	unmap(copy, length);
	return false;
}

/*
 * Puts a changed copy of the pages in their place, in one step. With mprotect they would be no code
 * for a while, and where writable memory may not become code they would stay so.
 */
static bool write_by_replacing(void *at, const void *bytes, size_t count)
{
	return replace_by_memfd(at, bytes, count) || replace_by_moving(at, bytes, count);
}

/* Tells the processor and valgrind, and sees whether it is so. */
static bool is_written(void *at, const void *bytes, size_t count)
{
	__builtin___clear_cache((char *) at, (char *) at + count);
	UVH_DISCARD_TRANSLATIONS(at, count);
	return memcmp(at, bytes, count) == 0;
}

bool uvh_text_replace(void *at, const void *bytes, size_t count)
{
	int saved_errno = errno;
	bool done = write_by_replacing(at, bytes, count);

	errno = saved_errno;
	return done && is_written(at, bytes, count);
}

bool uvh_text_write(int memory, void *at, const void *bytes, size_t count)
{
	int saved_errno = errno;
	bool done = write_by_proc(memory, at, bytes, count) || write_by_replacing(at, bytes, count);

	errno = saved_errno;
	return done && is_written(at, bytes, count);
}

bool uvh_is_single_threaded(void)
{
	struct stat task;

	/* a folder of "." and "..", and one for each thread */
	return stat("/proc/self/task", &task) != 0 || task.st_nlink <= 3;
}
