/* SPDX-License-Identifier: MIT */
/*
 * What `uvhooks top` shows of a process that runs.
 *
 * A *sample* is what was read of it at one moment: its live resources, its loops, and what the
 * meter plugin has counted. A *frame* is what happened between two samples, in words and numbers.
 * How it is shown (top_print.c, top_json.c, top_screen.c) asks nothing of the process any more.
 */
#ifndef UVH_TOP_H
#define UVH_TOP_H

#include <time.h>

#include "../shim/plugins/meter_area.h"
#include "json.h"
#include "memory.h"
#include "pool.h"
#include "process.h"
#include "stack_frames.h"
#include "terminal.h"

/* Names of addresses, types and places, each looked up once. Texts are good until the close. */
struct uvh_top_names;

struct uvh_top_loop_read {
	struct uvhooks_control_loop loop;
	struct uvhooks_control_frame frame;
};

/* Invariant: what counts bytes and items was checked against what was read. */
struct uvh_top_sample {
	int64_t now_ns; /* CLOCK_BOOTTIME */
	uint64_t ticks; /* the meter's clock */
	struct uvhooks_control control;
	uint64_t counters[64];
	size_t counter_count;
	bool is_metered; /* the meter counts; else all that is its is empty */
	struct meter_area area;
	struct meter_row *rows;
	size_t row_count;
	struct meter_thread *threads; /* without their index */
	size_t thread_count;
	struct uvhooks_control_record *records; /* by id */
	size_t record_count, record_room;
	struct uvh_top_loop_read *loops;
	size_t loop_count, loop_room;
};

/* top_sample.c: false: the process is gone. */
bool uvh_top_sample(struct uvh_process *process, struct uvh_top_sample *sample);
void uvh_top_sample_free(struct uvh_top_sample *sample);

/* The live resource with that id; NULL: there is none. */
const struct uvhooks_control_record *uvh_top_record(const struct uvh_top_sample *sample,
						    uvhooks_async_id id);

/* What the meter has noted of a resource. False: nothing. */
bool uvh_top_slot(struct uvh_process *process, const struct uvh_top_sample *sample,
		  uvhooks_async_id id, struct meter_slot *slot);

/* Ticks of the meter's clock, as nanoseconds; so few that those of all rows add up. */
#define UVH_TOP_NS_MAX 5e14

static inline int64_t uvh_top_ns(const struct uvh_top_sample *sample, uint64_t ticks)
{
	double ns = sample->area.frequency != 0
			? (double) ticks * 1e9 / (double) sample->area.frequency
			: 0;

	return ns < UVH_TOP_NS_MAX ? (int64_t) ns : (int64_t) UVH_TOP_NS_MAX;
}

/* top_names.c */
struct uvh_top_names *uvh_top_names_open(struct uvh_process *process);
void uvh_top_names_close(struct uvh_top_names *names);
const char *uvh_top_text(struct uvh_top_names *names, const char *text);
const char *uvh_top_type(struct uvh_top_names *names, unsigned int type);
const char *uvh_top_callback(struct uvh_top_names *names, uint64_t address); /* "" for 0 */

/* Where: "server.c:12 in main", "in on_connection", "top level"; `word` as a row of METER_SITE has
   it. */
const char *uvh_top_site(struct uvh_top_names *names, const struct uvh_top_sample *sample,
			 uint64_t word);

/* The stack behind such a word; how many frames. 0: there is none. */
size_t uvh_top_stack(struct uvh_top_names *names, const struct uvh_top_sample *sample,
		     uint64_t word, const struct uvh_stack_frame **frames);

/* Resources or callbacks that people see as one. */
struct uvh_top_line {
	const char *type;
	const char *call; /* "open" of a file system call; "" */
	const char *what; /* the site, or the callback; "" of types */
	bool in_pool;     /* callbacks: work of the thread pool */
	uint64_t live;
	uint64_t made, closed, runs; /* between the samples */
	int64_t ns;                  /* of these callbacks */
	int64_t busy_ns, self_ns;    /* between the samples, with those that still run */
	int64_t most_ns;             /* the longest one since it is watched */
};

struct uvh_top_lines {
	struct uvh_top_line *lines;
	size_t count, room;
	struct uvh_index index;
};

struct uvh_top_loop {
	unsigned int space;
	double busy; /* 0 to 1; -1: unknown */
	uint64_t runs, turns;
	uvhooks_async_id id; /* whose callback runs; sequence 0: in libuv, 1: top level */
	const char *type;
	const char *callback; /* "": none runs */
	int64_t for_ns;       /* -1: unknown */
	int64_t seen_ns;      /* for so long no look has seen anything else */
};

struct uvh_top_pool_line {
	enum uvh_pool_kind kind;
	const char *call; /* "" of other kinds than fs */
	uint64_t waiting, running;
	uint64_t done;
	int64_t wait_ns, wait_most_ns; /* mean between the samples; the longest since watched */
	int64_t run_ns, run_most_ns;
	bool has_times; /* since it is watched */
	uint64_t timed; /* between the samples: of these are the means */
	/* While it is put together. */
	uint64_t begun, unknown, outstanding, queue_ticks, service_ticks;
};

struct uvh_top_long {
	uvhooks_async_id id;
	const char *type;
	const char *callback;
	uint64_t begin; /* ticks */
	int64_t ns;
	int64_t ago_ns; /* since it ended */
	bool runs;
};

#define UVH_TOP_LONGEST 10

struct uvh_top_frame {
	const struct uvh_top_sample *sample;
	pid_t pid;
	const char *program;
	double seconds; /* between the samples */
	bool is_metered;
	uint64_t live, made, closed, runs;
	struct uvh_top_lines types, sites, callbacks;
	struct uvh_top_loop *loops;
	size_t loop_count, loop_room;
	struct uvh_top_pool_line *pool; /* the busiest first */
	size_t pool_count, pool_room;
	size_t pool_threads;
	uint64_t pool_waiting, pool_running;
	struct uvh_top_long longest[UVH_TOP_LONGEST];
	size_t longest_count;
	uint64_t lost;   /* by the shim */
	uint64_t untold; /* events that the meter had no room for */
};

/* What is kept from one frame to the next. */
struct uvh_top {
	struct uvh_process *process;
	struct uvh_top_names *names;
	struct uvh_top_sample samples[2];
	unsigned int newest; /* of these */
	bool has_two;
	struct uvh_top_frame frame;
	size_t pool_threads_said; /* by UV_THREADPOOL_SIZE */
	const char *program;
	struct uvh_top_seen {
		unsigned int space;
		uvhooks_async_id id;
		uint64_t callback;
		int64_t since_ns;
	} * seen;
	size_t seen_count, seen_room;
	struct uvh_top_long longest[64]; /* of the last minute */
	size_t longest_count;
	int64_t asked_ns;  /* when the meter was last asked to go on; 0: never */
	bool answered;     /* and whether that was done */
	bool wants_stacks; /* to be asked for, once */
	char no_stacks[UVHOOKS_CONTROL_ANSWER_BYTES]; /* why there are none; "": nothing is wrong */
	char trouble[UVHOOKS_CONTROL_ANSWER_BYTES];   /* why it was not; "": it was */
};

/* top_watch.c */
void uvh_top_open(struct uvh_top *top, struct uvh_process *process);
void uvh_top_close(struct uvh_top *top);

/* Asks for the meter where that is due. False: the process is gone. */
bool uvh_top_ask(struct uvh_top *top, int64_t timeout_ns);
void uvh_top_leave(struct uvh_top *top);

/* Until then, or a signal, while the meter goes on. False: the process is gone. */
bool uvh_top_wait(struct uvh_top *top, int64_t ns);

/* cmd_top.c: a signal has come that ends it. */
bool uvh_top_is_interrupted(void);

/* Takes another sample; false: the process is gone. */
bool uvh_top_look(struct uvh_top *top);

int64_t uvh_top_now_ns(clockid_t clock);

/* top_frame.c: what happened between the last two samples, in `top->frame`. */
void uvh_top_frame(struct uvh_top *top);
void uvh_top_frame_free(struct uvh_top_frame *frame);

/* top_loops.c, top_pool.c: parts of that. */
void uvh_top_frame_loops(struct uvh_top *top, const struct uvh_top_sample *before);
void uvh_top_frame_longest(struct uvh_top *top);
void uvh_top_frame_pool(struct uvh_top *top, const struct uvh_top_sample *before);

/* How much a row's count grew; `before` is NULL, or of the same generation. */
uint64_t uvh_top_grown(const struct uvh_top_sample *before, const struct uvh_top_sample *now,
		       size_t row, unsigned int count);

/* top_table.c: a frame as tables, for print and screen alike. */
enum uvh_top_view {
	UVH_TOP_TYPES,
	UVH_TOP_SITES,
	UVH_TOP_CALLBACKS,
	UVH_TOP_RESOURCES,
	UVH_TOP_POOL,
	UVH_TOP_LONG,
	UVH_TOP_VIEWS
};

#define UVH_TOP_COLUMNS 10

struct uvh_top_row {
	uvhooks_async_id id; /* a resource's; 0: none */
	struct uvh_top_cell {
		char *text;
		enum uvh_color color;
		double key; /* it is sorted by that */
	} cells[UVH_TOP_COLUMNS];
	size_t used;
};

struct uvh_top_table {
	enum uvh_top_view view;
	const struct uvh_column *columns;
	size_t column_count;
	struct uvh_top_row *rows;
	size_t count, room;
	size_t left_out; /* too many to be told */
};

/* How it is told. */
struct uvh_top_style {
	const char *filter; /* only what has this text in it, by either case; "": all */
	const char *sort;   /* the title of a column; NULL: the view's own */
	bool reversed;
};

const char *uvh_top_view_title(enum uvh_top_view view);
void uvh_top_table(struct uvh_top *top, enum uvh_top_view view, const struct uvh_top_style *style,
		   struct uvh_top_table *table);
void uvh_top_table_free(struct uvh_top_table *table);

/* Is there a column of this title, in any view? */
bool uvh_top_is_column(const char *title);
size_t uvh_top_sorted_column(enum uvh_top_view view, const struct uvh_top_style *style);
const struct uvh_column *uvh_top_columns(enum uvh_top_view view, size_t *count);

/* Has any of the texts the filter in it? */
bool uvh_top_passes(const struct uvh_top_style *style, const char *one, const char *two,
		    const char *three);

/* top_head.c: what stands above the tables, line by line. */
struct uvh_top_text {
	struct uvh_top_text_line {
		char *text;
		enum uvh_color color;
	} * lines;
	size_t count, room;
};

void uvh_top_say(struct uvh_top_text *text, enum uvh_color color, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void uvh_top_text_free(struct uvh_top_text *text);

/* At most `loops` of its loops, the busiest. */
void uvh_top_head(const struct uvh_top *top, size_t loops, struct uvh_top_text *text);

/* "runs on_timer of 7 (TIMERWRAP) for 350 ms" */
const char *uvh_top_loop_text(const struct uvh_top_loop *loop, char *text, size_t bytes);

/* top_resource.c: one resource and what led to it. False: it does not live. */
bool uvh_top_resource(struct uvh_top *top, uvhooks_async_id id, struct uvh_top_text *text);
bool uvh_top_resource_json(struct uvh_top *top, uvhooks_async_id id);

/* top_print.c, top_json.c, top_screen.c */
bool uvh_top_print_resource(struct uvh_top *top, uvhooks_async_id id); /* false: it does not live */
void uvh_top_print(struct uvh_top *top, const struct uvh_top_style *style, size_t lines);
void uvh_top_json(struct uvh_top *top, const struct uvh_top_style *style);

/* Until it is left, be the process alive or not. Returns an enum uvh_status. */
int uvh_top_screen(struct uvh_top *top, struct uvh_top_style *style, int64_t interval_ns);

#endif
