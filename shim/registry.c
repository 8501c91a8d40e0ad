/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include "context.h"

struct uvh_record *uvh_segments[UVH_SEGMENT_MAX];
UVH_HOT uint32_t uvh_record_limit;
UVH_HOT bool uvh_on_memcheck;

/*
 * The pool: runs that came back, and indexes that were never given out. The lock is taken once per
 * batch, so never for each event.
 */
static uint32_t pool_free;
static uint32_t pool_fresh = 1; /* index 0 means none */

/* A batch: small while the process holds little, so that many small loops stay cheap. */
#define SMALL_BATCH 32
#define LARGE_BATCH 1024

void uvh_make_defined(uint64_t *tag)
{
	(void) tag;
	UVH_MAKE_DEFINED(tag, sizeof(*tag));
}

struct uvh_record *uvh_record_by_search(const void *owner)
{
	uint32_t limit = __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE);

	for (uint32_t index = 1; index < limit; index++)
		if (uvh_record_at(index)->owner == owner &&
		    !(uvh_record_at(index)->flags & (UVH_RECORD_ENDED | UVH_RECORD_EMBEDDER)))
			return uvh_record_at(index);
	return NULL;
}

struct uvh_record *uvh_record_of_tag_alone(uint64_t tag)
{
	const uint32_t index = (uint32_t) tag;
	struct uvh_record *record;

	if (index == 0 || index >= __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE))
		return NULL;
	record = uvh_record_at(index);
	return record->tag == tag && record->id != 0 && !(record->flags & UVH_RECORD_EMBEDDER)
		   ? record
		   : NULL;
}

/* Makes the indexes from pool_fresh on exist; called with the lock held. Returns how many. */
static uint32_t fresh_batch(void)
{
	uint32_t segment = pool_fresh >> UVH_SEGMENT_BITS;
	uint32_t left = (uint32_t) (UVH_SEGMENT_RECORDS - pool_fresh % UVH_SEGMENT_RECORDS);
	uint32_t batch = pool_fresh < UVH_SEGMENT_RECORDS ? SMALL_BATCH : LARGE_BATCH;

	if (segment >= UVH_SEGMENT_MAX)
		return 0;
	if (uvh_segments[segment] == NULL) {
		struct uvh_record *records = uvh_map_aligned(UVH_SEGMENT_BYTES);

		if (records == NULL)
			return 0;
		uvh_segments[segment] = records;
	}
	return batch < left ? batch : left;
}

bool uvh_records_refill(struct uvh_records *records)
{
	bool refilled = true;
	uint32_t batch;

	uvh_lock();
	if (pool_free != 0) {
		uint32_t last = records->free = pool_free;

		for (int i = 1; i < LARGE_BATCH && uvh_record_at(last)->next != 0; i++)
			last = uvh_record_at(last)->next;
		pool_free = uvh_record_at(last)->next;
		uvh_record_at(last)->next = 0;
	} else if ((batch = fresh_batch()) > 0) {
		records->fresh = pool_fresh;
		pool_fresh += batch;
		records->fresh_end = pool_fresh;
		__atomic_store_n(&uvh_record_limit, pool_fresh, __ATOMIC_RELEASE);
	} else {
		refilled = false;
	}
	uvh_unlock();
	if (!refilled)
		uvh_count(UVH_COUNT_records_exhausted);
	return refilled;
}

void uvh_records_return(struct uvh_records *records)
{
	uint32_t last = records->free;

	while (records->fresh < records->fresh_end) {
		struct uvh_record *record = uvh_record_at(records->fresh);

		record->index = records->fresh++;
		uvh_records_give(records, record);
		if (last == 0)
			last = record->index;
	}
	if (records->free == 0)
		return;
	while (uvh_record_at(last)->next != 0)
		last = uvh_record_at(last)->next;
	uvh_lock();
	uvh_record_at(last)->next = pool_free;
	pool_free = records->free;
	uvh_unlock();
	*records = (struct uvh_records){0};
}

/* As many come back to a thread before it hands them to the pool, for those that make them. */
#define POOLED_MAX (2 * LARGE_BATCH)

struct uvh_record *uvh_pooled_take(struct uvh_context *context)
{
	struct uvh_record *record = uvh_records_take(&context->pooled);

	if (record != NULL)
		uvh_record_flag(record, UVH_RECORD_POOLED);
	return record;
}

void uvh_pooled_give(struct uvh_record *record)
{
	struct uvh_context *context = uvh_tls.context;

	if (UVH_UNLIKELY(context == NULL)) /* no memory for one: the record is lost */
		return;
	uvh_records_give(&context->pooled, record);
	if (UVH_UNLIKELY(++context->pooled_count == POOLED_MAX)) {
		context->pooled_count = 0;
		uvh_records_return(&context->pooled);
	}
}
