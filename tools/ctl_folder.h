/* SPDX-License-Identifier: MIT */
/*
 * A folder that a process can write to, in its own root, which may be another than ours. It is made
 * and removed with the rights of the process's user, so that whatever that user puts there makes
 * root do nothing that the user could not do.
 */
#ifndef UVH_CTL_FOLDER_H
#define UVH_CTL_FOLDER_H

#include <limits.h>

#include "process_parts.h"

struct uvh_folder {
	int fd;
	int root; /* of the process */
	struct uvh_process_facts owner;
	char seen[PATH_MAX]; /* its path, as the process sees it */
	char ours[64];       /* a path for us, as long as it is open */
	bool is_new;         /* it was not there before */
	bool keep_entries;   /* only what is empty is to be removed */
};

/*
 * Makes it, or takes an empty one; `path` as the user gives it, or NULL for a temporary one.
 * UVH_OK, or UVH_USAGE or UVH_FAILED when it has said why not.
 */
int uvh_folder_make(struct uvh_folder *folder, struct uvh_process *process, const char *path);

void uvh_folder_close(struct uvh_folder *folder);

/* The same, and nothing is left of it. */
void uvh_folder_remove(struct uvh_folder *folder);

/* The same, but it stays if something is in it, or if it was there before. */
void uvh_folder_remove_empty(struct uvh_folder *folder);

#endif
