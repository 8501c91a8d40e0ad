/* SPDX-License-Identifier: MIT */
/*
 * What the meter plugin publishes (uvhooks_publish() under the name "meter"): counts of what
 * happens, for `uvhooks top` to read from outside of the process at any moment.
 *
 * Nothing is locked. Each row of counts is written by one thread only, so it is never wrong, at
 * most a moment old; counts only grow, and who shows rates reads twice and subtracts. A reader must
 * take no number on trust: it may read while the process writes.
 *
 * All times are ticks, `frequency` of them a second: of the TSC where `clock_is_tsc`, else of
 * CLOCK_MONOTONIC. Addresses are those of the process.
 */
#ifndef METER_AREA_H
#define METER_AREA_H

#include <stdint.h>

#define METER_VERSION 1

#define METER_ROWS     16384
#define METER_THREADS  256
#define METER_SITES    1024
#define METER_DEPTH    16
#define METER_LONGEST  8
#define METER_WATCHERS 8
#define METER_SPACES   65536
#define METER_LEVELS   6
#define METER_WAYS     8

/* Stack numbers of the program's calls are told with so many addresses, and so much of scripts. */
#define METER_ADDRESSES    24
#define METER_SCRIPT_BYTES 248

/* What a row counts. What its `word` is, and what is in `n`, stands behind. */
enum meter_kind {
	METER_NOTHING,
	METER_SITE,     /* resources by where they were made: see enum meter_site_word */
	METER_CALLBACK, /* the callback's address */
	METER_WORK,     /* the same, of work in the thread pool */
	METER_LOOP,     /* the id space of a loop */
	METER_POOL,     /* requests for the thread pool */
	METER_TIMES,    /* how long they waited for a thread, and held it */
	METER_KINDS
};

/* Of METER_SITE: a stack's number with this bit, or the callback that ran; else one of these. */
#define METER_STACK (UINT64_C(1) << 63)

enum meter_site_word {
	METER_AT_TOP_LEVEL,
	METER_BEFORE, /* made before it was watched, and no stack says where */
	METER_OTHERS, /* found no row of their own */
	METER_WORDS
};

enum meter_site_count {
	METER_SITE_MADE,
	METER_SITE_CLOSED,
	METER_SITE_LISTED, /* were alive when watching began */
	METER_SITE_RUNS,
	METER_SITE_TICKS,
};

enum meter_callback_count {
	METER_CALLBACK_RUNS,
	METER_CALLBACK_TICKS,
	METER_CALLBACK_SELF, /* without callbacks inside it */
	METER_CALLBACK_MOST,
};

enum meter_loop_count {
	METER_LOOP_RUNS, /* callbacks that the loop itself called */
	METER_LOOP_TICKS,
	METER_LOOP_TURNS, /* of callbacks that follow each other at once, one is counted */
};

enum meter_pool_count {
	METER_POOL_SUBMITTED,
	METER_POOL_LISTED,  /* were under way when watching began */
	METER_POOL_SETTLED, /* of these, it is known by now how they stand */
	METER_POOL_BEGUN,   /* of the program's own work only */
	METER_POOL_ENDED,
	METER_POOL_UNTOLD, /* went by without a thread of the pool: cancelled, or done elsewhere */
};

enum meter_times_count {
	METER_TIMES_COUNT,
	METER_TIMES_QUEUE,
	METER_TIMES_QUEUE_MOST,
	METER_TIMES_SERVICE,
	METER_TIMES_SERVICE_MOST,
};

struct meter_row {
	uint64_t word;
	uint16_t kind;
	uint16_t type;
	int16_t fs_type;
	uint16_t thread; /* who writes it: a place in `threads` */
	uint64_t n[6];
};

/* A callback that runs. */
struct meter_frame {
	uint64_t id;
	uint64_t callback;
	uint64_t begin;
	uint64_t inside; /* ticks of callbacks within */
	uint16_t type;
	int16_t fs_type;
	uint16_t is_work;
	uint16_t is_outer; /* its loop was in no other callback */
	uint32_t site, row;
};

struct meter_long {
	uint64_t id;
	uint64_t callback;
	uint64_t begin;
	uint64_t ticks; /* 0: there is none */
	uint16_t type;
	int16_t fs_type;
	uint32_t reserved;
};

/*
 * A thread. Frames are good if `begun` and `ended` were the same before and after they were read.
 * The longest callbacks are those of a window of time and of the one before it.
 */
struct meter_thread {
	uint32_t taken;
	uint32_t generation; /* another than the area's: what is here is old */
	uint32_t thread_id;
	uint32_t reserved;
	uint32_t depth;   /* of callbacks; those from METER_DEPTH on have no frame */
	uint32_t in_pool; /* it was seen to do the pool's work */
	uint64_t begun, ended;
	uint64_t last_end;      /* of a callback that a loop called */
	uint64_t last_pool_end; /* of the pool's work */
	uint64_t loop_space_plus_one;
	uint32_t loop_row;
	uint32_t row_count; /* its own */
	struct meter_frame frames[METER_DEPTH];
	uint64_t window; /* when the present one began */
	uint64_t bar;    /* what the present window's shortest took, if it is full */
	struct meter_long longest[2][METER_LONGEST]; /* the present window's; the one before */
	uint16_t index[2048];                        /* from a hash to a row, by its own rows */
};

/* Where a stack that was taken by the process leads; `number` is written last. */
struct meter_site {
	uint32_t number;
	uint32_t address_count;
	uint64_t addresses[METER_ADDRESSES];
	char script[METER_SCRIPT_BYTES]; /* lines: FUNCTION, tab, FILE, tab, LINE; cut where full */
};

/*
 * Where a resource was made: a table for each id space, by the sequence numbers of the ids. It
 * grows by another level, and what is in a level stays where it is.
 */
struct meter_bucket {
	uint64_t ids[METER_WAYS]; /* 0: free */
	struct meter_slot {
		uint64_t ticks;    /* when it was made; 0: before */
		uint32_t site;     /* its row */
		uint32_t callback; /* the row of its latest callback */
		uint16_t in_pool;  /* enum meter_in_pool */
		uint16_t reserved[3];
	} slots[METER_WAYS];
};

enum meter_in_pool { METER_WAS_LISTED = 1, METER_HAS_BEGUN = 2, METER_HAS_ENDED = 4 };

struct meter_space {
	uint32_t generation; /* of the area, when it was begun */
	uint32_t level_count;
	uint64_t buckets[METER_LEVELS];
};

/* How many buckets a level has. */
#define METER_LEVEL_BUCKETS(level) (UINT64_C(64) << 3 * (level))

struct meter_area {
	uint32_t
	    version; /* 0: never watched; another than METER_VERSION: nothing else is as here */
	uint32_t watching;
	uint32_t generation; /* another whenever counting begins from nothing */
	uint32_t clock_is_tsc;
	uint64_t frequency;
	uint64_t begin; /* of this generation */
	uint64_t until; /* when watching ends, if nobody asks for more */
	uint64_t window_ticks;
	uint64_t turn_ticks; /* callbacks closer than that are one turn */
	uint64_t rows, threads, sites, spaces;
	uint32_t row_count, thread_count, site_count; /* may be above what there is room for */
	uint32_t reserved;
	/* What is missing in the counts. */
	uint64_t no_row, no_thread, no_site, no_slot, too_deep;
	/* Who watches, until when; 0: nobody. */
	struct meter_watcher {
		uint64_t who, until;
	} watchers[METER_WATCHERS];
};

#endif
