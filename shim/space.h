/* SPDX-License-Identifier: MIT */
/*
 * Id spaces: one for each loop, and one for each thread that needs ids and has no loop.
 *
 * Invariant: the sequence and the records of a space are only touched by the thread that uses its
 * loop now, or, where it has none, by the thread whose home it is. So nothing in it is atomic.
 */
#ifndef UVH_SPACE_H
#define UVH_SPACE_H

#include "registry.h"

#pragma GCC visibility push(hidden)

struct uvh_context;

struct uvh_space {
	uvhooks_async_id next; /* the next id, the space's number in it */
	struct uvh_records records;
	uint32_t live; /* records taken and not yet given back */
	uint16_t number;
	bool closing; /* the loop is gone; released when the last record is */
	bool listed;  /* its loop has run, and was shown to uvh_control_loop_runs */
	uint32_t in_use;
	/* the program's own resources that end with the loop or thread, see embedder.c: the second
	   is counted by whatever thread ends one */
	uint32_t embedders_made;
	uint32_t embedders_ended;
	uv_loop_t *loop;
	struct uvh_context *user; /* the thread that used it last */
} __attribute__((aligned(64)));

#define UVH_SPACE_MAX 65536

extern struct uvh_space *uvh_spaces; /* by number; touched as needed */

/* Changes whenever a loop comes or goes: what contexts cache is then looked up anew. */
extern uint32_t uvh_loop_epoch;

bool uvh_spaces_init(struct uvh_context *main_thread);

static inline uvhooks_async_id uvh_space_base(uint16_t number)
{
	return (uvhooks_async_id) number << UVHOOKS_ID_SEQUENCE_BITS;
}

/* The loop of a space, asked for by any thread that has a resource of it. */
static inline void *uvh_loop_of_space(uint16_t number)
{
	return __atomic_load_n(&uvh_spaces[number].loop, __ATOMIC_RELAXED);
}

static inline uvhooks_async_id uvh_space_root(const struct uvh_space *space)
{
	return uvh_space_base(space->number) + 1;
}

/* The space of a loop, taken if it has none yet; NULL if the loop is not to be traced. */
struct uvh_space *uvh_space_look_up(struct uvh_context *context, uv_loop_t *loop);

/* uv_default_loop has returned it: known already, unless this call made it. */
void uvh_default_loop_seen(uv_loop_t *loop);

/* uv_loop_init has succeeded: what was at that address before is gone. */
void uvh_loop_begin(struct uvh_context *context, uv_loop_t *loop, bool traced);

/* The loop is closed: whatever is still alive in it ends, flagged. */
void uvh_loop_end(struct uvh_context *context, uv_loop_t *loop);

/* How many ids were given out in the loops and threads that there are. */
uint64_t uvh_spaces_made(void);

/* The space of this thread's top level; NULL only if there is none left. */
struct uvh_space *uvh_home(struct uvh_context *context);

/* The thread ends: gives its home back if that has no loop. */
void uvh_home_leave(struct uvh_context *context);

/* Another thread drives the loop now. */
void uvh_space_moved(struct uvh_space *space, struct uvh_context *context);

/* A record of the space, with no id yet. */
static inline struct uvh_record *uvh_space_take(struct uvh_space *space,
						struct uvh_context *context)
{
	struct uvh_record *record;

	if (UVH_UNLIKELY(space->user != context))
		uvh_space_moved(space, context);
	record = uvh_records_take(&space->records);
	if (record != NULL) {
		uvh_record_set_space(record, space->number);
		space->live++;
	}
	return record;
}

static inline uvhooks_async_id uvh_space_next_id(struct uvh_space *space)
{
	const uvhooks_async_id id = space->next;

	/* No read-modify-write; a pool thread may read it. */
	__atomic_store_n(&space->next, id + 1, __ATOMIC_RELAXED);
	return id;
}

void uvh_space_release(struct uvh_space *space);

/* Gives back a record that was taken from its space. */
static inline void uvh_space_give(struct uvh_record *record)
{
	struct uvh_space *space = &uvh_spaces[record->space];

	uvh_records_give(&space->records, record);
	if (UVH_UNLIKELY(--space->live == 0 && space->closing))
		uvh_space_release(space);
}

/* Gives the record back to where it came from. */
static inline void uvh_record_give(struct uvh_record *record)
{
	if (UVH_UNLIKELY(record->flags & UVH_RECORD_POOLED))
		uvh_pooled_give(record);
	else
		uvh_space_give(record);
}

#pragma GCC visibility pop

#endif
