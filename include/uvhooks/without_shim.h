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
 * A scope (a run, an exit, a resource's scope) is one on the C stack. The stores that were entered
 * in it hang on it, on the heap, and end with it. Scopes that a longjmp left are on no list that
 * ends; what was entered in them is not released.
 */
struct uvhooks_bare_store {
	struct uvhooks_bare_store *outer;   /* the scope around this one, or the next that was
					       entered in the same */
	struct uvhooks_bare_store *entered; /* in this scope, the latest first */
	uint64_t key;                       /* of the storage; 0: of none */
	void *store;
	void (*release)(void *store);
};

/*
 * A thread's top level, whose `outer` is the innermost scope. One for all files of a program or
 * library, and no definition that anything must be linked for.
 */
__attribute__((weak)) __thread struct uvhooks_bare_store uvhooks_bare_stores;

static inline void uvhooks_bare_release(const struct uvhooks_bare_store *old)
{
	if (old->release != NULL && old->store != NULL)
		old->release(old->store);
}

/* Ends a scope, however it is left. */
static inline void uvhooks_bare_leave(struct uvhooks_bare_store *scope)
{
	uvhooks_bare_stores.outer = scope->outer;
	while (scope->entered != NULL) {
		struct uvhooks_bare_store *entered = scope->entered;

		scope->entered = entered->outer;
		uvhooks_bare_release(entered);
		free(entered);
	}
	uvhooks_bare_release(scope);
}

static inline void *uvhooks_bare_scope(uint64_t key, void *store, void (*release)(void *store),
				       void *(*function)(void *argument), void *argument)
{
	struct uvhooks_bare_store scope __attribute__((cleanup(uvhooks_bare_leave))) = {
	    uvhooks_bare_stores.outer, NULL, key, store, release};

	uvhooks_bare_stores.outer = &scope;
	return function(argument);
}

/* The one of this scope that was entered for the storage, or NULL. */
static inline struct uvhooks_bare_store *
uvhooks_bare_entered(const struct uvhooks_bare_store *scope, uint64_t key)
{
	struct uvhooks_bare_store *at = scope->entered;

	while (at != NULL && at->key != key)
		at = at->outer;
	return at;
}

static inline void *uvhooks_bare_get(uint64_t key)
{
	const struct uvhooks_bare_store *scope = uvhooks_bare_stores.outer;
	const struct uvhooks_bare_store *at;

	for (; scope != NULL; scope = scope->outer) {
		at = uvhooks_bare_entered(scope, key);
		if (at != NULL)
			return at->store;
		if (scope->key == key)
			return scope->store;
	}
	at = uvhooks_bare_entered(&uvhooks_bare_stores, key);
	return at == NULL ? NULL : at->store;
}

/* The store of this scope from now on. 0 or -ENOMEM. */
static inline int uvhooks_bare_enter(uint64_t key, void *store, void (*release)(void *store))
{
	struct uvhooks_bare_store *scope = uvhooks_bare_stores.outer;
	struct uvhooks_bare_store *at;

	if (scope == NULL)
		scope = &uvhooks_bare_stores;
	at = uvhooks_bare_entered(scope, key);
	if (at != NULL) {
		struct uvhooks_bare_store old = *at;

		at->store = store;
		uvhooks_bare_release(&old);
		return 0;
	}
	at = (struct uvhooks_bare_store *) malloc(sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	at->outer = scope->entered;
	at->entered = NULL;
	at->key = key;
	at->store = store;
	at->release = release;
	scope->entered = at;
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif
