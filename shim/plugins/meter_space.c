/* SPDX-License-Identifier: MIT */
/*
 * From an id to where its resource was made.
 *
 * Ids of a space are made one after the other, so their sequence numbers are the best hash there
 * is. A bucket has room for a few; where it is full, another level is begun, eight times as big,
 * and lookups go from the newest to the oldest. Nothing moves: the threads of the pool look up what
 * a loop's thread enters.
 *
 * Invariant: only the thread that makes resources in a space enters them there; whoever ends one
 * frees its place, by one store.
 */
#include <string.h>
#include <sys/mman.h>

#include "meter.h"

static struct meter_bucket *level_of(const struct meter_space *space, uint32_t level)
{
	return (struct meter_bucket *) (uintptr_t) __atomic_load_n(&space->buckets[level],
								   __ATOMIC_ACQUIRE);
}

static struct meter_bucket *bucket_of(const struct meter_space *space, uint32_t level, uint64_t id)
{
	return &level_of(space, level)[id & (METER_LEVEL_BUCKETS(level) - 1)];
}

/* The place of an id, or a free one for 0, in a bucket; METER_WAYS: there is none. */
static unsigned int way_of(const struct meter_bucket *bucket, uint64_t id)
{
	unsigned int way;

	for (way = 0; way < METER_WAYS; way++)
		if (__atomic_load_n(&bucket->ids[way], __ATOMIC_ACQUIRE) == id)
			break;
	return way;
}

static struct meter_bucket *find(uint64_t id, unsigned int *way)
{
	const struct meter_space *space = &meter->spaces[uvhooks_id_space(id)];
	uint32_t level = __atomic_load_n(&space->level_count, __ATOMIC_ACQUIRE);

	if (!meter_space_is_begun(id))
		return NULL;
	while (level-- > 0) {
		struct meter_bucket *bucket = bucket_of(space, level, id);

		*way = way_of(bucket, id);
		if (*way < METER_WAYS)
			return bucket;
	}
	return NULL;
}

struct meter_slot *meter_slot_find(uint64_t id)
{
	unsigned int way;
	struct meter_bucket *bucket = find(id, &way);

	return METER_LIKELY(bucket != NULL) ? &bucket->slots[way] : NULL;
}

void meter_slot_free(uint64_t id)
{
	unsigned int way;
	struct meter_bucket *bucket = find(id, &way);

	if (bucket != NULL)
		__atomic_store_n(&bucket->ids[way], 0, __ATOMIC_RELEASE);
}

/* Another level; it stays for good. */
static bool grow(struct meter_space *space)
{
	const uint32_t level = space->level_count;
	size_t bytes;
	void *memory;

	if (level == METER_LEVELS)
		return false;
	bytes = METER_LEVEL_BUCKETS(level) * sizeof(struct meter_bucket);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	__atomic_store_n(&space->buckets[level], (uintptr_t) memory, __ATOMIC_RELEASE);
	__atomic_store_n(&space->level_count, level + 1, __ATOMIC_RELEASE);
	return true;
}

struct meter_slot *meter_slot_add(uint64_t id, const struct meter_slot *filled)
{
	struct meter_space *space = &meter->spaces[uvhooks_id_space(id)];

	if (uvhooks_id_sequence(id) == 0)
		return NULL;
	do {
		for (uint32_t level = space->level_count; level-- > 0;) {
			struct meter_bucket *bucket = bucket_of(space, level, id);
			const unsigned int way = way_of(bucket, 0);

			if (way == METER_WAYS)
				continue;
			bucket->slots[way] = *filled;
			__atomic_store_n(&bucket->ids[way], id, __ATOMIC_RELEASE);
			return &bucket->slots[way];
		}
	} while (grow(space));
	meter_miss(&meter->area.no_slot);
	return NULL;
}

struct listing {
	struct meter_thread *thread;
	unsigned int space;
	uint64_t besides;
};

static void list(const struct uvhooks_resource *resource, void *data)
{
	const struct listing *listing = data;
	const uint64_t id = resource->async_id;
	const uint64_t word =
	    resource->init_stack != 0 ? METER_STACK | resource->init_stack : METER_BEFORE;
	const bool is_for_pool = meter_is_for_pool(resource->type);
	struct meter_slot slot = {.in_pool = is_for_pool ? METER_WAS_LISTED : 0};
	uint32_t row;

	if (uvhooks_id_space(id) != listing->space || id == listing->besides ||
	    uvhooks_id_sequence(id) <= 1)
		return;
	slot.site =
	    meter_row_make(listing->thread, METER_SITE, resource->type, resource->fs_type, word);
	meter_add(&meter->rows[slot.site].n[METER_SITE_LISTED], 1);
	if (meter_slot_add(id, &slot) == NULL || !is_for_pool)
		return;
	row = meter_row_make(listing->thread, METER_POOL, resource->type, resource->fs_type, 0);
	meter_add(&meter->rows[row].n[METER_POOL_LISTED], 1);
}

void meter_space_begin(struct meter_thread *thread, uint64_t id, uint64_t besides)
{
	struct meter_space *space = &meter->spaces[uvhooks_id_space(id)];
	struct listing listing = {thread, uvhooks_id_space(id), besides};

	for (uint32_t level = 0; level < space->level_count; level++)
		memset(level_of(space, level), 0,
		       METER_LEVEL_BUCKETS(level) * sizeof(struct meter_bucket));
	__atomic_store_n(&space->generation, meter->area.generation, __ATOMIC_RELEASE);
	uvhooks_for_each_resource(list, &listing);
}
