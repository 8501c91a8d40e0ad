/* SPDX-License-Identifier: MIT */
/*
 * Is what somebody asks for in the trace at all? A word that nothing there goes by is a slip of the
 * pen, and an empty answer to it would be a wrong one.
 *
 * Each returns UVH_OK, or UVH_USAGE when it has said what there is instead. `verb` is for that.
 */
#ifndef UVH_TRACE_KNOWN_H
#define UVH_TRACE_KNOWN_H

#include "trace.h"

/* A type that uvhooks knows, by either name, or that a program of the trace gave. */
int uvh_known_type(const char *verb, const struct uvh_trace *trace, const char *word);

/* A part of a callback's name. */
int uvh_known_callback(const char *verb, const struct uvh_trace *trace, const char *part);

/* A pid, or the name of a folder. */
int uvh_known_process(const char *verb, const struct uvh_trace *trace, const char *word);

/* Does this pid or name of a folder mean the process? */
bool uvh_process_is(const struct uvh_trace_process *process, const char *word);

#endif
