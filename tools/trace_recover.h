/* SPDX-License-Identifier: MIT */
/*
 * What a killed process left behind.
 */
#ifndef UVH_TRACE_RECOVER_H
#define UVH_TRACE_RECOVER_H

#include <stdbool.h>

/*
 * Puts what the process of a trace's folder left in shared memory into its files, and frees that
 * memory. Nothing happens if the process ended by itself, or still runs and records: then true.
 */
bool uvh_trace_recover(const char *folder);

#endif
