/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"

#define FIRST_ROOM 64

void *uvh_or_end(void *block)
{
	if (block != NULL)
		return block;
	uvh_say("no memory");
	exit(UVH_FAILED);
}

void *uvh_resize(void *block, size_t count, size_t bytes)
{
	if (count == 0)
		count = 1;
	return uvh_or_end(reallocarray(block, count, bytes));
}

void *uvh_zeros(size_t count, size_t bytes)
{
	return uvh_or_end(calloc(count == 0 ? 1 : count, bytes));
}

char *uvh_copy_text(const char *text)
{
	return uvh_or_end(strdup(text));
}

void *uvh_grow(void *array, size_t *room, size_t wanted, size_t bytes)
{
	size_t now = *room == 0 ? FIRST_ROOM : *room;

	if (wanted <= *room)
		return array;
	while (now < wanted)
		now *= 2;
	array = uvh_resize(array, now, bytes);
	memset((char *) array + *room * bytes, 0, (now - *room) * bytes);
	*room = now;
	return array;
}

static void put(struct uvh_index *index, struct uvh_index_slot entry)
{
	size_t at = entry.hash;

	while (index->slots[at & index->mask].row_plus_one != 0)
		at++;
	index->slots[at & index->mask] = entry;
}

void uvh_index_add(struct uvh_index *index, uint32_t hash, uint32_t row)
{
	if (index->slots == NULL || index->used >= (index->mask + 1) / 2) {
		struct uvh_index old = *index;
		size_t count = old.slots == NULL ? FIRST_ROOM : (old.mask + 1) * 2;

		index->slots = uvh_zeros(count, sizeof(*index->slots));
		index->mask = count - 1;
		for (size_t i = 0; old.slots != NULL && i <= old.mask; i++)
			if (old.slots[i].row_plus_one != 0)
				put(index, old.slots[i]);
		free(old.slots);
	}
	put(index, (struct uvh_index_slot){hash, row + 1});
	index->used++;
}

void uvh_index_remove(struct uvh_index *index, uint32_t hash, uint32_t row)
{
	size_t hole = hash, next;

	while (index->slots[hole & index->mask].row_plus_one != row + 1) {
		if (index->slots[hole & index->mask].row_plus_one == 0)
			return;
		hole++;
	}
	hole &= index->mask;
	/* What a search would not find behind the hole is moved into it. */
	for (next = (hole + 1) & index->mask; index->slots[next].row_plus_one != 0;
	     next = (next + 1) & index->mask) {
		size_t home = index->slots[next].hash & index->mask;

		if (((next - home) & index->mask) < ((next - hole) & index->mask))
			continue;
		index->slots[hole] = index->slots[next];
		hole = next;
	}
	index->slots[hole].row_plus_one = 0;
	index->used--;
}

void uvh_index_free(struct uvh_index *index)
{
	free(index->slots);
	*index = (struct uvh_index){0};
}
