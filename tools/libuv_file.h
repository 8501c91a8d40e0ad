/* SPDX-License-Identifier: MIT */
/*
 * The libuv that a program or a library holds: where its functions stand, which of those that are
 * intercepted there are, and which cannot be patched. All by the rules of the shim
 * (shim/patch_find.c), so that what is said of a file is what happens in a process.
 */
#ifndef UVH_LIBUV_FILE_H
#define UVH_LIBUV_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "../shim/patch_engine.h"

enum uvh_where {
	UVH_WHERE_NONE,     /* no libuv */
	UVH_WHERE_EXPORTED, /* the loader knows its functions */
	UVH_WHERE_TABLE,    /* hidden, but in the file's full symbol table */
	UVH_WHERE_DEBUG,    /* hidden, and stripped, but in the table of the debug file */
	UVH_WHERE_LOST,     /* its texts are there; its functions have no names any more */
};

struct uvh_libuv_file {
	char path[PATH_MAX];
	char debug[PATH_MAX]; /* where its debug file is, or would be; "" without a build id */
	enum uvh_where where;
	bool takes_calls;     /* it exports uv_run, be it libuv's or not */
	bool alone;           /* it exports nothing but libuv */
	bool asks;            /* it leaves functions that are intercepted to the loader */
	unsigned int version; /* as uv_version() gives it; 0: not known */
};

/* 0, or -errno where the file cannot be read. */
int uvh_libuv_look(const char *path, struct uvh_libuv_file *file);

/* One of the functions that are intercepted. */
struct uvh_function {
	const char *name;
	unsigned long long address; /* 0: it is not there */
	size_t bytes;
	const char *left_alone; /* why it cannot be patched; NULL if it can */
};

struct uvh_functions {
	size_t count; /* all that are intercepted */
	struct uvh_function *list;
	size_t found;
	size_t refused; /* of those, left alone */
};

/*
 * Fills the list for a libuv that was found. Without an engine nothing is said of patching. 0 or
 * -errno; to be given to uvh_functions_free() in any case.
 */
int uvh_libuv_functions(const struct uvh_libuv_file *file, const struct uvh_patch_engine *engine,
			struct uvh_functions *functions);
void uvh_functions_free(struct uvh_functions *functions);

/* A set of names, sorted. */
struct uvh_names {
	size_t count;
	char **names;
};

/* All functions "uv_..." of a libuv that was found. 0 or -errno. */
int uvh_libuv_names(const struct uvh_libuv_file *file, struct uvh_names *names);
bool uvh_names_have(const struct uvh_names *names, const char *name);
void uvh_names_free(struct uvh_names *names);

#endif
