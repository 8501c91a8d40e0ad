/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ctl.h"
#include "ctl_folder.h"
#include "memory.h"
#include "stack_frames.h"

int64_t uvh_snapshot_timeout_ns = UVH_CTL_TIMEOUT_NS;

struct uvh_snapshot {
	struct uvh_folder folder;
};

bool uvh_snapshot_is_meant(const char *path)
{
	char folder[32];
	struct stat status;
	const pid_t pid = uvh_read_pid(path);

	snprintf(folder, sizeof(folder), "/proc/%d", (int) pid);
	return pid != 0 && stat(path, &status) != 0 && stat(folder, &status) == 0;
}

static int fill(struct uvh_snapshot *snapshot, struct uvh_process *process)
{
	char request[UVHOOKS_CONTROL_REQUEST_BYTES] = "load recorder:details=1,snapshot=1,dir=";
	char answer[UVHOOKS_CONTROL_ANSWER_BYTES];

	uvh_request_add_guarded(request, sizeof(request), snapshot->folder.seen);
	return uvh_ctl_ask(process, request, uvh_snapshot_timeout_ns, answer);
}

int uvh_snapshot_take(struct uvh_snapshot **taken, const char *pid)
{
	struct uvh_snapshot *snapshot;
	struct uvh_process *process;
	int status = uvh_ctl_open(&process, uvh_read_pid(pid), true);

	*taken = NULL;
	if (status != UVH_OK)
		return status;
	uvh_stack_asks_running();
	snapshot = uvh_zeros(1, sizeof(*snapshot));
	status = uvh_folder_make(&snapshot->folder, process, NULL);
	if (status == UVH_OK) {
		status = fill(snapshot, process);
		if (status != UVH_OK)
			uvh_folder_remove(&snapshot->folder);
	}
	if (status == UVH_OK)
		*taken = snapshot;
	else
		free(snapshot);
	uvh_process_close(process);
	return status;
}

const char *uvh_snapshot_path(const struct uvh_snapshot *snapshot)
{
	return snapshot->folder.ours;
}

void uvh_snapshot_drop(struct uvh_snapshot *snapshot)
{
	uvh_folder_remove(&snapshot->folder);
	free(snapshot);
}
