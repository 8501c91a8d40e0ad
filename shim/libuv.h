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
	/* Its entries are patched, and what they jump to tells. Nothing is asked in a wrapper. */
	UVH_RULE_PATCHED,
	/* Another libuv is traced: calls to this one go past us. */
	UVH_RULE_UNTRACED,
};

struct uvh_libuv {
	struct uvh_real real;
	struct uvh_object object;
	enum uvh_rule rule;
	uintptr_t text_low, text_high; /* where its own code is; there may be other code too */
	size_t functions;              /* of the table, found */
	size_t patched, refused;       /* of those, where it is patched */
	bool settled;                  /* it is relocated, pinned, and spoken of */
};

#define UVH_LIBUV_MAX 8

/*
 * Calls that arrive through symbols are for the first one. It is filled with functions that fail
 * politely until a libuv is found. The entries of all others are patched, so that each call tells
 * whose it is; those that cannot be are not traced: they and the modules that use them are bound
 * straight to them, and counted. Entries are only ever added, and their objects are pinned before
 * anything of them is called, so the pointers stay good.
 */
extern struct uvh_libuv uvh_libuvs[UVH_LIBUV_MAX];
extern size_t uvh_libuv_count;

/* Fills the table from what the object exports. */
void uvh_libuv_fill(struct uvh_libuv *libuv);

/* When a look is taken: what may be done differs. */
enum uvh_scan {
	UVH_SCAN_START, /* before main, or where the loader does not notify us */
	UVH_SCAN_LATE, /* the loader notifies us: its lock is held, new objects are not relocated */
};

/* Patches its functions, and fills the table. NULL, or why that could not be done at all. */
const char *uvh_libuv_patch(struct uvh_libuv *libuv, enum uvh_scan when);

/* Looks for libuvs among the loaded objects, if any came or went since. True if one was added. */
bool uvh_libuv_scan(enum uvh_scan when);

/*
 * Does what has to wait until a libuv is relocated, for those that are not settled. Not where the
 * loader's lock or ours is held.
 */
void uvh_libuv_settle(void);

extern bool uvh_libuv_unsettled;

/* A libuv's own calls arrive: whether a thread is inside libuv must be known all the time. */
extern bool uvh_depth_matters;

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

/*
 * Looks, once, who else intercepts them. Returns where the libuv begins that calls through symbols
 * are for, 0 if there is none. Asks the loader: neither its lock nor ours may be held.
 */
uintptr_t uvh_libuv_look_for_others(void);

/* Does anybody? Then libuv's own calls of those come to the shim, too. */
bool uvh_libuv_has_others(void);

/* Is this one that somebody else intercepts, too? */
bool uvh_is_shared(const char *name);

#pragma GCC visibility pop

#endif
