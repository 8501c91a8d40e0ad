/* SPDX-License-Identifier: MIT */
/*
 * What a PROGRAM on the command line is, and whether libuvhooks.so can see its libuv calls. `run`
 * asks before it starts the program, `check` and `hooks` tell.
 */
#ifndef UVH_INSPECT_H
#define UVH_INSPECT_H

#include "elf_file.h"
#include "ways.h"

enum uvh_program_kind {
	UVH_PROGRAM_ELF,
	UVH_PROGRAM_SCRIPT,    /* "#!", or what the kernel refuses and /bin/sh then runs */
	UVH_PROGRAM_UNREADABLE /* may be run, but not read: nothing is known of it */
};

struct uvh_program {
	const char *name;    /* as it was given */
	char path[PATH_MAX]; /* where it was found */
	enum uvh_program_kind kind;
	char interpreter[PATH_MAX]; /* of a script: the ELF program that runs in the end */
	bool behind_env;            /* that is an env, and what it starts cannot be told */
	struct uvh_elf elf;         /* of `interpreter`, or of `path` where it is no script */
};

/* Two sentences for people; `why` is "" where nothing stands in the way. */
struct uvh_verdict {
	char why[3 * PATH_MAX + 256];
	char next[2 * PATH_MAX + 256];
	bool reached; /* libuvhooks.so gets in, be there something to see or not */
};

/* The ELF file whose code runs: `path` or, of a script, `interpreter`. */
const char *uvh_program_file(const struct uvh_program *program);

/*
 * Finds `name` as a shell does, through PATH if it has no '/'. 0, -ENOENT, or -EACCES where there
 * is a file, but none that may be executed.
 */
int uvh_program_find(const char *name, char path[PATH_MAX]);

/*
 * Looks at the program at `program->path`, `program->name` being set too. 0; -ENOEXEC where it is
 * nothing that can be run; -ENOENT or -EACCES where its interpreter (then in
 * `program->interpreter`) is missing or not executable; or another -errno.
 */
int uvh_program_read(struct uvh_program *program);

/*
 * Can libuvhooks.so get in and see libuv's calls? True where nothing is known against it. `copies`
 * are those of the program file.
 */
bool uvh_program_traceable(const struct uvh_program *program, const struct uvh_copies *copies,
			   struct uvh_verdict *verdict);

/* Looks for the libuvs of the program. To be freed in any case. */
int uvh_program_copies(const struct uvh_program *program, struct uvh_copies *copies);

#endif
