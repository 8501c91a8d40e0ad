/* SPDX-License-Identifier: MIT */
/*
 * Preloaded behind the shim: the Nth call by which the shim or a plugin asks for something fails,
 * with the error that it has when there is no more. Calls of the program's are passed on.
 *
 *	REFUSE_NTH=N       which; 0: none
 *	REFUSE_COUNT=PATH  where the number of those calls is kept, of all processes, in 8 bytes
 *
 *	REFUSE_TELL=1      says on stderr where in which object that call is
 *
 * Whose call it is, the return address tells. What libc or libuv ask for is the program's.
 */
/* A name for each of a pair: 64 bits or not, it is the same here. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static _Atomic uint64_t *count;
static unsigned long nth;

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* Before the constructor of the shim asks for the first thing: this library has none to wait for.
 */
static void start(void)
{
	static _Atomic uint64_t nowhere;
	const char *path = getenv("REFUSE_COUNT"), *number = getenv("REFUSE_NTH");
	int fd = path == NULL ? -1 : (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	void *page;

	count = &nowhere;
	nth = number == NULL ? 0 : strtoul(number, NULL, 10);
	if (fd < 0)
		return;
	page = (void *) syscall(SYS_mmap, NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED,
				fd, 0);
	if (page != MAP_FAILED)
		count = page;
	close(fd);
}

static bool is_ours(const void *caller)
{
	Dl_info object;

	return dladdr(caller, &object) != 0 && object.dli_fname != NULL &&
	       (strstr(object.dli_fname, "/libuvhooks") != NULL ||
		strstr(object.dli_fname, "/plugins/") != NULL ||
		strstr(object.dli_fname, "/libunwind") != NULL);
}

static void tell(const void *caller)
{
	Dl_info object;

	if (dladdr(caller, &object) != 0)
		dprintf(STDERR_FILENO, "refused: %s+%#tx\n", object.dli_fname,
			(const char *) caller - (const char *) object.dli_fbase);
}

static bool is_refused(const void *caller, int error)
{
	if (!is_ours(caller))
		return false;
	if (count == NULL)
		start();
	if (atomic_fetch_add(count, 1) + 1 != nth)
		return false;
	if (getenv("REFUSE_TELL") != NULL)
		tell(caller);
	errno = error;
	return true;
}

#define REFUSED(error) is_refused(__builtin_return_address(0), error)
#define NEXT(function) ((__typeof__(&(function))) next(#function))

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (REFUSED(ENOMEM))
		return MAP_FAILED;
	return (void *) syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
	if (REFUSED(ENOMEM))
		return MAP_FAILED;
	return (void *) syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

static int open_next(const char *path, int flags, va_list list)
{
	const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;

	return (int) syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		va_list list;                                                                      \
		int fd;                                                                            \
                                                                                                   \
		if (REFUSED(EMFILE))                                                               \
			return -1;                                                                 \
		va_start(list, flags);                                                             \
		fd = open_next(path, flags, list);                                                 \
		va_end(list);                                                                      \
		return fd;                                                                         \
	}
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode)
{
	return REFUSED(ENOSPC) ? -1 : (int) syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int madvise(void *address, size_t bytes, int advice)
{
	return REFUSED(EINVAL) ? -1 : (int) syscall(SYS_madvise, address, bytes, advice);
}

int ftruncate(int fd, off_t bytes)
{
	return REFUSED(EFBIG) ? -1 : (int) syscall(SYS_ftruncate, fd, bytes);
}

int ftruncate64(int fd, off64_t bytes)
{
	return REFUSED(EFBIG) ? -1 : (int) syscall(SYS_ftruncate, fd, bytes);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	return REFUSED(ENOSPC) ? -1 : (int) syscall(SYS_fallocate, fd, mode, offset, bytes);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t bytes)
{
	return REFUSED(ENOSPC) ? -1 : (int) syscall(SYS_fallocate, fd, mode, offset, bytes);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	return REFUSED(ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, data, bytes, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
	return REFUSED(ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, data, bytes, offset);
}

int shmget(key_t key, size_t bytes, int flags)
{
	return REFUSED(ENOSPC) ? -1 : (int) syscall(SYS_shmget, key, bytes, flags);
}

void *shmat(int id, const void *address, int flags)
{
	return REFUSED(ENOMEM) ? (void *) -1 : (void *) syscall(SYS_shmat, id, address, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*enter)(void *),
		   void *arg)
{
	return REFUSED(EAGAIN) ? EAGAIN : NEXT(pthread_create)(thread, attributes, enter, arg);
}

int pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	return REFUSED(EAGAIN) ? EAGAIN : NEXT(pthread_key_create)(key, destroy);
}

/* A path that is not there, so that dlerror() has something to say. */
void *dlopen(const char *path, int flags)
{
	return NEXT(dlopen)(REFUSED(ENOMEM) ? "/refused" : path, flags);
}
