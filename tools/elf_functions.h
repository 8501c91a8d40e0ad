/* SPDX-License-Identifier: MIT */
/*
 * Which function of an ELF file an address is in. Of several names for it the one that the log
 * plugin would take: see rank_of() in shim/plugins/log_symbol.c.
 */
#ifndef UVH_ELF_FUNCTIONS_H
#define UVH_ELF_FUNCTIONS_H

#include "elf_raw.h"

struct uvh_elf_function;

/*
 * Invariant: `functions` is sorted by where they begin; two may overlap. Their names lie in the
 * file's own tables.
 */
struct uvh_elf_functions {
	struct uvh_elf_function *functions;
	size_t count;
};

/*
 * Reads all tables of symbols that the file has. A damaged one is left out. 0 or -ENOMEM. The file
 * must stay open as long as the functions are used.
 */
int uvh_elf_functions_read(struct uvh_elf_functions *functions, const struct uvh_raw *raw);
void uvh_elf_functions_free(struct uvh_elf_functions *functions);

/*
 * The name of the best function at `address`, which is one in the file, and how far into it that
 * is; NULL where there is none. Behind '@' the name may have a version.
 */
const char *uvh_elf_functions_find(const struct uvh_elf_functions *functions, uint64_t address,
				   uint64_t *offset);

#endif
