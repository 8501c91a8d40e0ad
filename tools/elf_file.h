/* SPDX-License-Identifier: MIT */
/*
 * The facts of one ELF file that decide whether a preloaded library gets in and what it sees.
 * Read with libelf; nothing of the file is ever executed here.
 */
#ifndef UVH_ELF_FILE_H
#define UVH_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Where a file defines libuv's functions itself. */
enum uvh_libuv_inside {
	UVH_LIBUV_NONE,
	UVH_LIBUV_EXPORTED, /* in .dynsym: it goes before every library, the shim included */
	UVH_LIBUV_PRIVATE,  /* in .symtab only: libraries do not see it */
	UVH_LIBUV_LIKELY    /* stripped, but libuv's texts are in its read-only data */
};

struct uvh_elf {
	unsigned int machine;      /* EM_* */
	unsigned int word_class;   /* ELFCLASS32, ELFCLASS64 */
	char loader[PATH_MAX];     /* PT_INTERP; "" where there is none */
	char soname[NAME_MAX + 1]; /* DT_SONAME; "" where there is none */
	char asan[NAME_MAX + 1];   /* the ASan runtime in DT_NEEDED; "" where there is none */
	bool library;              /* a shared library, no program */
	enum uvh_libuv_inside libuv;
	unsigned int libuv_version; /* of a libuv inside, as uv_version() gives it; 0: not known */
};

/* Reads `path`. 0; -ENOEXEC where it is no ELF file, or a damaged one; or another -errno. */
int uvh_elf_read(const char *path, struct uvh_elf *elf);

/* Does the file export uv_run, as a shared libuv does? */
bool uvh_elf_exports_libuv(const char *path);

/* Is this the file name of an ASan runtime that is a shared library? */
bool uvh_is_asan(const char *path);

/* A set of names, sorted. */
struct uvh_names {
	size_t count;
	char **names;
};

/*
 * The functions "uv_..." that the file defines: those it exports, or, where it exports none, those
 * in its .symtab. 0 or -errno.
 */
int uvh_elf_functions(const char *path, struct uvh_names *functions);
bool uvh_names_have(const struct uvh_names *names, const char *name);
void uvh_names_free(struct uvh_names *names);

/* "x86-64 (64 bit)" */
const char *uvh_machine_text(const struct uvh_elf *elf, char *text, size_t bytes);

#endif
