/* SPDX-License-Identifier: MIT */
/*
 * The stores of local storages: what they hold in a scope, and what a resource carries of it.
 *
 * A scope's stores are a list, newest first, of immutable elements that other scopes and resources
 * share. A record has one beside it, captured when the resource was made and whenever it is armed.
 * The scope of a callback has that of its resource, unless the frame names another: because a store
 * was entered in it, or because the resource carries something else by now. So nothing is done when
 * a callback begins or ends.
 *
 * Nothing at all is done before a store is first entered: from then on uvh_watched() is true, and
 * uvh_storing().
 */
#ifndef UVH_STORAGE_H
#define UVH_STORAGE_H

#include <uvhooks/local_storage.h>

#include "context.h"

#pragma GCC visibility push(hidden)

/* For events: what the resource carries. Those of the pool and of wake-ups are of other threads. */
static inline const void *uvh_stores_carried(const struct uvh_record *record)
{
	return UVH_LIKELY(!uvh_storing())
		   ? NULL
		   : __atomic_load_n(&uvh_carried(record)->captured, __ATOMIC_ACQUIRE);
}

/*
 * The stores of the scope on top. What a callback's resource carries is noted in the frame: it is
 * looked for once.
 */
static inline struct uvh_store *uvh_stores_of_top(struct uvh_frame *top)
{
	if (!(top->state & UVH_FRAME_STORES)) {
		if (top->record == NULL)
			return NULL;
		top->stores = uvh_carried(top->record)->captured;
		top->state |= UVH_FRAME_STORES;
	}
	return top->stores;
}

static inline struct uvh_store *uvh_stores(struct uvh_context *context)
{
	return UVH_LIKELY(!uvh_storing()) ? NULL : uvh_stores_of_top(context->top);
}

/* A frame in the scope of the one below it, which is on top still. */
static inline void uvh_stores_inherit(struct uvh_frame *frame, struct uvh_context *context)
{
	if (UVH_UNLIKELY(uvh_storing())) {
		frame->stores = uvh_stores(context);
		frame->state |= UVH_FRAME_STORES;
	}
}

/* One reference less; with the last one the program's release function is called. */
void uvh_store_drop(struct uvh_store *store);

/* The resource carries the current stores from now on; in any case, and where less is to be done.
 */
void uvh_stores_capture_slowly(struct uvh_context *context, struct uvh_record *record);

/* The same for a record of libuv's, in little time. Only where uvh_storing(). */
static inline void uvh_stores_capture(struct uvh_context *context, struct uvh_record *record)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *stores = uvh_stores_of_top(context->top);

	if (carried->captured == stores)
		return;
	if (UVH_LIKELY(carried->captured == NULL && stores->space == record->space &&
		       stores->local != 0)) {
		stores->local++;
		__atomic_store_n(&carried->captured, stores, __ATOMIC_RELEASE);
		return;
	}
	uvh_stores_capture_slowly(context, record);
}

/* A handle that is armed mostly carries already what it is to carry. Only where uvh_storing(). */
static inline bool uvh_stores_captured(struct uvh_context *context, const struct uvh_record *record)
{
	return uvh_carried(record)->captured == uvh_stores_of_top(context->top);
}

/*
 * The scope of an embedder's resource begins, whose frame is about to be on top. It holds what the
 * resource carries, since another thread may end that while it runs here.
 */
void uvh_stores_begin_embedder(struct uvh_frame *frame, const struct uvh_record *record,
			       uvhooks_async_id id);

/* A resource is gone. Only where uvh_storing(). */
void uvh_stores_forget_slowly(struct uvh_record *record);

/*
 * uv_async_send for a handle of this record: what the sender's scope has goes along. Safe in signal
 * handlers, and on threads other than the loop's.
 */
void uvh_stores_send(struct uvh_context *context, const struct uvh_record *record);

/*
 * The callback of an uv_async_t is about to begin. If something was sent, the record carries that
 * for now, and what it had captured is in `*captured`: true, and uvh_stores_received puts it back
 * once the callback's frame is there, which gets what was sent.
 */
bool uvh_stores_receive(struct uvh_record *record, struct uvh_store **captured);
void uvh_stores_received(struct uvh_context *context, struct uvh_record *record,
			 struct uvh_store *captured);

/* A new thread's top level begins with what its resource carries. */
void uvh_stores_begin_thread(struct uvh_context *context, const struct uvh_record *record);

#pragma GCC visibility pop

#endif
