/* SPDX-License-Identifier: MIT */
/*
 * What `uvhooks report` gathers from a trace in one pass, and tells.
 *
 * An event must cost next to nothing, so each adds to one row of numbers, which its resource points
 * to (`user`). What people read is put together from the rows when all events have been seen.
 * Memory grows with the number of callbacks, types, loops and async handles, not with the trace.
 */
#ifndef UVH_REPORT_H
#define UVH_REPORT_H

#include "memory.h"
#include "pool.h"
#include "report_histogram.h"
#include "trace.h"
#include "trace_filter.h"
#include "trigger_chain.h"

struct uvh_table;

/* Runs of one callback for resources of one type and file system call, in one process. */
struct uvh_report_row {
	struct uvh_trace_process *process;
	uint64_t callback;
	uint16_t type;
	int16_t fs_type;
	bool waits; /* the time from init to the first callback says something */
	uint64_t runs;
	int64_t self_ns;           /* without what ran inside it */
	struct uvh_histogram run;  /* of those whose begin is known: what lies in the window */
	struct uvh_histogram wait; /* from init to the first callback */
};

/* A callback that took long, or a timer that came late. */
struct uvh_report_moment {
	int64_t ns; /* how long, or how late; 0: none */
	int64_t begin_ns;
	uvhooks_async_id id;
	uint16_t type;
	int16_t fs_type;
	uint64_t callback;
	bool unfinished; /* it still ran when the trace ended, or the window */
};

#define UVH_REPORT_LONGEST 5
#define UVH_REPORT_LATEST  3

/* Callbacks of a loop that follow each other faster than this are one burst. */
#define UVH_REPORT_BURST_NS 10000

/*
 * A loop. `running` counts the runs around each other: only the outermost one is measured, and of
 * that only callbacks that the loop itself has called, which `depth` tells.
 */
struct uvh_report_loop {
	struct uvh_trace_process *process;
	struct uvh_trace_thread *thread; /* that ran it last */
	struct uvh_report_loop *outer;   /* whose callback runs this one */
	unsigned int space;
	unsigned int running;
	unsigned int depth;
	bool assumed; /* it ran already when recording began */
	int64_t enter_ns;
	uint64_t runs;
	int64_t elapsed_ns;
	int64_t busy_ns;
	uint64_t callbacks;
	uint64_t bursts;
	int64_t last_end_ns;
	uint64_t iterations; /* at least: runs of the prepare, check or idle handle that ran most */
	uvhooks_async_id old; /* such a handle from before the window, and how often it ran there */
	uint64_t old_runs;
	struct uvh_report_moment longest[UVH_REPORT_LONGEST];
	struct uvh_report_moment latest[UVH_REPORT_LATEST];
	struct uvh_histogram delay; /* of timers behind their due time */
};

/* What the thread pool did of one kind, in one process. */
struct uvh_report_pool_times {
	struct uvh_histogram queue, service;
};

/* Wake-ups of an async handle by senders of a kind. */
struct uvh_report_wakeup {
	struct uvh_trace_process *process;
	uvhooks_async_id id; /* 0: of all handles that were too many to be told apart */
	uint64_t callback;
	unsigned int sender_space;
	uint16_t sender_type; /* UVHOOKS_NONE: top level, or not known */
	bool sender_is_top;
	uint64_t count;
};

struct uvh_report_thread {
	struct uvh_report_loop *loop; /* the innermost that it runs */
	int64_t first_ns;
	uint64_t events;
};

struct uvh_report_process {
	uint64_t events;
	struct uvh_report_type {
		uint64_t made;
		uint64_t live; /* at the end */
	} * types;             /* by number */
	size_t type_room;
	struct uvh_report_loop **loops; /* by id space; NULL: none */
	size_t loop_room;
};

/* Live resources that are alike, and have been caused alike. */
struct uvh_report_live {
	struct uvh_trace_process *process;
	struct uvh_chain chain;
	bool armed;
	uint64_t count;
	uvhooks_async_id first_id;
	int64_t first_init_ns;
};

struct uvh_report {
	struct uvh_trace *trace;
	struct uvh_trace_filter *filter;
	int64_t from_ns, to_ns; /* what is told of */
	uint64_t events_read;
	uint64_t events; /* that passed the filter */
	uint64_t by_event[UVHOOKS_EVENT_MAX];
	struct uvh_report_row **rows;
	size_t row_count, row_room;
	struct uvh_index row_index;
	struct uvh_report_wakeup *wakeups;
	size_t wakeup_count, wakeup_room;
	struct uvh_index wakeup_index;
	struct uvh_report_live *live;
	size_t live_count, live_room;
	struct uvh_index live_index;
	struct uvh_pool pool;
	size_t damaged; /* parts that could not be read */
};

/* How it is told. */
enum uvh_report_sort {
	UVH_SORT_TOTAL,
	UVH_SORT_SELF,
	UVH_SORT_MEAN,
	UVH_SORT_P99,
	UVH_SORT_MAX,
	UVH_SORT_RUNS
};

struct uvh_report_style {
	size_t top; /* so many lines in each section; SIZE_MAX: all */
	enum uvh_report_sort sort;
};

/* report_collect.c */
void uvh_report_begin(struct uvh_report *report, struct uvh_trace *trace,
		      struct uvh_trace_filter *filter);
void uvh_report_add(struct uvh_report *report, const struct uvh_trace_event *event);
void uvh_report_end(struct uvh_report *report); /* all have been added */
void uvh_report_free(struct uvh_report *report);
struct uvh_report_process *uvh_report_process(struct uvh_trace_process *process);
struct uvh_report_thread *uvh_report_thread(struct uvh_trace_thread *thread);
/* How much of its trace is told of. */
int64_t uvh_report_duration(const struct uvh_report *report,
			    const struct uvh_trace_process *process);

/* report_loop.c: what an event says of its loop. */
void uvh_report_loop_enter(struct uvh_report *report, const struct uvh_trace_event *event);
void uvh_report_loop_exit(struct uvh_report *report, const struct uvh_trace_event *event);
void uvh_report_loop_assume(const struct uvh_trace_event *event);
void uvh_report_loop_before(struct uvh_report *report, const struct uvh_trace_event *event);
void uvh_report_loop_after(struct uvh_report *report, const struct uvh_trace_event *event);
void uvh_report_loop_end(struct uvh_report *report, struct uvh_report_loop *loop);

/* report_pool.c: the thread pool, and wake-ups. */
void uvh_report_pool_times(const struct uvh_report *report, const struct uvh_trace_process *process,
			   enum uvh_pool_kind kind, struct uvh_report_pool_times *times);
void uvh_report_pool_times_free(struct uvh_report_pool_times *times);
/* The pool of a process, if something of it passed the filters; else NULL. */
const struct uvh_pool_process *uvh_report_pool(const struct uvh_report *report,
					       const struct uvh_trace_process *process);
void uvh_report_wakeup(struct uvh_report *report, const struct uvh_trace_event *event);

/* report_live.c */
void uvh_report_live(struct uvh_report *report);

/*
 * report_view.c: rows that are alike, put together under the names that people read. Programs that
 * ran in several processes are one program here.
 */
struct uvh_report_line {
	const char *program; /* NULL where all programs count together */
	const char *type;
	const char *uv_type;
	const char *call;     /* NULL: none */
	const char *callback; /* NULL where it does not count */
	uint64_t made, live;  /* of types */
	uint64_t runs;
	int64_t self_ns;
	struct uvh_histogram run, wait;
	/* While it is put together. */
	unsigned int ordinal;
	const struct uvh_trace_process *process;
	uint64_t address;
};

struct uvh_report_view {
	struct uvh_report_line *lines;
	size_t count, room;
	struct uvh_index index;
};

void uvh_report_view_types(const struct uvh_report *report, enum uvh_report_sort sort,
			   struct uvh_report_view *view);
void uvh_report_view_callbacks(const struct uvh_report *report, enum uvh_report_sort sort,
			       struct uvh_report_view *view);
void uvh_report_view_waits(const struct uvh_report *report, struct uvh_report_view *view);
void uvh_report_view_free(struct uvh_report_view *view);

/* Whose wake-ups cross threads, as far as the ids tell. */
bool uvh_report_wakeup_crosses(const struct uvh_report_wakeup *wakeup);

/* report_print.c, report_sections.c, report_json.c */
void uvh_report_print(const struct uvh_report *report, const struct uvh_report_style *style);
void uvh_report_print_loops(const struct uvh_report *report, const struct uvh_report_style *style);
void uvh_report_print_pools(const struct uvh_report *report);
void uvh_report_print_wakeups(const struct uvh_report *report,
			      const struct uvh_report_style *style);
void uvh_report_print_live(const struct uvh_report *report, const struct uvh_report_style *style);
/* Four cells: mean, p50, p99, max. */
void uvh_report_print_times(struct uvh_table *table, const struct uvh_histogram *times);
void uvh_report_print_title(const char *title, const char *remark);
void uvh_report_print_more(size_t shown, size_t count, const char *what);
void uvh_report_json(const struct uvh_report *report, const struct uvh_report_style *style);

#endif
