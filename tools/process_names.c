/* SPDX-License-Identifier: MIT */
/* Names of functions in a process that runs, by the files that are mapped into it. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_symbols.h"
#include "memory.h"
#include "process_parts.h"

/* A file in the order of the maps: its mappings follow each other. */
struct gather {
	struct uvh_process *process;
	char root[PATH_MAX]; /* in front of paths; "" where they are ours, too */
	char *path;
	uint64_t begin, end, offset;
};

/* The distance between its addresses and those in the file; false where it is no ELF. */
static bool read_file(const char *path, uint64_t begin, uint64_t offset,
		      struct uvh_trace_library *library)
{
	struct uvh_raw raw;
	GElf_Phdr load;
	bool found = false;

	if (uvh_raw_open(&raw, path) != 0)
		return false;
	for (size_t i = 0; i < raw.header.e_phnum && !found; i++)
		found = gelf_getphdr(raw.elf, (int) i, &load) != NULL && load.p_type == PT_LOAD &&
			load.p_offset <= offset + 4095 && load.p_offset + load.p_filesz > offset;
	if (found) {
		library->bias = begin - offset + load.p_offset - load.p_vaddr;
		uvh_build_id(&raw, library->build_id, sizeof(library->build_id));
	}
	uvh_raw_close(&raw);
	return found;
}

static void add_library(struct gather *gather)
{
	struct uvh_trace_library library = {.begin = gather->begin, .end = gather->end};
	char path[2 * PATH_MAX];

	if (gather->path == NULL)
		return;
	snprintf(path, sizeof(path), "%s%s", gather->root, gather->path);
	library.path = path;
	if (read_file(path, gather->begin, gather->offset, &library))
		uvh_trace_symbols_add(gather->process->symbols, &library);
	free(gather->path);
	gather->path = NULL;
}

static bool add_mapping(const struct uvh_mapping *mapping, void *data)
{
	struct gather *gather = data;

	if (gather->path != NULL && strcmp(gather->path, mapping->path) == 0) {
		gather->end = mapping->end;
		return false;
	}
	add_library(gather);
	if (mapping->path[0] == '/' && !mapping->is_deleted) {
		gather->path = uvh_copy_text(mapping->path);
		gather->begin = mapping->begin;
		gather->end = mapping->end;
		gather->offset = mapping->offset;
	}
	return false;
}

static void read_libraries(struct uvh_process *process)
{
	struct gather gather = {.process = process};

	if (!uvh_process_has_our_root(process))
		snprintf(gather.root, sizeof(gather.root), "/proc/%d/root", (int) process->pid);
	uvh_each_mapping(process->folder, add_mapping, &gather);
	add_library(&gather);
}

const char *uvh_process_name(struct uvh_process *process, uint64_t address)
{
	if (process->symbols == NULL) {
		process->symbols = uvh_or_end(uvh_trace_symbols_open());
		read_libraries(process);
	}
	return uvh_trace_symbols_name(process->symbols, address);
}

/* In words: "runs on_timer of 7 (TIMERWRAP)". */
const char *uvh_process_does(struct uvh_process *process, const struct uvhooks_control_frame *frame,
			     char text[UVH_PROCESS_DOES_BYTES])
{
	struct uvhooks_control_record record;
	char id[UVHOOKS_ID_TEXT_BYTES], type[UVHOOKS_TYPE_NAME_BYTES + 8] = "";

	if (uvhooks_id_sequence(frame->async_id) <= 1) {
		snprintf(text, UVH_PROCESS_DOES_BYTES, "%s",
			 uvhooks_id_sequence(frame->async_id) == 0
			     ? "is in libuv: it waits, or is between two callbacks"
			     : "does not run: its thread is in no uv_run()");
		return text;
	}
	if (frame->record != 0 &&
	    uvh_process_copy(process, frame->record, &record, sizeof(record)) &&
	    record.async_id == frame->async_id)
		snprintf(type, sizeof(type), " (%s)", uvh_process_type_name(process, record.type));
	snprintf(text, UVH_PROCESS_DOES_BYTES, "runs %s of %s%s",
		 frame->callback != 0 ? uvh_process_name(process, frame->callback) : "code",
		 uvhooks_id_text(frame->async_id, id), type);
	return text;
}
