/* SPDX-License-Identifier: MIT */
#include "libuv_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_symbols.h"

static const char *const hooks[] = {
#define HOOK(function, file, since) #function,
#include "../shim/hooks.def"
};

#define HOOK_COUNT (sizeof hooks / sizeof *hooks)

static bool is_intercepted(const char *name)
{
	if (strncmp(name, "uv_", 3) != 0)
		return false;
	for (size_t i = 0; i < HOOK_COUNT; i++)
		if (strcmp(hooks[i], name) == 0)
			return true;
	return false;
}

/* The tables that name a libuv's functions. The full one only where that may be one. */
struct tables {
	struct uvh_raw raw;
	struct uvh_raw debug;
	bool has_debug;
	bool takes_calls; /* it exports uv_run */
	bool may_hold;    /* a libuv */
	struct uvh_symbols exported;
	struct uvh_symbols full; /* the file's own, or that of its debug file */
};

/* Does the C library lie in the program itself? */
static bool is_static(const struct uvh_raw *raw)
{
	GElf_Phdr segment;

	return !uvh_raw_segment(raw, PT_INTERP, &segment) &&
	       (raw->header.e_type == ET_EXEC ||
		(uvh_raw_dynamic_value(raw, DT_FLAGS_1) & DF_1_PIE) != 0);
}

static int open_tables(struct tables *tables, const char *path, char debug[PATH_MAX])
{
	int error;

	*tables = (struct tables){0};
	debug[0] = '\0';
	error = uvh_raw_open(&tables->raw, path);
	if (error != 0)
		return error;
	uvh_symbols_exported(&tables->exported, &tables->raw);
	/* A libuv needs epoll of the C library. */
	tables->takes_calls = uvh_symbols_find(&tables->exported, "uv_run") != 0;
	if (!tables->takes_calls && !is_static(&tables->raw) &&
	    !uvh_symbols_want(&tables->exported, "epoll_ctl"))
		return 0;
	tables->may_hold = true;
	uvh_symbols_full(&tables->full, &tables->raw);
	uvh_debug_path(&tables->raw, UVH_DEBUG_ROOT, debug);
	if (tables->full.count != 0 || debug[0] == '\0' || uvh_raw_open(&tables->debug, debug) != 0)
		return 0;
	tables->has_debug = true;
	if (uvh_is_debug_of(&tables->debug, &tables->raw))
		uvh_symbols_full(&tables->full, &tables->debug);
	return 0;
}

static void close_tables(struct tables *tables)
{
	if (tables->has_debug)
		uvh_raw_close(&tables->debug);
	uvh_raw_close(&tables->raw);
}

/*
 * What is stripped has no names left, but its texts. The first may be in a program that only sets
 * the size of the thread pool; the second is in libuv's list of handles.
 */
static bool has_traces_of_libuv(const struct tables *tables)
{
	static const char pool[] = "UV_THREADPOOL_SIZE";
	static const char handles[] = "[%c%c%c] %-8s %p\n";
	GElf_Phdr segment;
	size_t count;

	if (elf_getphdrnum(tables->raw.elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		const Elf_Data *data;

		if (gelf_getphdr(tables->raw.elf, (int) i, &segment) == NULL ||
		    segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0)
			continue;
		data = uvh_raw_at(&tables->raw, segment.p_vaddr, segment.p_filesz, ELF_T_BYTE);
		if (data != NULL && data->d_buf != NULL &&
		    memmem(data->d_buf, data->d_size, pool, sizeof pool) != NULL &&
		    memmem(data->d_buf, data->d_size, handles, sizeof handles) != NULL)
			return true;
	}
	return false;
}

static enum uvh_where find_libuv(const struct tables *tables)
{
	if (!tables->may_hold)
		return UVH_WHERE_NONE;
	if (tables->takes_calls)
		return uvh_symbols_find(&tables->exported, "uv_loop_init") != 0 ? UVH_WHERE_EXPORTED
										: UVH_WHERE_NONE;
	if (uvh_symbols_may_have(&tables->full, "uv_loop_init") &&
	    uvh_symbols_find(&tables->full, "uv_run") != 0)
		return tables->has_debug ? UVH_WHERE_DEBUG : UVH_WHERE_TABLE;
	return has_traces_of_libuv(tables) ? UVH_WHERE_LOST : UVH_WHERE_NONE;
}

static bool is_other_export(const char *name, const GElf_Sym *symbol, void *data)
{
	(void) symbol;
	(void) data;
	return name[0] != '_' && strncmp(name, "uv_", 3) != 0;
}

/* Relocations by which a file gets the address of a function from the loader. */
static bool is_slot(unsigned int machine, unsigned long type)
{
	switch (machine) {
	case EM_X86_64:
		return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT ||
		       type == R_X86_64_64;
	case EM_AARCH64:
		return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT ||
		       type == R_AARCH64_ABS64;
	default:
		return false;
	}
}

static bool asks_in(const struct tables *tables, GElf_Addr address, size_t bytes)
{
	size_t size = gelf_fsize(tables->raw.elf, ELF_T_RELA, 1, EV_CURRENT);
	Elf_Data *data = address != 0 ? uvh_raw_at(&tables->raw, address, bytes, ELF_T_RELA) : NULL;
	GElf_Rela entry;

	for (size_t i = 0; data != NULL && i < bytes / size; i++)
		if (gelf_getrela(data, (int) i, &entry) != NULL &&
		    is_slot(tables->raw.header.e_machine, GELF_R_TYPE(entry.r_info)) &&
		    is_intercepted(uvh_symbols_name(&tables->exported, GELF_R_SYM(entry.r_info))))
			return true;
	return false;
}

static bool asks_loader(const struct tables *tables)
{
	const struct uvh_raw *raw = &tables->raw;

	return asks_in(tables, uvh_raw_dynamic_value(raw, DT_JMPREL),
		       uvh_raw_dynamic_value(raw, DT_PLTRELSZ)) ||
	       asks_in(tables, uvh_raw_dynamic_value(raw, DT_RELA),
		       uvh_raw_dynamic_value(raw, DT_RELASZ));
}

static unsigned int version_x86_64(const unsigned char *at)
{
	unsigned int version;

	if (memcmp(at, "\xf3\x0f\x1e\xfa", 4) == 0) /* endbr64 */
		at += 4;
	if (memcmp(at, "\x55\x48\x89\xe5", 4) == 0) /* push rbp; mov rbp, rsp */
		at += 4;
	if (*at++ != 0xb8) /* mov eax, constant */
		return 0;
	memcpy(&version, at, sizeof version);
	return version;
}

static unsigned int version_aarch64(const unsigned char *at)
{
	uint32_t code[3];

	if (memcmp(at, "\x5f\x24\x03\xd5", 4) == 0) /* bti c */
		at += 4;
	memcpy(code, at, sizeof code);
	/* mov w0, low half; movk w0, high half, lsl 16 */
	if ((code[0] & 0xffe0001f) != 0x52800000 || (code[1] & 0xffe0001f) != 0x72a00000)
		return 0;
	return (code[0] >> 5 & 0xffff) | (code[1] >> 5 & 0xffff) << 16;
}

/*
 * uv_version() is a constant, and in nearly every build of it the first instruction or two put it
 * into a register. Reading it there asks no program to run. 0 where it looks otherwise.
 */
static unsigned int read_version(const struct tables *tables)
{
	GElf_Addr address = uvh_symbols_find(&tables->exported, "uv_version");
	const Elf_Data *code;
	unsigned int version = 0;

	if (address == 0)
		address = uvh_symbols_find(&tables->full, "uv_version");
	code = uvh_raw_at(&tables->raw, address, 16, ELF_T_BYTE);

	if (code == NULL)
		return 0;
	if (tables->raw.header.e_machine == EM_X86_64)
		version = version_x86_64(code->d_buf);
	else if (tables->raw.header.e_machine == EM_AARCH64)
		version = version_aarch64(code->d_buf);
	return version >> 16 == 1 ? version : 0;
}

int uvh_libuv_look(const char *path, struct uvh_libuv_file *file)
{
	struct tables tables;
	int error;

	*file = (struct uvh_libuv_file){0};
	snprintf(file->path, sizeof file->path, "%s", path);
	error = open_tables(&tables, path, file->debug);
	if (error != 0)
		return error;
	file->takes_calls = tables.takes_calls;
	file->where = find_libuv(&tables);
	if (file->where == UVH_WHERE_EXPORTED) {
		file->alone = !uvh_symbols_each(&tables.exported, is_other_export, NULL);
		file->asks = asks_loader(&tables);
	}
	if (file->where != UVH_WHERE_NONE && file->where != UVH_WHERE_LOST)
		file->version = read_version(&tables);
	close_tables(&tables);
	return 0;
}

static bool keep_function(const char *name, const GElf_Sym *symbol, void *data)
{
	struct uvh_functions *functions = data;

	if (strncmp(name, "uv_", 3) != 0)
		return false;
	for (size_t i = 0; i < functions->count; i++) {
		struct uvh_function *function = &functions->list[i];

		if (function->address != 0 || !uvh_symbol_is_named(name, function->name))
			continue;
		function->address = symbol->st_value;
		function->bytes = symbol->st_size;
		functions->found++;
	}
	return false;
}

static bool refuse_shared(const char *name, const GElf_Sym *symbol, void *data)
{
	struct uvh_functions *functions = data;

	for (size_t i = 0; i < functions->count; i++)
		if (functions->list[i].address == symbol->st_value &&
		    !uvh_symbol_is_named(name, functions->list[i].name))
			functions->list[i].left_alone = "another function has the same address";
	return false;
}

/* Where its trampoline might be; how far that really is from it, the kernel says. */
#define NEAR ((uintptr_t) 1 << 20)

/* The segment that a function lies in, for all functions that lie there. */
struct text {
	GElf_Addr low;
	Elf_Data *data;
};

static bool find_text(const struct uvh_raw *raw, GElf_Addr address, struct text *text)
{
	if (text->data != NULL && address >= text->low && address - text->low < text->data->d_size)
		return true;
	for (int i = 0; i < raw->header.e_phnum; i++) {
		GElf_Phdr segment;

		if (gelf_getphdr(raw->elf, i, &segment) == NULL || segment.p_type != PT_LOAD ||
		    !(segment.p_flags & PF_X) || address < segment.p_vaddr ||
		    address - segment.p_vaddr >= segment.p_filesz)
			continue;
		text->low = segment.p_vaddr;
		text->data = uvh_raw_at(raw, segment.p_vaddr, segment.p_filesz, ELF_T_BYTE);
		return text->data != NULL;
	}
	return false;
}

static const char *why_unmovable(const struct uvh_raw *raw, const struct uvh_function *function,
				 const struct uvh_patch_engine *engine, struct text *text)
{
	uint8_t out[UVH_MOVED_MAX];
	struct uvh_moved moved;
	enum uvh_move_refusal refusal = UVH_MOVE_UNKNOWN;

	if (find_text(raw, function->address, text))
		refusal = engine->move_function(text->data->d_buf, text->data->d_size, text->low,
						function->address, function->bytes, true, out,
						function->address + NEAR, &moved);
	return refusal == UVH_MOVE_DONE ? NULL : engine->refusal_text(refusal);
}

int uvh_libuv_functions(const struct uvh_libuv_file *file, const struct uvh_patch_engine *engine,
			struct uvh_functions *functions)
{
	char debug[PATH_MAX];
	struct text text = {.data = NULL};
	struct tables tables;
	int error;

	*functions = (struct uvh_functions){.list = calloc(HOOK_COUNT, sizeof *functions->list)};
	if (functions->list == NULL)
		return -ENOMEM;
	error = open_tables(&tables, file->path, debug);
	if (error != 0)
		return error;
	functions->count = HOOK_COUNT;
	for (size_t i = 0; i < HOOK_COUNT; i++)
		functions->list[i].name = hooks[i];
	/* What is exported goes first; of some libuvs that is only what other libraries need. */
	uvh_symbols_each(&tables.exported, keep_function, functions);
	uvh_symbols_each(&tables.full, keep_function, functions);
	if (engine != NULL) {
		uvh_symbols_each(tables.full.count != 0 ? &tables.full : &tables.exported,
				 refuse_shared, functions);
		for (size_t i = 0; i < HOOK_COUNT; i++) {
			struct uvh_function *function = &functions->list[i];

			if (function->address != 0 && function->left_alone == NULL)
				function->left_alone =
				    why_unmovable(&tables.raw, function, engine, &text);
			functions->refused += function->left_alone != NULL;
		}
	}
	close_tables(&tables);
	return 0;
}

void uvh_functions_free(struct uvh_functions *functions)
{
	free(functions->list);
	*functions = (struct uvh_functions){0};
}

static bool keep_name(const char *name, const GElf_Sym *symbol, void *data)
{
	struct uvh_names *names = data;
	char **larger;

	(void) symbol;
	/* "uv__x" is internal, "uv_x.cold" a part that the compiler has split off. */
	if (strncmp(name, "uv_", 3) != 0 || name[3] == '_' || strchr(name, '.') != NULL)
		return false;
	larger = realloc(names->names, (names->count + 1) * sizeof *larger);
	if (larger == NULL)
		return true;
	names->names = larger;
	larger[names->count] = strndup(name, strcspn(name, "@"));
	return larger[names->count] == NULL || (names->count++, false);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *) left, *(char *const *) right);
}

int uvh_libuv_names(const struct uvh_libuv_file *file, struct uvh_names *names)
{
	char debug[PATH_MAX];
	struct tables tables;
	int error = open_tables(&tables, file->path, debug);

	*names = (struct uvh_names){0};
	if (error != 0)
		return error;
	if (uvh_symbols_each(file->takes_calls ? &tables.exported : &tables.full, keep_name, names))
		error = -ENOMEM;
	close_tables(&tables);
	if (error != 0)
		uvh_names_free(names);
	if (names->count != 0)
		qsort(names->names, names->count, sizeof *names->names, compare_names);
	return error;
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
