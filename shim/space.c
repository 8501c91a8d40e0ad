/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "context.h"
#include "control.h"
#include "embedder.h"

UVH_HOT struct uvh_space *uvh_spaces;
UVH_HOT uint32_t uvh_loop_epoch = 1;

/*
 * Loops by address: an open hash table. Readers take no lock; a writer holds the lock and, when the
 * table is too full, publishes a larger one. The old one stays, for readers that are still in it.
 */
struct entry {
	uv_loop_t *loop;         /* NULL: never used; GONE: used before */
	struct uvh_space *space; /* NULL until something happens in the loop */
	bool traced;             /* false: a plugin made it for itself */
};

struct table {
	size_t mask;
	size_t used; /* entries that are not NULL */
	struct entry entries[];
};

#define GONE ((uv_loop_t *) 1)

static struct table *table;
static uint32_t fresh_number;
static bool first_loop_made;

static size_t hash(const uv_loop_t *loop)
{
	return (size_t) (((uintptr_t) loop >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static struct entry *find(struct table *in, const uv_loop_t *loop)
{
	if (in == NULL)
		return NULL;
	for (size_t i = hash(loop);; i++) {
		struct entry *entry = &in->entries[i & in->mask];
		uv_loop_t *there = __atomic_load_n(&entry->loop, __ATOMIC_ACQUIRE);

		if (there == loop)
			return entry;
		if (there == NULL)
			return NULL;
	}
}

static struct entry *put(struct table *in, const struct entry *new)
{
	size_t i = hash(new->loop);
	struct entry *entry;

	while (in->entries[i & in->mask].loop != NULL)
		i++;
	entry = &in->entries[i & in->mask];
	entry->space = new->space;
	entry->traced = new->traced;
	__atomic_store_n(&entry->loop, new->loop, __ATOMIC_RELEASE);
	in->used++;
	return entry;
}

/* Called with the lock held; NULL if there is no memory. */
static struct entry *add(uv_loop_t *loop, bool traced)
{
	struct entry new = {.loop = loop, .traced = traced};

	if (table == NULL || table->used * 2 > table->mask) {
		size_t live = 0;
		size_t size = 64;
		struct table *larger;

		for (size_t i = 0; table != NULL && i <= table->mask; i++)
			live += table->entries[i].loop != NULL && table->entries[i].loop != GONE;
		while (size < live * 4)
			size *= 2;
		larger = uvh_map(sizeof(*larger) + size * sizeof(struct entry));
		if (larger == NULL)
			return NULL;
		larger->mask = size - 1;
		for (size_t i = 0; table != NULL && i <= table->mask; i++)
			if (table->entries[i].loop != NULL && table->entries[i].loop != GONE)
				put(larger, &table->entries[i]);
		__atomic_store_n(&table, larger, __ATOMIC_RELEASE);
	}
	return put(table, &new);
}

bool uvh_spaces_init(struct uvh_context *main_thread)
{
	/* Not asked for when the process starts, when it could be refused. */
	static struct uvh_space spaces[UVH_SPACE_MAX];

	uvh_spaces = spaces;
	/* Space 0 belongs to the main thread's top level and to the first loop made there. */
	uvh_spaces[0] = (struct uvh_space){.next = 2, .in_use = 1, .user = main_thread};
	main_thread->home = &uvh_spaces[0];
	fresh_number = 1;
	return true;
}

/*
 * Takes a space that nobody uses. Lock-free, since uv_async_send may need one in a signal handler.
 * Numbers are given out afresh while there are any, so that each loop has its own; after that, old
 * ones go on where they stopped, so that no id comes twice.
 */
static struct uvh_space *space_take(struct uvh_context *context)
{
	uint32_t number = __atomic_load_n(&fresh_number, __ATOMIC_RELAXED);

	if (uvh_spaces == NULL) /* a constructor asks for its ids before ours has run */
		return NULL;
	while (number < UVH_SPACE_MAX) {
		struct uvh_space *space = &uvh_spaces[number];

		if (!__atomic_compare_exchange_n(&fresh_number, &number, number + 1, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		space->next = uvh_space_base((uint16_t) number) + 2;
		space->number = (uint16_t) number;
		space->user = context;
		__atomic_store_n(&space->in_use, 1, __ATOMIC_RELEASE);
		return space;
	}
	for (number = 1; number < UVH_SPACE_MAX; number++) {
		struct uvh_space *space = &uvh_spaces[number];
		uint32_t unused = 0;

		if (__atomic_load_n(&space->in_use, __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&space->in_use, &unused, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			space->user = context;
			return space;
		}
	}
	uvh_count(UVH_COUNT_spaces_exhausted);
	return NULL;
}

void uvh_space_release(struct uvh_space *space)
{
	space->closing = false;
	__atomic_store_n(&space->loop, NULL, __ATOMIC_RELAXED);
	if (space->user != NULL && space->user->home == space)
		__atomic_store_n(&space->user->home, NULL, __ATOMIC_RELAXED);
	space->user = NULL;
	uvh_records_return(&space->records);
	__atomic_store_n(&space->in_use, 0, __ATOMIC_RELEASE);
}

uint64_t uvh_spaces_made(void)
{
	const uint32_t limit = __atomic_load_n(&fresh_number, __ATOMIC_RELAXED);
	uint64_t made = 0;

	for (uint32_t number = 0; number < limit; number++)
		made += uvh_spaces[number].next - uvh_space_base((uint16_t) number) - 2;
	return made;
}

struct uvh_space *uvh_home(struct uvh_context *context)
{
	struct uvh_space *home = __atomic_load_n(&context->home, __ATOMIC_RELAXED);

	if (home == NULL && (home = space_take(context)) != NULL)
		__atomic_store_n(&context->home, home, __ATOMIC_RELAXED);
	return home;
}

void uvh_home_leave(struct uvh_context *context)
{
	struct uvh_space *home = __atomic_load_n(&context->home, __ATOMIC_RELAXED);

	if (home == NULL || home->user != context)
		return;
	if (home->loop == NULL)
		uvh_embedders_end(context, home, UVHOOKS_FLAG_THREAD_ENDED);
	__atomic_store_n(&context->home, NULL, __ATOMIC_RELAXED);
	home->user = NULL;
	if (home->loop == NULL && home->live == 0 && home->number != 0)
		uvh_space_release(home);
}

void uvh_space_moved(struct uvh_space *space, struct uvh_context *context)
{
	struct uvh_space *mine = space;

	/* The former thread's top level and this loop must not draw from one sequence. */
	if (space->user != NULL)
		__atomic_compare_exchange_n(&space->user->home, &mine, NULL, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	space->user = context;
	if (__atomic_load_n(&context->home, __ATOMIC_RELAXED) == NULL)
		__atomic_store_n(&context->home, space, __ATOMIC_RELAXED);
}

/*
 * Gives a loop its space, when something first happens in it: a loop that a program makes for
 * synchronous calls only (Neovim has one) does not take space 0 from the one that matters. Called
 * with the lock held.
 */
static struct uvh_space *settle(struct uvh_context *context, struct entry *entry)
{
	struct uvh_space *home = context->home;
	struct uvh_space *space;

	if (!entry->traced || entry->space != NULL)
		return entry->space;
	if (!first_loop_made && home == &uvh_spaces[0]) {
		first_loop_made = true;
		space = home;
	} else if (home != NULL && home->number != 0 && home->loop == NULL && !home->closing) {
		space = home;
	} else {
		space = space_take(context);
	}
	if (space == NULL)
		return NULL;
	__atomic_store_n(&space->loop, entry->loop, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->space, space, __ATOMIC_RELEASE);
	if (home == NULL)
		__atomic_store_n(&context->home, space, __ATOMIC_RELAXED);
	return space;
}

struct uvh_space *uvh_space_look_up(struct uvh_context *context, uv_loop_t *loop)
{
	uint32_t epoch = __atomic_load_n(&uvh_loop_epoch, __ATOMIC_ACQUIRE);
	struct uvh_space *space;
	struct entry *entry;

	if (loop == NULL)
		return NULL;
	entry = find(__atomic_load_n(&table, __ATOMIC_ACQUIRE), loop);
	space = entry == NULL ? NULL : __atomic_load_n(&entry->space, __ATOMIC_ACQUIRE);
	if (entry == NULL || (space == NULL && entry->traced)) {
		uvh_lock();
		entry = find(table, loop);
		if (entry == NULL) /* initialised before the shim could see it */
			entry = add(loop, true);
		space = entry == NULL ? NULL : settle(context, entry);
		uvh_unlock();
	}
	context->cached_loop = loop;
	context->cached_space = space;
	context->cached_epoch = epoch;
	return space;
}

void uvh_loop_begin(struct uvh_context *context, uv_loop_t *loop, bool traced)
{
	uvh_loop_end(context, loop);
	uvh_lock();
	add(loop, traced);
	__atomic_add_fetch(&uvh_loop_epoch, 1, __ATOMIC_RELEASE);
	uvh_unlock();
}

void uvh_default_loop_seen(uv_loop_t *loop)
{
	if (find(__atomic_load_n(&table, __ATOMIC_ACQUIRE), loop) != NULL)
		return;
	uvh_lock();
	if (find(table, loop) == NULL)
		add(loop, true);
	uvh_unlock();
}

/* uv_loop_close lets nothing live in a loop but what a failing uv_spawn left behind. */
static void end_leftovers(struct uvh_context *context, struct uvh_space *space)
{
	uint32_t limit = __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE);

	for (uint32_t index = 1; space->live > 0 && index < limit; index++) {
		struct uvh_record *record = uvh_record_at(index);

		if (__atomic_load_n(&record->space, __ATOMIC_RELAXED) == space->number &&
		    __atomic_load_n(&record->id, __ATOMIC_RELAXED) != 0 &&
		    !(record->flags & (UVH_RECORD_POOLED | UVH_RECORD_ENDED)))
			uvh_end(context, record, UVHOOKS_FLAG_LOOP_CLOSED);
	}
}

void uvh_loop_end(struct uvh_context *context, uv_loop_t *loop)
{
	struct uvh_space *space = NULL;
	struct entry *entry;

	uvh_lock();
	uvh_control_loop_gone(loop);
	entry = find(table, loop);
	if (entry != NULL) {
		space = entry->space;
		__atomic_store_n(&entry->loop, GONE, __ATOMIC_RELEASE);
		__atomic_add_fetch(&uvh_loop_epoch, 1, __ATOMIC_RELEASE);
	}
	uvh_unlock();
	if (space == NULL)
		return;
	space->listed = false;
	if (space->user != context)
		uvh_space_moved(space, context);
	end_leftovers(context, space);
	uvh_embedders_end(context, space, UVHOOKS_FLAG_LOOP_CLOSED);
	/* Its address stays as a name, for destroys that wait. */
	/* The main thread's top level outlives its first loop. */
	if (space->number == 0)
		return;
	if (space->live == 0)
		uvh_space_release(space);
	else
		space->closing = true;
}
