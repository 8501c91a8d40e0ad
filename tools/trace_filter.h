/* SPDX-License-Identifier: MIT */
/*
 * The options that every verb that reads a trace has, and what they let through.
 */
#ifndef UVH_TRACE_FILTER_H
#define UVH_TRACE_FILTER_H

#include "trace.h"

struct uvh_trace_filter;

/* For the OPTIONS part of a verb's help; ends with a newline. */
extern const char uvh_trace_filter_help[];

/*
 * For getopt_long(): the entries to put into a verb's own table, where a comma follows; their
 * values are UVH_FILTER_OPTION and above.
 *
 *	static const struct option options[] = {
 *	    {"json", no_argument, NULL, JSON},
 *	    UVH_FILTER_OPTIONS,
 *	    {NULL, 0, NULL, 0},
 *	};
 */
enum uvh_filter_option {
	UVH_FILTER_OPTION = 1024,
	UVH_FILTER_TYPE = UVH_FILTER_OPTION,
	UVH_FILTER_LOOP,
	UVH_FILTER_ID,
	UVH_FILTER_FROM,
	UVH_FILTER_TO,
	UVH_FILTER_CALLBACK,
	UVH_FILTER_PROCESS
};

/* clang-format off */
#define UVH_FILTER_OPTIONS                                                                         \
	{"type", required_argument, NULL, UVH_FILTER_TYPE},                                        \
	{"loop", required_argument, NULL, UVH_FILTER_LOOP},                                        \
	{"id", required_argument, NULL, UVH_FILTER_ID},                                            \
	{"from", required_argument, NULL, UVH_FILTER_FROM},                                        \
	{"to", required_argument, NULL, UVH_FILTER_TO},                                            \
	{"callback", required_argument, NULL, UVH_FILTER_CALLBACK},                                \
	{"process", required_argument, NULL, UVH_FILTER_PROCESS}
/* clang-format on */

struct uvh_trace_filter *uvh_trace_filter_new(void);
void uvh_trace_filter_free(struct uvh_trace_filter *filter);

/*
 * Takes one option that getopt_long() has found. UVH_OK, or UVH_USAGE when it has said what is
 * wrong with the value. `verb` is for that message. The items of a LIST are parted by ','; an
 * option that comes twice adds to its list.
 *
 *   --type LIST      TIMERWRAP,uv_fs_t,embedder: by either name, or one that the program gave
 *   --loop LIST      the id spaces
 *   --id LIST        7,1:8
 *   --from, --to T   seconds since the trace began: 1.5, or with a unit: 20ms, 300us
 *   --callback TEXT  a part of the callback's name
 *   --process LIST   pids, or names of folders
 */
int uvh_trace_filter_option(struct uvh_trace_filter *filter, const char *verb, int option,
			    const char *value);

/*
 * Is there in the trace what the options name? UVH_OK, or UVH_USAGE when it has said what is not,
 * and what is. Types that uvhooks knows need not be in the trace; loops and ids are known by its
 * events only: uvh_trace_filter_see(). Before the first event.
 */
int uvh_trace_filter_check(const struct uvh_trace_filter *filter, const char *verb,
			   const struct uvh_trace *trace);

/* What --id and --loop name is known by the events only: this is to be shown all of them. */
void uvh_trace_filter_see(struct uvh_trace_filter *filter, const struct uvh_trace_event *event);

/* Behind the last event. UVH_OK, or UVH_FAILED when it has said of what there was none. */
int uvh_trace_filter_say_unseen(const struct uvh_trace_filter *filter);

/* Was any such option given? */
bool uvh_trace_filter_is_set(const struct uvh_trace_filter *filter);

/*
 * Does the event pass? loop_enter and loop_exit have no type, id or callback: with --type, --id or
 * --callback they do not. --callback holds for a resource in all its events from the first on that
 * names the callback, be it armed or called. To be asked for every event, in their order.
 */
bool uvh_trace_filter_wants(struct uvh_trace_filter *filter, const struct uvh_trace *trace,
			    const struct uvh_trace_event *event);

/* The same for a resource: without --from and --to. */
bool uvh_trace_filter_wants_resource(struct uvh_trace_filter *filter,
				     const struct uvh_trace_resource *resource);

/* The same for a whole process: only --process counts. */
bool uvh_trace_filter_wants_process(const struct uvh_trace_filter *filter,
				    const struct uvh_trace_process *process);

/* Of each process that passes: what is missing, for whoever reads its events. */
void uvh_trace_filter_say_missing(const struct uvh_trace_filter *filter,
				  const struct uvh_trace *trace);

/* --from and --to become the trace's window. Before its first event. */
void uvh_trace_filter_set_window(const struct uvh_trace_filter *filter, struct uvh_trace *trace);

/* --from and --to as nanoseconds since 1970: INT64_MIN and INT64_MAX where they are not given. */
void uvh_trace_filter_window(const struct uvh_trace_filter *filter, const struct uvh_trace *trace,
			     int64_t *from_ns, int64_t *to_ns);

/* Reads an async id as people write it: "7", "1:7". False if it is none. */
bool uvh_trace_filter_read_id(const char *word, uvhooks_async_id *id);

#endif
