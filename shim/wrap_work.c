/* SPDX-License-Identifier: MIT */
/* The thread pool: work, random bytes, and cancelling either. */
#include "pool.h"
#include "wrap.h"

/* On a pool thread. The request's record tells what to call; its loop is another thread's. */
static void tramp_work(uv_work_t *req)
{
	UVH_SCOPE(scope);
	struct uvh_record *record = uvh_record_of_request(req);
	uv_work_cb callback;

	if (UVH_UNLIKELY(record == NULL) &&
	    (record = uvh_lost_record(req, *uvh_request_tag(req))) == NULL)
		return;
	callback = (uv_work_cb) record->callback[UVH_EXTRA];
	scope.here = UVH_HERE();
	uvh_enter(&scope, record, (void *) callback, 0, UVH_FRAME_WORK, false);
	if (callback != NULL)
		callback(req);
	scope.returned = true;
}

static void tramp_after_work(uv_work_t *req, int status)
{
	UVH_LAST_SCOPE(scope);
	const struct uvh_record *record = uvh_record_of_request(req);
	uv_work_cb work_cb = record == NULL ? NULL : (uv_work_cb) record->callback[UVH_EXTRA];
	uv_after_work_cb callback = (uv_after_work_cb) uvh_enter_request(&scope, req);

	req->work_cb = work_cb;
	req->after_work_cb = callback;
	if (callback != NULL)
		callback(req, status);
	scope.returned = true;
}

/* A pool thread may begin before the call returns, so the resource comes to be first. */
UVH_EXPORT int uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work_cb,
			     uv_after_work_cb after_work_cb)
{
	UVH_ENTER();
	struct uvh_record *record = pass || work_cb == NULL
					? NULL
					: uvh_submit(UVH_HERE(), loop, req, UVHOOKS_WORKREQ,
						     UVH_MEANT(loop, UVHOOKS_WORKREQ, UVH_MAIN,
							       after_work_cb, tramp_after_work));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_queue_work(loop, req, work_cb, after_work_cb));
	record->callback[UVH_EXTRA] =
	    UVH_MEANT(loop, UVHOOKS_WORKREQ, UVH_EXTRA, work_cb, tramp_work);
	uvh_submitted(record);
	result = UVH_CALL(real->uv_queue_work(loop, req, tramp_work, tramp_after_work));
	uvh_pool_submitted(req, &req->work_req);
	if (UVH_UNLIKELY(result != 0))
		uvh_end(uvh_context(), record, UVHOOKS_FLAG_FAILED);
	return result;
}

static void tramp_random(uv_random_t *req, int status, void *buf, size_t buflen)
{
	UVH_LAST_SCOPE(scope);
	uv_random_cb callback = (uv_random_cb) uvh_enter_request(&scope, req);

	req->cb = callback;
	if (callback != NULL)
		callback(req, status, buf, buflen);
	scope.returned = true;
}

/* Without a callback it is synchronous, and no event. */
UVH_EXPORT int uv_random(uv_loop_t *loop, uv_random_t *req, void *buf, size_t buflen,
			 unsigned int flags, uv_random_cb cb)
{
	UVH_ENTER();
	struct uvh_record *record =
	    pass || cb == NULL
		? NULL
		: uvh_submit(UVH_HERE(), loop, req, UVHOOKS_RANDOMREQ,
			     UVH_MEANT(loop, UVHOOKS_RANDOMREQ, UVH_MAIN, cb, tramp_random));
	int result;

	if (record == NULL)
		return UVH_CALL(real->uv_random(loop, req, buf, buflen, flags, cb));
	result = UVH_CALL(real->uv_random(loop, req, buf, buflen, flags, tramp_random));
	if (result == 0)
		uvh_pool_submitted(req, &req->work_req);
	return uvh_submit_done(record, result);
}

/* The callback still comes, through the loop: it is flagged. */
UVH_EXPORT int uv_cancel(uv_req_t *req)
{
	UVH_ENTER();
	struct uvh_record *record = uvh_record_of_fresh(uvh_request_tag(req), req);
	int result = UVH_CALL(real->uv_cancel(req));

	(void) pass;
	if (record != NULL && result == 0)
		record->flags |= UVH_RECORD_CANCELLED;
	return result;
}
