/* SPDX-License-Identifier: MIT */
/*
 * The libuvs that a program has when it starts, in itself and in the libraries that it needs, and
 * the way in that each gets. The rule is that of the shim (shim/way.h, applied as libuv_scan.c
 * does); only the facts come from files here.
 */
#ifndef UVH_WAYS_H
#define UVH_WAYS_H

#include "../shim/way.h"
#include "libuv_file.h"
#include "loader.h"

struct uvh_copy {
	struct uvh_libuv_file file;
	bool program;        /* it is in the executable */
	enum uvh_way way;    /* UVH_WAY_NONE also where there is one, and it cannot be gone */
	const char *blocked; /* why it cannot be patched, where it should be; else NULL */
	bool seen;           /* calls of it are seen */
};

struct uvh_copies {
	struct uvh_copy *list;
	size_t count;
	int libraries_error; /* as uvh_libraries_read() has it */
	char libraries_text[UVH_TEXT_BYTES];
	const struct uvh_patch_engine *engine; /* where one is needed, and can be had */
	bool forbidden;                        /* UVHOOKS_PATCH=0 */
	char no_engine[UVH_TEXT_BYTES];        /* why it cannot be had */
};

/*
 * Looks into the program `file`, which `loader` loads ("": none does). 0 or -errno; to be given to
 * uvh_copies_free() in any case.
 */
int uvh_copies_find(const char *file, const char *loader, struct uvh_copies *copies);
void uvh_copies_free(struct uvh_copies *copies);

/* The one that the loader binds calls to; NULL where there is none. */
const struct uvh_copy *uvh_copies_global(const struct uvh_copies *copies);

/* One whose calls are not seen, if there are some, and none is seen. */
const struct uvh_copy *uvh_copies_unseen(const struct uvh_copies *copies);

#endif
