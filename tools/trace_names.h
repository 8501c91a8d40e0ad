/* SPDX-License-Identifier: MIT */
/*
 * Names that stay with a trace.
 */
#ifndef UVH_TRACE_NAMES_H
#define UVH_TRACE_NAMES_H

#include "trace.h"

/*
 * Looks up the names of all callbacks, and the functions and lines of all addresses of stacks, and
 * adds them to the definitions of their processes, so that the trace can be read where the
 * programs' files are others, or none. Processes that still run,
 * or whose names were added before, are left alone.
 */
void uvh_trace_keep_names(struct uvh_trace *trace);

#endif
