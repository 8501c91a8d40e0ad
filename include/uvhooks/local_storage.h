/* SPDX-License-Identifier: MIT */
/*
 * Node's AsyncLocalStorage for C and C++: a value that goes along with everything that a callback
 * causes, through every handle, request and resource, whichever thread it ends up on.
 *
 *	static struct uvhooks_local_storage request_id = UVHOOKS_LOCAL_STORAGE(free, 0);
 *
 *	uvhooks_local_storage_run(&request_id, strdup("r-17"), handle_request, request);
 *	...
 *	log("%s: done", (char *) uvhooks_local_storage_get_store(&request_id));
 *
 * The stores are those of the current scope: of a run, of a callback, of an async resource's
 * scope, or of a thread's top level. An async resource captures them when it is created, and a
 * handle again whenever it is started: its callbacks begin with what was captured last.
 * uv_queue_work's work_cb does so too, and a thread that uv_thread_create makes. What is
 * called for no resource (an alloc_cb, a uv_walk_cb) has the scope of who called uv_run or
 * uv_walk.
 *
 * While no store was ever entered in a process, none of this costs anything.
 *
 * Nothing needs to be linked (see async_resource.h). Without the shim stores are seen within
 * the synchronous scope that they were entered in, and are captured by nothing; and no longjmp
 * may leave a run, an exit or the scope of a resource.
 */
#ifndef UVHOOKS_LOCAL_STORAGE_H
#define UVHOOKS_LOCAL_STORAGE_H

#include <uvhooks/async_resource.h>
#include <uvhooks/hooks.h>

#ifdef __cplusplus
extern "C" {
#endif

enum uvhooks_local_storage_flag {
	/*
	 * An uv_async_t's callback gets the store of the latest uv_async_send, if that had one, and
	 * not the one that was captured when the handle was made.
	 */
	UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS = 1
};

/*
 * A storage; the memory is the program's. It may go as soon as no function is called with it any
 * more: stores that were entered keep what they need of it.
 */
struct uvhooks_local_storage {
	uint64_t key; /* not the program's; 0 until a store is first entered */
	/*
	 * Called with each store that was entered and is not NULL, once, when nothing holds it any
	 * more: no scope and no resource that captured it. NULL: nothing is to be done. It runs on
	 * the thread that let go of it last, which may be any, outside of all locks.
	 */
	void (*release)(void *store);
	uint32_t flags; /* enum uvhooks_local_storage_flag, or'ed */
	uint32_t reserved;
};

/* The initial value of a storage. */
#define UVHOOKS_LOCAL_STORAGE(release, flags)                                                      \
	{                                                                                          \
		0, release, flags, 0                                                               \
	}

/*
 * Calls `function(argument)` with `store` as the storage's store, and returns what it returns. The
 * store before is back afterwards, also if an exception leaves the function. If `store` is the
 * current one already, nothing is entered, and so nothing released for this call. Where there is no
 * memory the function is called with the store before (counted: stores_exhausted), and `store` is
 * released at once.
 *
 * Node: asyncLocalStorage.run(store, fn). Thread: any. Since: 0.1.
 */
UVHOOKS_API void *uvhooks_local_storage_run(struct uvhooks_local_storage *storage, void *store,
					    void *(*function)(void *argument), void *argument);

/*
 * Makes `store` the storage's store from here to the end of the current scope. 0, or -ENOMEM: then
 * nothing was entered, and nothing will be released. If it is the current one, nothing is entered.
 * At a thread's top level it stays until the thread ends; without the shim it is not released then.
 *
 * Node: asyncLocalStorage.enterWith(store). Thread: any. Since: 0.1.
 */
UVHOOKS_API int uvhooks_local_storage_enter_with(struct uvhooks_local_storage *storage,
						 void *store);

/*
 * Calls `function(argument)` with no store, and returns what it returns.
 *
 * Node: asyncLocalStorage.exit(fn). Thread: any. Since: 0.1.
 */
UVHOOKS_API void *uvhooks_local_storage_exit(struct uvhooks_local_storage *storage,
					     void *(*function)(void *argument), void *argument);

/*
 * The store of the current scope; NULL if there is none. It is good as long as the scope is.
 *
 * Node: asyncLocalStorage.getStore(). Thread: any, of that thread. Since: 0.1.
 */
UVHOOKS_API void *uvhooks_local_storage_get_store(const struct uvhooks_local_storage *storage);

/*
 * No scope and no resource has a store of this storage from now on, until one is entered again.
 * What captured one lets go of it when it ends.
 *
 * Node: asyncLocalStorage.disable(). Thread: any. Since: 0.1.
 */
UVHOOKS_API void uvhooks_local_storage_disable(struct uvhooks_local_storage *storage);

/*
 * In a hook: the store that the resource of `event` carries, that is, with which its next callback
 * begins. NULL if there is none.
 *
 * Node: none. Thread: that of the event, during the hook. Since: 0.1.
 */
UVHOOKS_API void *uvhooks_local_storage_store_of_event(const struct uvhooks_local_storage *storage,
						       const struct uvhooks_event *event);

/* The stores of all storages, and the ids, as they were at one point. */
struct uvhooks_snapshot {
	struct uvhooks_async_resource resource;
};

/*
 * Takes a snapshot of the current scope, runs functions in it, and drops it. As in Node it is an
 * async resource, of the type "bound-anonymous-fn", and the functions run in its scope; run returns
 * what the function returns. release says the same as uvhooks_async_resource_emit_destroy.
 *
 * Node: AsyncLocalStorage.snapshot(). Thread: any, run also several at once. Since: 0.1.
 */
static inline void uvhooks_local_storage_snapshot(struct uvhooks_snapshot *snapshot)
{
	uvhooks_async_resource_create(&snapshot->resource, "bound-anonymous-fn", NULL);
}

static inline void *uvhooks_local_storage_run_in_snapshot(struct uvhooks_snapshot *snapshot,
							  void *(*function)(void *argument),
							  void *argument)
{
	return uvhooks_async_resource_run_in_async_scope(&snapshot->resource, function, argument);
}

static inline int uvhooks_local_storage_release_snapshot(struct uvhooks_snapshot *snapshot)
{
	return uvhooks_async_resource_emit_destroy(&snapshot->resource);
}

/*
 * Binds a function and its argument to a snapshot of the current scope, which it takes: to be
 * called by uvhooks_call_bound_function, until the snapshot is released.
 *
 * Node: AsyncLocalStorage.bind(fn). Thread: any. Since: 0.1.
 */
static inline struct uvhooks_bound_function
uvhooks_local_storage_bind(struct uvhooks_snapshot *snapshot, void *(*function)(void *argument),
			   void *argument)
{
	uvhooks_local_storage_snapshot(snapshot);
	return uvhooks_async_resource_bind(&snapshot->resource, function, argument);
}

/* Without the shim; see without_shim.h. */

/* The storage's key: its address, and how often it was disabled. */
static inline uint64_t uvhooks_bare_key(const struct uvhooks_local_storage *storage)
{
	return (uint64_t) (uintptr_t) storage + (storage->key << 48);
}

static inline void *uvhooks_bare_get_store(const struct uvhooks_local_storage *storage)
{
	return uvhooks_bare_get(uvhooks_bare_key(storage));
}

static inline void *uvhooks_bare_run(struct uvhooks_local_storage *storage, void *store,
				     void *(*function)(void *argument), void *argument)
{
	if (store == uvhooks_bare_get_store(storage))
		return function(argument);
	return uvhooks_bare_scope(uvhooks_bare_key(storage), store, storage->release, function,
				  argument);
}

static inline int uvhooks_bare_enter_with(struct uvhooks_local_storage *storage, void *store)
{
	if (store == uvhooks_bare_get_store(storage))
		return 0;
	return uvhooks_bare_enter(uvhooks_bare_key(storage), store, storage->release);
}

static inline void *uvhooks_bare_exit(struct uvhooks_local_storage *storage,
				      void *(*function)(void *argument), void *argument)
{
	return uvhooks_bare_run(storage, NULL, function, argument);
}

static inline void uvhooks_bare_disable(struct uvhooks_local_storage *storage)
{
	__atomic_fetch_add(&storage->key, 1, __ATOMIC_RELAXED);
}

static inline void *uvhooks_bare_store_of_event(const struct uvhooks_local_storage *storage,
						const struct uvhooks_event *event)
{
	(void) storage;
	(void) event;
	return NULL;
}

#ifndef UVHOOKS_SHIM
#define uvhooks_local_storage_run(...)                                                             \
	UVHOOKS_CALL(uvhooks_local_storage_run, uvhooks_bare_run, __VA_ARGS__)
#define uvhooks_local_storage_enter_with(...)                                                      \
	UVHOOKS_CALL(uvhooks_local_storage_enter_with, uvhooks_bare_enter_with, __VA_ARGS__)
#define uvhooks_local_storage_exit(...)                                                            \
	UVHOOKS_CALL(uvhooks_local_storage_exit, uvhooks_bare_exit, __VA_ARGS__)
#define uvhooks_local_storage_get_store(...)                                                       \
	UVHOOKS_CALL(uvhooks_local_storage_get_store, uvhooks_bare_get_store, __VA_ARGS__)
#define uvhooks_local_storage_disable(...)                                                         \
	UVHOOKS_CALL(uvhooks_local_storage_disable, uvhooks_bare_disable, __VA_ARGS__)
#define uvhooks_local_storage_store_of_event(...)                                                  \
	UVHOOKS_CALL(uvhooks_local_storage_store_of_event, uvhooks_bare_store_of_event, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif

#endif
