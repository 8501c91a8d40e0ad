/* SPDX-License-Identifier: MIT */
#include "binary.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "patch_move.h"

bool is_hooked(const char *name)
{
	static const char *const hooks[] = {
#define HOOK(function, file, since) #function,
#include "hooks.def"
	};

	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
		if (strcmp(hooks[i], name) == 0)
			return true;
	return false;
}

/* The bytes of the file that are loaded at `address`. */
static const uint8_t *loaded_at(const struct binary *binary, uintptr_t address, size_t bytes)
{
	size_t count, size;
	GElf_Phdr segment;
	char *file = elf_rawfile(binary->elf, &size);

	if (elf_getphdrnum(binary->elf, &count) != 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		uintptr_t offset;

		if (gelf_getphdr(binary->elf, (int) i, &segment) == NULL ||
		    segment.p_type != PT_LOAD || address < segment.p_vaddr)
			continue;
		offset = address - segment.p_vaddr;
		if (offset <= segment.p_filesz && bytes <= segment.p_filesz - offset)
			return (uint8_t *) file + segment.p_offset + offset;
	}
	return NULL;
}

static void add_functions(struct binary *binary, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *symbols = elf_getdata(section, NULL);
	size_t count = header->sh_size / header->sh_entsize;
	GElf_Sym symbol;

	binary->functions = calloc(count, sizeof *binary->functions);
	for (size_t i = 0; i < count; i++) {
		struct binary_function *function = &binary->functions[binary->count];
		const uint8_t *behind;

		if (gelf_getsym(symbols, (int) i, &symbol) == NULL ||
		    symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		function->name = elf_strptr(binary->elf, header->sh_link, symbol.st_name);
		/* "uv__x" is internal, "uv_x.cold" a part that the compiler has split off. */
		if (function->name == NULL || strncmp(function->name, "uv_", 3) != 0 ||
		    function->name[3] == '_' || strchr(function->name, '.') != NULL)
			continue;
		function->address = symbol.st_value;
		function->bytes = symbol.st_size;
		function->hooked = is_hooked(function->name);
		function->code = loaded_at(binary, function->address, function->bytes);
		if (function->code == NULL)
			continue;
		function->with_padding = function->bytes;
		behind = loaded_at(binary, function->address + function->bytes, 16);
		if (behind != NULL)
			function->with_padding +=
			    uvh_move_padding(behind, 16, function->address + function->bytes);
		binary->count++;
	}
}

/* Tells each function that is in this section so. */
static void set_section(const uint8_t *code, size_t bytes, uintptr_t address, void *data)
{
	struct binary *binary = data;

	for (size_t i = 0; i < binary->count; i++) {
		struct binary_function *function = &binary->functions[i];

		if (function->address < address || function->address >= address + bytes)
			continue;
		function->section = code;
		function->section_bytes = bytes;
		function->section_address = address;
	}
}

static int by_address(const void *left, const void *right)
{
	const struct binary_function *one = left, *other = right;

	return (one->address > other->address) - (one->address < other->address);
}

struct binary binary_open(const char *path)
{
	struct binary binary = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
	static const unsigned int tables[] = {SHT_DYNSYM, SHT_SYMTAB};
	GElf_Phdr segment;
	size_t segments;

	if (binary.fd < 0)
		err(2, "%s", path);
	elf_version(EV_CURRENT);
	binary.elf = elf_begin(binary.fd, ELF_C_READ_MMAP, NULL);
	if (binary.elf == NULL || elf_kind(binary.elf) != ELF_K_ELF)
		errx(2, "%s is no ELF file", path);
	for (size_t i = 0; i < 2 && binary.count == 0; i++) {
		Elf_Scn *section = NULL;
		GElf_Shdr header;

		while (binary.count == 0 && (section = elf_nextscn(binary.elf, section)) != NULL)
			if (gelf_getshdr(section, &header) != NULL && header.sh_type == tables[i]) {
				free(binary.functions);
				add_functions(&binary, section, &header);
			}
	}
	if (binary.count == 0)
		errx(2, "%s has no functions of libuv", path);
	qsort(binary.functions, binary.count, sizeof *binary.functions, by_address);
	binary_each_code(&binary, set_section, &binary);
	if (elf_getphdrnum(binary.elf, &segments) != 0)
		errx(2, "%s has no segments", path);
	for (size_t i = 0; i < segments; i++)
		if (gelf_getphdr(binary.elf, (int) i, &segment) != NULL &&
		    segment.p_type == PT_LOAD && segment.p_vaddr + segment.p_memsz > binary.end)
			binary.end = segment.p_vaddr + segment.p_memsz;
	return binary;
}

void binary_close(struct binary *binary)
{
	free(binary->functions);
	elf_end(binary->elf);
	close(binary->fd);
}

void binary_each_code(const struct binary *binary, binary_code_cb callback, void *data)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t size;
	const uint8_t *file = (const uint8_t *) elf_rawfile(binary->elf, &size);

	while ((section = elf_nextscn(binary->elf, section)) != NULL)
		if (gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_PROGBITS &&
		    (header.sh_flags & SHF_EXECINSTR) != 0)
			callback(file + header.sh_offset, header.sh_size, header.sh_addr, data);
}
