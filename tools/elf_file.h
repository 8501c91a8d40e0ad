/* SPDX-License-Identifier: MIT */
/*
 * The facts of one ELF file that decide whether a preloaded library gets in.
 */
#ifndef UVH_ELF_FILE_H
#define UVH_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct uvh_elf {
	unsigned int machine;      /* EM_* */
	unsigned int word_class;   /* ELFCLASS32, ELFCLASS64 */
	char loader[PATH_MAX];     /* PT_INTERP; "" where there is none */
	char soname[NAME_MAX + 1]; /* DT_SONAME; "" where there is none */
	char asan[NAME_MAX + 1];   /* the ASan runtime in DT_NEEDED; "" where there is none */
	bool library;              /* a shared library, no program */
};

/* Reads `path`. 0; -ENOEXEC where it is no ELF file, or a damaged one; or another -errno. */
int uvh_elf_read(const char *path, struct uvh_elf *elf);

/* Is this the file name of an ASan runtime that is a shared library? */
bool uvh_is_asan(const char *path);

/* "x86-64 (64 bit)" */
const char *uvh_machine_text(const struct uvh_elf *elf, char *text, size_t bytes);

#endif
