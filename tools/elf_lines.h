/* SPDX-License-Identifier: MIT */
/*
 * Which lines of source an address of an ELF file comes from, by its DWARF: one for the function
 * that it is in, and one for each that the compiler has put into another there.
 */
#ifndef UVH_ELF_LINES_H
#define UVH_ELF_LINES_H

#include <stddef.h>
#include <stdint.h>

/* Good until the lines are closed. */
struct uvh_elf_line {
	const char *function; /* as the linker would name it; NULL: unknown */
	const char *folder;   /* what `path` starts from, if that is a relative one; may be NULL */
	const char *path;     /* of the source; NULL: unknown */
	uint32_t line;        /* 0: unknown */
};

/* What is inlined deeper than that is left out. */
#define UVH_ELF_LINES_MAX 64

struct uvh_elf_lines;

/*
 * Reads where the units of the file's code lie; the rest is read when it is asked for. NULL where
 * there is no DWARF, or no memory.
 */
struct uvh_elf_lines *uvh_elf_lines_open(const char *path);
void uvh_elf_lines_close(struct uvh_elf_lines *lines);

/*
 * Writes the lines of the code at `address`, which is one in the file, the innermost first, and
 * returns how many; 0: nothing is known.
 */
size_t uvh_elf_lines_find(struct uvh_elf_lines *lines, uint64_t address,
			  struct uvh_elf_line found[UVH_ELF_LINES_MAX]);

/* Where the line's source is; "" where that is unknown. Cut to the room of `path`. */
void uvh_elf_line_path(const struct uvh_elf_line *line, char *path, size_t bytes);

#endif
