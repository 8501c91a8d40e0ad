/* SPDX-License-Identifier: MIT */
/*
 * From a handle or request to its record: one array access.
 *
 * libuv on Unix leaves reserved words in every handle and request alone. One of them holds a tag:
 * the index of the record, and a generation. A tag is believed only if the record at that index
 * names this very struct as its owner and this generation, so what an uninitialised struct holds
 * does no harm: reading it is deliberate.
 *
 * Records never move and are never unmapped: uv_async_send and work callbacks read them from other
 * threads, and they outlive the struct, which the program may free in its own callback.
 */
#ifndef UVH_REGISTRY_H
#define UVH_REGISTRY_H

#include "ground.h"
#include "memcheck.h"
#include "uv_compat.h"

#pragma GCC visibility push(hidden)

/* Which of the program's functions stands in which slot of a record. */
enum uvh_slot {
	UVH_MAIN,              /* timer, read, connection, exit, after_work ... callback */
	UVH_EXTRA,             /* alloc callback; work callback; a thread's argument */
	UVH_CLOSE = UVH_EXTRA, /* close callback: a handle that closes allocates no more */
	UVH_SLOT_MAX,
};

enum uvh_record_flag {
	UVH_RECORD_ARMED = 1,       /* read_start and the like were called, and not yet stopped */
	UVH_RECORD_CANCELLED = 2,   /* uv_cancel succeeded */
	UVH_RECORD_QUEUED = 4,      /* its destroy is waiting */
	UVH_RECORD_POOLED = 8,      /* goes back to the pool of all threads, not to its space */
	UVH_RECORD_ENDED = 16,      /* the struct is the program's again: its tag is void */
	UVH_RECORD_EMBEDDER = 32,   /* a resource of the program itself: `callback` is not used */
	UVH_RECORD_MANUAL = 64,     /* one that does not end with its loop or thread */
	UVH_RECORD_DESTROYED = 128, /* one that runs although its destroy was delivered */
};

/*
 * One cache line: a callback that comes from the kernel finds none of it in the cache.
 *
 * States: free (id 0, owner NULL) -> prepared (owner set, id 0) -> alive (owner and id set)
 * -> ended (flagged, with the next generation: its last callback runs, or its destroy waits)
 * -> free.
 */
struct uvh_record {
	/* the uv_handle_t, uv_req_t or uvhooks_async_resource; NULL while free, and for a thread */
	void *owner;
	union {
		struct {
			uint32_t index; /* the low half of the tag: machines are little-endian */
			uint32_t generation;
		};
		uint64_t tag;
	};
	uvhooks_async_id id;
	union {
		void *callback[UVH_SLOT_MAX];
		struct {
			union {
				void *callback_main;
				uint64_t live_tag; /* of an embedder's resource, until it ends */
			};
			/* in the free list, or among the waiting destroys; 0 ends either */
			uint32_t next;
		};
	};
	uint16_t space;
	uint8_t flags;         /* enum uvh_record_flag */
	uint8_t destroy_flags; /* the low flags of its destroy event, kept while that waits */
	uint16_t type;         /* enum uvhooks_type; beside fs_type as in struct uvhooks_event */
	int16_t fs_type;       /* UVHOOKS_FS_NONE but for FSREQCALLBACK */
	uvhooks_async_id trigger;
	union {
		/* execution id of the last start; of an uv_async_t the last sender */
		uvhooks_async_id arm;
		/* while prepared, of a request: the tag of an earlier submission that never ended,
		   or 0 */
		uint64_t old_tag;
	};
};

_Static_assert(sizeof(struct uvh_record) == 64, "one cache line");
_Static_assert(offsetof(struct uvh_record, type) % 4 == 0, "see uvh_record_set_types");

/*
 * Records lie in segments. Behind those of a segment is room for what local storages and stacks
 * keep of each, and a segment begins at a multiple of its size: so that is found from the record
 * alone. Its pages are not touched, and so not there, as long as no store was entered.
 */
#define UVH_SEGMENT_BITS 12
#define UVH_SEGMENT_MAX  16384

extern struct uvh_record *uvh_segments[UVH_SEGMENT_MAX];
extern uint32_t uvh_record_limit; /* indexes below it exist; 0 is never given out */
extern bool uvh_on_memcheck;

#define UVH_SEGMENT_RECORDS ((size_t) 1 << UVH_SEGMENT_BITS)
#define UVH_SEGMENT_BYTES   ((size_t) 128 * UVH_SEGMENT_RECORDS)

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
struct uvh_storage_key;

struct uvh_store {
	struct uvh_store *outer; /* the rest of the list; or the next in the list of free ones */
	struct uvh_store *origin;
	struct uvh_storage_key *key;
	void *store;
	void (*release)(void *store);
	struct uvh_store *next_dead; /* see drop_later */
	uint32_t refs;
	uint32_t holders;
	uint32_t local;
	uint16_t space;
	bool follows_wakeups;
};

struct uvh_carried {
	struct uvh_store *captured; /* what callbacks of the resource begin with; see storage.h */
	struct uvh_store *sent;     /* by the latest uv_async_send, for storages that follow it */
};

/* Where it was made and armed last, while stacks are taken; of the resource with that id. */
struct uvh_places {
	uvhooks_async_id id;
	uint32_t init_stack;
	uint32_t start_stack;
};

_Static_assert(UVH_SEGMENT_RECORDS *(sizeof(struct uvh_record) + sizeof(struct uvh_carried) +
				     sizeof(struct uvh_places)) <= UVH_SEGMENT_BYTES,
	       "it fits");

/* In which segment, and the how manieth of it. */
struct uvh_record_place {
	uintptr_t segment;
	size_t index;
};

static inline struct uvh_record_place uvh_place_of_record(const struct uvh_record *record)
{
	const uintptr_t address = (uintptr_t) record;
	const uintptr_t segment = address & ~(uintptr_t) (UVH_SEGMENT_BYTES - 1);

	return (struct uvh_record_place){segment, (address - segment) / sizeof(*record)};
}

static inline struct uvh_carried *uvh_carried(const struct uvh_record *record)
{
	const struct uvh_record_place place = uvh_place_of_record(record);
	struct uvh_carried *first =
	    (struct uvh_carried *) (place.segment + UVH_SEGMENT_RECORDS * sizeof(*record));

	return &first[place.index];
}

static inline struct uvh_places *uvh_places(const struct uvh_record *record)
{
	const struct uvh_record_place place = uvh_place_of_record(record);
	struct uvh_places *first =
	    (struct uvh_places *) (place.segment +
				   UVH_SEGMENT_RECORDS *
				       (sizeof(*record) + sizeof(struct uvh_carried)));

	return &first[place.index];
}

static inline struct uvh_record *uvh_record_at(uint32_t index)
{
	struct uvh_record *record =
	    &uvh_segments[index >> UVH_SEGMENT_BITS][index & ((1u << UVH_SEGMENT_BITS) - 1)];

	if (record ==
	    NULL) /* an index below the limit has a segment: no check where it is inlined */
		__builtin_unreachable();
	return record;
}

static inline uint64_t uvh_record_tag(const struct uvh_record *record)
{
	return record->tag;
}

/* NULL unless the tag is that of a live record of this owner. */
static inline struct uvh_record *uvh_record_of_tag(uint64_t tag, const void *owner)
{
	uint32_t index = (uint32_t) tag;
	struct uvh_record *record;

	if (UVH_UNLIKELY(index >= __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE)))
		return NULL;
	record = uvh_record_at(index);
	/* Relaxed: uv_async_send looks from other threads, and only at what outlasts the call. */
	if (UVH_UNLIKELY(__atomic_load_n(&record->owner, __ATOMIC_RELAXED) != owner) ||
	    UVH_UNLIKELY(__atomic_load_n(&record->tag, __ATOMIC_RELAXED) != tag))
		return NULL;
	return record;
}

_Static_assert(sizeof(void *) == sizeof(uint64_t), "a reserved word holds a whole tag");

/*
 * The last of those words, as libuv itself reads what is behind them: it is in the cache by then.
 * reserved[0] of a handle is in use since libuv 1.45 (a busy count of uv_async_t).
 */
static inline uint64_t *uvh_handle_tag(void *handle)
{
	return (uint64_t *) &((uv_handle_t *) handle)->u.reserved[3];
}

static inline uint64_t *uvh_request_tag(void *request)
{
	return (uint64_t *) &((uv_req_t *) request)->reserved[5];
}

static inline struct uvh_record *uvh_record_of_handle(const void *handle)
{
	return uvh_record_of_tag(*uvh_handle_tag((void *) handle), handle);
}

static inline struct uvh_record *uvh_record_of_request(const void *request)
{
	return uvh_record_of_tag(*uvh_request_tag((void *) request), request);
}

UVH_SLOW void uvh_make_defined(uint64_t *tag);

/* The same for memory that may never have been written: valgrind is told that this is meant. */
static inline struct uvh_record *uvh_record_of_fresh(uint64_t *tag, const void *owner)
{
	if (UVH_UNLIKELY(uvh_on_memcheck))
		uvh_make_defined(tag);
	return uvh_record_of_tag(*tag, owner);
}

/*
 * A linear search by owner: only for a trampoline whose tag was overwritten, which must find the
 * program's callback at any price.
 */
struct uvh_record *uvh_record_by_search(const void *owner);

/* The same where no record names that owner any more: if the tag is one's, it may be the right one.
 */
struct uvh_record *uvh_record_of_tag_alone(uint64_t tag);

/*
 * The resource of a record is gone, and lets go of what it carries. Only where uvh_storing(), and
 * for one that is not POOLED. False if there is more to do, and then nothing has happened: see
 * uvh_stores_forget_slowly.
 */
static inline bool uvh_stores_forget(struct uvh_record *record)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *captured = carried->captured;

	if (UVH_UNLIKELY(__atomic_load_n(&carried->sent, __ATOMIC_RELAXED) != NULL))
		return false;
	if (captured == NULL)
		return true;
	if (UVH_UNLIKELY(captured->space != record->space || captured->local <= 1))
		return false;
	__atomic_store_n(&carried->captured, NULL, __ATOMIC_RELAXED);
	captured->local--;
	return true;
}

/* A run of free records: a chain first, then indexes that were never used. */
struct uvh_records {
	uint32_t free;
	uint32_t fresh, fresh_end;
};

/* Refills an empty run from the pool of all threads; false if there is no memory. */
bool uvh_records_refill(struct uvh_records *records);

/* Hands a whole run back to the pool. */
void uvh_records_return(struct uvh_records *records);

struct uvh_context;

/* A record of no space, for what may end on another thread than it began; and back. */
struct uvh_record *uvh_pooled_take(struct uvh_context *context);
void uvh_pooled_give(struct uvh_record *record);

static inline struct uvh_record *uvh_records_take(struct uvh_records *records)
{
	struct uvh_record *record;

	if (UVH_UNLIKELY(records->free == 0 && records->fresh == records->fresh_end) &&
	    !uvh_records_refill(records))
		return NULL;
	if (records->free != 0) {
		record = uvh_record_at(records->free);
		records->free = record->next;
	} else {
		record = uvh_record_at(records->fresh);
		record->index = records->fresh++;
	}
	return record;
}

static inline void uvh_record_own(struct uvh_record *record, void *owner)
{
	__atomic_store_n(&record->owner, owner, __ATOMIC_RELAXED);
}

/*
 * In one store, as events read them in one load, which would wait for two shorter ones. A thread of
 * the pool may already ask for the type.
 */
static inline void uvh_record_set_types(struct uvh_record *record, enum uvhooks_type type,
					int fs_type)
{
	const uint32_t both = (uint32_t) type | (uint32_t) fs_type << 16;

	__atomic_store_n((uint32_t *) (void *) &record->type, both, __ATOMIC_RELAXED);
}

/* Both, as they lie in memory. */
static inline uint32_t uvh_record_types(const struct uvh_record *record)
{
	return __atomic_load_n((const uint32_t *) (const void *) &record->type, __ATOMIC_RELAXED);
}

/* Who looks for the records of a space reads this of all records. */
static inline void uvh_record_set_space(struct uvh_record *record, uint16_t number)
{
	__atomic_store_n(&record->space, number, __ATOMIC_RELAXED);
}

/* Who looks for what an ending thread left behind reads the flags of all records. */
static inline void uvh_record_flag(struct uvh_record *record, unsigned int flag)
{
	__atomic_store_n(&record->flags, (uint8_t) (record->flags | flag), __ATOMIC_RELAXED);
}

/* No read-modify-write: only the thread that uses the loop changes it. */
static inline void uvh_record_void_tag(struct uvh_record *record)
{
	__atomic_store_n(&record->tag, record->tag + (UINT64_C(1) << 32), __ATOMIC_RELAXED);
}

/* The struct is the program's again, to free or to use anew: the tag in it is void. */
static inline void uvh_record_end(struct uvh_record *record)
{
	uvh_record_void_tag(record);
	uvh_record_flag(record, UVH_RECORD_ENDED);
}

/* The same where the struct is surely there: with 0 in it, who uses it anew need not look. */
static inline void uvh_record_leave(struct uvh_record *record, uint64_t *tag)
{
	uvh_record_end(record);
	*tag = 0;
}

static inline void uvh_record_clear(struct uvh_record *record)
{
	uvh_record_own(record, NULL);
	__atomic_store_n(&record->id, 0, __ATOMIC_RELAXED);
	uvh_record_void_tag(record);
	__atomic_store_n(&record->flags, 0, __ATOMIC_RELAXED);
}

static inline void uvh_records_give(struct uvh_records *records, struct uvh_record *record)
{
	uvh_record_clear(record);
	record->next = records->free;
	records->free = record->index;
}

#pragma GCC visibility pop

#endif
