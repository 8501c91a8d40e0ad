/* SPDX-License-Identifier: MIT */
/*
 * Which way in a libuv gets: decided here and nowhere else, for the shim in a process and for the
 * command that looks at files.
 */
#ifndef UVH_WAY_H
#define UVH_WAY_H

#include <stdbool.h>

enum uvh_way {
	UVH_WAY_SYMBOLS, /* the loader binds calls to the shim instead of to it */
	UVH_WAY_PATCH,   /* its functions are patched */
	UVH_WAY_NONE,    /* nobody calls it: its symbols lose to those of another */
};

struct uvh_way_facts {
	bool program;  /* it is in the executable */
	bool late;     /* it came by dlopen: with what flags, nobody can tell */
	bool exported; /* the loader knows its functions */
	bool alone;    /* the object exports nothing else */
	bool first;    /* calls through symbols are for it */
	bool yields;   /* what the object itself calls is another, in the global scope */
};

static inline enum uvh_way uvh_way_in(const struct uvh_way_facts *facts)
{
	/* The program's own symbols come before the shim's, and it calls itself directly. */
	if (facts->program || !facts->exported)
		return UVH_WAY_PATCH;
	/* Its users may have been told to prefer it to us, by RTLD_DEEPBIND. */
	if (facts->late)
		return UVH_WAY_PATCH;
	if (!facts->first)
		return facts->yields ? UVH_WAY_NONE : UVH_WAY_PATCH;
	/* A library of its own is called by others, and they go through the loader. */
	return facts->alone ? UVH_WAY_SYMBOLS : UVH_WAY_PATCH;
}

#endif
