/* SPDX-License-Identifier: MIT */
/* The functions uv_... of an ELF file, and all of its code; read with libelf. */
#ifndef BINARY_H
#define BINARY_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct binary_function {
	const char *name;
	uintptr_t address;
	size_t bytes;
	size_t with_padding; /* as many of the bytes behind it as may be overwritten, too */
	const uint8_t *code;
	const uint8_t *section; /* all code around it */
	size_t section_bytes;
	uintptr_t section_address;
	bool hooked; /* a HOOK of hooks.def */
};

struct binary {
	int fd;
	Elf *elf;
	struct binary_function *functions; /* by address */
	size_t count;
	uintptr_t end; /* behind all that is loaded of the file */
};

/* Is it a HOOK of hooks.def? */
bool is_hooked(const char *name);

/* Ends the program with a message where that fails. */
struct binary binary_open(const char *path);
void binary_close(struct binary *binary);

/* Calls `callback` for each section of code. */
typedef void (*binary_code_cb)(const uint8_t *code, size_t bytes, uintptr_t address, void *data);
void binary_each_code(const struct binary *binary, binary_code_cb callback, void *data);

#endif
