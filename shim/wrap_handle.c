/* SPDX-License-Identifier: MIT */
/* Handles: initialised and closed. */
#include "wrap.h"
#include "wrap_async.h"

UVH_EXPORT int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_timer_init(loop, handle));
	result = UVH_CALL(real->uv_timer_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_TIMERWRAP);
}

UVH_EXPORT int uv_idle_init(uv_loop_t *loop, uv_idle_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_idle_init(loop, handle));
	result = UVH_CALL(real->uv_idle_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_IDLEWRAP);
}

UVH_EXPORT int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_prepare_init(loop, handle));
	result = UVH_CALL(real->uv_prepare_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_PREPAREWRAP);
}

UVH_EXPORT int uv_check_init(uv_loop_t *loop, uv_check_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_check_init(loop, handle));
	result = UVH_CALL(real->uv_check_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_CHECKWRAP);
}

UVH_EXPORT int uv_async_init(uv_loop_t *loop, uv_async_t *handle, uv_async_cb async_cb)
{
	UVH_ENTER();
	struct uvh_record *old;
	void *callback = (void *) async_cb;
	int result;

	if (pass)
		return UVH_CALL(real->uv_async_init(loop, handle, async_cb));
	if (async_cb == uvh_tramp_async) {
		/* Read back from the struct: what the program had given then. */
		old = uvh_record_of_handle(handle);
		callback = old == NULL ? uvh_meant(loop, UVHOOKS_ASYNCWRAP, UVH_MAIN)
				       : old->callback[UVH_MAIN];
	}
	result = UVH_CALL(real->uv_async_init(loop, handle, UVH_SWAP(async_cb, uvh_tramp_async)));
	if (result == 0 &&
	    uvh_handle_made(UVH_HERE(), loop, handle, UVHOOKS_ASYNCWRAP, callback, 0) == NULL)
		handle->async_cb = async_cb; /* no record to find it by */
	return result;
}

UVH_EXPORT int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_poll_init(loop, handle, fd));
	result = UVH_CALL(real->uv_poll_init(loop, handle, fd));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_POLLWRAP);
}

UVH_EXPORT int uv_poll_init_socket(uv_loop_t *loop, uv_poll_t *handle, uv_os_sock_t socket)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_poll_init_socket(loop, handle, socket));
	result = UVH_CALL(real->uv_poll_init_socket(loop, handle, socket));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_POLLWRAP);
}

UVH_EXPORT int uv_signal_init(uv_loop_t *loop, uv_signal_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_signal_init(loop, handle));
	result = UVH_CALL(real->uv_signal_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_SIGNALWRAP);
}

UVH_EXPORT int uv_tcp_init(uv_loop_t *loop, uv_tcp_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_tcp_init(loop, handle));
	result = UVH_CALL(real->uv_tcp_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_TCPWRAP);
}

UVH_EXPORT int uv_tcp_init_ex(uv_loop_t *loop, uv_tcp_t *handle, unsigned int flags)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_tcp_init_ex(loop, handle, flags));
	result = UVH_CALL(real->uv_tcp_init_ex(loop, handle, flags));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_TCPWRAP);
}

UVH_EXPORT int uv_pipe_init(uv_loop_t *loop, uv_pipe_t *handle, int ipc)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_pipe_init(loop, handle, ipc));
	result = UVH_CALL(real->uv_pipe_init(loop, handle, ipc));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_PIPEWRAP);
}

UVH_EXPORT int uv_tty_init(uv_loop_t *loop, uv_tty_t *handle, uv_file fd, int readable)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_tty_init(loop, handle, fd, readable));
	result = UVH_CALL(real->uv_tty_init(loop, handle, fd, readable));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_TTYWRAP);
}

UVH_EXPORT int uv_udp_init(uv_loop_t *loop, uv_udp_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_udp_init(loop, handle));
	result = UVH_CALL(real->uv_udp_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_UDPWRAP);
}

UVH_EXPORT int uv_udp_init_ex(uv_loop_t *loop, uv_udp_t *handle, unsigned int flags)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_udp_init_ex(loop, handle, flags));
	result = UVH_CALL(real->uv_udp_init_ex(loop, handle, flags));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_UDPWRAP);
}

UVH_EXPORT int uv_fs_event_init(uv_loop_t *loop, uv_fs_event_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_fs_event_init(loop, handle));
	result = UVH_CALL(real->uv_fs_event_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_FSEVENTWRAP);
}

UVH_EXPORT int uv_fs_poll_init(uv_loop_t *loop, uv_fs_poll_t *handle)
{
	UVH_ENTER();
	int result;

	if (pass)
		return UVH_CALL(real->uv_fs_poll_init(loop, handle));
	result = UVH_CALL(real->uv_fs_poll_init(loop, handle));
	if (result != 0)
		return result;
	return uvh_handle_begun(UVH_HERE(), loop, handle, UVHOOKS_STATWATCHER);
}

UVH_SLOW static void *enter_close_slowly(struct uvh_scope *scope, uv_handle_t *handle)
{
	struct uvh_record *record = uvh_callback_record(handle);
	void *callback;

	if (record == NULL)
		return NULL;
	callback = record->callback[UVH_CLOSE];
	uvh_record_end(record);
	if (callback != NULL) {
		uvh_enter(scope, record, callback, UVHOOKS_FLAG_CLOSING, UVH_FRAME_CALLBACK, true);
		if (UVH_LIKELY(scope->context != NULL))
			return callback;
	}
	if (UVH_LIKELY(uvh_context() != NULL))
		uvh_end(uvh_context(), record, 0);
	return callback;
}

/* The handle's memory is the program's as soon as its close callback is called: it may free it. */
UVH_INLINE void *enter_close(struct uvh_scope *scope, uv_handle_t *handle)
{
	struct uvh_record *record = uvh_record_of_handle(handle);

	if (UVH_LIKELY(record != NULL)) {
		void *callback = record->callback[UVH_CLOSE];

		if (UVH_LIKELY(callback != NULL) &&
		    UVH_LIKELY(
			uvh_enter_plainly(scope, record, callback, UVHOOKS_FLAG_CLOSING, true))) {
			uvh_record_leave(record, uvh_handle_tag(handle));
			return uvh_entered(scope, callback);
		}
	}
	scope->here = UVH_HERE();
	return enter_close_slowly(scope, handle);
}

static void tramp_close(uv_handle_t *handle)
{
	UVH_LAST_SCOPE(scope);
	uv_close_cb callback = (uv_close_cb) enter_close(&scope, handle);

	if (callback != NULL)
		callback(handle);
	scope.returned = true;
}

/*
 * Whether to stand aside is decided by the record alone, not by who calls: libuv's inner handles
 * have none, and a plugin may close what it made.
 */
UVH_EXPORT void uv_close(uv_handle_t *handle, uv_close_cb close_cb)
{
	UVH_ENTER();
	struct uvh_record *record = uvh_record_of_handle(handle);

	(void) pass;
	if (record != NULL) {
		UVH_STORE(record, UVH_CLOSE, close_cb, tramp_close);
		close_cb = tramp_close;
	}
	UVH_CALL_VOID(real->uv_close(handle, close_cb));
}

UVH_EXPORT int uv_tcp_close_reset(uv_tcp_t *handle, uv_close_cb close_cb)
{
	UVH_ENTER();
	struct uvh_record *record = uvh_record_of_handle(handle);
	void *former;
	int result;

	(void) pass;
	if (record == NULL)
		return UVH_CALL(real->uv_tcp_close_reset(handle, close_cb));
	former = record->callback[UVH_CLOSE];
	UVH_STORE(record, UVH_CLOSE, close_cb, tramp_close);
	result = UVH_CALL(real->uv_tcp_close_reset(handle, tramp_close));
	if (result != 0)
		record->callback[UVH_CLOSE] = former;
	return result;
}

/* Whether a handle keeps its loop alive: told where that changes. */
static void set_ref(const struct uvh_real *real, bool pass, uv_handle_t *handle, bool ref)
{
	struct uvh_record *record = pass || !uvh_hooks_on() ? NULL : uvh_record_of_handle(handle);
	const bool was_ref = record != NULL && real->uv_has_ref(handle);

	if (ref)
		UVH_CALL_VOID(real->uv_ref(handle));
	else
		UVH_CALL_VOID(real->uv_unref(handle));
	if (record != NULL && was_ref != ref)
		uvh_handle_event(record, ref ? UVHOOKS_EVENT_REF : UVHOOKS_EVENT_UNREF, NULL);
}

UVH_EXPORT void uv_ref(uv_handle_t *handle)
{
	UVH_ENTER();
	set_ref(real, pass, handle, true);
}

UVH_EXPORT void uv_unref(uv_handle_t *handle)
{
	UVH_ENTER();
	set_ref(real, pass, handle, false);
}
