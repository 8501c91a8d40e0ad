/* SPDX-License-Identifier: MIT */
/*
 * What keeps the loops of a trace alive at its end, by libuv's own rule: handles that are active
 * and referenced, requests that are pending, handles that are being closed. And what was still
 * open when uv_loop_close said UV_EBUSY, which is another question: that counts all handles.
 */
#ifndef UVH_WHY_H
#define UVH_WHY_H

#include "live.h"
#include "verb.h"

/*
 * Answers for the trace in `path`, on stderr: stdout is the program's that was recorded. From then
 * on all that is printed goes there, so it is the last that a verb does. Returns a status.
 */
int uvh_why_about(const char *path);

/* What there was when uv_loop_close said UV_EBUSY for the last time. */
struct uvh_why_busy {
	int64_t time_ns; /* 0: never */
	struct uvh_live_groups groups;
	size_t count, requests; /* the requests among them */
	size_t still_open;      /* at the end of the trace */
};

/* A loop, or an id space that has become one. */
struct uvh_why_loop {
	const struct uvh_trace_process *process;
	unsigned int space;
	unsigned int running; /* calls of uv_run, around each other */
	int64_t enter_ns;     /* of the latest; 0: never */
	int64_t exit_ns;      /* 0: uv_run has not returned */
	bool told;            /* all that keeps it alive, rather than concluded from events */
	bool older;           /* something of it was there when the trace began */
	struct uvh_live_groups groups; /* by standing */
	size_t counts[UVH_LIVE_INACTIVE + 1];
	struct uvh_why_busy busy;
};

struct uvh_why {
	struct uvh_trace *trace;
	struct uvh_trace_filter *filter;
	bool verbose;
	struct uvh_why_loop **loops;
	size_t count, room;
	struct uvh_index index;
};

/* why_collect.c */
void uvh_why_of(struct uvh_why *why, const struct uvh_question *question); /* first of all */
void uvh_why_add(struct uvh_why *why, const struct uvh_trace_event *event);
void uvh_why_end(struct uvh_why *why); /* all have been added */
void uvh_why_free(struct uvh_why *why);
/* NULL: none that anything is known of. Not after uvh_why_end(). */
struct uvh_why_loop *uvh_why_find(const struct uvh_why *why,
				  const struct uvh_trace_process *process, unsigned int space);
size_t uvh_why_keepers(const struct uvh_why_loop *loop);

/* The moment that is asked for: the end of the process's trace, or --to. */
int64_t uvh_why_now(const struct uvh_why *why, const struct uvh_trace_process *process);

/* why_print.c, why_json.c */
void uvh_why_print(const struct uvh_why *why);
void uvh_why_json(const struct uvh_why *why);

#endif
