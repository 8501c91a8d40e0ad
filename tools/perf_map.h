/* SPDX-License-Identifier: MIT */
/*
 * Names of code that was made at run time, as the program itself has written them to
 * /tmp/perf-PID.map for perf: `node --perf-basic-prof`, `python3 -X perf`, LuaJIT.
 */
#ifndef UVH_PERF_MAP_H
#define UVH_PERF_MAP_H

#include "trace.h"

struct uvh_perf_map;

/*
 * Reads the map of a process, if it is ours, and if it was last written while the process ran:
 * another one may have had the pid before or after. NULL: there is none. Of a big one the beginning
 * is left out.
 */
struct uvh_perf_map *uvh_perf_map_open(const struct uvh_trace_process *process);
void uvh_perf_map_close(struct uvh_perf_map *map);

/*
 * What lies at `address`: the function and, where the name says so, the file and line of its
 * beginning. The texts are good until the close. False: nothing.
 */
bool uvh_perf_map_find(const struct uvh_perf_map *map, uint64_t address,
		       struct uvh_trace_line *line);

#endif
