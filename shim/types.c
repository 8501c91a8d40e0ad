/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "context.h"
#include "types.h"

/*
 * Names of types by hash: an open table of numbers, never more than half full. Readers take no
 * lock; a number is published after its name. Names are never forgotten.
 */
#define TABLE_SIZE 131072u
#define NAMED_MAX  (UINT16_MAX + 1 - UVHOOKS_TYPE_NAMED)

_Static_assert(2 * (NAMED_MAX + UVHOOKS_TYPE_NAMED) <= TABLE_SIZE, "half of it stays free");

static uint16_t *table;    /* 0: free */
static const char **named; /* by number, from UVHOOKS_TYPE_NAMED on */
static uint32_t named_count;

struct name {
	uint32_t hash;
	size_t length;
	char text[UVHOOKS_TYPE_NAME_BYTES];
};

/* A log writes it into one line, and between quotes. */
static char plain(char c)
{
	unsigned char byte = (unsigned char) c;

	return byte < ' ' || byte == 0x7f || c == '"' || c == '\\' ? '?' : c;
}

static void read_name(struct name *name, const char *text)
{
	name->hash = 2166136261u;
	for (name->length = 0; text[name->length] != '\0'; name->length++) {
		if (name->length == sizeof(name->text) - 1)
			break;
		name->text[name->length] = plain(text[name->length]);
		name->hash = (name->hash ^ (unsigned char) name->text[name->length]) * 16777619u;
	}
	/* Not in the midst of a character of UTF-8. */
	if (text[name->length] != '\0')
		while (name->length > 0 && (text[name->length] & 0xc0) == 0x80)
			name->length--;
	name->text[name->length] = '\0';
}

static uint16_t *slot_of(uint16_t *in, const struct name *name)
{
	for (uint32_t i = name->hash;; i++) {
		uint16_t *slot = &in[i % TABLE_SIZE];
		uint16_t type = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (type == 0 || strcmp(uvhooks_type_name(type), name->text) == 0)
			return slot;
	}
}

static void insert(uint16_t *in, const struct name *name, uint16_t type)
{
	__atomic_store_n(slot_of(in, name), type, __ATOMIC_RELEASE);
}

/* Names that the header knows keep its numbers. Called with the lock held. */
static bool make_table(void)
{
	uint16_t *made = uvh_map(TABLE_SIZE * sizeof(*made));
	struct name name;

	named = uvh_map(NAMED_MAX * sizeof(*named));
	if (made == NULL || named == NULL)
		return false;
	for (unsigned int type = 0; type < UVHOOKS_TYPE_MAX; type++) {
		if (uvhooks_type_kind(type) != UVHOOKS_KIND_EMBEDDER)
			continue;
		read_name(&name, uvhooks_type_name(type));
		insert(made, &name, (uint16_t) type);
	}
	__atomic_store_n(&table, made, __ATOMIC_RELEASE);
	return true;
}

static uint16_t add(const struct name *name)
{
	uint16_t type = 0;
	char *text;

	uvh_lock();
	if (table != NULL || make_table())
		type = *slot_of(table, name);
	if (type == 0 && table != NULL && named_count < NAMED_MAX &&
	    (text = uvh_keep_text(name->text, name->length)) != NULL) {
		__atomic_store_n(&named[named_count], text, __ATOMIC_RELEASE);
		type = (uint16_t) (UVHOOKS_TYPE_NAMED + named_count++);
		insert(table, name, type);
	}
	uvh_unlock();
	if (type != 0)
		return type;
	uvh_count(UVH_COUNT_types_exhausted);
	return UVHOOKS_EMBEDDER;
}

static uint16_t look_up(const char *text)
{
	uint16_t *in = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	struct name name;
	uint16_t type;

	read_name(&name, text);
	if (UVH_LIKELY(in != NULL)) {
		type = __atomic_load_n(slot_of(in, &name), __ATOMIC_ACQUIRE);
		if (UVH_LIKELY(type != 0))
			return type;
	}
	return add(&name);
}

uint16_t uvh_type_of_name(struct uvh_context *context, const char *text)
{
	struct uvh_type_seen *seen = &context->types_seen[((uintptr_t) text >> 4) % UVH_TYPES_SEEN];

	if (UVH_UNLIKELY(seen->name == NULL || strcmp(seen->name, text) != 0)) {
		seen->type = look_up(text);
		seen->name = uvhooks_type_name(seen->type);
	}
	return seen->type;
}

const char *uvhooks_named_type(unsigned int type)
{
	const char **names = __atomic_load_n(&named, __ATOMIC_ACQUIRE);

	if (names == NULL || type < UVHOOKS_TYPE_NAMED || type > UINT16_MAX)
		return NULL;
	return __atomic_load_n(&names[type - UVHOOKS_TYPE_NAMED], __ATOMIC_ACQUIRE);
}

const char ***uvh_type_names(void)
{
	return &named;
}
