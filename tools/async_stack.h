/* SPDX-License-Identifier: MIT */
/*
 * The async stack of a resource: who made it, who made that one, and so on up to top-level code,
 * each with the stack that it was made on.
 *
 * Ancestors are told before their descendants, and which of them will be wanted is not known then;
 * so of every resource as much is kept as a link needs, until the one that is asked for is made.
 */
#ifndef UVH_ASYNC_STACK_H
#define UVH_ASYNC_STACK_H

#include "live.h"
#include "memory.h"
#include "trace_filter.h"
#include "verb.h"

#define UVH_ASYNC_LIMIT 4000000 /* resources that are kept: some 40 bytes each */
#define UVH_ASYNC_DEPTH 10      /* links that are shown */

/* What is kept of a resource. Zeros: it is not known. */
struct uvh_async_row {
	uvhooks_async_id trigger;
	int64_t init_ns; /* 0: before the trace */
	/* Of its trigger, as it was when it made this one. */
	uint64_t trigger_callback;
	uint32_t trigger_start_stack;
	uint32_t init_stack;
	uint16_t type;
	int16_t fs_type;
	bool known;
};

/* A resource in the chain: the one that was asked for, its trigger, and so on. */
struct uvh_async_link {
	uvhooks_async_id id;
	uint64_t callback;
	int64_t init_ns;
	uint32_t init_stack;
	uint32_t start_stack;
	uint16_t type;
	int16_t fs_type;
};

/* The resource that was asked for, in one process. */
struct uvh_async_asked {
	const struct uvh_trace_process *process;
	bool found;
	bool init_seen;
	bool alive;
	uint64_t callback;
	int64_t destroy_ns;
	uint64_t runs;
	uint32_t init_stack;
	uint32_t start_stack;
	char *does; /* what it does, in words, at the end; NULL: it is gone */

	struct uvh_async_link *links;
	size_t count, room;
	bool has_root; /* else the last link's trigger is not known */
	uvhooks_async_id root;
};

/* Resources of one kind, with one callback, that were made at one place. */
struct uvh_async_site {
	const struct uvh_trace_process *process;
	const struct uvh_stack_frame *made; /* NULL: not known */
	uint64_t callback;
	uint64_t count;
	uint64_t alive;      /* of these, at the end */
	uvhooks_async_id id; /* of one of them */
	uint16_t type;
	int16_t fs_type;
};

struct uvh_async {
	uvhooks_async_id id;
	bool has_id;
	uint64_t depth;
	uint64_t limit;

	struct uvh_async_asked *asked; /* by the index of the process */
	size_t asked_room;
	struct uvh_async_chunk *chunks;
	size_t chunk_count, chunk_room;
	struct uvh_index chunk_index;
	size_t latest_chunk;
	uint64_t rows;
	bool is_full;

	/* Without an id. */
	struct uvh_async_site *sites;
	size_t site_count, site_room;
	struct uvh_index site_index;
};

/* async_stack_collect.c */
void uvh_async_add(struct uvh_async *async, struct uvh_question *question,
		   const struct uvh_trace_event *event);
/* Makes the chains; to be called behind the last event. */
void uvh_async_end(struct uvh_async *async, struct uvh_question *question);
void uvh_async_free(struct uvh_async *async);

/* Links in a row that come again: `period` of them from `first` on, `times` times. */
struct uvh_async_fold {
	size_t first;
	size_t period;
	size_t times;
};

/* Behind `at` links: the next fold. */
struct uvh_async_fold uvh_async_fold(const struct uvh_async_asked *asked, size_t at);

/* Was it armed elsewhere than it was made? NULL: no, or there is no stack of that. */
const struct uvh_stack *uvh_async_armed(const struct uvh_trace_process *process,
					const struct uvh_async_link *link);

/* async_stack_print.c */
void uvh_async_print(const struct uvh_async *async, const struct uvh_question *question);
void uvh_async_json(const struct uvh_async *async, const struct uvh_question *question);

/* async_stack_sites.c: where resources were made. */
void uvh_async_add_site(struct uvh_async *async, const struct uvh_question *question,
			const struct uvh_trace_resource *resource, bool alive);
/* Adds those that are alive, and prints them all; to be called behind the last event. */
void uvh_async_sites(struct uvh_async *async, const struct uvh_question *question);

#endif
