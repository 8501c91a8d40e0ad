/* SPDX-License-Identifier: MIT */
/*
 * Names of callbacks as people write them: "_ZN4node11Environment9RunTimersEP10uv_timer_s" is
 * "node::Environment::RunTimers". Programs get the name that the linker knows.
 */
#ifndef UVH_DEMANGLE_H
#define UVH_DEMANGLE_H

#include "trace.h"

/*
 * uvh_trace_callback_name(), readable. Names that are no C++ stay as they are; all do where there
 * is no libstdc++. Good until the program ends.
 */
const char *uvh_readable_callback(const struct uvh_trace_process *process, uint64_t address);

/* The same for a name. It must live as long as the trace. */
const char *uvh_readable_name(const char *name);

#endif
