/* SPDX-License-Identifier: MIT */
/*
 * The debug file of an ELF file: what was stripped from it, in a file of its own. Only those that
 * are installed; nothing is fetched.
 */
#ifndef UVH_ELF_DEBUG_H
#define UVH_ELF_DEBUG_H

#include <limits.h>

#include "elf_raw.h"

/*
 * Opens the debug file of the file that was opened from `path`: by its build id below the folders
 * in UVHOOKS_DEBUG_PATH, parted by ':' (/usr/lib/debug where it is not set), else by its
 * .gnu_debuglink, beside it or below these folders. It belongs to the file if it has the same build
 * id or, where the file has none, the checksum that .gnu_debuglink names. Writes its path to
 * `found`; false: there is none.
 */
bool uvh_debug_open(struct uvh_raw *debug, const struct uvh_raw *raw, const char *path,
		    char found[PATH_MAX]);

#endif
