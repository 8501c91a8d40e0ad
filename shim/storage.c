/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "storage.h"

#include "emit.h"
#include "init.h"

UVH_HOT bool uvh_store_entered;

static uint64_t last_key;
static bool following; /* a storage that follows wake-ups exists */

/* Elements that nobody names any more. */
static struct uvh_store *free_stores; /* under the lock */
static struct uvh_store *dead_stores; /* dropped where no function of the program may be called */

/* A store is entered for the first time: from now on resources carry what there is. */
static void start_storing(void)
{
	uvh_lock();
	__atomic_store_n(&uvh_store_entered, true, __ATOMIC_RELEASE);
	uvh_watch();
	uvh_unlock();
}

/* The storage's key, given to it when it has none. */
static uint64_t key_of(struct uvhooks_local_storage *storage)
{
	uint64_t key = __atomic_load_n(&storage->key, __ATOMIC_RELAXED);
	uint64_t new;

	if (UVH_LIKELY(key != 0))
		return key;
	if (!uvh_storing())
		start_storing();
	if (storage->flags & UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS) {
		__atomic_store_n(&following, true, __ATOMIC_RELEASE);
		__atomic_store_n(&uvh_sends_slowly, true, __ATOMIC_RELEASE);
	}
	new = __atomic_add_fetch(&last_key, 1, __ATOMIC_RELAXED);
	if (__atomic_compare_exchange_n(&storage->key, &key, new, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		return new;
	return key;
}

static struct uvh_store *take(void)
{
	struct uvh_store *store;

	uvh_lock();
	store = free_stores;
	if (store != NULL)
		free_stores = store->outer;
	uvh_unlock();
	if (store == NULL)
		store = uvh_keep(sizeof(*store));
	if (store == NULL)
		uvh_count(UVH_COUNT_stores_exhausted);
	return store;
}

static void give(struct uvh_store *store)
{
	uvh_lock();
	store->outer = free_stores;
	free_stores = store;
	uvh_unlock();
}

static struct uvh_store *hold(struct uvh_store *store)
{
	if (store != NULL)
		__atomic_add_fetch(&store->refs, 1, __ATOMIC_RELAXED);
	return store;
}

/* One holder of an origin less: with the last one the store is the program's again. */
static void let_go(struct uvh_store *origin)
{
	const int saved_errno = errno;
	const uint8_t in_libuv = uvh_tls.in_libuv;

	if (__atomic_sub_fetch(&origin->holders, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (origin->release != NULL) {
		uvh_tls.in_libuv = 0;
		origin->release(origin->store);
		uvh_tls.in_libuv = in_libuv;
		errno = saved_errno;
	}
	give(origin);
}

/* Nobody names the element: it ends, and then perhaps what is behind it. */
static void end(struct uvh_store *store)
{
	for (;;) {
		struct uvh_store *outer = store->outer;
		struct uvh_store *origin = store->origin;

		if (origin != store)
			give(store);
		let_go(origin);
		if (outer == NULL || __atomic_sub_fetch(&outer->refs, 1, __ATOMIC_ACQ_REL) != 0)
			return;
		store = outer;
	}
}

void uvh_store_drop(struct uvh_store *store)
{
	if (store != NULL && __atomic_sub_fetch(&store->refs, 1, __ATOMIC_ACQ_REL) == 0)
		end(store);
}

/* The same where a signal handler may be: what ends is buried by whoever comes by. */
static void drop_later(struct uvh_store *store)
{
	struct uvh_store *next;

	if (store == NULL || __atomic_sub_fetch(&store->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	/* It lies in no list any more that somebody reads, so its last word is free. */
	next = __atomic_load_n(&dead_stores, __ATOMIC_RELAXED);
	do {
		store->next_dead = next;
	} while (!__atomic_compare_exchange_n(&dead_stores, &next, store, false, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

static void bury(void)
{
	struct uvh_store *dead;

	if (UVH_LIKELY(__atomic_load_n(&dead_stores, __ATOMIC_RELAXED) == NULL))
		return;
	dead = __atomic_exchange_n(&dead_stores, NULL, __ATOMIC_ACQUIRE);
	while (dead != NULL) {
		struct uvh_store *next = dead->next_dead;

		end(dead);
		dead = next;
	}
}

/* A record's reference; its space's count stands for one as long as it is not 0. */
static bool counts_apart(const struct uvh_store *store, const struct uvh_record *record)
{
	return store->space == record->space && !(record->flags & UVH_RECORD_POOLED);
}

static void hold_for(struct uvh_store *store, const struct uvh_record *record)
{
	if (UVH_UNLIKELY(!counts_apart(store, record)) || store->local++ == 0)
		hold(store);
}

static void drop_for(struct uvh_store *store, const struct uvh_record *record)
{
	if (UVH_UNLIKELY(!counts_apart(store, record)) || --store->local == 0)
		uvh_store_drop(store);
}

static struct uvh_store *find(struct uvh_store *stores, uint64_t key)
{
	while (stores != NULL && stores->key != key)
		stores = stores->outer;
	return stores;
}

/* The same store in another list, which the element takes; NULL if there is no memory. */
static struct uvh_store *copy_of(const struct uvh_store *store, struct uvh_store *outer,
				 uint16_t space)
{
	struct uvh_store *copy = take();

	if (copy == NULL)
		return NULL;
	*copy = (struct uvh_store){
	    .outer = outer,
	    .origin = store->origin,
	    .key = store->key,
	    .store = store->store,
	    .refs = 1,
	    .space = space,
	    .follows_wakeups = store->follows_wakeups,
	};
	__atomic_add_fetch(&store->origin->holders, 1, __ATOMIC_RELAXED);
	return copy;
}

/* The list without the storage's element, in `*without`, held. False if there is no memory. */
static bool leave_out(struct uvh_store *stores, uint64_t key, struct uvh_store **without)
{
	struct uvh_store *found = find(stores, key);
	struct uvh_store **link = without;

	if (found == NULL) {
		*without = hold(stores);
		return true;
	}
	for (; stores != found; stores = stores->outer) {
		struct uvh_store *copy = copy_of(stores, NULL, stores->space);

		*link = copy;
		if (copy == NULL) {
			uvh_store_drop(*without);
			return false;
		}
		link = &copy->outer;
	}
	*link = hold(found->outer);
	return true;
}

static uint16_t space_of(const struct uvh_context *context)
{
	const struct uvh_space *space = context->running != NULL
					    ? context->running
					    : __atomic_load_n(&context->home, __ATOMIC_RELAXED);

	return space == NULL ? 0 : space->number;
}

/* The list with `store` as the storage's, in `*with`, held. */
static bool put(struct uvh_context *context, struct uvh_store *stores,
		const struct uvhooks_local_storage *storage, uint64_t key, void *store,
		struct uvh_store **with)
{
	struct uvh_store *element, *outer;

	if (!leave_out(stores, key, &outer))
		return false;
	*with = outer;
	if (store == NULL)
		return true;
	element = take();
	if (element == NULL) {
		uvh_store_drop(outer);
		return false;
	}
	*element = (struct uvh_store){
	    .outer = outer,
	    .origin = element,
	    .key = key,
	    .store = store,
	    .release = storage->release,
	    .refs = 1,
	    .holders = 1,
	    .space = space_of(context),
	    .follows_wakeups = storage->flags & UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS,
	};
	*with = element;
	return true;
}

/* The frame's own stores from now on; the reference comes along. */
static void own(struct uvh_frame *frame, struct uvh_store *stores)
{
	struct uvh_store *old = frame->state & UVH_FRAME_OWNS_STORES ? frame->stores : NULL;

	frame->stores = stores;
	__atomic_signal_fence(__ATOMIC_RELEASE);
	frame->state |= UVH_FRAME_STORES | UVH_FRAME_OWNS_STORES;
	uvh_frame_mark(frame);
	uvh_store_drop(old);
}

/* A callback whose stores are held by its record alone. */
static bool borrows(const struct uvh_frame *frame)
{
	return frame->record != NULL && frame->kind != UVH_FRAME_SCOPE &&
	       !(frame->state & UVH_FRAME_OWNS_STORES);
}

struct uvh_store *uvh_stores_of_embedder(struct uvh_frame *frame)
{
	struct uvh_store *captured = uvh_carried(frame->record)->captured;

	if (captured == NULL || !borrows(frame) ||
	    __atomic_load_n(&frame->record->id, __ATOMIC_RELAXED) != frame->id)
		return NULL;
	own(frame, hold(captured));
	return captured;
}

/*
 * The record carries something else. Callbacks of it that run have its stores as they were, from
 * now on by themselves.
 */
static void keep_in_frames(struct uvh_context *context, const struct uvh_record *record,
			   struct uvh_store *old)
{
	for (struct uvh_frame *frame = context->top; frame != context->frames; frame--)
		if (frame->record == record && borrows(frame))
			own(frame, hold(old));
}

void uvh_stores_capture_slowly(struct uvh_context *context, struct uvh_record *record)
{
	struct uvh_store *stores = uvh_stores(context);
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *old = carried->captured;

	if (old == stores)
		return;
	if (old != NULL && uvh_in_callback(context))
		keep_in_frames(context, record, old);
	if (stores != NULL)
		hold_for(stores, record);
	carried->captured = stores;
	if (old != NULL)
		drop_for(old, record);
}

void uvh_stores_forget_slowly(struct uvh_record *record)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *captured = carried->captured;

	carried->captured = NULL;
	if (captured != NULL)
		drop_for(captured, record);
	if (UVH_UNLIKELY(following)) {
		uvh_store_drop(__atomic_exchange_n(&carried->sent, NULL, __ATOMIC_ACQ_REL));
		bury();
	}
}

void uvh_stores_send(struct uvh_context *context, const struct uvh_record *record)
{
	const struct uvh_frame *top = context->top;
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *stores = NULL;
	const struct uvh_store *at;

	/* Not uvh_stores, which may have the frame hold them: that may be what was interrupted. */
	if (top->state & UVH_FRAME_STORES)
		stores = top->stores;
	else if (borrows(top))
		stores = uvh_carried(top->record)->captured;
	at = stores;
	while (at != NULL && !at->follows_wakeups)
		at = at->outer;
	if (at == NULL)
		return;
	drop_later(__atomic_exchange_n(&carried->sent, hold(stores), __ATOMIC_ACQ_REL));
}

/* The list with what the sender had for the storages that follow; both are taken. */
static struct uvh_store *follow(struct uvh_store *carried, struct uvh_store *sent, uint16_t space)
{
	struct uvh_store *merged = carried;

	for (struct uvh_store *at = sent; at != NULL; at = at->outer) {
		struct uvh_store *rest, *copy;

		if (!at->follows_wakeups || !leave_out(merged, at->key, &rest))
			continue;
		copy = copy_of(at, rest, space);
		if (copy == NULL) {
			uvh_store_drop(rest);
			continue;
		}
		uvh_store_drop(merged);
		merged = copy;
	}
	uvh_store_drop(sent);
	return merged;
}

bool uvh_stores_receive(struct uvh_record *record, struct uvh_store **captured)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *sent;

	bury();
	if (!uvh_storing() || __atomic_load_n(&carried->sent, __ATOMIC_RELAXED) == NULL)
		return false;
	sent = __atomic_exchange_n(&carried->sent, NULL, __ATOMIC_ACQ_REL);
	if (sent == NULL)
		return false;
	*captured = carried->captured;
	carried->captured = follow(hold(*captured), sent, record->space);
	return true;
}

void uvh_stores_received(struct uvh_context *context, struct uvh_record *record,
			 struct uvh_store *captured)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *received = carried->captured;
	struct uvh_frame *frame = context == NULL ? NULL : context->top;

	carried->captured = captured;
	if (frame != NULL && frame->record == record && borrows(frame))
		own(frame, received);
	else /* a hook has entered others, on top of these; or there is no frame */
		uvh_store_drop(received);
}

void uvh_stores_begin_thread(struct uvh_context *context, const struct uvh_record *record)
{
	struct uvh_store *captured = uvh_storing() ? uvh_carried(record)->captured : NULL;

	if (captured != NULL)
		own(context->frames, hold(captured));
}

/* Runs the function in a scope that owns `stores`. */
static void *run_with(struct uvh_context *context, struct uvh_store *stores,
		      void *(*function)(void *argument), void *argument)
{
	void *result;

	UVH_SCOPE_LEFT_BY(scope, uvh_leave_slowly);
	scope.here = UVH_HERE();
	if (UVH_LIKELY(uvh_enter_scope(&scope, context)))
		own(context->top, stores);
	else
		uvh_store_drop(stores);
	result = function(argument);
	scope.returned = true;
	return result;
}

void *uvhooks_local_storage_run(struct uvhooks_local_storage *storage, void *store,
				void *(*function)(void *argument), void *argument)
{
	struct uvh_context *context = uvh_embedding_context(UVH_HERE());
	struct uvh_store *current, *found, *stores = NULL;
	uint64_t key;
	bool entered;

	if (UVH_UNLIKELY(context == NULL))
		return function(argument);
	bury();
	current = uvh_stores(context);
	key = store == NULL ? __atomic_load_n(&storage->key, __ATOMIC_RELAXED) : key_of(storage);
	found = key == 0 ? NULL : find(current, key);
	if ((found == NULL ? NULL : found->store) == store)
		return function(argument);
	entered = put(context, current, storage, key, store, &stores);
	if (UVH_LIKELY(entered))
		return run_with(context, stores, function, argument);
	if (storage->release != NULL && store != NULL)
		storage->release(store);
	return function(argument);
}

int uvhooks_local_storage_enter_with(struct uvhooks_local_storage *storage, void *store)
{
	struct uvh_context *context = uvh_embedding_context(UVH_HERE());
	struct uvh_store *current, *found, *stores;
	uint64_t key;

	if (UVH_UNLIKELY(context == NULL))
		return -ENOMEM;
	bury();
	current = uvh_stores(context);
	key = store == NULL ? __atomic_load_n(&storage->key, __ATOMIC_RELAXED) : key_of(storage);
	found = key == 0 ? NULL : find(current, key);
	if ((found == NULL ? NULL : found->store) == store)
		return 0;
	if (!put(context, current, storage, key, store, &stores))
		return -ENOMEM;
	own(context->top, stores);
	return 0;
}

void *uvhooks_local_storage_exit(struct uvhooks_local_storage *storage,
				 void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(storage, NULL, function, argument);
}

/* After a longjmp, or in the scope of an embedder's resource. */
UVH_SLOW static void *get_slowly(struct uvh_context *context, uint64_t key, uintptr_t here)
{
	const struct uvh_store *found;

	uvh_stack_check(context, here);
	found = find(uvh_stores(context), key);
	return found == NULL ? NULL : found->store;
}

void *uvhooks_local_storage_get_store(const struct uvhooks_local_storage *storage)
{
	struct uvh_context *context = uvh_tls.context;
	/* 0, which no element has, if none was entered */
	const uint64_t key = __atomic_load_n(&storage->key, __ATOMIC_RELAXED);
	/* As UVH_HERE, but for the frame pointer, which takes as long as half of this function. */
	const uintptr_t here = (uintptr_t) __builtin_dwarf_cfa() - 2 * sizeof(void *);
	const struct uvh_store *found;
	const struct uvh_frame *top;

	if (UVH_UNLIKELY(context == NULL))
		return NULL;
	top = context->top;
	if (UVH_UNLIKELY(here - top->here < UVH_STACK_SPAN))
		return get_slowly(context, key, here);
	if (UVH_LIKELY(top->state & UVH_FRAME_STORES)) {
		found = top->stores;
	} else {
		if (top->record == NULL)
			return NULL;
		if (UVH_UNLIKELY(top->record->flags & UVH_RECORD_POOLED))
			return get_slowly(context, key, here);
		found = uvh_carried(top->record)->captured;
	}
	if (UVH_LIKELY(found != NULL) && UVH_LIKELY(found->key == key))
		return found->store;
	while (found != NULL && found->key != key)
		found = found->outer;
	return found == NULL ? NULL : found->store;
}

/* With another key nothing that was entered before is found any more. */
void uvhooks_local_storage_disable(struct uvhooks_local_storage *storage)
{
	struct uvh_context *context = uvh_embedding_context(UVH_HERE());
	uint64_t key = __atomic_exchange_n(&storage->key, 0, __ATOMIC_RELAXED);
	struct uvh_store *stores;

	if (context == NULL || key == 0 || find(uvh_stores(context), key) == NULL)
		return;
	if (leave_out(uvh_stores(context), key, &stores))
		own(context->top, stores);
}

void *uvhooks_local_storage_store_of_event(const struct uvhooks_local_storage *storage,
					   const struct uvhooks_event *event)
{
	const uint64_t key = __atomic_load_n(&storage->key, __ATOMIC_RELAXED);
	const struct uvh_store *found;

	if (key == 0)
		return NULL;
	found = find((struct uvh_store *) event->stores, key);
	return found == NULL ? NULL : found->store;
}
