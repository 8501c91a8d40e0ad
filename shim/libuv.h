/* SPDX-License-Identifier: MIT */
/*
 * The libuvs of this process: where each one's real functions are, and how calls that it makes to
 * itself are told from the program's.
 */
#ifndef UVH_LIBUV_H
#define UVH_LIBUV_H

#include "object.h"
#include "ground.h"
#include "uv_compat.h"

#pragma GCC visibility push(hidden)

/* The real functions, typed by uv.h: one entry for each HOOK and CALL of hooks.def, never NULL. */
struct uvh_real {
#define HOOK(function, file, since) __typeof__(function) *function;
#define CALL(function, why)         __typeof__(function) *function;
#include "hooks.def"
};

/* How libuv's own calls to its public functions are kept out. */
enum uvh_rule {
	/* Its GOT entries point at itself: they never arrive. Nothing is asked per call. */
	UVH_RULE_UNBOUND,
	/* They arrive. Internal is what comes from libuv's text, or from ours inside libuv. */
	UVH_RULE_CALLER,
	/* They arrive, and libuv shares its text with others: internal is all inside libuv. */
	UVH_RULE_DEPTH,
	/* Another libuv is traced: calls to this one go past us. */
	UVH_RULE_UNTRACED,
};

struct uvh_libuv {
	struct uvh_real real;
	struct uvh_object object;
	enum uvh_rule rule;
	size_t functions; /* of the table, found */
};

#define UVH_LIBUV_MAX 8

/*
 * The first is the one that is traced. It is filled with functions that fail politely until a libuv
 * is found. Further ones, which only modules that were loaded RTLD_LOCAL can see, are not traced:
 * they and the modules that use them are bound straight to them, and counted. Entries are only
 * ever added, and their objects are pinned, so the pointers stay good.
 */
extern struct uvh_libuv uvh_libuvs[UVH_LIBUV_MAX];
extern size_t uvh_libuv_count;

/* Looks for libuvs among the loaded objects, if any came or went since. True if one was added. */
bool uvh_libuv_scan(void);

/*
 * The libuv that a caller at `address` is bound to, as far as the loader's rules tell; NULL if they
 * do not: it calls for someone else, or was handed the function.
 */
const struct uvh_libuv *uvh_libuv_of_caller(uintptr_t address);

/* Is this address in libuvhooks.so? */
bool uvh_is_shim(uintptr_t address);

/* The folder of libuvhooks.so, without a slash at its end; "" if it cannot be told. */
void uvh_shim_folder(char *folder, size_t bytes);

/* The functions of hooks.def that the shim intercepts. */
bool uvh_is_intercepted(const char *name);

#pragma GCC visibility pop

#endif
