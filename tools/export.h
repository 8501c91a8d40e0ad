/* SPDX-License-Identifier: MIT */
/*
 * What the formats of `uvhooks export` share: the output, names, and their table. A format is told
 * a trace as slices (what ran, when, and because of what) and lives (of resources), in the order of
 * time; see export_flows.h.
 */
#ifndef UVH_EXPORT_H
#define UVH_EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "export_flows.h"
#include "memory.h"
#include "trace.h"

/* Options that only some formats have. */
#define UVH_EXPORT_TOP_DEFAULT 40

/* What a verb hands to the format it has chosen, for as long as the export takes. */
struct uvh_export {
	FILE *file;
	const struct uvh_trace *trace;
	struct uvh_export_names *names;
	int64_t base_ns; /* when the trace began; nanoseconds since 1970 */
	size_t top;      /* --top */
	void *data;      /* the format's */
	/* A sentence of the format's own, about what it left out or merged; "" if there is none. */
	char remark[160];
};

/* `name` to `next` are for the user; a function that is NULL is not called. */
struct uvh_export_format {
	const char *name;
	const char *summary;
	const char *next; /* what to do with the FILE, which stands in it once */
	bool is_binary;
	void (*open)(struct uvh_export *export);
	/* `outer` is what the slice runs within; NULL: nothing. */
	void (*begin)(struct uvh_export *export, struct uvh_slice *slice,
		      const struct uvh_slice *outer);
	void (*end)(struct uvh_export *export, const struct uvh_slice *slice);
	void (*life_begin)(struct uvh_export *export, struct uvh_life *life);
	void (*life_end)(struct uvh_export *export, const struct uvh_life *life);
	void (*close)(struct uvh_export *export); /* writes what is left, and frees */
};

extern const struct uvh_export_format uvh_export_perfetto;
extern const struct uvh_export_format uvh_export_chrome;
extern const struct uvh_export_format uvh_export_folded;
extern const struct uvh_export_format uvh_export_speedscope;
extern const struct uvh_export_format uvh_export_dot;

/*
 * A text that comes again and again. Texts are equal where the pointers are. They are UTF-8 without
 * control characters.
 */
struct uvh_export_name {
	const char *text;
	uint32_t index; /* counts from 0 */
	/* Of the name of a callback or work: its two halves; else NULL. */
	struct uvh_export_name *type;
	struct uvh_export_name *callback;
	uint32_t told; /* the format's */
};

struct uvh_export_names;

struct uvh_export_names *uvh_export_names_new(void);
void uvh_export_names_free(struct uvh_export_names *names);

struct uvh_export_name *uvh_export_name(struct uvh_export_names *names, const char *text);

/* What a callback is called: "TIMERWRAP on_timer", "FSREQCALLBACK open on_open". */
struct uvh_export_name *uvh_export_name_of_callback(struct uvh_export_names *names,
						    const struct uvh_trace_process *process,
						    unsigned int type, int fs_type,
						    uint64_t callback);

/* What a resource is called: "TIMERWRAP", "FSREQCALLBACK open". */
struct uvh_export_name *uvh_export_name_of_resource(struct uvh_export_names *names,
						    const struct uvh_trace_process *process,
						    unsigned int type, int fs_type);

/* The program's file, "node"; "?" if it is unknown. */
const char *uvh_export_program(const struct uvh_trace_process *process);

#define UVH_EXPORT_FLAGS_BYTES 256

/* "closing, unwound" */
const char *uvh_export_flags(unsigned int flags, char text[UVH_EXPORT_FLAGS_BYTES]);

/* Why a cause is one, for people: "start", "send", ... */
const char *uvh_export_how(enum uvhooks_event_type how);

#endif
