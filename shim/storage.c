/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "storage.h"

#include "emit.h"
#include "init.h"

UVH_HOT bool uvh_store_entered;

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

/*
 * What elements of one storage have in common, until it is disabled; then it gets another. A
 * storage's `key` is the address, or 0. Counted by the elements and the storage.
 */
struct uvh_storage_key {
	struct uvh_storage_key *next; /* in the list of free ones */
	uint32_t refs;
	bool dead; /* the storage was disabled: who makes a list leaves its elements out */
};

static struct uvh_storage_key *free_keys; /* under the lock */

static struct uvh_storage_key *make_key(void)
{
	struct uvh_storage_key *key;

	uvh_lock();
	key = free_keys;
	if (key != NULL)
		free_keys = key->next;
	uvh_unlock();
	if (key == NULL)
		key = uvh_keep(sizeof(*key));
	if (key == NULL) {
		uvh_count(UVH_COUNT_stores_exhausted);
		return NULL;
	}
	__atomic_store_n(&key->dead, false, __ATOMIC_RELAXED);
	__atomic_store_n(&key->refs, 1, __ATOMIC_RELEASE);
	return key;
}

static void drop_key(struct uvh_storage_key *key)
{
	if (__atomic_sub_fetch(&key->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	uvh_lock();
	key->next = free_keys;
	free_keys = key;
	uvh_unlock();
}

static bool is_dead(const struct uvh_storage_key *key)
{
	return __atomic_load_n(&key->dead, __ATOMIC_RELAXED);
}

static struct uvh_storage_key *key_of(const struct uvhooks_local_storage *storage)
{
	return (struct uvh_storage_key *) (uintptr_t) __atomic_load_n(&storage->key,
								      __ATOMIC_ACQUIRE);
}

/* The same, and one is made if there is none; NULL if there is no memory. */
static struct uvh_storage_key *key_for(struct uvhooks_local_storage *storage)
{
	struct uvh_storage_key *key = key_of(storage);
	uint64_t none = 0;

	if (UVH_LIKELY(key != NULL))
		return key;
	if (!uvh_storing())
		start_storing();
	if (!uvh_storing()) /* built without */
		return NULL;
	if (storage->flags & UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS) {
		__atomic_store_n(&following, true, __ATOMIC_RELEASE);
		__atomic_store_n(&uvh_send_asks, true, __ATOMIC_RELEASE);
	}
	key = make_key();
	if (key == NULL ||
	    __atomic_compare_exchange_n(&storage->key, &none, (uint64_t) (uintptr_t) key, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return key;
	drop_key(key);
	return (struct uvh_storage_key *) (uintptr_t) none;
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

		drop_key(store->key);
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

static struct uvh_store *find(struct uvh_store *stores, const struct uvh_storage_key *key)
{
	while (stores != NULL && stores->key != key)
		stores = stores->outer;
	return stores;
}

/* Makes an element that nobody names yet; the list is taken. */
static struct uvh_store *fill(struct uvh_store *element, struct uvh_store *outer,
			      struct uvh_store *origin, struct uvh_storage_key *key, void *store,
			      uint16_t space, bool follows_wakeups)
{
	__atomic_add_fetch(&key->refs, 1, __ATOMIC_RELAXED);
	element->outer = outer;
	element->origin = origin;
	element->key = key;
	element->store = store;
	element->local = 0;
	element->space = space;
	element->follows_wakeups = follows_wakeups;
	/* Somebody may still look at what this memory was before: see hold_living. */
	__atomic_store_n(&element->refs, 1, __ATOMIC_RELEASE);
	return element;
}

/* The same store in another list, which the element takes; NULL if there is no memory. */
static struct uvh_store *copy_of(const struct uvh_store *store, struct uvh_store *outer,
				 uint16_t space)
{
	struct uvh_store *copy = take();

	if (copy == NULL)
		return NULL;
	__atomic_add_fetch(&store->origin->holders, 1, __ATOMIC_RELAXED);
	return fill(copy, outer, store->origin, store->key, store->store, space,
		    store->follows_wakeups);
}

static bool is_left_out(const struct uvh_store *store, const struct uvh_storage_key *key)
{
	return store->key == key || is_dead(store->key);
}

/*
 * The list without the storage's element, and without those of disabled storages, in `*without`,
 * held. False if there is no memory.
 */
static bool leave_out(struct uvh_store *stores, const struct uvh_storage_key *key,
		      struct uvh_store **without)
{
	struct uvh_store *last = NULL; /* of those that are left out */
	struct uvh_store **link = without;

	for (struct uvh_store *at = stores; at != NULL; at = at->outer)
		if (is_left_out(at, key))
			last = at;
	for (; last != NULL && stores != last; stores = stores->outer) {
		struct uvh_store *copy;

		if (is_left_out(stores, key))
			continue;
		*link = copy = copy_of(stores, NULL, stores->space);
		if (copy == NULL) {
			uvh_store_drop(*without);
			return false;
		}
		link = &copy->outer;
	}
	*link = hold(last == NULL ? stores : last->outer);
	return true;
}

static uint16_t space_of(const struct uvh_context *context)
{
	const struct uvh_space *space = uvh_current_space(context);

	return space == NULL ? 0 : space->number;
}

/* The list with `store` as the storage's, in `*with`, held. */
static bool put(struct uvh_context *context, struct uvh_store *stores,
		const struct uvhooks_local_storage *storage, struct uvh_storage_key *key,
		void *store, struct uvh_store **with)
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
	element->release = storage->release;
	element->holders = 1;
	*with = fill(element, outer, element, key, store, space_of(context),
		     storage->flags & UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS);
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
	return frame->kind <= UVH_FRAME_WORK && !(frame->state & UVH_FRAME_OWNS_STORES);
}

/*
 * A reference to what another thread may drop meanwhile, and make something else of; so the caller
 * asks afterwards whether it is still what it was. NULL if nobody has one.
 */
static struct uvh_store *hold_living(struct uvh_store *store)
{
	uint32_t refs = store == NULL ? 0 : __atomic_load_n(&store->refs, __ATOMIC_RELAXED);

	while (refs != 0)
		if (__atomic_compare_exchange_n(&store->refs, &refs, refs + 1, true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return store;
	return NULL;
}

void uvh_stores_begin_embedder(struct uvh_frame *frame, const struct uvh_record *record,
			       uvhooks_async_id id)
{
	struct uvh_store *captured =
	    hold_living(__atomic_load_n(&uvh_carried(record)->captured, __ATOMIC_ACQUIRE));

	if (captured == NULL)
		return;
	if (__atomic_load_n(&record->id, __ATOMIC_ACQUIRE) == id &&
	    __atomic_load_n(&uvh_carried(record)->captured, __ATOMIC_ACQUIRE) == captured)
		own(frame, captured);
	else
		uvh_store_drop(captured);
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
	__atomic_store_n(&carried->captured, stores, __ATOMIC_RELEASE);
	if (old != NULL)
		drop_for(old, record);
}

void uvh_stores_forget_slowly(struct uvh_record *record)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *captured = carried->captured;

	__atomic_store_n(&carried->captured, NULL, __ATOMIC_RELEASE);
	if (captured != NULL)
		drop_for(captured, record);
	if (UVH_UNLIKELY(__atomic_load_n(&following, __ATOMIC_RELAXED))) {
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

	/* Not uvh_stores, which notes them in the frame: that may be what was interrupted. */
	if (top->state & UVH_FRAME_STORES)
		stores = top->stores;
	else if (borrows(top))
		stores = uvh_carried(top->record)->captured;
	at = stores;
	while (at != NULL && !at->follows_wakeups)
		at = at->outer;
	if (at == NULL)
		stores = NULL;
	if (stores != NULL || __atomic_load_n(&carried->sent, __ATOMIC_RELAXED) != NULL)
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
	__atomic_store_n(&carried->captured, follow(hold(*captured), sent, record->space),
			 __ATOMIC_RELEASE);
	return true;
}

void uvh_stores_received(struct uvh_context *context, struct uvh_record *record,
			 struct uvh_store *captured)
{
	struct uvh_carried *carried = uvh_carried(record);
	struct uvh_store *received = carried->captured;
	struct uvh_frame *frame = context == NULL ? NULL : context->top;

	__atomic_store_n(&carried->captured, captured, __ATOMIC_RELEASE);
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

/* Is `store` the storage's current one already? Then nothing is entered. */
static bool is_current(struct uvh_store *stores, const struct uvhooks_local_storage *storage,
		       const void *store)
{
	const struct uvh_storage_key *key = key_of(storage);
	const struct uvh_store *found = key == NULL ? NULL : find(stores, key);

	return (found == NULL ? NULL : found->store) == store;
}

/* What the current scope holds, and `store` with it, in `*with`, held. */
static bool enter(struct uvh_context *context, struct uvhooks_local_storage *storage, void *store,
		  struct uvh_store **with)
{
	struct uvh_storage_key *key = store == NULL ? key_of(storage) : key_for(storage);

	return (key != NULL || store == NULL) &&
	       put(context, uvh_stores(context), storage, key, store, with);
}

void *uvhooks_local_storage_run(struct uvhooks_local_storage *storage, void *store,
				void *(*function)(void *argument), void *argument)
{
	struct uvh_context *context = uvh_storing_context(UVH_HERE());
	struct uvh_store *stores;

	if (UVH_LIKELY(context != NULL)) {
		bury();
		if (is_current(uvh_stores(context), storage, store))
			return function(argument);
		if (UVH_LIKELY(enter(context, storage, store, &stores)))
			return run_with(context, stores, function, argument);
	}
	if (storage->release != NULL && store != NULL)
		storage->release(store);
	return function(argument);
}

int uvhooks_local_storage_enter_with(struct uvhooks_local_storage *storage, void *store)
{
	struct uvh_context *context = uvh_storing_context(UVH_HERE());
	struct uvh_store *stores;

	if (UVH_UNLIKELY(context == NULL))
		return -ENOMEM;
	bury();
	if (is_current(uvh_stores(context), storage, store))
		return 0;
	if (!enter(context, storage, store, &stores))
		return -ENOMEM;
	own(context->top, stores);
	return 0;
}

void *uvhooks_local_storage_exit(struct uvhooks_local_storage *storage,
				 void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(storage, NULL, function, argument);
}

UVH_SLOW static void *get_after_longjmp(struct uvh_context *context,
					const struct uvh_storage_key *key, uintptr_t here)
{
	const struct uvh_store *found;

	uvh_stack_check(context, here);
	found = find(uvh_stores(context), key);
	return found == NULL ? NULL : found->store;
}

void *uvhooks_local_storage_get_store(const struct uvhooks_local_storage *storage)
{
	struct uvh_context *context = uvh_tls.context;
	/* NULL, which no element has, if none was entered */
	const struct uvh_storage_key *key = key_of(storage);
	/* As UVH_HERE, but for the frame pointer, which takes as long as half of this function. */
	const uintptr_t here = (uintptr_t) __builtin_dwarf_cfa() - 2 * sizeof(void *);
	const struct uvh_store *found;
	const struct uvh_frame *top;

	if (UVH_UNLIKELY(context == NULL))
		return NULL;
	top = context->top;
	if (UVH_UNLIKELY(here - top->here < UVH_STACK_SPAN))
		return get_after_longjmp(context, key, here);
	if (UVH_LIKELY(top->state & UVH_FRAME_STORES)) {
		found = top->stores;
	} else {
		if (top->record == NULL)
			return NULL;

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
	struct uvh_context *context = uvh_storing_context(UVH_HERE());
	struct uvh_storage_key *key = (struct uvh_storage_key *) (uintptr_t) __atomic_exchange_n(
	    &storage->key, 0, __ATOMIC_ACQ_REL);
	struct uvh_store *stores;

	if (key == NULL)
		return;
	__atomic_store_n(&key->dead, true, __ATOMIC_RELAXED);
	if (context != NULL && find(uvh_stores(context), key) != NULL &&
	    leave_out(uvh_stores(context), key, &stores))
		own(context->top, stores);
	drop_key(key);
}

void *uvhooks_local_storage_store_of_event(const struct uvhooks_local_storage *storage,
					   const struct uvhooks_event *event)
{
	const struct uvh_storage_key *key = key_of(storage);
	const struct uvh_store *found;

	if (key == NULL)
		return NULL;
	found = find((struct uvh_store *) event->stores, key);
	return found == NULL ? NULL : found->store;
}
