/* SPDX-License-Identifier: MIT */
/*
 * Callbacks that kept their loop from doing anything else: how long, where inside, and who made
 * what they belong to.
 *
 * A callback is blamed for the time that it ran itself: what ran inside it (a nested loop, and the
 * callbacks of that) is blamed for its own. Of one that is too long counts what of it lies in the
 * window. Memory grows with the kinds of callbacks that ran too
 * long, not with the trace.
 */
#ifndef UVH_STALLS_H
#define UVH_STALLS_H

#include "memory.h"
#include "stack_frames.h"
#include "trace.h"
#include "trace_filter.h"
#include "trigger_chain.h"

/* Stacks that the watchdog has seen inside. */
struct uvh_stall_sample {
	uint32_t stack; /* 0: none was to be had */
	uint64_t count;
};

/* Calls of the file system that made the loop wait, from one place in one process. */
struct uvh_stall_call {
	int16_t fs_type;
	uint32_t stack; /* 0: none was taken */
	uint64_t count;
	int64_t ns, longest_ns;
};

/* Zeros are empty ones. */
struct uvh_stall_inside {
	struct uvh_stall_sample *samples;
	size_t sample_count, sample_room;
	struct uvh_stall_call *calls;
	size_t call_count, call_room;
};

/* An ancestor of a resource. */
struct uvh_stall_link {
	uvhooks_async_id id;
	uint64_t callback;
	uint16_t type;
	int16_t fs_type;
	uint32_t stack;
	unsigned int count; /* that were alike, in a row */
};

#define UVH_STALL_LINKS 12

/* Runs of one callback, for resources of one type that were made at one place. */
struct uvh_stall_row {
	struct uvh_trace_process *process;
	uint64_t callback;
	uint16_t type;
	int16_t fs_type;
	uint32_t init_stack;
	uint64_t count;
	int64_t total_ns;
	int64_t fs_ns; /* of it, in synchronous calls of the file system */
	/* The longest. */
	int64_t longest_ns;
	int64_t begin_ns;
	uvhooks_async_id id;
	uint32_t start_stack;
	struct uvh_chain chain;
	struct uvh_stall_link links[UVH_STALL_LINKS]; /* its triggers, the nearest first */
	unsigned int link_count;
	int64_t open_ns; /* one still ran when the trace ended, or the window: its time; 0: none */
	struct uvh_stall_inside inside;
};

/* One that had not returned when the trace ended, and of which no more is known. */
struct uvh_stall_open {
	const struct uvh_trace_process *process;
	uvhooks_async_id id;
	uint64_t callback;
	uint16_t type;
	int16_t fs_type;
	int64_t begin_ns;
};

/* A loop, and how long it ran. */
struct uvh_stall_loop {
	const struct uvh_trace_process *process;
	unsigned int space;
	int64_t elapsed_ns;
	int64_t blocked_ns; /* in callbacks that ran too long */
};

struct uvh_stalls {
	struct uvh_trace *trace;
	struct uvh_trace_filter *filter;
	int64_t over_ns;
	int64_t to_ns; /* where the window ends */
	struct uvh_stall_row **rows;
	size_t row_count, row_room;
	struct uvh_index row_index;
	struct uvh_stall_loop *loops;
	size_t loop_count, loop_room;
	int64_t elapsed_ns; /* of all loops, but for those inside others */
	struct uvh_stall_open *open;
	size_t open_count, open_room;
	uint64_t callbacks; /* of loops, that passed the filter */
	/* The longest of all, be it too long or not. */
	struct uvh_stall_row longest;
	struct uvh_stall_inside calls;   /* of all loops */
	bool samples_seen;               /* a watchdog looked */
	struct uvh_stall_state **states; /* of threads */
	size_t state_count, state_room;
};

/* stalls_collect.c */
void uvh_stalls_add(struct uvh_stalls *stalls, const struct uvh_trace_event *event);
/* All have been added: what still runs counts, too, and rows that read the same become one. */
void uvh_stalls_end(struct uvh_stalls *stalls);
void uvh_stalls_free(struct uvh_stalls *stalls);

/* stalls_rows.c */
struct uvh_stall_row *uvh_stalls_row(struct uvh_stalls *stalls,
				     const struct uvh_trace_resource *resource, uint64_t callback);
/* Its longest run is that of this resource now. */
void uvh_stalls_longest(struct uvh_stall_row *row, const struct uvh_trace_resource *resource,
			int64_t begin_ns, int64_t ns);
void uvh_stalls_add_sample(struct uvh_stall_inside *inside, uint32_t stack, uint64_t count);
void uvh_stalls_add_call(struct uvh_stall_inside *inside, const struct uvh_stall_call *call);
void uvh_stalls_merge_inside(struct uvh_stall_inside *into, const struct uvh_stall_inside *from);
void uvh_stalls_free_inside(struct uvh_stall_inside *inside);
/* Puts together what reads the same, and the longest total first. */
void uvh_stalls_merge_rows(struct uvh_stalls *stalls);
struct uvh_stall_loop *uvh_stalls_loop(struct uvh_stalls *stalls,
				       const struct uvh_trace_process *process, unsigned int space);

int64_t uvh_stalls_blocked_ns(const struct uvh_stalls *stalls);
uint64_t uvh_stalls_count(const struct uvh_stalls *stalls);
/* In synchronous calls of the file system. */
int64_t uvh_stalls_calls_ns(const struct uvh_stall_inside *inside);
/* How much of its loop's time a row took. */
double uvh_stalls_share(struct uvh_stalls *stalls, const struct uvh_stall_row *row);

/* stalls_print.c, stalls_json.c */
void uvh_stalls_print(struct uvh_stalls *stalls, bool verbose);
void uvh_stalls_json(struct uvh_stalls *stalls);

#endif
