/* SPDX-License-Identifier: MIT */
/*
 * What the log plugin does in the process (shim/plugins/log_symbol.c) is done here with what is
 * left of it: where its libraries lay, and their files.
 */
#include "trace_symbols.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elf_debug.h"
#include "elf_functions.h"
#include "elf_symbols.h"

/* The longest name with its NUL, as LOG_SYMBOL_BYTES; a longer one ends in "...". */
#define NAME_BYTES 256

/* A file that is read once it is asked for a name. */
struct file {
	bool tried;
	bool is_open;
	struct uvh_raw raw;
	struct uvh_elf_functions functions;
	bool lines_tried;
	struct uvh_elf_lines *lines; /* NULL: none */
};

/*
 * What libraries were loaded from: the same one may have lain in several places, or several times
 * in one. The debug file is looked into for what the file itself has no name for.
 */
struct origin {
	struct origin *next;
	uint8_t build_id[UVH_BUILD_ID_BYTES];
	struct file file;
	struct file debug;
	char *debug_path;
	char path[];
};

struct library {
	uint64_t begin;
	uint64_t end;
	uint64_t bias;
	struct origin *origin;
};

struct name {
	uint64_t address;
	char *text; /* NULL: the place is free */
};

/* Invariant: `names` is NULL, or has `name_slots`, a power of two, of which half are free. */
struct uvh_trace_symbols {
	struct library *libraries;
	size_t library_count;
	size_t library_room;
	struct origin *origins;
	struct name *names;
	size_t name_count;
	size_t name_slots;
};

struct uvh_trace_symbols *uvh_trace_symbols_open(void)
{
	return calloc(1, sizeof(struct uvh_trace_symbols));
}

static void close_file(struct file *file)
{
	if (!file->is_open)
		return;
	uvh_elf_lines_close(file->lines);
	file->lines = NULL;
	uvh_elf_functions_free(&file->functions);
	uvh_raw_close(&file->raw);
	file->is_open = false;
}

void uvh_trace_symbols_close(struct uvh_trace_symbols *symbols)
{
	if (symbols == NULL)
		return;
	while (symbols->origins != NULL) {
		struct origin *origin = symbols->origins;

		symbols->origins = origin->next;
		close_file(&origin->file);
		close_file(&origin->debug);
		free(origin->debug_path);
		free(origin);
	}
	for (size_t i = 0; i < symbols->name_slots; i++)
		free(symbols->names[i].text);
	free(symbols->names);
	free(symbols->libraries);
	free(symbols);
}

static struct origin *find_origin(struct uvh_trace_symbols *symbols,
				  const struct uvh_trace_library *library)
{
	size_t bytes = strlen(library->path) + 1;
	struct origin *origin;

	for (origin = symbols->origins; origin != NULL; origin = origin->next)
		if (strcmp(origin->path, library->path) == 0 &&
		    memcmp(origin->build_id, library->build_id, UVH_BUILD_ID_BYTES) == 0)
			return origin;
	origin = calloc(1, sizeof(*origin) + bytes);
	if (origin == NULL)
		return NULL;
	memcpy(origin->path, library->path, bytes);
	memcpy(origin->build_id, library->build_id, UVH_BUILD_ID_BYTES);
	origin->next = symbols->origins;
	symbols->origins = origin;
	return origin;
}

int uvh_trace_symbols_add(struct uvh_trace_symbols *symbols,
			  const struct uvh_trace_library *library)
{
	struct origin *origin = find_origin(symbols, library);

	if (origin == NULL)
		return -ENOMEM;
	if (symbols->library_count == symbols->library_room) {
		size_t room = symbols->library_room != 0 ? 2 * symbols->library_room : 64;
		struct library *more = reallocarray(symbols->libraries, room, sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		symbols->libraries = more;
		symbols->library_room = room;
	}
	symbols->libraries[symbols->library_count++] =
	    (struct library){library->begin, library->end, library->bias, origin};
	return 0;
}

static bool is_regular(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* Takes a file that was opened; it is closed if memory is short. */
static void take_file(struct file *file)
{
	if (uvh_elf_functions_read(&file->functions, &file->raw) != 0) {
		uvh_raw_close(&file->raw);
		return;
	}
	uvh_raw_forget_descriptor(&file->raw);
	file->is_open = true;
}

static bool is_zero(const uint8_t build_id[UVH_BUILD_ID_BYTES])
{
	static const uint8_t zeros[UVH_BUILD_ID_BYTES];

	return memcmp(build_id, zeros, UVH_BUILD_ID_BYTES) == 0;
}

/*
 * Without a build id, a path is all that says which file it was: that of the vdso, or a relative
 * one, names another file here than there.
 */
static struct file *file_of(struct origin *origin)
{
	struct file *file = &origin->file;
	uint8_t found[UVH_BUILD_ID_BYTES];

	if (file->tried)
		return file;
	file->tried = true;
	if ((origin->path[0] != '/' && is_zero(origin->build_id)) || !is_regular(origin->path) ||
	    uvh_raw_open(&file->raw, origin->path) != 0)
		return file;
	uvh_build_id(&file->raw, found, sizeof(found));
	if (memcmp(found, origin->build_id, sizeof(found)) == 0)
		take_file(file);
	else
		uvh_raw_close(&file->raw);
	return file;
}

/* Only where the file itself is open. */
static struct file *debug_file_of(struct origin *origin)
{
	char path[PATH_MAX];

	if (origin->debug.tried)
		return &origin->debug;
	origin->debug.tried = true;
	if (uvh_debug_open(&origin->debug.raw, &origin->file.raw, origin->path, path)) {
		take_file(&origin->debug);
		origin->debug_path = strdup(path);
	}
	return &origin->debug;
}

static struct uvh_elf_lines *lines_of(struct file *file, const char *path)
{
	if (file->is_open && !file->lines_tried && path != NULL)
		file->lines = uvh_elf_lines_open(path);
	file->lines_tried = true;
	return file->lines;
}

/* Appends to the name in `buffer`, whose `used` bytes are full; cuts with "..." at its end. */
static size_t append(char *buffer, size_t used, const char *text, char end)
{
	for (; *text != '\0' && *text != end; text++) {
		if (used == NAME_BYTES - 1) {
			memcpy(buffer + used - 3, "...", 3);
			break;
		}
		/* A name goes to terminals and into JSON: nothing in it may have a meaning there.
		 */
		if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
			buffer[used++] = '?';
		else
			buffer[used++] = *text;
	}
	buffer[used] = '\0';
	return used;
}

static void append_number(char *buffer, size_t used, const char *before, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%s0x%" PRIx64, before, number);
	append(buffer, used, text, '\0');
}

static bool name_from_file(const struct file *file, uint64_t address, char *buffer)
{
	uint64_t offset = 0;
	const char *name =
	    file->is_open ? uvh_elf_functions_find(&file->functions, address, &offset) : NULL;
	size_t used;

	if (name == NULL)
		return false;
	used = append(buffer, 0, name, '@');
	if (offset != 0)
		append_number(buffer, used, "+", offset);
	return true;
}

static const struct library *find_library(const struct uvh_trace_symbols *symbols, uint64_t address)
{
	for (size_t i = symbols->library_count; i > 0; i--) {
		const struct library *library = &symbols->libraries[i - 1];

		if (address >= library->begin && address < library->end)
			return library;
	}
	return NULL;
}

static void find_name(const struct uvh_trace_symbols *symbols, uint64_t address, char *buffer)
{
	const struct library *library = find_library(symbols, address);
	const struct file *file;
	const char *slash;

	if (library == NULL) {
		append_number(buffer, 0, "", address);
		return;
	}
	file = file_of(library->origin);
	if (name_from_file(file, address - library->bias, buffer))
		return;
	if (file->is_open &&
	    name_from_file(debug_file_of(library->origin), address - library->bias, buffer))
		return;
	slash = strrchr(library->origin->path, '/');
	append_number(buffer,
		      append(buffer, 0, slash != NULL ? slash + 1 : library->origin->path, '\0'),
		      "+", address - library->bias);
}

/* The place of an address: its own, or a free one. */
static struct name *place_of(const struct name *names, size_t slots, uint64_t address)
{
	size_t hash = (size_t) (address * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	for (;; hash++) {
		const struct name *name = &names[hash & (slots - 1)];

		if (name->text == NULL || name->address == address)
			return (struct name *) name;
	}
}

static bool make_room(struct uvh_trace_symbols *symbols)
{
	size_t slots = symbols->name_slots != 0 ? 2 * symbols->name_slots : 256;
	struct name *names;

	if (2 * (symbols->name_count + 1) <= symbols->name_slots)
		return true;
	names = calloc(slots, sizeof(*names));
	if (names == NULL)
		return false;
	for (size_t i = 0; i < symbols->name_slots; i++)
		if (symbols->names[i].text != NULL)
			*place_of(names, slots, symbols->names[i].address) = symbols->names[i];
	free(symbols->names);
	symbols->names = names;
	symbols->name_slots = slots;
	return true;
}

const char *uvh_trace_symbols_name(struct uvh_trace_symbols *symbols, uint64_t address)
{
	char buffer[NAME_BYTES];
	struct name *place;

	if (symbols->name_slots != 0) {
		place = place_of(symbols->names, symbols->name_slots, address);
		if (place->text != NULL)
			return place->text;
	}
	if (!make_room(symbols))
		return "(no memory)";
	place = place_of(symbols->names, symbols->name_slots, address);
	find_name(symbols, address, buffer);
	place->text = strdup(buffer);
	if (place->text == NULL)
		return "(no memory)";
	place->address = address;
	symbols->name_count++;
	return place->text;
}

static size_t find_lines(struct origin *origin, uint64_t address,
			 struct uvh_elf_line lines[UVH_ELF_LINES_MAX])
{
	struct uvh_elf_lines *source = lines_of(file_of(origin), origin->path);

	if (source == NULL && origin->file.is_open && debug_file_of(origin)->is_open)
		source = lines_of(&origin->debug, origin->debug_path);
	return source != NULL ? uvh_elf_lines_find(source, address, lines) : 0;
}

/* The function by the tables of symbols, which know no lines. */
static const char *find_function(struct origin *origin, uint64_t address)
{
	const char *name = NULL;
	uint64_t offset;

	if (!origin->file.is_open)
		return NULL;
	name = uvh_elf_functions_find(&origin->file.functions, address, &offset);
	if (name == NULL && debug_file_of(origin)->is_open)
		name = uvh_elf_functions_find(&origin->debug.functions, address, &offset);
	return name;
}

/*
 * DWARF gives lambdas no name but "operator()"; of C functions it has the name, where the linker
 * may know parts of them only ("f.part.0").
 */
static bool is_better(const char *linked, const char *told)
{
	return told == NULL || (strncmp(linked, "_Z", 2) == 0 && strncmp(told, "_Z", 2) != 0);
}

size_t uvh_trace_symbols_lines(struct uvh_trace_symbols *symbols, uint64_t address,
			       struct uvh_elf_line lines[UVH_ELF_LINES_MAX])
{
	const struct library *library = find_library(symbols, address - 1);
	const char *function;
	uint64_t offset;
	size_t count;

	if (library == NULL)
		return 0;
	offset = address - 1 - library->bias;
	count = find_lines(library->origin, offset, lines);
	if (count == 0)
		lines[count++] = (struct uvh_elf_line){0};
	function = find_function(library->origin, offset);
	if (function != NULL && is_better(function, lines[count - 1].function))
		lines[count - 1].function = function;
	return count;
}

const char *uvh_trace_symbols_module(const struct uvh_trace_symbols *symbols, uint64_t address,
				     uint64_t *offset)
{
	const struct library *library = find_library(symbols, address - 1);

	if (library == NULL)
		return NULL;
	*offset = address - library->bias;
	return library->origin->path;
}
