/* SPDX-License-Identifier: MIT */
/*
 * From a core file to a trace: what the files of `uvhooks recover` share.
 *
 * Whatever is read from the core may be nonsense: it is what a broken program has left.
 */
#ifndef UVH_RECOVER_H
#define UVH_RECOVER_H

#include <limits.h>
#include <uvhooks/trace.h>

#include "core_file.h"
#include "process.h"

/* An object that was loaded; as in the definitions. */
struct uvh_recovered_library {
	uint64_t begin, end, bias;
	uint8_t build_id[20];
	char *path;
};

struct uvh_recovery {
	struct uvh_core core;
	struct uvh_process *process; /* in it */
	struct uvhooks_control control;
	const char *program; /* where the program's file is now; NULL: where it was */
	const char *output;
	char folder[PATH_MAX]; /* of the trace; "" before it is made */

	/* What was recorded, if anything was. */
	bool recorded;
	struct uvhooks_trace_memory memory;
	char recorded_in[PATH_MAX]; /* the recorder's folder */
	uint8_t uuid[16];
	uint64_t ticks;              /* of the latest event that is known, or of the core file */
	uint64_t definition_packets; /* the number of the next */
	size_t packets;
	uint64_t packet_bytes;

	struct uvh_recovered_library *libraries;
	size_t library_count;
	size_t live, live_by_type[UINT16_MAX + 1];
	bool failed; /* something could not be written, and it was said */
};

/* recover_find.c: the control block of the shim. NULL, and the reason in `error`. */
struct uvh_process *uvh_recover_find(const struct uvh_core *core, char error[UVH_CORE_ERROR_BYTES]);

/* recover_trace.c */
void uvh_recover_read(struct uvh_recovery *recovery); /* what was recorded, and libraries */
bool uvh_recover_folder(struct uvh_recovery *recovery);
void uvh_recover_files(struct uvh_recovery *recovery);
void uvh_recover_append(struct uvh_recovery *recovery, const char *name, const void *data,
			size_t bytes);
void uvh_recover_free(struct uvh_recovery *recovery);

/* recover_live.c: what lived, as a stream of its own. Behind the files. */
void uvh_recover_live(struct uvh_recovery *recovery);

#endif
