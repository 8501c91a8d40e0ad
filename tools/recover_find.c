/* SPDX-License-Identifier: MIT */
/* Finds the shim's control block in a core file, by its magic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process_parts.h"
#include "recover.h"

#define PART_MAX_BYTES ((size_t) 1 << 20) /* .data of libuvhooks.so is far less */
#define STEP           UVHOOKS_CONTROL_ALIGNMENT

static size_t read_core(const void *core, uint64_t address, void *copy, size_t bytes)
{
	return uvh_core_read(core, address, copy, bytes);
}

static bool take(struct uvh_process *process, uint64_t address)
{
	struct uvhooks_control control;

	process->address = address;
	if (!uvh_process_control(process, &control) || control.abi != UVHOOKS_CONTROL_ABI ||
	    control.size < sizeof(control) || !(control.state & UVHOOKS_CONTROL_ALIVE) ||
	    !uvh_process_is_sane(&control))
		return false;
	process->control = control;
	process->pid = control.pid;
	return true;
}

/* It may lie anywhere in a part that is larger: the data of several objects are one behind the
   other. */
static bool look_into(struct uvh_process *process, const struct uvh_core_part *part, char *buffer)
{
	for (uint64_t begin = 0; begin < part->bytes; begin += PART_MAX_BYTES) {
		const size_t bytes =
		    uvh_core_read(process->core, part->address + begin, buffer, PART_MAX_BYTES);

		for (size_t at = 0; at + STEP <= bytes; at += STEP)
			if (memcmp(buffer + at, UVHOOKS_CONTROL_MAGIC,
				   sizeof(UVHOOKS_CONTROL_MAGIC)) == 0 &&
			    take(process, part->address + begin + at))
				return true;
	}
	return false;
}

/* What is mapped from it first: elsewhere there may be copies of it. */
static bool is_of_shim(const struct uvh_core *core, const struct uvh_core_part *part)
{
	for (size_t i = 0; i < core->mapping_count; i++)
		if (part->address < core->mappings[i].end &&
		    core->mappings[i].begin < part->address + part->bytes &&
		    strstr(core->mappings[i].path, "libuvhooks.so") != NULL)
			return true;
	return false;
}

static bool find(struct uvh_process *process, const struct uvh_core *core, char *buffer)
{
	for (int in_shim = 1; in_shim >= 0; in_shim--)
		for (size_t i = 0; i < core->part_count; i++)
			if (core->parts[i].is_writable &&
			    is_of_shim(core, &core->parts[i]) == (in_shim == 1) &&
			    look_into(process, &core->parts[i], buffer))
				return true;
	return false;
}

struct uvh_process *uvh_recover_find(const struct uvh_core *core, char error[UVH_CORE_ERROR_BYTES])
{
	struct uvh_process *process = calloc(1, sizeof(*process));
	char *buffer = malloc(PART_MAX_BYTES);

	if (process != NULL) {
		process->folder = process->memory = process->pidfd = -1;
		process->read_core = read_core;
		process->core = core;
	}
	if (process != NULL && buffer != NULL && find(process, core, buffer)) {
		free(buffer);
		return process;
	}
	free(buffer);
	free(process);
	snprintf(error, UVH_CORE_ERROR_BYTES,
		 "nothing of libuvhooks.so is in it: the program did not run under the shim (of "
		 "this version), or its private memory was left out (bit 0 of "
		 "/proc/PID/coredump_filter)");
	return NULL;
}
