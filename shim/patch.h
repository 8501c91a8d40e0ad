/* SPDX-License-Identifier: MIT */
/*
 * The second way in, for a libuv whose functions are called without the loader's help: their
 * entries are made to jump to our wrappers.
 */
#ifndef UVH_PATCH_H
#define UVH_PATCH_H

#include "object.h"
#include "patch_engine.h"

#pragma GCC visibility push(hidden)

struct uvh_patch_function {
	const char *name;
	void *wrapper;     /* NULL: it is only to be found */
	const void *entry; /* where its entry leads: see entry.h */

	/* what was found, and done */
	uintptr_t address; /* 0: it is not there */
	size_t bytes;
	void *real;          /* what does now what it did; NULL if it is not there */
	const char *refused; /* why it was left alone; NULL if it was not */
};

struct uvh_patch {
	const struct uvh_object *object;
	struct uvh_patch_function *functions;
	size_t count;
	uint8_t libuv; /* the index of this libuv */

	/* what was found, and done */
	uintptr_t text_low, text_bytes; /* where libuv's own code is */
	uintptr_t cold_low, cold_bytes; /* and what compilers split off, as seldom executed */
	size_t found, done, refused;
};

/*
 * Looks for the functions among those that the object exports, in its symbol table, and in its
 * debug file. False if uv_run is not among them.
 */
bool uvh_patch_find(struct uvh_patch *patch);

/* Is there one at all? Cheaper, and without filling anything. */
bool uvh_patch_is_libuv(const struct uvh_object *object);

/*
 * Patches what was found: each function has `real` then. NULL, or why nothing at all was done:
 * then everything is as it was. No other thread may run these functions meanwhile.
 */
const char *uvh_patch_apply(struct uvh_patch *patch, const struct uvh_patch_engine *engine);

/* Loads the engine, once. NULL where it cannot be had; *why says why not. */
const struct uvh_patch_engine *uvh_patch_engine_load(const char **why);

#pragma GCC visibility pop

#endif
