/* SPDX-License-Identifier: MIT */
/*
 * What an address of a stack means: by what the trace has kept of it, else by the files of the
 * process and what it has told of code that it made at run time.
 */
#ifndef UVH_STACK_LINES_H
#define UVH_STACK_LINES_H

#include "elf_lines.h"
#include "trace.h"

/* Of one process. Zeros but for `process` are a fresh one. */
struct uvh_stack_lines {
	const struct uvh_trace_process *process;
	bool map_tried;
	struct uvh_perf_map *map; /* NULL: none */
};

void uvh_stack_lines_free(struct uvh_stack_lines *lines);

/*
 * Writes the lines of an address, the innermost first, and returns how many; 0: nothing is known,
 * not even a file that the code lies in. Looked up each time. The texts are valid until
 * uvh_trace_close().
 */
size_t uvh_stack_lines_find(struct uvh_stack_lines *lines, uint64_t address,
			    struct uvh_trace_line found[UVH_ELF_LINES_MAX]);

#endif
