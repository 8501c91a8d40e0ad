/* SPDX-License-Identifier: MIT */
/*
 * Memory for what the verbs gather. A command that has none left can do nothing but say so: these
 * end it, with status 1, and never return NULL.
 */
#ifndef UVH_MEMORY_H
#define UVH_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* `block`, if it is not NULL. */
void *uvh_or_end(void *block);

/* realloc(block, count * bytes). */
void *uvh_resize(void *block, size_t count, size_t bytes);

/* Zeros. */
void *uvh_zeros(size_t count, size_t bytes);

char *uvh_copy_text(const char *text);

/*
 * An array that grows: makes room for `wanted` items of `bytes` each, the new ones zero. Returns
 * where it is then; `room` is how many it has room for.
 */
void *uvh_grow(void *array, size_t *room, size_t wanted, size_t bytes);

/*
 * From a hash to the numbers of rows that the caller keeps: which of those with this hash is the
 * one is for the caller to compare.
 *
 *	size_t at = 0;
 *	uint32_t row;
 *
 *	while ((row = uvh_index_next(index, hash, &at)) != UVH_INDEX_END)
 *		if (rows[row].key == key)
 *			return &rows[row];
 *	uvh_index_add(index, hash, count);
 *
 * Zeros are an empty one. Invariant: at least half of the slots are free, so that a search ends.
 */
struct uvh_index {
	struct uvh_index_slot {
		uint32_t hash;
		uint32_t row_plus_one; /* 0: free */
	} * slots;
	size_t mask; /* their count less one */
	size_t used;
};

#define UVH_INDEX_END UINT32_MAX

void uvh_index_add(struct uvh_index *index, uint32_t hash, uint32_t row);
/* Forgets a row; the hash is the one that it was added with. */
void uvh_index_remove(struct uvh_index *index, uint32_t hash, uint32_t row);
void uvh_index_free(struct uvh_index *index);

static inline uint32_t uvh_index_next(const struct uvh_index *index, uint32_t hash, size_t *at)
{
	if (index->slots == NULL)
		return UVH_INDEX_END;
	for (;;) {
		const struct uvh_index_slot *slot = &index->slots[(hash + (*at)++) & index->mask];

		if (slot->row_plus_one == 0)
			return UVH_INDEX_END;
		if (slot->hash == hash)
			return slot->row_plus_one - 1;
	}
}

/* Two numbers to a hash; for more, hash them one after the other. */
static inline uint32_t uvh_hash(uint64_t one, uint64_t other)
{
	uint64_t mixed =
	    (one ^ (other * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xff51afd7ed558ccd);

	return (uint32_t) (mixed >> 32 ^ mixed);
}

/* A text behind what is in the hash already. */
static inline uint32_t uvh_hash_text(uint32_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * 16777619u;
	return hash;
}

#endif
