/* SPDX-License-Identifier: MIT */
/*
 * Resources that are alive at some moment: how they stand, what they do in words, and those that
 * are alike put together.
 *
 * How one stands is known exactly where it has been told (a STATE in the trace) and nothing has
 * happened to it since; else as far as its events tell.
 */
#ifndef UVH_LIVE_H
#define UVH_LIVE_H

#include "json.h"
#include "memory.h"
#include "stack_frames.h"
#include "trace.h"
#include "trigger_chain.h"

/* Kept with each resource, in its `user`. */
struct uvh_live {
	uint64_t callback; /* the latest, but never that of closing */
	int64_t stop_ns;   /* 0: never */
	uint32_t site;     /* uvhooks leaks: its place in the table of sites; 0: none yet */
	bool told;         /* its state is that of now */
	bool ran;          /* a callback of it, other than that of closing */
	bool failed;       /* its init was one of uv_spawn that failed */
	bool was_busy;     /* it was open when uv_loop_close said UV_EBUSY */
	int64_t busy_ns;   /* the latest time that it did */
};

/*
 * To be called for each event; returns what is kept with its resource, NULL where there is none.
 * uvh_live_begin() says that it is to be freed when the resource is forgotten.
 */
void uvh_live_begin(struct uvh_trace *trace);
struct uvh_live *uvh_live_note(const struct uvh_trace_event *event);

/* Armed, called, or whatever is known of it; never the close callback. */
uint64_t uvh_live_callback(const struct uvh_trace_resource *resource);

/* A handle or a request: what a loop looks at when it asks whether it is alive. */
bool uvh_live_is_of_loop(const struct uvh_trace_resource *resource);

/* What it is to its loop. Those up to UVH_LIVE_CLOSING keep it alive, by libuv's own rule. */
enum uvh_live_standing {
	UVH_LIVE_ACTIVE,  /* a handle that is active and referenced */
	UVH_LIVE_PENDING, /* a request */
	UVH_LIVE_CLOSING,
	UVH_LIVE_UNREFERENCED, /* active */
	UVH_LIVE_INACTIVE,
};

enum uvh_live_standing uvh_live_standing(const struct uvh_trace_resource *resource);

/* Has it been told, or is this concluded from events? */
bool uvh_live_is_told(const struct uvh_trace_resource *resource);

#define UVH_LIVE_TEXT_BYTES 256

/* "listens on 127.0.0.1:80", "fires in 300 ms, every 1.00 s": at the time `now_ns`. */
const char *uvh_live_does(const struct uvh_trace_resource *resource, int64_t now_ns,
			  char text[UVH_LIVE_TEXT_BYTES]);

/* One of those that are alike, as it was when it was added. */
struct uvh_live_item {
	uvhooks_async_id id;
	int64_t init_ns;  /* 0: before the trace */
	int64_t start_ns; /* 0: never */
	uint64_t runs;
	uint32_t init_stack, start_stack; /* 0: none */
	int32_t fd;                       /* -1: none */
	uint32_t number;
	uint32_t site; /* of its struct uvh_live */
	bool told;
	char *does;
	char *about; /* the state's text */
};

/* Made at one place, of one type, with one callback, and `kind` is the same. */
struct uvh_live_group {
	const struct uvh_trace_process *process;
	const struct uvh_stack_frame *made;  /* where; NULL: no stack was taken */
	const struct uvh_stack_frame *armed; /* the first, if that is another place */
	struct uvh_chain chain;              /* of the first; without a stack: of all */
	unsigned int kind;                   /* the verb's */
	struct uvh_live_item *items;
	size_t count, room;
};

/* Zeros are an empty one. */
struct uvh_live_groups {
	struct uvh_live_group *groups;
	size_t count, room;
	struct uvh_index index;
};

/* live_groups.c */
struct uvh_live_group *uvh_live_groups_add(struct uvh_live_groups *groups,
					   const struct uvh_trace_resource *resource,
					   unsigned int kind, int64_t now_ns);
/* By kind; in one, the program's own places first, then the most, then what was made first. */
void uvh_live_groups_sort(struct uvh_live_groups *groups);
void uvh_live_groups_free(struct uvh_live_groups *groups);
uint64_t uvh_live_group_callback(const struct uvh_live_group *group);

/* live_print.c */
struct uvh_live_style {
	bool verbose;
	int64_t now_ns;
};

void uvh_live_print_group(const struct uvh_live_group *group, const struct uvh_live_style *style);
/* The keys of a group, in an object that is open. */
void uvh_live_json_group(struct uvh_json *json, const struct uvh_live_group *group, int64_t now_ns);

#endif
