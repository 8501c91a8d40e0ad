/* SPDX-License-Identifier: MIT */
/*
 * What async_resource.h and local_storage.h do where libuvhooks.so is not in the process. A program
 * calls nothing of this by itself.
 *
 * The functions that are given are called, and local storages keep their stores on the stack of the
 * thread: within one synchronous scope all is as with the shim. There are no async ids and no
 * events, and nothing is carried from where a resource is made to where it runs.
 */
#ifndef UVHOOKS_WITHOUT_SHIM_H
#define UVHOOKS_WITHOUT_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uvhooks/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calls the shim's function if it is there, and else the one that stands in for it. */
#define UVHOOKS_CALL(function, stand_in, ...)                                                      \
	(UVHOOKS_HAS(function) ? (function) (__VA_ARGS__) : stand_in(__VA_ARGS__))

/*
 * The innermost is the thread's first. A scope (a run, an exit, a resource's scope) is one on the C
 * stack; above it stand those that were entered in it, on the heap, and end with it.
 */
struct uvhooks_bare_store {
	struct uvhooks_bare_store *outer;
	uint64_t key; /* of the storage; 0: of none */
	void *store;
	void (*release)(void *store);
	bool entered;
};

/* One for all files of a program or library, and no definition that anything must be linked for. */
__attribute__((weak)) __thread struct uvhooks_bare_store *uvhooks_bare_stores;

static inline void uvhooks_bare_release(const struct uvhooks_bare_store *old)
{
	if (old->release != NULL && old->store != NULL)
		old->release(old->store);
}

/* Ends a scope, however it is left. */
static inline void uvhooks_bare_leave(struct uvhooks_bare_store *scope)
{
	while (uvhooks_bare_stores != scope) {
		struct uvhooks_bare_store *entered = uvhooks_bare_stores;

		uvhooks_bare_stores = entered->outer;
		uvhooks_bare_release(entered);
		free(entered);
	}
	uvhooks_bare_stores = scope->outer;
	uvhooks_bare_release(scope);
}

static inline void *uvhooks_bare_scope(uint64_t key, void *store, void (*release)(void *store),
				       void *(*function)(void *argument), void *argument)
{
	struct uvhooks_bare_store scope __attribute__((cleanup(uvhooks_bare_leave))) = {
	    uvhooks_bare_stores, key, store, release, false};

	uvhooks_bare_stores = &scope;
	return function(argument);
}

static inline void *uvhooks_bare_get(uint64_t key)
{
	const struct uvhooks_bare_store *at = uvhooks_bare_stores;

	while (at != NULL && at->key != key)
		at = at->outer;
	return at == NULL ? NULL : at->store;
}

/* The store of this scope from now on. 0 or -ENOMEM. */
static inline int uvhooks_bare_enter(uint64_t key, void *store, void (*release)(void *store))
{
	struct uvhooks_bare_store *at = uvhooks_bare_stores;

	while (at != NULL && at->entered && at->key != key)
		at = at->outer;
	if (at != NULL && at->entered) {
		struct uvhooks_bare_store old = *at;

		at->store = store;
		uvhooks_bare_release(&old);
		return 0;
	}
	at = (struct uvhooks_bare_store *) malloc(sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	at->outer = uvhooks_bare_stores;
	at->key = key;
	at->store = store;
	at->release = release;
	at->entered = true;
	uvhooks_bare_stores = at;
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif
