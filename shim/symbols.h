/* SPDX-License-Identifier: MIT */
/*
 * The full symbol table of a loaded object, from its file or from a debug file with its build id:
 * it names the functions that are not exported. Read, not mapped: the file may shrink meanwhile.
 * Used under the one lock of the slow paths.
 */
#ifndef UVH_SYMBOLS_H
#define UVH_SYMBOLS_H

#include "object.h"

#pragma GCC visibility push(hidden)

struct uvh_symbols {
	int fd;
	size_t count;
	off_t offset, string_offset;
	size_t string_bytes;
	char *strings; /* all names, once they were asked for */
	size_t next;   /* where uvh_symbols_next goes on */
};

/* False if there is no table, or none that is surely of this object. */
bool uvh_symbols_open(struct uvh_symbols *symbols, const struct uvh_object *object);

/* Goes on at the symbol of a number, or with a few that are before it. */
void uvh_symbols_seek(struct uvh_symbols *symbols, size_t number);

/* One symbol after another; good until the next call for any object. NULL at the end. */
const ElfW(Sym) * uvh_symbols_next(struct uvh_symbols *symbols);

/* All names, in memory. False if there is no memory for them. */
bool uvh_symbols_read_names(struct uvh_symbols *symbols);

/* The name of a symbol, "" if it cannot be read; good until the next call. */
const char *uvh_symbols_name(struct uvh_symbols *symbols, const ElfW(Sym) * symbol);

void uvh_symbols_close(struct uvh_symbols *symbols);

static inline bool uvh_symbol_is_function(const ElfW(Sym) * symbol)
{
	return symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 &&
	       ELF64_ST_TYPE(symbol->st_info) == STT_FUNC;
}

#pragma GCC visibility pop

#endif
