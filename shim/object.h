/* SPDX-License-Identifier: MIT */
/*
 * Loaded ELF objects, read from memory. Instead of dlsym, which may allocate, sets dlerror, and
 * finds what the search order finds rather than what *this* object defines.
 */
#ifndef UVH_OBJECT_H
#define UVH_OBJECT_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct uvh_object {
	const char *path; /* as the loader knows it; "" for the program */
	uintptr_t base;
	uintptr_t low, high;           /* all of its segments */
	uintptr_t code_low, code_high; /* the largest that is executable */
	uintptr_t relro_low, relro_high;
	const ElfW(Dyn) * dynamic;
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash;
	const uint32_t *sysv_hash;
	const ElfW(Rela) * relocations[2]; /* .rela.plt, .rela.dyn */
	size_t relocation_count[2];
	const char *soname;
};

/* Fills `object`; false where there is no dynamic symbol table to look into. */
bool uvh_object_read(struct uvh_object *object, const struct dl_phdr_info *info);

/* Does the address lie in what is mapped of it? */
static inline bool uvh_object_holds(const struct uvh_object *object, uintptr_t address)
{
	return address >= object->low && address < object->high;
}

/* The object that holds an address. */
bool uvh_object_at(struct uvh_object *object, uintptr_t address);

/* The symbol of a function that the object itself defines; NULL where it does not. */
const ElfW(Sym) * uvh_object_symbol(const struct uvh_object *object, const char *name);

/* The address that the object itself defines a function at; NULL where it does not. */
void *uvh_object_function(const struct uvh_object *object, const char *name);

/* Does it use a function of another object by this name? */
bool uvh_object_imports(const struct uvh_object *object, const char *name);

/* How many symbols it has for the loader; index 0 is none. */
uint32_t uvh_object_symbol_count(const struct uvh_object *object);

/* Do all functions that it exports begin with `prefix`, or with '_' as _init does? */
bool uvh_object_exports_only(const struct uvh_object *object, const char *prefix);

/* Does it leave a name that `chosen` accepts to the loader? */
bool uvh_object_asks_for(const struct uvh_object *object, bool (*chosen)(const char *name));

/*
 * Makes every relocation of the object against a name that `chosen` accepts, and that `target`
 * defines, hold that definition; `target` may be the object itself. False if a slot could not be
 * written.
 */
bool uvh_object_rebind(const struct uvh_object *object, const struct uvh_object *target,
		       bool (*chosen)(const char *name));

#pragma GCC visibility pop

#endif
