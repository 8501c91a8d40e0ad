/* SPDX-License-Identifier: MIT */
/*
 * The functions that an ELF file names: to the loader (.dynsym), in its full table (.symtab), or in
 * the full table of its debug file, which has the same build id. They are found as the shim finds
 * them in a process: see shim/object.c and shim/symbols.c.
 */
#ifndef UVH_ELF_SYMBOLS_H
#define UVH_ELF_SYMBOLS_H

#include <limits.h>
#include <stdint.h>

#include "elf_raw.h"

struct uvh_symbols {
	Elf_Data *symbols;
	Elf_Data *texts;
	size_t count; /* 0: there are none */
	/* DT_GNU_HASH, where a name is found without looking at all; NULL where there is none. */
	const uint32_t *hash;
	size_t hash_words;
	size_t first_bucket;
};

/* What the loader knows of the file. */
void uvh_symbols_exported(struct uvh_symbols *symbols, const struct uvh_raw *raw);

/* The full table of this very file. */
void uvh_symbols_full(struct uvh_symbols *symbols, const struct uvh_raw *raw);

/* The build id as `bytes` bytes: cut, or with zeros behind it; all zeros where there is none. */
void uvh_build_id(const struct uvh_raw *raw, uint8_t *id, size_t bytes);

/* Where debug files are. */
#define UVH_DEBUG_ROOT "/usr/lib/debug"

/* Where the debug file of this one is looked for below a folder; "" where it has no build id. */
void uvh_debug_path(const struct uvh_raw *raw, const char *root, char path[PATH_MAX]);

/* Is this the debug file of that one: has it the same build id? */
bool uvh_is_debug_of(const struct uvh_raw *debug, const struct uvh_raw *raw);

/* Return true to stop. */
typedef bool (*uvh_symbol_cb)(const char *name, const GElf_Sym *symbol, void *data);

/*
 * Calls `callback` for each function that the table defines, in its order. `name` is good until the
 * next; behind '@' it may have a version.
 */
bool uvh_symbols_each(const struct uvh_symbols *symbols, uvh_symbol_cb callback, void *data);

/* Is this the name, with or without a version behind it? */
bool uvh_symbol_is_named(const char *symbol, const char *name);

/* The address of the first function of this name; 0 where there is none. */
GElf_Addr uvh_symbols_find(const struct uvh_symbols *symbols, const char *name);

/* The name of the symbol at `index`, which may be defined elsewhere; "" where there is none. */
const char *uvh_symbols_name(const struct uvh_symbols *symbols, size_t index);

/* Is this name wanted of another file? */
bool uvh_symbols_want(const struct uvh_symbols *symbols, const char *name);

/* Do its texts hold these bytes? If not, no symbol is so named; cheaper than to look at all. */
bool uvh_symbols_may_have(const struct uvh_symbols *symbols, const char *name);

#endif
