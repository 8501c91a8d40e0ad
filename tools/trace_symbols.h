/* SPDX-License-Identifier: MIT */
/*
 * From an address in a traced process to a name, and to lines of source, by the files of its
 * libraries and, where they are installed, the debug files that belong to them.
 */
#ifndef UVH_TRACE_SYMBOLS_H
#define UVH_TRACE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "elf_lines.h"

#define UVH_BUILD_ID_BYTES 20

/* An object that lay at [begin, end); an address less `bias` is one in its file. */
struct uvh_trace_library {
	uint64_t begin;
	uint64_t end;
	uint64_t bias;
	uint8_t build_id[UVH_BUILD_ID_BYTES]; /* zeros behind a shorter one; all zeros: none */
	const char *path;
};

struct uvh_trace_symbols;

/* NULL if memory is short. */
struct uvh_trace_symbols *uvh_trace_symbols_open(void);
void uvh_trace_symbols_close(struct uvh_trace_symbols *symbols);

/*
 * Adds a library; of two that overlap the later one counts. The path is copied. Its file is not
 * touched before a name in it is asked for. 0 or -ENOMEM.
 */
int uvh_trace_symbols_add(struct uvh_trace_symbols *symbols,
			  const struct uvh_trace_library *library);

/*
 * The name of the function at `address`, as the log plugin writes it: "on_timer", "on_timer+0x12",
 * "library.so+0x1234" where the file has gone, is another (by build id) or knows no name, or
 * "0x7f0012345678" where no library lay. Printable ASCII without quotes and backslashes. Each
 * address is looked up once; the text is good until the close.
 */
const char *uvh_trace_symbols_name(struct uvh_trace_symbols *symbols, uint64_t address);

/*
 * The lines of source of an address of a stack: what is meant lies just before it. Returns how
 * many; at least one, of which perhaps nothing is known, if it lies in a library, else 0. Looked up
 * each time. The texts, as the files have them, are good until the close.
 */
size_t uvh_trace_symbols_lines(struct uvh_trace_symbols *symbols, uint64_t address,
			       struct uvh_elf_line lines[UVH_ELF_LINES_MAX]);

/* The path of the library that such an address lies in, and the address in it; NULL: none. */
const char *uvh_trace_symbols_module(const struct uvh_trace_symbols *symbols, uint64_t address,
				     uint64_t *offset);

#endif
