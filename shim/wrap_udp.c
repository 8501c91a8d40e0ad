/* SPDX-License-Identifier: MIT */
/* UDP: send and receive. */
#include "wrap.h"

static void tramp_udp_send(uv_udp_send_t *req, int status)
{
	UVH_LAST_SCOPE(scope);
	uv_udp_send_cb callback = (uv_udp_send_cb) uvh_enter_request(&scope, req);

	req->send_cb = callback;
	if (callback != NULL)
		callback(req, status);
	scope.returned = true;
}

UVH_EXPORT int uv_udp_send(uv_udp_send_t *req, uv_udp_t *handle, const uv_buf_t bufs[],
			   unsigned int nbufs, const struct sockaddr *addr, uv_udp_send_cb send_cb)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass ? NULL
		 : uvh_submit_on(UVH_HERE(), handle, req, UVHOOKS_UDPSENDWRAP,
				 UVH_MEANT(handle->loop, UVHOOKS_UDPSENDWRAP, UVH_MAIN, send_cb,
					   tramp_udp_send));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_udp_send(req, handle, bufs, nbufs, addr, send_cb));
	result = UVH_CALL(real->uv_udp_send(req, handle, bufs, nbufs, addr, tramp_udp_send));
	return uvh_submit_done(record, result);
}

static void tramp_udp_alloc(uv_handle_t *handle, size_t suggested_size, uv_buf_t *buf)
{
	struct uvh_record *record = uvh_callback_record(handle);

	UVH_PROGRAM_CODE();
	if (record != NULL && record->callback[UVH_EXTRA] != NULL)
		((uv_alloc_cb) record->callback[UVH_EXTRA])(handle, suggested_size, buf);
}

static void tramp_udp_recv(uv_udp_t *handle, ssize_t nread, const uv_buf_t *buf,
			   const struct sockaddr *addr, unsigned int flags)
{
	UVH_SCOPE(scope);
	bool nothing = (nread == 0 && addr == NULL) || (flags & UV_UDP_MMSG_FREE);
	uv_udp_recv_cb callback =
	    (uv_udp_recv_cb) uvh_enter_handle(&scope, handle, nothing ? UVHOOKS_FLAG_NOOP : 0);

	if (callback != NULL)
		callback(handle, nread, buf, addr, flags);
	scope.returned = true;
}

UVH_EXPORT int uv_udp_recv_start(uv_udp_t *handle, uv_alloc_cb alloc_cb, uv_udp_recv_cb recv_cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_udp_recv_start(handle, alloc_cb, recv_cb));
	result = UVH_CALL(real->uv_udp_recv_start(handle, UVH_SWAP_ALLOC(alloc_cb, tramp_udp_alloc),
						  UVH_SWAP(recv_cb, tramp_udp_recv)));
	if (result == 0) {
		UVH_STORE(record, UVH_EXTRA, alloc_cb, tramp_udp_alloc);
		UVH_STORE(record, UVH_MAIN, recv_cb, tramp_udp_recv);
		uvh_armed(record);
	}
	return result;
}

UVH_EXPORT int uv_udp_recv_stop(uv_udp_t *handle)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : uvh_record_of_handle(handle);
	int result = UVH_CALL(real->uv_udp_recv_stop(handle));

	/* uv_is_active would also count sends that are under way. */
	if (record != NULL)
		uvh_disarmed(record, record->flags & UVH_RECORD_ARMED);
	return result;
}
