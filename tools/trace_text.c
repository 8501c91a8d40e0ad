/* SPDX-License-Identifier: MIT */
/*
 * The texts and lists that the reader keeps. What a file calls a text is made into one, of whole
 * letters in UTF-8 and without anything that would control a terminal; so those who print it, or
 * put it into a file of their own, need not look at it again.
 */
#include "trace_parts.h"

#include <stdlib.h>

#define TEXT_BLOCK_BYTES 16384

struct uvh_text_block {
	struct uvh_text_block *next;
	size_t used, bytes;
	char text[];
};

/* How many bytes the letter has that begins here; 0 if none does. */
static size_t letter_bytes(const unsigned char *at)
{
	uint32_t letter = at[0], smallest;
	size_t bytes;

	if (letter < 0x80)
		return letter >= ' ' && letter != 0x7f;
	bytes = letter >= 0xf0 ? 4 : letter >= 0xe0 ? 3 : 2;
	smallest = bytes == 4 ? 0x10000 : bytes == 3 ? 0x800 : 0xa0; /* below, they control */
	if (letter < 0xc0 || letter > 0xf4)
		return 0;
	letter &= 0x7fu >> bytes;
	for (size_t i = 1; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		letter = letter << 6 | (at[i] & 0x3f);
	}
	if (letter < smallest || letter > 0x10ffff || (letter >= 0xd800 && letter <= 0xdfff))
		return 0;
	return bytes;
}

void uvh_text_clean(char *text)
{
	while (*text != '\0') {
		size_t bytes = letter_bytes((const unsigned char *) text);

		if (bytes == 0)
			*text = '?';
		text += bytes == 0 ? 1 : bytes;
	}
}

const char *uvh_text(struct uvh_texts *texts, const char *text, size_t bytes)
{
	struct uvh_text_block *block = texts->blocks;
	size_t room = bytes + 1 > TEXT_BLOCK_BYTES ? bytes + 1 : TEXT_BLOCK_BYTES;
	char *copy;

	if (bytes == 0)
		return "";
	if (block == NULL || block->bytes - block->used < bytes + 1) {
		block = malloc(sizeof(*block) + room);
		if (block == NULL)
			return "";
		block->next = texts->blocks;
		block->used = 0;
		block->bytes = room;
		texts->blocks = block;
	}
	copy = block->text + block->used;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	uvh_text_clean(copy);
	block->used += bytes + 1;
	return copy;
}

void uvh_texts_free(struct uvh_texts *texts)
{
	while (texts->blocks != NULL) {
		struct uvh_text_block *block = texts->blocks;

		texts->blocks = block->next;
		free(block);
	}
}

void *uvh_array_add(struct uvh_array *array, size_t item_bytes)
{
	if (array->count == array->room) {
		size_t room = array->room == 0 ? 16 : array->room * 2;
		void *items = reallocarray(array->items, room, item_bytes);

		if (items == NULL)
			return NULL;
		array->items = items;
		array->room = room;
	}
	return memset((char *) array->items + array->count++ * item_bytes, 0, item_bytes);
}
