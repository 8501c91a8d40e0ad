/* SPDX-License-Identifier: MIT */
/*
 * A trace of a process that runs, for the verbs that answer a question about a trace: all that
 * lives in it at this moment, with its states and, where they are taken, stacks.
 */
#ifndef UVH_SNAPSHOT_H
#define UVH_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

struct uvh_snapshot;

/* How long it waits for an answer of the process. */
extern int64_t uvh_snapshot_timeout_ns;

/* Is this the pid of a process, and no folder of that name? */
bool uvh_snapshot_is_meant(const char *path);

/*
 * Takes it. UVH_OK, or UVH_USAGE or UVH_FAILED when it has said why not. The path of the trace is
 * good until the snapshot is dropped, which leaves nothing of it.
 */
int uvh_snapshot_take(struct uvh_snapshot **snapshot, const char *pid);
const char *uvh_snapshot_path(const struct uvh_snapshot *snapshot);
void uvh_snapshot_drop(struct uvh_snapshot *snapshot);

#endif
