/* SPDX-License-Identifier: MIT */
/*
 * A core file: what lay in the memory of a process when it was written, and of which files it was
 * mapped. What a damaged file claims is followed nowhere out of it.
 */
#ifndef UVH_CORE_FILE_H
#define UVH_CORE_FILE_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of memory, as far as it is in the file. */
struct uvh_core_part {
	uint64_t address, bytes;
	uint64_t offset; /* in the core file */
	bool is_writable;
};

/* A piece of memory that was mapped from a file. */
struct uvh_core_mapping {
	uint64_t begin, end;
	uint64_t offset; /* bytes, in that file */
	const char *path;
};

struct uvh_core {
	int fd;
	Elf *elf;
	struct uvh_core_part *parts;
	size_t part_count;
	struct uvh_core_mapping *mappings;
	size_t mapping_count;
	int32_t pid;           /* 0: it does not say */
	int signal;            /* which ended it; 0: none, or it does not say */
	uint64_t written_s;    /* when the file was, in seconds since 1970 */
	uint64_t program_code; /* an address in the program; 0: it does not say */
	char name[17];
	char command[81];
};

#define UVH_CORE_ERROR_BYTES 512

/* False, and the reason in `error`: it is no core file, or of another kind of machine. */
bool uvh_core_open(struct uvh_core *core, const char *path, char error[UVH_CORE_ERROR_BYTES]);
void uvh_core_close(struct uvh_core *core);

/* How many bytes from `address` on the file has, at most `bytes`, copied. */
size_t uvh_core_read(const struct uvh_core *core, uint64_t address, void *copy, size_t bytes);

#endif
