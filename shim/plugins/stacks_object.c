/* SPDX-License-Identifier: MIT */
/*
 * Which loaded object an address lies in. The C library tells it without a lock since its version
 * 2.35: a thread that loads a library, or a fork amidst of that, is in nobody's way. Before, there
 * is but dl_iterate_phdr, which takes the loader's lock for a moment.
 */
#include "stacks.h"

#include <dlfcn.h>
#include <link.h>

#define DESCRIPTION_WORDS 32 /* nearly all are shorter */

struct search {
	uintptr_t address;
	struct stacks_object *object;
};

static int look_into(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	uintptr_t begin = UINTPTR_MAX, end = 0, table = 0;

	(void) size;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t here = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_GNU_EH_FRAME)
			table = here;
		if (header->p_type != PT_LOAD)
			continue;
		begin = here < begin ? here : begin;
		end = here + header->p_memsz > end ? here + header->p_memsz : end;
	}
	if (search->address < begin || search->address >= end)
		return 0;
	*search->object = (struct stacks_object){begin, end, table};
	return 1;
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
__typeof__(_dl_find_object) _dl_find_object __attribute__((weak));

static bool find_quickly(uintptr_t address, struct stacks_object *object)
{
	struct dl_find_object found;

	if (_dl_find_object((void *) address, &found) != 0)
		return false;
	*object =
	    (struct stacks_object){(uintptr_t) found.dlfo_map_start, (uintptr_t) found.dlfo_map_end,
				   (uintptr_t) found.dlfo_eh_frame};
	return true;
}
#endif

bool stacks_find_object(uintptr_t address, struct stacks_object *object)
{
	struct search search = {address, object};

#ifdef DLFO_STRUCT_HAS_EH_DBASE
	if (_dl_find_object != NULL)
		return find_quickly(address, object);
#endif
	return dl_iterate_phdr(look_into, &search) == 1;
}

/* What the object says about a place: its frame description. NULL: nothing. */
static const uint32_t *find_description(const struct stacks_object *object, uintptr_t ip)
{
	const struct stacks_table *table = (const struct stacks_table *) object->unwind_table;
	int64_t offset = (int64_t) (ip - object->unwind_table);
	size_t first = 0, last;

	if (table == NULL || !stacks_is_known_table(table) || table->count == 0 ||
	    offset < table->entries[0].function)
		return NULL;
	for (last = table->count; last - first > 1;) {
		size_t middle = first + (last - first) / 2;

		if (table->entries[middle].function <= offset)
			first = middle;
		else
			last = middle;
	}
	return (const uint32_t *) (object->unwind_table +
				   (uintptr_t) (intptr_t) table->entries[first].description);
}

uint16_t stacks_hash_of_place(const struct stacks_object *object, uintptr_t ip)
{
	const uint32_t *description = find_description(object, ip);
	uint64_t hash = object->begin ^ object->unwind_table << 7;
	size_t words = description == NULL ? 0 : 1 + description[0] / sizeof(*description);

	for (size_t i = 0; i < words && i < DESCRIPTION_WORDS; i++)
		hash = (hash ^ hash >> 31 ^ description[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint16_t) (hash >> 49 | 1);
}
