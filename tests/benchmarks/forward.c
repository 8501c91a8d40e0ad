/* SPDX-License-Identifier: MIT */
/*
 * Stands between libuv and a program that writes to streams and reads from them, and does nothing
 * there: each call and each callback is passed on. No shim can cost less. With FORWARD_STORES each
 * event is stored besides, as the floor does it: no shim that records can cost less.
 */
#include <dlfcn.h>
#include <uv.h>

#ifdef FORWARD_STORES
#include "floor.h"
#else
#define store(id, callback, flags) ((void) 0)
#endif

enum { INIT, BEFORE, AFTER };

static __typeof__(uv_write) *real_write;
static __typeof__(uv_read_start) *real_read_start;

__attribute__((constructor)) static void resolve(void)
{
	real_write = (__typeof__(uv_write) *) dlsym(RTLD_NEXT, "uv_write");
	real_read_start = (__typeof__(uv_read_start) *) dlsym(RTLD_NEXT, "uv_read_start");
}

/* Keeps a call from being compiled as a jump, as a shim cannot make it one. */
#define RETURN_HERE() __asm__ volatile("" ::: "memory")

static void on_write(uv_write_t *write, int status)
{
	void *const callback = write->reserved[0];

	store((uintptr_t) write, callback, BEFORE);
	((uv_write_cb) callback)(write, status);
	RETURN_HERE();
	store((uintptr_t) write, callback, AFTER);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	void *const callback = stream->u.reserved[1];

	store((uintptr_t) stream, callback, BEFORE);
	((uv_read_cb) callback)(stream, nread, buf);
	RETURN_HERE();
	store((uintptr_t) stream, callback, AFTER);
}

int uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t bufs[], unsigned int count,
	     uv_write_cb callback)
{
	int result;

	write->reserved[0] = (void *) callback;
	result = real_write(write, stream, bufs, count, on_write);
	RETURN_HERE();
	store((uintptr_t) write, stream, INIT);
	return result;
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb callback)
{
	stream->u.reserved[1] = (void *) callback;
	return real_read_start(stream, alloc, on_read);
}
