/* SPDX-License-Identifier: MIT */
/*
 * Running a program with the recorder in it, as its parent: what `record` and `run --why` share.
 */
#ifndef UVH_RECORD_H
#define UVH_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "launch.h"

/* What is to be kept; NULL and 0: as the plugins have it. */
struct uvh_recording {
	const char *output; /* a folder that is there */
	const char *ring;
	const char *max_size;
	bool stacks;
	const char *sample;  /* "1/10" */
	int64_t watchdog_ns; /* how long a callback may run before it is looked at */
};

/*
 * Adds the recorder to the plugins, and what else it takes. UVH_OK, or the status to end with when
 * it has said why; `verb` is for that.
 */
int uvh_record_add(struct uvh_launch *launch, const char *verb, const struct uvh_recording *wanted);

/* Runs the program in a child, whose id is put into `pid`; returns what waitpid() tells of it. */
int uvh_record_run(const struct uvh_launch *launch, pid_t *pid);

/* Ends as the program ended, so that a shell sees no difference: returns the status for main(). */
int uvh_record_end(int status);

#endif
