/* SPDX-License-Identifier: MIT */
/*
 * The meter plugin: what its files share. See meter_area.h for what it counts.
 *
 * All that counts lies in one mapping, which is zeros in the child of a fork: there nobody watches.
 */
#ifndef METER_H
#define METER_H

#include <stdbool.h>
#include <uvhooks/plugin.h>

#include "meter_area.h"

#define METER_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define METER_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* All of it; `area` comes first, and is what is published. */
struct meter {
	struct meter_area area;
	/* From here on for the process only. */
	uint32_t changing; /* somebody changes who watches */
	struct meter_thread threads[METER_THREADS];
	struct meter_row rows[METER_ROWS]; /* the first is for what finds no other */
	struct meter_site sites[METER_SITES];
	struct meter_space spaces[METER_SPACES];
};

extern struct meter *meter;

/* A thread's place, good for this generation. */
struct meter_place {
	struct meter_thread *thread;
	uint32_t generation;
};

extern __thread struct meter_place meter_place __attribute__((tls_model("initial-exec")));

#define METER_NO_GENERATION UINT32_MAX

static inline uint64_t meter_get(const uint64_t *place)
{
	return __atomic_load_n(place, __ATOMIC_RELAXED);
}

static inline void meter_set(uint64_t *place, uint64_t value)
{
	__atomic_store_n(place, value, __ATOMIC_RELAXED);
}

/* Of a count that only this thread writes. */
static inline void meter_add(uint64_t *count, uint64_t more)
{
	meter_set(count, meter_get(count) + more);
}

static inline void meter_most(uint64_t *count, uint64_t value)
{
	if (value > meter_get(count))
		meter_set(count, value);
}

/* Of what is missing: any thread may, seldom. */
static inline void meter_miss(uint64_t *count)
{
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

/* meter.c: a lease may have run out. False: nobody watches any more, and the hook is off. */
bool meter_is_watched(uint64_t now);

/* meter_event.c */
struct uvhooks_hook *meter_make_hook(void);

/* meter_thread.c: the thread's place, from the first event of a generation on; NULL: no room. */
struct meter_thread *meter_thread_take(void);
int meter_threads_start(void);

/* The number of a thread's row; 0, which counts for nobody, if there is no room. */
uint32_t meter_row_make(struct meter_thread *thread, enum meter_kind kind, unsigned int type,
			int fs_type, uint64_t word);

static inline bool meter_row_is(uint32_t number, const struct meter_thread *thread,
				enum meter_kind kind, unsigned int type, int fs_type, uint64_t word)
{
	const struct meter_row *row = &meter->rows[number];

	return meter_get(&row->word) == word && row->kind == kind && row->type == type &&
	       row->fs_type == fs_type && row->thread == (uint16_t) (thread - meter->threads);
}

/* meter_space.c: where a resource is noted. */
struct meter_slot *meter_slot_find(uint64_t id);
/* Threads of the pool may find it at once, so it comes filled. NULL: there is no room. */
struct meter_slot *meter_slot_add(uint64_t id, const struct meter_slot *filled);
void meter_slot_free(uint64_t id);

/* Is its space's table begun? To be asked for resources of loops, on the loop's thread. */
static inline bool meter_space_is_begun(uint64_t id)
{
	return __atomic_load_n(&meter->spaces[uvhooks_id_space(id)].generation, __ATOMIC_RELAXED) ==
	       __atomic_load_n(&meter->area.generation, __ATOMIC_RELAXED);
}

/* Begins it, with what is alive already but for the resource `besides`. */
void meter_space_begin(struct meter_thread *thread, uint64_t id, uint64_t besides);

/* Is it a request for the thread pool? */
static inline bool meter_is_for_pool(unsigned int type)
{
	return type >= UVHOOKS_FSREQCALLBACK && type <= UVHOOKS_WORKREQ;
}

#endif
