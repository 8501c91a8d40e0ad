/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

struct file {
	int fd;
	Elf *elf;
};

static void file_close(struct file *file)
{
	elf_end(file->elf);
	close(file->fd);
}

static int file_open(struct file *file, const char *path)
{
	int error;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EINVAL;
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0)
		return -errno;
	file->elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
	if (file->elf != NULL && elf_kind(file->elf) == ELF_K_ELF)
		return 0;
	/* A folder opens like a file; only a read tells. */
	error = read(file->fd, &(char){0}, 1) < 0 ? -errno : -ENOEXEC;
	file_close(file);
	return error;
}

static bool find_segment(Elf *elf, unsigned int type, GElf_Phdr *found)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(elf, (int) i, found) != NULL && found->p_type == type)
			return true;
	return false;
}

/* The `bytes` of the file that are mapped at `address`; NULL where they are not in the file. */
static const Elf_Data *data_at(Elf *elf, GElf_Addr address, size_t bytes)
{
	GElf_Phdr segment;
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(elf, (int) i, &segment) == NULL || segment.p_type != PT_LOAD)
			continue;
		if (address < segment.p_vaddr || address - segment.p_vaddr > segment.p_filesz)
			continue;
		if (bytes > segment.p_filesz - (address - segment.p_vaddr))
			continue;
		return elf_getdata_rawchunk(
		    elf, (int64_t) (segment.p_offset + (address - segment.p_vaddr)), bytes,
		    ELF_T_BYTE);
	}
	return NULL;
}

/* A text of a table of texts; "" where the offset lies outside or the text has no end. */
static const char *text_at(const Elf_Data *texts, GElf_Xword offset)
{
	if (texts == NULL || offset >= texts->d_size ||
	    memchr((char *) texts->d_buf + offset, 0, texts->d_size - offset) == NULL)
		return "";
	return (char *) texts->d_buf + offset;
}

bool uvh_is_asan(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name != NULL ? name + 1 : path;
	return strncmp(name, "libasan.so", 10) == 0 || strncmp(name, "libclang_rt.asan", 16) == 0;
}

static void read_dynamic(Elf *file, unsigned int type, struct uvh_elf *elf)
{
	const Elf_Data *texts = NULL;
	GElf_Addr texts_address = 0;
	size_t texts_bytes = 0;
	size_t count;
	bool pie = false;
	GElf_Phdr segment;
	Elf_Data *dynamic;
	GElf_Dyn entry;

	if (!find_segment(file, PT_DYNAMIC, &segment))
		return;
	dynamic =
	    elf_getdata_rawchunk(file, (int64_t) segment.p_offset, segment.p_filesz, ELF_T_DYN);
	if (dynamic == NULL)
		return;
	count = segment.p_filesz / gelf_fsize(file, ELF_T_DYN, 1, EV_CURRENT);
	for (size_t i = 0; i < count && gelf_getdyn(dynamic, (int) i, &entry) != NULL; i++) {
		if (entry.d_tag == DT_STRTAB)
			texts_address = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_STRSZ)
			texts_bytes = entry.d_un.d_val;
		else if (entry.d_tag == DT_FLAGS_1)
			pie = (entry.d_un.d_val & DF_1_PIE) != 0;
	}
	texts = data_at(file, texts_address, texts_bytes);
	for (size_t i = 0; i < count && gelf_getdyn(dynamic, (int) i, &entry) != NULL; i++) {
		const char *text = text_at(texts, entry.d_un.d_val);

		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_SONAME)
			snprintf(elf->soname, sizeof elf->soname, "%s", text);
		else if (entry.d_tag == DT_NEEDED && uvh_is_asan(text))
			snprintf(elf->asan, sizeof elf->asan, "%s", text);
	}
	elf->library = type == ET_DYN && !pie && elf->loader[0] == '\0';
}

static Elf_Scn *find_section(Elf *elf, unsigned int type, const char *name, GElf_Shdr *found)
{
	size_t names;
	Elf_Scn *section = NULL;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return NULL;
	while ((section = elf_nextscn(elf, section)) != NULL) {
		const char *text;

		if (gelf_getshdr(section, found) == NULL || found->sh_type != type)
			continue;
		text = elf_strptr(elf, names, found->sh_name);
		if (name == NULL || (text != NULL && strcmp(text, name) == 0))
			return section;
	}
	return NULL;
}

/* Return true to stop. */
typedef bool (*symbol_cb)(const char *name, const GElf_Sym *symbol, void *data);

/* Calls `callback` for each function named uv_... that this table of symbols defines. */
static bool each_function(Elf *elf, unsigned int table, symbol_cb callback, void *data)
{
	GElf_Shdr header;
	Elf_Scn *section = find_section(elf, table, NULL, &header);
	Elf_Data *symbols = section != NULL ? elf_getdata(section, NULL) : NULL;
	GElf_Sym symbol;

	if (symbols == NULL || header.sh_entsize == 0)
		return false;
	for (size_t i = 0; i < header.sh_size / header.sh_entsize; i++) {
		const char *name;

		if (gelf_getsym(symbols, (int) i, &symbol) == NULL)
			break;
		if (symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		name = elf_strptr(elf, header.sh_link, symbol.st_name);
		/* "uv__x" is internal, "uv_x.cold" a part that the compiler has split off. */
		if (name != NULL && strncmp(name, "uv_", 3) == 0 && name[3] != '_' &&
		    strchr(name, '.') == NULL && callback(name, &symbol, data))
			return true;
	}
	return false;
}

struct wanted {
	const char *name;
	GElf_Addr address;
};

static bool is_wanted(const char *name, const GElf_Sym *symbol, void *data)
{
	struct wanted *wanted = data;

	wanted->address = symbol->st_value;
	return strcmp(name, wanted->name) == 0;
}

/*
 * uv_version() is a constant, and in every optimised x86-64 build of it two instructions: put the
 * constant into eax, return. Reading it there asks no program to run. 0 where it looks otherwise.
 */
static unsigned int read_version(Elf *file, const struct uvh_elf *elf, unsigned int table)
{
	struct wanted wanted = {.name = "uv_version"};
	const Elf_Data *code;
	const unsigned char *at;
	unsigned int version;

	if (elf->machine != EM_X86_64 || !each_function(file, table, is_wanted, &wanted))
		return 0;
	code = data_at(file, wanted.address, 16);
	if (code == NULL)
		return 0;
	at = code->d_buf;
	if (memcmp(at, "\xf3\x0f\x1e\xfa", 4) == 0) /* endbr64 */
		at += 4;
	if (memcmp(at, "\x55\x48\x89\xe5", 4) == 0) /* push rbp; mov rbp, rsp */
		at += 4;
	if (*at++ != 0xb8)
		return 0;
	memcpy(&version, at, sizeof version);
	return version >> 16 == 1 ? version : 0;
}

/*
 * A stripped program has no names left, but its texts. The name of the variable that sets the size
 * of libuv's thread pool is in a program that only sets it, too; the second text is not.
 */
static bool has_texts_of_libuv(Elf *elf)
{
	static const char pool[] = "UV_THREADPOOL_SIZE";
	static const char handles[] = "[%c%c%c] %-8s %p\n";
	GElf_Shdr header;
	Elf_Scn *section = find_section(elf, SHT_PROGBITS, ".rodata", &header);
	Elf_Data *data = section != NULL ? elf_rawdata(section, NULL) : NULL;

	return data != NULL && data->d_buf != NULL &&
	       memmem(data->d_buf, data->d_size, pool, sizeof pool) != NULL &&
	       memmem(data->d_buf, data->d_size, handles, sizeof handles) != NULL;
}

static void read_libuv(Elf *file, struct uvh_elf *elf)
{
	struct wanted wanted = {.name = "uv_run"};
	GElf_Shdr header;

	if (each_function(file, SHT_DYNSYM, is_wanted, &wanted)) {
		elf->libuv = UVH_LIBUV_EXPORTED;
		elf->libuv_version = read_version(file, elf, SHT_DYNSYM);
	} else if (each_function(file, SHT_SYMTAB, is_wanted, &wanted)) {
		elf->libuv = UVH_LIBUV_PRIVATE;
		elf->libuv_version = read_version(file, elf, SHT_SYMTAB);
	} else if (find_section(file, SHT_SYMTAB, NULL, &header) == NULL &&
		   has_texts_of_libuv(file)) {
		elf->libuv = UVH_LIBUV_LIKELY;
	}
}

int uvh_elf_read(const char *path, struct uvh_elf *elf)
{
	struct file file;
	GElf_Ehdr header;
	GElf_Phdr segment;
	int error = file_open(&file, path);

	memset(elf, 0, sizeof *elf);
	if (error != 0)
		return error;
	if (gelf_getehdr(file.elf, &header) == NULL ||
	    (header.e_type != ET_EXEC && header.e_type != ET_DYN)) {
		file_close(&file);
		return -ENOEXEC;
	}
	elf->machine = header.e_machine;
	elf->word_class = header.e_ident[EI_CLASS];
	if (find_segment(file.elf, PT_INTERP, &segment) && segment.p_filesz < sizeof elf->loader) {
		const Elf_Data *data = elf_getdata_rawchunk(file.elf, (int64_t) segment.p_offset,
							    segment.p_filesz, ELF_T_BYTE);

		snprintf(elf->loader, sizeof elf->loader, "%s", text_at(data, 0));
	}
	read_dynamic(file.elf, header.e_type, elf);
	read_libuv(file.elf, elf);
	file_close(&file);
	return 0;
}

bool uvh_elf_exports_libuv(const char *path)
{
	struct wanted wanted = {.name = "uv_run"};
	struct file file;
	bool exports;

	if (file_open(&file, path) != 0)
		return false;
	exports = each_function(file.elf, SHT_DYNSYM, is_wanted, &wanted);
	file_close(&file);
	return exports;
}

static bool add_name(const char *name, const GElf_Sym *symbol, void *data)
{
	struct uvh_names *names = data;
	char **larger = realloc(names->names, (names->count + 1) * sizeof *larger);

	(void) symbol;
	if (larger == NULL)
		return true;
	names->names = larger;
	names->names[names->count] = strdup(name);
	return names->names[names->count] == NULL || (names->count++, false);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *) left, *(char *const *) right);
}

int uvh_elf_functions(const char *path, struct uvh_names *functions)
{
	struct file file;
	int error = file_open(&file, path);
	bool stopped;

	*functions = (struct uvh_names){0};
	if (error != 0)
		return error;
	stopped = each_function(file.elf, SHT_DYNSYM, add_name, functions);
	if (!stopped && functions->count == 0)
		stopped = each_function(file.elf, SHT_SYMTAB, add_name, functions);
	file_close(&file);
	if (stopped) {
		uvh_names_free(functions);
		return -ENOMEM;
	}
	if (functions->count != 0)
		qsort(functions->names, functions->count, sizeof *functions->names, compare_names);
	return 0;
}

bool uvh_names_have(const struct uvh_names *names, const char *name)
{
	return names->count != 0 &&
	       bsearch(&name, names->names, names->count, sizeof name, compare_names) != NULL;
}

void uvh_names_free(struct uvh_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct uvh_names){0};
}

const char *uvh_machine_text(const struct uvh_elf *elf, char *text, size_t bytes)
{
	static const struct {
		unsigned int machine;
		const char *name;
	} machines[] = {
	    {EM_386, "i386"},     {EM_X86_64, "x86-64"},       {EM_ARM, "arm"},
	    {EM_PPC, "powerpc"},  {EM_AARCH64, "aarch64"},     {EM_PPC64, "powerpc64"},
	    {EM_S390, "s390"},    {EM_LOONGARCH, "loongarch"}, {EM_MIPS, "mips"},
	    {EM_RISCV, "risc-v"}, {EM_SPARCV9, "sparc64"},
	};
	int bits = elf->word_class == ELFCLASS32 ? 32 : 64;

	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
		if (machines[i].machine == elf->machine) {
			snprintf(text, bytes, "%s (%d bit)", machines[i].name, bits);
			return text;
		}
	snprintf(text, bytes, "ELF machine %u (%d bit)", elf->machine, bits);
	return text;
}
