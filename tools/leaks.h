/* SPDX-License-Identifier: MIT */
/*
 * What was made and never closed. Which of it is suspected is decided by simple rules (the help of
 * the verb has them), since a server, a signal handler or a timer that lives as long as its program
 * is none. What is known of open loops comes from `uvhooks why`.
 *
 * A site is where resources of a type are made: a stack, or, where none was taken, the callback
 * that made them. Memory grows with the number of sites, which is limited, and with what is alive.
 */
#ifndef UVH_LEAKS_H
#define UVH_LEAKS_H

#include "why.h"

#define UVH_LEAKS_LEAST 8  /* so many of one place are many, unless --least says otherwise */
#define UVH_LEAKS_PARTS 32 /* of a process's time, for the picture */
#define UVH_LEAKS_STEPS 16 /* and for the question whether they get more */

struct uvh_leaks_site {
	const struct uvh_trace_process *process;
	uint64_t maker; /* the callback, where there is no stack */
	uint32_t stack;
	uint16_t type;
	uint64_t made, live;
	/* How many were alive at the end of each part; known for those before `part`. */
	uint64_t at_end_of[UVH_LEAKS_PARTS];
	unsigned int part;
	uint32_t counted_in; /* a serial number: it counts there already */
};

/* Requests of a kind that were completed. */
struct uvh_leaks_request {
	const struct uvh_trace_process *process;
	uint16_t type;
	int16_t fs_type;
	int64_t longest_ns;
};

/* Why a group is suspected, or what kind of thing it is while that is not decided. */
enum uvh_leaks_kind {
	UVH_LEAKS_BUSY,    /* uv_loop_close said UV_EBUSY because of it */
	UVH_LEAKS_GROWS,   /* more and more of them */
	UVH_LEAKS_LATE,    /* the same, and all were closed in the end: the program tidied up */
	UVH_LEAKS_STOPPED, /* many that are stopped, or were never started */
	UVH_LEAKS_PENDING, /* a request that takes longer than its like */
	UVH_LEAKS_CHILD,   /* a child whose handle was closed before it had exited */
	UVH_LEAKS_INACTIVE,
	UVH_LEAKS_ALIVE,
	UVH_LEAKS_CLOSED, /* in the end, and nothing is wrong with that: it is not told of */
};

#define UVH_LEAKS_SUSPECTED(kind) ((kind) <= UVH_LEAKS_CHILD)

/* How the number of live ones from the places of a group went. */
struct uvh_leaks_growth {
	uint64_t made, live;
	uint64_t at_end_of[UVH_LEAKS_PARTS];
	unsigned int steps; /* in so many of UVH_LEAKS_STEPS were some made that are alive */
	bool still;         /* in the last two, too */
	double per_second;  /* that stay alive */
};

struct uvh_leaks {
	struct uvh_why why;
	uint64_t least;
	struct uvh_leaks_site *sites; /* the first stands for all that there was no room for */
	size_t site_count, site_room;
	struct uvh_index site_index;
	uint32_t serial;
	struct uvh_leaks_request *requests;
	size_t request_count, request_room;
	struct uvh_index request_index;
	struct uvh_live_groups groups; /* by kind */
};

/* leaks_sites.c */
void uvh_leaks_sites_add(struct uvh_leaks *leaks, const struct uvh_trace_event *event);
void uvh_leaks_growth(struct uvh_leaks *leaks, const struct uvh_live_group *group,
		      struct uvh_leaks_growth *growth);
void uvh_leaks_sites_free(struct uvh_leaks *leaks);

/* leaks_collect.c */
void uvh_leaks_add(struct uvh_leaks *leaks, const struct uvh_trace_event *event);
void uvh_leaks_end(struct uvh_leaks *leaks); /* all have been added */
void uvh_leaks_free(struct uvh_leaks *leaks);

/* leaks_print.c, leaks_json.c */
void uvh_leaks_print(struct uvh_leaks *leaks);
void uvh_leaks_json(struct uvh_leaks *leaks);

#endif
