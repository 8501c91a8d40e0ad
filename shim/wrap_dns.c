/* SPDX-License-Identifier: MIT */
/* Name look-ups. Without a callback they are synchronous, and no event. */
#include "pool.h"
#include "wrap.h"

static void tramp_getaddrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
	UVH_LAST_SCOPE(scope);
	uv_getaddrinfo_cb callback = (uv_getaddrinfo_cb) uvh_enter_request(&scope, req);

	req->cb = callback;
	if (callback != NULL)
		callback(req, status, res);
	scope.returned = true;
}

UVH_EXPORT int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req,
			      uv_getaddrinfo_cb getaddrinfo_cb, const char *node,
			      const char *service, const struct addrinfo *hints)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass || getaddrinfo_cb == NULL
		? NULL
		: uvh_submit(UVH_HERE(), loop, req, UVHOOKS_GETADDRINFOREQWRAP,
			     UVH_MEANT(loop, UVHOOKS_GETADDRINFOREQWRAP, UVH_MAIN, getaddrinfo_cb,
				       tramp_getaddrinfo));
	int result;

	if (record == NULL)
		return UVH_CALL(
		    real->uv_getaddrinfo(loop, req, getaddrinfo_cb, node, service, hints));
	result = UVH_CALL(real->uv_getaddrinfo(loop, req, tramp_getaddrinfo, node, service, hints));
	if (result == 0)
		uvh_pool_submitted(req, &req->work_req);
	return uvh_submit_done(record, result);
}

static void tramp_getnameinfo(uv_getnameinfo_t *req, int status, const char *hostname,
			      const char *service)
{
	UVH_LAST_SCOPE(scope);
	uv_getnameinfo_cb callback = (uv_getnameinfo_cb) uvh_enter_request(&scope, req);

	req->getnameinfo_cb = callback;
	if (callback != NULL)
		callback(req, status, hostname, service);
	scope.returned = true;
}

UVH_EXPORT int uv_getnameinfo(uv_loop_t *loop, uv_getnameinfo_t *req,
			      uv_getnameinfo_cb getnameinfo_cb, const struct sockaddr *addr,
			      int flags)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass || getnameinfo_cb == NULL
		? NULL
		: uvh_submit(UVH_HERE(), loop, req, UVHOOKS_GETNAMEINFOREQWRAP,
			     UVH_MEANT(loop, UVHOOKS_GETNAMEINFOREQWRAP, UVH_MAIN, getnameinfo_cb,
				       tramp_getnameinfo));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_getnameinfo(loop, req, getnameinfo_cb, addr, flags));
	result = UVH_CALL(real->uv_getnameinfo(loop, req, tramp_getnameinfo, addr, flags));
	return uvh_submit_done(record, result);
}
