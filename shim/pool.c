/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <sched.h>

#include "context.h"
#include "emit.h"

/* One for each kind of request and each libuv. */
#define KINDS 16

/* How often a thread that has nothing to wait for but a few instructions of another one gives way.
 */
#define TURNS 64

/*
 * Where in a request its struct uv__work is, by what libuv calls when it is done. Only ever added
 * to; `done` is written last.
 */
static struct {
	void (*done)(struct uv__work *work, int status);
	size_t offset;
} kinds[KINDS];

UVH_SLOW static void add_kind(const void *request, const struct uv__work *work)
{
	size_t i = 0;

	uvh_lock();
	while (i < KINDS && kinds[i].done != NULL && kinds[i].done != work->done)
		i++;
	if (i < KINDS && kinds[i].done == NULL) {
		kinds[i].offset = (size_t) ((const char *) work - (const char *) request);
		__atomic_store_n(&kinds[i].done, work->done, __ATOMIC_RELEASE);
	}
	uvh_unlock();
}

void uvh_pool_learn(const void *request, const struct uv__work *work)
{
	for (size_t i = 0; i < KINDS; i++) {
		void (*done)(struct uv__work *, int) =
		    __atomic_load_n(&kinds[i].done, __ATOMIC_ACQUIRE);

		if (done == work->done)
			return;
		if (done == NULL) {
			add_kind(request, work);
			return;
		}
	}
}

/*
 * One that ends before it was said to have been submitted: the first of its kind may be so quick.
 * Around it lies one of these requests, and a request tells by its tag that it is one; what is in
 * front of a smaller one need not even be there.
 */
static const void *probe(const struct uv__work *work)
{
	static const size_t offsets[] = {
	    offsetof(uv_fs_t, work_req),
	    offsetof(uv_getaddrinfo_t, work_req),
	    offsetof(uv_getnameinfo_t, work_req),
	    offsetof(uv_random_t, work_req),
	};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		char *request = (char *) (uintptr_t) work - offsets[i];
		uint64_t tag;

		if (uvh_copy_if_there(&tag, uvh_request_tag(request), sizeof(tag)) &&
		    uvh_record_of_tag(tag, request) != NULL)
			return request;
	}
	return NULL;
}

/* The request that a piece of work belongs to; NULL: the program's own work. */
static const void *request_of(const struct uv__work *work)
{
	for (size_t i = 0; i < KINDS; i++) {
		void (*done)(struct uv__work *, int) =
		    __atomic_load_n(&kinds[i].done, __ATOMIC_ACQUIRE);

		if (done == NULL)
			break;
		if (done == work->done)
			return (const char *) work - kinds[i].offset;
	}
	return probe(work);
}

/*
 * The request has its id as soon as the call that submits it returns, and the pool may be quicker
 * than that. Then the id is the next one of its space, as its loop's thread makes nothing else in
 * between.
 */
static void emit_end(struct uvh_context *context, const struct uvh_record *record)
{
	const struct uvh_space *space = &uvh_spaces[record->space];
	struct uvhooks_event event;
	uvhooks_async_id next, id;

	for (int i = 0;; i++) {
		next = __atomic_load_n(&space->next, __ATOMIC_ACQUIRE);
		id = __atomic_load_n(&record->id, __ATOMIC_ACQUIRE);
		if (id != 0 || i == TURNS)
			break;
		sched_yield();
	}
	uvh_describe(&event, context, uvh_head(UVHOOKS_EVENT_POOL_END, 0), record,
		     uvh_execution_id(context), 0, record->callback[UVH_MAIN]);
	event.async_id = id != 0 ? id : next;
	uvh_dispatch(context, &event);
}

/*
 * libuv holds the lock of the queue meanwhile. What is cancelled is sent for, too, but by the
 * thread that cancels it, inside of libuv.
 */
void uvh_pool_sends(const uv_async_t *async)
{
	const uv_loop_t *loop = async->loop;
	const struct uv__work *work;
	struct uvh_context *context;
	const struct uvh_record *record;
	const void *request;
	const void *last;

	if (!uvh_is_wanted(UVHOOKS_EVENT_POOL_END) || uvh_tls.in_libuv || loop == NULL ||
	    async != &loop->wq_async)
		return;
	last = loop->wq[1];
	if (last == &loop->wq)
		return;
	work = (const void *) ((const char *) last - offsetof(struct uv__work, wq));
	request = request_of(work);
	record = request == NULL ? NULL : uvh_record_of_request(request);
	if (record == NULL || __atomic_load_n(&record->type, __ATOMIC_RELAXED) == UVHOOKS_WORKREQ)
		return;
	context = uvh_context();
	if (context == NULL)
		uvh_count(UVH_COUNT_pool_ends_missed);
	else
		emit_end(context, record);
}
