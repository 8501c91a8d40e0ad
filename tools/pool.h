/* SPDX-License-Identifier: MIT */
/*
 * What the thread pool did: from events to jobs, from jobs to kinds of work and to how many threads
 * were held at a time, and by whom.
 *
 * A job is what one request asks of the pool. Of uv_queue_work the trace tells when it began and
 * ended, and on which thread. Of what libuv does there itself it tells the end and the thread: when
 * that began follows, see pool_jobs.c.
 *
 * Memory grows with the kinds, and with the jobs that are under way at one time.
 */
#ifndef UVH_POOL_H
#define UVH_POOL_H

#include "memory.h"
#include "report_histogram.h"
#include "stack_frames.h"
#include "trace.h"

enum uvh_pool_kind {
	UVH_POOL_WORK, /* uv_queue_work */
	UVH_POOL_FS,
	UVH_POOL_DNS, /* uv_getaddrinfo and uv_getnameinfo */
	UVH_POOL_RANDOM,
	UVH_POOL_KINDS /* none of them: the pool has nothing to do with it */
};

/* "work", "fs", "dns", "random" */
const char *uvh_pool_kind_name(enum uvh_pool_kind kind);

enum uvh_pool_kind uvh_pool_kind_of(unsigned int type);

/* Threads of the pool where UV_THREADPOOL_SIZE does not say something else. */
#define UVH_POOL_DEFAULT_THREADS 4

/*
 * libuv runs slow work (of the resolver) on no more than half of its threads at a time, rounded up,
 * so that names which nobody answers do not keep files waiting.
 */
static inline size_t uvh_pool_slow_threads(size_t threads)
{
	return (threads + 1) / 2;
}

/* Jobs that are alike: asked for at one place, for the same. */
struct uvh_pool_row {
	struct uvh_trace_process *process;
	uint64_t work;     /* of work: what runs in the pool; 0: none of them has begun */
	uint64_t callback; /* of the request; 0: none */
	uint32_t stack;    /* number of the one at the request; 0: none was taken */
	uint16_t type;
	int16_t fs_type;
	enum uvh_pool_kind kind;
	uint64_t cancelled; /* before they began */
	uint64_t untold;    /* their callback came, and no thread of the pool was seen with them */
	uint64_t waiting;   /* at the end, for a thread */
	uint64_t running;   /* at the end */
	int64_t waiting_ns; /* the longest of those that wait */
	int64_t running_ns; /* the longest of those that run, so far */
	struct uvh_histogram queue;   /* from the request to its thread */
	struct uvh_histogram service; /* on the thread */
	struct uvh_histogram whole;   /* of the untold: from the request to its callback */
};

enum uvh_pool_change { UVH_POOL_ENDS, UVH_POOL_WAITS, UVH_POOL_LEAVES, UVH_POOL_BEGINS };

/* The pool of one process over time. */
#define UVH_POOL_BUCKETS 1024

struct uvh_pool_bucket {
	int64_t busy_ns;    /* of all threads together */
	int64_t waiting_ns; /* of all jobs together */
};

/* How long threads were held by a row while jobs of a kind waited: of all threads together. */
struct uvh_pool_held {
	int64_t ns[UVH_POOL_KINDS];
};

struct uvh_pool_occupancy {
	int64_t from_ns, to_ns; /* what is told of */
	int64_t begin_ns;       /* the first job began; 0: none has */
	int64_t now_ns;         /* all is counted up to here */
	unsigned int busy, most;
	unsigned int slow_busy, most_slow; /* of these, those that did slow work */
	unsigned int waiting[UVH_POOL_KINDS], most_waiting[UVH_POOL_KINDS];
	unsigned int all_waiting, most_all_waiting;
	/* By how many threads were busy. */
	struct uvh_pool_level {
		int64_t ns;
		int64_t waited_ns;                /* meanwhile something waited */
		int64_t slow_ns;                  /* nothing but slow work waited */
		int64_t waits_ns[UVH_POOL_KINDS]; /* of all that waited together */
	} * levels;
	size_t level_room;
	/* The rows whose jobs run, and on how many threads. */
	struct uvh_pool_holder {
		uint32_t row;
		bool slow;
		unsigned int threads;
	} * holders;
	size_t holder_count, holder_room;
	struct uvh_pool_held *held; /* by row */
	size_t held_room;
	struct uvh_pool_bucket *buckets; /* of equal length, from from_ns to to_ns */
	/* What is not counted yet. */
	struct uvh_pool_edge *edges;
	size_t edge_count, edge_room, edges_wanted;
};

/* A job that has not ended. */
struct uvh_pool_job {
	uvhooks_async_id id;
	int64_t submit_ns; /* 0: not known */
	int64_t begin_ns;  /* once it has begun */
	int64_t
	    begun_by_ns; /* it had begun then, since one behind it in its queue had; 0: unknown */
	uint32_t row;    /* once it has begun */
	bool begun;      /* as far as is known; else it is in its queue */
	uint8_t queue;
	uint32_t before, behind; /* in its queue */
};

#define UVH_POOL_NOBODY UINT32_MAX

/* libuv has two queues, which it works off in order: of slow work, and of all else. */
enum { UVH_POOL_FAST, UVH_POOL_SLOW, UVH_POOL_QUEUES };

struct uvh_pool_process {
	struct uvh_trace_process *process;
	uint64_t jobs;   /* that a thread of the pool was seen with */
	uint64_t untold; /* that none was seen with, although they came back */
	bool told_ends;  /* the trace tells of libuv's own work on the pool's threads */
	size_t threads;  /* that were seen */
	bool assumed;    /* nothing tells that there are as many as the default */
	struct uvh_pool_thread {
		bool seen;
		bool is_taken;   /* by a job that has begun and not ended, as far as is known */
		int64_t last_ns; /* its latest job ended */
	} * by_thread;           /* by their index */
	size_t thread_room;
	struct uvh_pool_job *under_way;
	size_t job_count, job_room; /* the unused ones, too */
	uint32_t unused;            /* the first of those, linked by `behind` */
	struct uvh_pool_queue {
		uint32_t first, last;
	} queues[UVH_POOL_QUEUES];
	struct uvh_index by_id;
	struct uvh_histogram back; /* from the end of work to its callback */
	struct uvh_pool_occupancy occupancy;
};

struct uvh_pool {
	struct uvh_trace *trace;
	int64_t from_ns, to_ns;
	struct uvh_pool_process **processes; /* by index; NULL: it has no pool */
	size_t process_room;
	struct uvh_pool_row **rows;
	size_t row_count, row_room;
	struct uvh_index row_index;
};

/* pool_jobs.c. Times before `from_ns` and behind `to_ns` do not count for how full the pool was. */
void uvh_pool_begin(struct uvh_pool *pool, struct uvh_trace *trace, int64_t from_ns, int64_t to_ns);
/* Each event; `wanted`: its job counts in the rows, too. */
void uvh_pool_add(struct uvh_pool *pool, const struct uvh_trace_event *event, bool wanted);
/* All have been added. `wants` asks of a resource whether it counts in the rows. */
void uvh_pool_end(struct uvh_pool *pool,
		  bool (*wants)(const struct uvh_trace_resource *resource, void *data), void *data);
void uvh_pool_free(struct uvh_pool *pool);

/* The pool of a process; NULL: it had none. */
const struct uvh_pool_process *uvh_pool_of(const struct uvh_pool *pool,
					   const struct uvh_trace_process *process);

/* Between pool_jobs.c and pool_end.c. `free_ns`: the thread did its job before that one then. */
void uvh_pool_begin_job(struct uvh_pool *pool, struct uvh_pool_process *state,
			struct uvh_pool_job *job, uint32_t row, int64_t free_ns, int64_t begin_ns);
/* What must have begun, since something behind it in its queue has. */
void uvh_pool_begin_by_queue(struct uvh_pool *pool, struct uvh_pool_process *state);
/* Of no moment before this will anything be told that has not been told. */
int64_t uvh_pool_settled_ns(const struct uvh_pool_process *state, int64_t now_ns);
void uvh_pool_change(struct uvh_pool *pool, struct uvh_pool_process *state,
		     enum uvh_pool_change change, int64_t time_ns, uint32_t row);

/* pool_rows.c */
uint32_t uvh_pool_row_of(struct uvh_pool *pool, const struct uvh_trace_resource *resource,
			 uint64_t work);

/*
 * Rows under the names that people read: those of one process, kind, callback and place are one.
 */
struct uvh_pool_line {
	const struct uvh_pool_row *row;     /* one of them */
	const char *what;                   /* "crunch", "open", "getaddrinfo" */
	const char *callback;               /* of the request; NULL: none, or `what` says it */
	const struct uvh_stack_frame *site; /* NULL: no stack was taken */
	uint64_t cancelled, untold, waiting, running;
	int64_t waiting_ns, running_ns;
	struct uvh_histogram queue, service, whole;
};

struct uvh_pool_view {
	struct uvh_pool_line *lines;
	size_t count, room;
	uint32_t *line_of; /* by row */
};

void uvh_pool_view(const struct uvh_pool *pool, struct uvh_pool_view *view);
void uvh_pool_view_free(struct uvh_pool_view *view);

/*
 * pool_occupancy.c. Threads need some 10 us to wake up: where jobs waited for more than this in
 * all, threads were missing.
 */
#define UVH_POOL_MISSING_NS 1000000

void uvh_pool_occupancy_begin(struct uvh_pool_occupancy *occupancy, int64_t from_ns, int64_t to_ns);
/* LEAVES: it waits no more, be it that it begins or that it was cancelled. Changes may be told in
   any order, but none that lies before what uvh_pool_occupancy_count() was given. */
void uvh_pool_occupancy_change(struct uvh_pool_occupancy *occupancy, enum uvh_pool_change change,
			       int64_t time_ns, enum uvh_pool_kind kind, uint32_t row);
bool uvh_pool_occupancy_is_full(const struct uvh_pool_occupancy *occupancy);
/* Nothing before that time will be told any more. */
void uvh_pool_occupancy_count(struct uvh_pool_occupancy *occupancy, int64_t until_ns);
/* Nothing will be told any more. */
void uvh_pool_occupancy_end(struct uvh_pool_occupancy *occupancy);
void uvh_pool_occupancy_free(struct uvh_pool_occupancy *occupancy);

static inline int64_t uvh_pool_bucket_ns(const struct uvh_pool_occupancy *occupancy)
{
	return (occupancy->to_ns - occupancy->from_ns) / UVH_POOL_BUCKETS + 1;
}

/*
 * How many threads there are, as far as is known: those that were seen, and no fewer than it takes
 * to let so much run at one time. If files or work ever waited, it is exact.
 */
size_t uvh_pool_threads(const struct uvh_pool_process *process);
bool uvh_pool_is_exact(const struct uvh_pool_process *process);

/* Of the time from the first job on: how many threads were busy, and all that were seen. */
double uvh_pool_busy_mean(const struct uvh_pool_process *process);
double uvh_pool_all_busy(const struct uvh_pool_process *process);
/* All threads were busy, and something waited. */
int64_t uvh_pool_saturated_ns(const struct uvh_pool_process *process);
/* How long jobs of a kind waited then, all together; slow work for its half of the threads, too.
 */
int64_t uvh_pool_waited_ns(const struct uvh_pool_process *process, enum uvh_pool_kind kind);
/* Slow work waited since half of the threads did such work, and others were idle. */
int64_t uvh_pool_slow_ns(const struct uvh_pool_process *process);

#endif
