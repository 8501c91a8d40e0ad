/* SPDX-License-Identifier: MIT */
/* Streams: TCP, pipes, TTYs. */
#include "wrap.h"

static void tramp_connection(uv_stream_t *server, int status)
{
	UVH_SCOPE(scope);
	uv_connection_cb callback = (uv_connection_cb) uvh_enter_handle(&scope, server, 0);

	if (callback != NULL)
		callback(server, status);
	scope.returned = true;
}

/* A stream becomes a server here: at its init nobody could know. */
static void become_server(struct uvh_record *record)
{
	if (record->type == UVHOOKS_TCPWRAP)
		record->type = UVHOOKS_TCPSERVERWRAP;
	else if (record->type == UVHOOKS_PIPEWRAP)
		record->type = UVHOOKS_PIPESERVERWRAP;
	else
		return;
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_handle_event(record, UVHOOKS_EVENT_TYPE_CHANGE, NULL);
}

UVH_EXPORT int uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(stream);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_listen(stream, backlog, cb));
	result = UVH_CALL(real->uv_listen(stream, backlog, UVH_SWAP(cb, tramp_connection)));
	if (result == 0) {
		UVH_STORE(record, UVH_MAIN, cb, tramp_connection);
		become_server(record);
		uvh_armed(record);
	}
	return result;
}

/* Two resources belong together: `record` brought `other` about, or carries it. */
static void emit_link(const struct uvh_record *record, const struct uvh_record *other)
{
	struct uvh_context *context = uvh_context();

	if (context != NULL && record != NULL && other != NULL && uvh_hooks_on())
		uvh_emit(context, UVHOOKS_EVENT_LINK, record, uvh_execution_id(context), other->id,
			 NULL, 0);
}

UVH_EXPORT int uv_accept(uv_stream_t *server, uv_stream_t *client)
{
	UVH_ENTER();
	int result = UVH_CALL(real->uv_accept(server, client));

	if (result == 0 && !pass)
		emit_link(uvh_record_of_handle(server), uvh_record_of_handle(client));
	return result;
}

static void tramp_alloc(uv_handle_t *handle, size_t suggested_size, uv_buf_t *buf)
{
	struct uvh_record *record = uvh_callback_record(handle);

	UVH_PROGRAM_CODE();
	if (record != NULL && record->callback[UVH_EXTRA] != NULL)
		((uv_alloc_cb) record->callback[UVH_EXTRA])(handle, suggested_size, buf);
}

static void tramp_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	UVH_SCOPE(scope);
	uv_read_cb callback =
	    (uv_read_cb) uvh_enter_handle(&scope, stream, nread == 0 ? UVHOOKS_FLAG_NOOP : 0);

	if (callback != NULL)
		callback(stream, nread, buf);
	scope.returned = true;
}

/* The one function that takes a handle and answers NULL with an error. */
UVH_EXPORT int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass || stream == NULL ? NULL : uvh_record_of_handle(stream);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_read_start(stream, alloc_cb, read_cb));
	result = UVH_CALL(real->uv_read_start(stream, UVH_SWAP_ALLOC(alloc_cb, tramp_alloc),
					      UVH_SWAP(read_cb, tramp_read)));
	if (result == 0) {
		UVH_STORE(record, UVH_EXTRA, alloc_cb, tramp_alloc);
		UVH_STORE(record, UVH_MAIN, read_cb, tramp_read);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_read_stop(uv_stream_t *stream)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(stream);
	int result = UVH_CALL(real->uv_read_stop(stream));

	/* uv_is_active would also count writes that are under way. */
	if (record != NULL)
		uvh_disarmed(record, record->flags & UVH_RECORD_ARMED);
	return result;
}

static void tramp_write(uv_write_t *req, int status)
{
	UVH_LAST_SCOPE(scope);
	uv_write_cb callback = (uv_write_cb) uvh_enter_request(&scope, req);

	req->cb = callback;
	if (callback != NULL)
		callback(req, status);
	scope.returned = true;
}

UVH_EXPORT int uv_write(uv_write_t *req, uv_stream_t *handle, const uv_buf_t bufs[],
			unsigned int nbufs, uv_write_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL
					 : uvh_submit_on(UVH_HERE(), handle, req, UVHOOKS_WRITEWRAP,
							 UVH_MEANT(handle->loop, UVHOOKS_WRITEWRAP,
								   UVH_MAIN, cb, tramp_write));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_write(req, handle, bufs, nbufs, cb));
	result = UVH_CALL(real->uv_write(req, handle, bufs, nbufs, tramp_write));
	return uvh_submit_done(record, result);
}

UVH_EXPORT int uv_write2(uv_write_t *req, uv_stream_t *handle, const uv_buf_t bufs[],
			 unsigned int nbufs, uv_stream_t *send_handle, uv_write_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL
					 : uvh_submit_on(UVH_HERE(), handle, req, UVHOOKS_WRITEWRAP,
							 UVH_MEANT(handle->loop, UVHOOKS_WRITEWRAP,
								   UVH_MAIN, cb, tramp_write));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_write2(req, handle, bufs, nbufs, send_handle, cb));
	result = UVH_CALL(real->uv_write2(req, handle, bufs, nbufs, send_handle, tramp_write));
	uvh_submit_done(record, result);
	if (result == 0 && send_handle != NULL)
		emit_link(record, uvh_record_of_handle(send_handle));
	return result;
}

static void tramp_shutdown(uv_shutdown_t *req, int status)
{
	UVH_LAST_SCOPE(scope);
	uv_shutdown_cb callback = (uv_shutdown_cb) uvh_enter_request(&scope, req);

	req->cb = callback;
	if (callback != NULL)
		callback(req, status);
	scope.returned = true;
}

UVH_EXPORT int uv_shutdown(uv_shutdown_t *req, uv_stream_t *handle, uv_shutdown_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass ? NULL
		 : uvh_submit_on(
		       UVH_HERE(), handle, req, UVHOOKS_SHUTDOWNWRAP,
		       UVH_MEANT(handle->loop, UVHOOKS_SHUTDOWNWRAP, UVH_MAIN, cb, tramp_shutdown));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_shutdown(req, handle, cb));
	result = UVH_CALL(real->uv_shutdown(req, handle, tramp_shutdown));
	return uvh_submit_done(record, result);
}

static void tramp_connect(uv_connect_t *req, int status)
{
	UVH_LAST_SCOPE(scope);
	uv_connect_cb callback = (uv_connect_cb) uvh_enter_request(&scope, req);

	req->cb = callback;
	if (callback != NULL)
		callback(req, status);
	scope.returned = true;
}

UVH_EXPORT int uv_tcp_connect(uv_connect_t *req, uv_tcp_t *handle, const struct sockaddr *addr,
			      uv_connect_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass ? NULL
		 : uvh_submit_on(UVH_HERE(), handle, req, UVHOOKS_TCPCONNECTWRAP,
				 UVH_MEANT(handle->loop, UVHOOKS_TCPCONNECTWRAP, UVH_MAIN, cb,
					   tramp_connect));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_tcp_connect(req, handle, addr, cb));
	result = UVH_CALL(real->uv_tcp_connect(req, handle, addr, tramp_connect));
	uvh_set_target(addr, NULL);
	uvh_submit_done(record, result);
	uvh_clear_target();
	return result;
}

/* It cannot fail: what goes wrong comes to the callback. */
UVH_EXPORT void uv_pipe_connect(uv_connect_t *req, uv_pipe_t *handle, const char *name,
				uv_connect_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass ? NULL
		 : uvh_submit_on(UVH_HERE(), handle, req, UVHOOKS_PIPECONNECTWRAP,
				 UVH_MEANT(handle->loop, UVHOOKS_PIPECONNECTWRAP, UVH_MAIN, cb,
					   tramp_connect));

	if (record == NULL) {
		UVH_CALL_VOID(real->uv_pipe_connect(req, handle, name, cb));
		return;
	}
	UVH_CALL_VOID(real->uv_pipe_connect(req, handle, name, tramp_connect));
	uvh_set_target(NULL, name);
	uvh_submitted(record);
	uvh_clear_target();
}

UVH_EXPORT int uv_pipe_connect2(uv_connect_t *req, uv_pipe_t *handle, const char *name,
				size_t name_length, unsigned int flags, uv_connect_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass ? NULL
		 : uvh_submit_on(UVH_HERE(), handle, req, UVHOOKS_PIPECONNECTWRAP,
				 UVH_MEANT(handle->loop, UVHOOKS_PIPECONNECTWRAP, UVH_MAIN, cb,
					   tramp_connect));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_pipe_connect2(req, handle, name, name_length, flags, cb));
	result =
	    UVH_CALL(real->uv_pipe_connect2(req, handle, name, name_length, flags, tramp_connect));
	/* Without a NUL, in a name of Linux's abstract kind, there is nothing to print. */
	if (name_length != 0 && name[0] != '\0' && name[name_length] == '\0')
		uvh_set_target(NULL, name);
	uvh_submit_done(record, result);
	uvh_clear_target();
	return result;
}
