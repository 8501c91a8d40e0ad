/* SPDX-License-Identifier: MIT */
/*
 * The stores of local storages: what they hold in a scope, and what a resource carries of it.
 *
 * A scope's stores are a list, newest first, of immutable elements that other scopes and resources
 * share. The frame on top of the thread's stack names the current list; a record has one beside it,
 * captured when the resource was made and whenever it is armed.
 *
 * Nothing of this is looked at before a store is first entered: from then on uvh_watched() is true,
 * and uvh_storing.
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

/* What a record carries: in an array beside each segment of records. */
struct uvh_carried {
	struct uvh_store *captured;
	struct uvh_store *sent; /* by the latest uv_async_send, for storages that follow it */
};

extern struct uvh_carried *uvh_carried_segments[UVH_SEGMENT_MAX];

#ifdef UVH_NO_STORAGE /* the baseline of a benchmark */
#define uvh_storing false
#else
extern bool uvh_storing; /* a store was entered once */
#endif

/* Room beside a new segment. Called with the lock held. */
void uvh_storage_segment(uint32_t segment);

/* NULL where there was no memory. */
static inline struct uvh_carried *uvh_carried(const struct uvh_record *record)
{
	struct uvh_carried *segment = __atomic_load_n(
	    &uvh_carried_segments[record->index >> UVH_SEGMENT_BITS], __ATOMIC_ACQUIRE);

	return UVH_UNLIKELY(segment == NULL)
		   ? NULL
		   : &segment[record->index & ((1u << UVH_SEGMENT_BITS) - 1)];
}

/* The stores of the current scope. */
static inline struct uvh_store *uvh_stores(const struct uvh_frame *top)
{
	return top->state & UVH_FRAME_STORES ? top->stores : NULL;
}

/* A frame in the scope of the one below it. */
static inline void uvh_stores_inherit(struct uvh_frame *frame, const struct uvh_frame *below)
{
	frame->stores = below->stores;
	frame->state |= below->state & UVH_FRAME_STORES;
}

/* One reference less; with the last one the program's release function is called. */
void uvh_store_drop(struct uvh_store *store);

/* The resource carries the current stores from now on. */
void uvh_stores_capture_slowly(struct uvh_context *context, struct uvh_record *record);

static inline void uvh_stores_capture(struct uvh_context *context, struct uvh_record *record)
{
	if (UVH_UNLIKELY(uvh_storing))
		uvh_stores_capture_slowly(context, record);
}

/* A callback begins: its scope has what its resource carries. */
void uvh_stores_begin_slowly(struct uvh_frame *frame);

static inline void uvh_stores_begin(struct uvh_frame *frame)
{
	if (UVH_UNLIKELY(uvh_storing))
		uvh_stores_begin_slowly(frame);
}

/* The resource is gone. */
void uvh_stores_forget_slowly(struct uvh_record *record);

static inline void uvh_stores_forget(struct uvh_record *record)
{
	if (UVH_UNLIKELY(uvh_storing))
		uvh_stores_forget_slowly(record);
}

/*
 * uv_async_send for a handle of this record: what the sender's scope has goes along. Safe in signal
 * handlers, and on threads other than the loop's.
 */
void uvh_stores_send(const struct uvh_context *context, const struct uvh_record *record);

/* For events: what the resource carries, opaque. */
static inline const void *uvh_stores_of(const struct uvh_record *record)
{
	const struct uvh_carried *carried;

	if (UVH_LIKELY(!uvh_storing))
		return NULL;
	carried = uvh_carried(record);
	return carried == NULL ? NULL : carried->captured;
}

/* A new thread's top level begins with what its resource carries. */
void uvh_stores_begin_thread(struct uvh_context *context, const struct uvh_record *record);

#pragma GCC visibility pop

#endif
