/* SPDX-License-Identifier: MIT */
/*
 * The 36 file system calls. They are alike but for their arguments: loop and request first, the
 * callback last. Without a callback they are synchronous, and no event.
 *
 * The macro holds no logic: break on fs_begin, fs_end or tramp_fs in a debugger, or on a wrapper by
 * its name.
 */
#include <errno.h>
#include <time.h>

#include "pool.h"
#include "wrap.h"

static void tramp_fs(uv_fs_t *req)
{
	UVH_LAST_SCOPE(scope);
	uv_fs_cb callback = (uv_fs_cb) uvh_enter_request(&scope, req);

	req->cb = callback;
	if (callback != NULL)
		callback(req);
	scope.returned = true;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* Prepares a record, and puts the trampoline in the callback's place. */
static inline struct uvh_record *fs_begin(uintptr_t here, bool pass, uv_loop_t *loop, uv_fs_t *req,
					  uv_fs_cb *cb)
{
	struct uvh_record *record =
	    pass || *cb == NULL
		? NULL
		: uvh_submit(here, loop, req, UVHOOKS_FSREQCALLBACK,
			     UVH_MEANT(loop, UVHOOKS_FSREQCALLBACK, UVH_MAIN, *cb, tramp_fs));

	if (record != NULL)
		*cb = tramp_fs;
	return record;
}

/* When a call without a callback begins, if somebody wants to hear of it; else 0. */
static inline uint64_t call_begin(bool pass, const uv_fs_t *req)
{
	return !pass && req != NULL && UVH_UNLIKELY(uvh_is_wanted(UVHOOKS_EVENT_FS_CALL))
		   ? monotonic_ns()
		   : 0;
}

/* For so long the caller did nothing else. */
UVH_SLOW static void emit_call(uv_loop_t *loop, uv_fs_t *req, uint64_t begin_ns)
{
	struct uvh_context *context = uvh_context();
	const int saved_errno = errno;
	struct uvhooks_event event = {
	    .event = UVHOOKS_EVENT_FS_CALL,
	    .type = UVHOOKS_FSREQCALLBACK,
	    .fs_type = (int16_t) req->fs_type,
	    .pointer = req,
	    .loop = loop,
	};

	if (context == NULL || uvh_tls.quiet)
		return;
	event.duration_ns = monotonic_ns() - begin_ns;
	event.async_id = event.execution_async_id = uvh_execution_id(context);
	event.trigger_async_id = uvh_execution_trigger(context);
	event.stack = uvh_stack_take(event.event, event.type);
	uvh_dispatch(context, &event);
	errno = saved_errno;
}

static inline int fs_end(struct uvh_record *record, uv_fs_t *req, int result)
{
	if (UVH_UNLIKELY(record == NULL))
		return result;
	/* libuv wrote which call it is; nothing changes that while the request is on its way. */
	if (UVH_LIKELY(result == 0)) {
		uvh_record_set_types(record, UVHOOKS_FSREQCALLBACK, req->fs_type);
		uvh_pool_submitted(req, &req->work_req);
	}
	return uvh_submit_done(record, result);
}

#define WRAP_FS(function, parameters, arguments)                                                   \
	UVH_EXPORT int function parameters                                                         \
	{                                                                                          \
		UVH_ENTER();                                                                       \
		const uint64_t begin_ns = cb == NULL ? call_begin(pass, req) : 0;                  \
		struct uvh_record *record = fs_begin(UVH_HERE(), pass, loop, req, &cb);            \
		const int result = fs_end(record, req, UVH_CALL(real->function arguments));        \
                                                                                                   \
		if (UVH_UNLIKELY(begin_ns != 0))                                                   \
			emit_call(loop, req, begin_ns);                                            \
		return result;                                                                     \
	}

WRAP_FS(uv_fs_close, (uv_loop_t * loop, uv_fs_t *req, uv_file file, uv_fs_cb cb),
	(loop, req, file, cb))
WRAP_FS(uv_fs_open,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, int flags, int mode, uv_fs_cb cb),
	(loop, req, path, flags, mode, cb))
WRAP_FS(uv_fs_read,
	(uv_loop_t * loop, uv_fs_t *req, uv_file file, const uv_buf_t bufs[], unsigned int nbufs,
	 int64_t offset, uv_fs_cb cb),
	(loop, req, file, bufs, nbufs, offset, cb))
WRAP_FS(uv_fs_unlink, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
WRAP_FS(uv_fs_write,
	(uv_loop_t * loop, uv_fs_t *req, uv_file file, const uv_buf_t bufs[], unsigned int nbufs,
	 int64_t offset, uv_fs_cb cb),
	(loop, req, file, bufs, nbufs, offset, cb))
WRAP_FS(uv_fs_copyfile,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, const char *new_path, int flags,
	 uv_fs_cb cb),
	(loop, req, path, new_path, flags, cb))
WRAP_FS(uv_fs_mkdir, (uv_loop_t * loop, uv_fs_t *req, const char *path, int mode, uv_fs_cb cb),
	(loop, req, path, mode, cb))
WRAP_FS(uv_fs_mkdtemp, (uv_loop_t * loop, uv_fs_t *req, const char *tpl, uv_fs_cb cb),
	(loop, req, tpl, cb))
WRAP_FS(uv_fs_mkstemp, (uv_loop_t * loop, uv_fs_t *req, const char *tpl, uv_fs_cb cb),
	(loop, req, tpl, cb))
WRAP_FS(uv_fs_rmdir, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
WRAP_FS(uv_fs_scandir, (uv_loop_t * loop, uv_fs_t *req, const char *path, int flags, uv_fs_cb cb),
	(loop, req, path, flags, cb))
WRAP_FS(uv_fs_opendir, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
WRAP_FS(uv_fs_readdir, (uv_loop_t * loop, uv_fs_t *req, uv_dir_t *dir, uv_fs_cb cb),
	(loop, req, dir, cb))
WRAP_FS(uv_fs_closedir, (uv_loop_t * loop, uv_fs_t *req, uv_dir_t *dir, uv_fs_cb cb),
	(loop, req, dir, cb))
WRAP_FS(uv_fs_stat, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
WRAP_FS(uv_fs_fstat, (uv_loop_t * loop, uv_fs_t *req, uv_file file, uv_fs_cb cb),
	(loop, req, file, cb))
WRAP_FS(uv_fs_rename,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, const char *new_path, uv_fs_cb cb),
	(loop, req, path, new_path, cb))
WRAP_FS(uv_fs_fsync, (uv_loop_t * loop, uv_fs_t *req, uv_file file, uv_fs_cb cb),
	(loop, req, file, cb))
WRAP_FS(uv_fs_fdatasync, (uv_loop_t * loop, uv_fs_t *req, uv_file file, uv_fs_cb cb),
	(loop, req, file, cb))
WRAP_FS(uv_fs_ftruncate,
	(uv_loop_t * loop, uv_fs_t *req, uv_file file, int64_t offset, uv_fs_cb cb),
	(loop, req, file, offset, cb))
WRAP_FS(uv_fs_sendfile,
	(uv_loop_t * loop, uv_fs_t *req, uv_file out_fd, uv_file in_fd, int64_t in_offset,
	 size_t length, uv_fs_cb cb),
	(loop, req, out_fd, in_fd, in_offset, length, cb))
WRAP_FS(uv_fs_access, (uv_loop_t * loop, uv_fs_t *req, const char *path, int mode, uv_fs_cb cb),
	(loop, req, path, mode, cb))
WRAP_FS(uv_fs_chmod, (uv_loop_t * loop, uv_fs_t *req, const char *path, int mode, uv_fs_cb cb),
	(loop, req, path, mode, cb))
WRAP_FS(uv_fs_utime,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, double atime, double mtime, uv_fs_cb cb),
	(loop, req, path, atime, mtime, cb))
WRAP_FS(uv_fs_futime,
	(uv_loop_t * loop, uv_fs_t *req, uv_file file, double atime, double mtime, uv_fs_cb cb),
	(loop, req, file, atime, mtime, cb))
WRAP_FS(uv_fs_lutime,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, double atime, double mtime, uv_fs_cb cb),
	(loop, req, path, atime, mtime, cb))
WRAP_FS(uv_fs_lstat, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
WRAP_FS(uv_fs_link,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, const char *new_path, uv_fs_cb cb),
	(loop, req, path, new_path, cb))
WRAP_FS(uv_fs_symlink,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, const char *new_path, int flags,
	 uv_fs_cb cb),
	(loop, req, path, new_path, flags, cb))
WRAP_FS(uv_fs_readlink, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
WRAP_FS(uv_fs_realpath, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
WRAP_FS(uv_fs_fchmod, (uv_loop_t * loop, uv_fs_t *req, uv_file file, int mode, uv_fs_cb cb),
	(loop, req, file, mode, cb))
WRAP_FS(uv_fs_chown,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, uv_uid_t uid, uv_gid_t gid, uv_fs_cb cb),
	(loop, req, path, uid, gid, cb))
WRAP_FS(uv_fs_fchown,
	(uv_loop_t * loop, uv_fs_t *req, uv_file file, uv_uid_t uid, uv_gid_t gid, uv_fs_cb cb),
	(loop, req, file, uid, gid, cb))
WRAP_FS(uv_fs_lchown,
	(uv_loop_t * loop, uv_fs_t *req, const char *path, uv_uid_t uid, uv_gid_t gid, uv_fs_cb cb),
	(loop, req, path, uid, gid, cb))
WRAP_FS(uv_fs_statfs, (uv_loop_t * loop, uv_fs_t *req, const char *path, uv_fs_cb cb),
	(loop, req, path, cb))
