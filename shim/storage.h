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

/*
 * One element of a list.
 *
 * `refs` counts elements, frames and records that name it. The records of the id space it was made
 * in are counted apart, in `local`, and stand for one of the refs while there are any: that count
 * is touched only by the thread that uses the loop, so it needs no atomic read-modify-write.
 *
 * An element that is the copy of another, made to leave out one behind it, has that one's store,
 * and `origin` names it; `holders` of an origin counts itself, while it has refs, and its copies.
 * The store is released with the last of them.
 */
struct uvh_store {
	struct uvh_store *outer; /* the rest of the list; or the next in the list of free ones */
	struct uvh_store *origin;
	uint64_t key; /* of the storage */
	void *store;
	void (*release)(void *store);
	struct uvh_store *next_dead; /* see drop_later */
	uint32_t refs;
	uint32_t holders;
	uint32_t local;
	uint16_t space;
	bool follows_wakeups;
};

/* For events: what the resource carries. */
static inline const void *uvh_stores_carried(const struct uvh_record *record)
{
	return UVH_LIKELY(!uvh_storing()) ? NULL : uvh_carried(record)->captured;
}

/* The stores of an embedder's callback, which from now on holds them. */
struct uvh_store *uvh_stores_of_embedder(struct uvh_frame *frame);

/* The stores of the current scope. */
static inline struct uvh_store *uvh_stores(struct uvh_context *context)
{
	struct uvh_frame *top = context->top;

	if (UVH_LIKELY(!uvh_storing()))
		return NULL;
	if (UVH_LIKELY(top->state & UVH_FRAME_STORES))
		return top->stores;
	if (top->record == NULL)
		return NULL;
	/* Another thread may end an embedder's resource while it runs here. */
	if (UVH_UNLIKELY(top->record->flags & UVH_RECORD_POOLED))
		return uvh_stores_of_embedder(top);
	return uvh_carried(top->record)->captured;
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

/* Are the references of this record those that are counted apart, with others beside them? */
static inline bool uvh_store_counts(const struct uvh_store *store, const struct uvh_record *record,
				    uint32_t others)
{
	return store->space == record->space && !(record->flags & UVH_RECORD_POOLED) &&
	       store->local > others;
}

/* Only where uvh_storing(). */
static inline void uvh_stores_capture(struct uvh_context *context, struct uvh_record *record)
{
	const struct uvh_frame *top = context->top;
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *stores;

	if (top->state & UVH_FRAME_STORES)
		stores = top->stores;
	else if (top->record == NULL)
		stores = NULL;
	else if (UVH_LIKELY(!(top->record->flags & UVH_RECORD_POOLED)))
		stores = uvh_carried(top->record)->captured;
	else
		goto slowly;
	if (carried->captured == stores)
		return;
	if (UVH_LIKELY(carried->captured == NULL && uvh_store_counts(stores, record, 0))) {
		stores->local++;
		carried->captured = stores;
		return;
	}
slowly:
	uvh_stores_capture_slowly(context, record);
}

/* The resource is gone. Only where uvh_storing(). False if there is more to do: forget_slowly. */
static inline bool uvh_stores_forget(struct uvh_record *record)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *captured = carried->captured;

	if (UVH_UNLIKELY(__atomic_load_n(&carried->sent, __ATOMIC_RELAXED) != NULL))
		return false;
	if (captured == NULL)
		return true;
	if (UVH_UNLIKELY(!uvh_store_counts(captured, record, 1)))
		return false;
	carried->captured = NULL;
	captured->local--;
	return true;
}

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
