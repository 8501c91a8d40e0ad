/* SPDX-License-Identifier: MIT */
/*
 * Opening the folders of a trace.
 */
#ifndef UVH_TRACE_OPEN_H
#define UVH_TRACE_OPEN_H

#include "trace_parts.h"

struct dirent;

/* What a folder holds but for hidden files, sorted: how many, or -1 with errno. */
int uvh_names(const char *path, struct dirent ***names);
void uvh_file_names_free(struct dirent **names, int count);

/* Are there files of a process among them? */
bool uvh_names_are_process(struct dirent **names, int count);

/* Adds the process in the folder `path`, called `name`, to the trace, if there is one. */
void uvh_folder_open(struct uvh_trace *trace, const char *path, const char *name);
void uvh_folder_free(struct uvh_folder *folder);

#endif
