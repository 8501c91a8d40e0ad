/* SPDX-License-Identifier: MIT */
/*
 * libdw's own search walks through the whole unit for every address, and begins with a table that
 * not every compiler writes (.debug_aranges). So units are found by the ranges that they name
 * themselves, and the functions of a unit are gathered once, when it is first asked for one.
 *
 * A damaged file may say anything: the walks are bounded by the size of what they walk through.
 */
#include "elf_lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "elf_raw.h"

/* How deep functions and types may lie in each other. */
#define DEPTH_MAX 128

/* Code of a unit, or of a function in it. */
struct range {
	uint64_t begin;
	uint64_t end;
	uint64_t reach; /* the furthest end of this one and all before it */
	size_t of;      /* the unit's index in the file, or the function's in its unit */
};

/* Invariant: `ranges` is sorted by where they begin, if `sorted`. */
struct ranges {
	struct range *ranges;
	size_t count;
	size_t room;
};

struct unit {
	Dwarf_Die die;  /* what has the ranges and the lines */
	Dwarf_Die tree; /* what has the functions: the same, or that of a file beside this one */
	bool read;
	Dwarf_Die *functions;
	size_t function_count;
	size_t function_room;
	struct ranges code;
};

struct uvh_elf_lines {
	struct uvh_raw raw;
	Dwarf *dwarf;
	struct unit *units;
	size_t unit_count;
	size_t unit_room;
	struct ranges code;
};

/* Room for one more; false if memory is short. */
static bool make_room(void **items, size_t count, size_t *room, size_t bytes)
{
	size_t wanted = *room != 0 ? 2 * *room : 64;
	void *more;

	if (count < *room)
		return true;
	more = reallocarray(*items, wanted, bytes);
	if (more == NULL)
		return false;
	*items = more;
	*room = wanted;
	return true;
}

/* The ranges of an entry. One that was left out by the linker begins at 0. */
static void add_ranges(struct ranges *ranges, Dwarf_Die *die, size_t of)
{
	Dwarf_Addr base, begin, end;
	ptrdiff_t offset = 0;

	while ((offset = dwarf_ranges(die, offset, &base, &begin, &end)) > 0) {
		if (begin == 0 || begin >= end)
			continue;
		if (!make_room((void **) &ranges->ranges, ranges->count, &ranges->room,
			       sizeof(*ranges->ranges)))
			return;
		ranges->ranges[ranges->count++] =
		    (struct range){.begin = begin, .end = end, .of = of};
	}
}

static int by_begin(const void *left, const void *right)
{
	const struct range *one = left, *other = right;

	if (one->begin != other->begin)
		return one->begin < other->begin ? -1 : 1;
	return one->of < other->of ? -1 : one->of > other->of;
}

static void sort_ranges(struct ranges *ranges)
{
	uint64_t reach = 0;

	if (ranges->count != 0)
		qsort(ranges->ranges, ranges->count, sizeof(*ranges->ranges), by_begin);
	for (size_t i = 0; i < ranges->count; i++) {
		if (ranges->ranges[i].end > reach)
			reach = ranges->ranges[i].end;
		ranges->ranges[i].reach = reach;
	}
}

/* The one that holds the address and begins last. */
static const struct range *find_range(const struct ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->ranges[middle].begin <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low > 0 && ranges->ranges[low - 1].reach > address; low--)
		if (ranges->ranges[low - 1].end > address)
			return &ranges->ranges[low - 1];
	return NULL;
}

/* `split` is what a file beside this one has of the unit, if its tag is one. */
static void add_unit(struct uvh_elf_lines *lines, Dwarf_Die *die, Dwarf_Die *split)
{
	struct unit *unit;

	if (!make_room((void **) &lines->units, lines->unit_count, &lines->unit_room,
		       sizeof(*lines->units)))
		return;
	unit = &lines->units[lines->unit_count];
	*unit = (struct unit){.die = *die, .tree = dwarf_tag(split) > 0 ? *split : *die};
	add_ranges(&lines->code, die, lines->unit_count++);
}

/* False where there is nothing to be found. */
static bool read_units(struct uvh_elf_lines *lines)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die, split;
	uint8_t type;

	/* It asks for the path by the descriptor, to find what lies beside it. */
	lines->dwarf = dwarf_begin_elf(lines->raw.elf, DWARF_C_READ, NULL);
	if (lines->dwarf == NULL)
		return false;
	uvh_raw_forget_descriptor(&lines->raw);
	while (dwarf_get_units(lines->dwarf, unit, &unit, NULL, &type, &die, &split) == 0)
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			add_unit(lines, &die, &split);
	sort_ranges(&lines->code);
	return lines->code.count != 0;
}

struct uvh_elf_lines *uvh_elf_lines_open(const char *path)
{
	struct uvh_elf_lines *lines = calloc(1, sizeof(*lines));

	if (lines == NULL || uvh_raw_open(&lines->raw, path) != 0) {
		free(lines);
		return NULL;
	}
	if (!read_units(lines)) {
		uvh_elf_lines_close(lines);
		return NULL;
	}
	return lines;
}

void uvh_elf_lines_close(struct uvh_elf_lines *lines)
{
	if (lines == NULL)
		return;
	for (size_t i = 0; i < lines->unit_count; i++) {
		free(lines->units[i].functions);
		free(lines->units[i].code.ranges);
	}
	free(lines->units);
	free(lines->code.ranges);
	dwarf_end(lines->dwarf);
	uvh_raw_close(&lines->raw);
	free(lines);
}

static void add_function(struct unit *unit, Dwarf_Die *die)
{
	if (dwarf_tag(die) != DW_TAG_subprogram ||
	    !make_room((void **) &unit->functions, unit->function_count, &unit->function_room,
		       sizeof(*unit->functions)))
		return;
	unit->functions[unit->function_count] = *die;
	add_ranges(&unit->code, die, unit->function_count);
	if (unit->code.count != 0 &&
	    unit->code.ranges[unit->code.count - 1].of == unit->function_count)
		unit->function_count++;
}

static bool may_hold_functions(Dwarf_Die *die)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_lexical_block:
		return true;
	case DW_TAG_subprogram:
		return dwarf_hasattr(die, DW_AT_declaration) == 0;
	}
	return false;
}

/*
 * Each entry lies behind the one before it in the file: where that does not hold, the file is
 * damaged, and the walk could go round in circles.
 */
static void read_functions(struct unit *unit)
{
	Dwarf_Off last = dwarf_dieoffset(&unit->tree);
	Dwarf_Die path[DEPTH_MAX];
	size_t depth = 0;

	unit->read = true;
	if (dwarf_child(&unit->tree, &path[0]) != 0)
		return;
	while (dwarf_dieoffset(&path[depth]) > last) {
		last = dwarf_dieoffset(&path[depth]);
		add_function(unit, &path[depth]);
		if (depth + 1 < DEPTH_MAX && may_hold_functions(&path[depth]) &&
		    dwarf_child(&path[depth], &path[depth + 1]) == 0) {
			depth++;
			continue;
		}
		while (dwarf_siblingof(&path[depth], &path[depth]) != 0)
			if (depth-- == 0)
				goto out;
	}
out:
	sort_ranges(&unit->code);
}

/*
 * Writes the function and what is inlined there, from the outside to the inside. Here, too, each
 * entry must lie behind the one before it.
 */
static size_t find_functions(struct unit *unit, uint64_t address,
			     Dwarf_Die found[UVH_ELF_LINES_MAX])
{
	const struct range *range;
	Dwarf_Die child;
	size_t count = 1;
	Dwarf_Off last;
	int tag;

	if (!unit->read)
		read_functions(unit);
	range = find_range(&unit->code, address);
	if (range == NULL)
		return 0;
	found[0] = unit->functions[range->of];
	last = dwarf_dieoffset(&found[0]);
	if (dwarf_child(&found[0], &child) != 0)
		return count;
	while (count < UVH_ELF_LINES_MAX && dwarf_dieoffset(&child) > last) {
		last = dwarf_dieoffset(&child);
		tag = dwarf_tag(&child);
		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
		    dwarf_haspc(&child, address) > 0) {
			if (tag == DW_TAG_inlined_subroutine)
				found[count++] = child;
			if (dwarf_child(&child, &child) != 0)
				break;
		} else if (dwarf_siblingof(&child, &child) != 0) {
			break;
		}
	}
	return count;
}

static const char *name_of(Dwarf_Die *function)
{
	static const unsigned int linkage[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	Dwarf_Attribute attribute;
	const char *name;

	for (size_t i = 0; i < sizeof(linkage) / sizeof(linkage[0]); i++) {
		name = dwarf_formstring(dwarf_attr_integrate(function, linkage[i], &attribute));
		if (name != NULL)
			return name;
	}
	return dwarf_diename(function);
}

/* The line where the innermost function is. */
static void find_line(struct unit *unit, uint64_t address, struct uvh_elf_line *found)
{
	Dwarf_Line *line = dwarf_getsrc_die(&unit->die, address);
	int number = 0;

	if (line == NULL)
		return;
	found->path = dwarf_linesrc(line, NULL, NULL);
	if (dwarf_lineno(line, &number) == 0 && number > 0)
		found->line = (uint32_t) number;
}

/* The line where a function that is inlined is called. */
static void find_call(struct unit *unit, Dwarf_Die *inlined, struct uvh_elf_line *found)
{
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	Dwarf_Word number;
	size_t count;

	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &number) != 0 ||
	    dwarf_getsrcfiles(&unit->tree, &files, &count) != 0 || number >= count)
		return;
	found->path = dwarf_filesrc(files, number, NULL, NULL);
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &number) == 0 &&
	    number <= INT32_MAX)
		found->line = (uint32_t) number;
}

size_t uvh_elf_lines_find(struct uvh_elf_lines *lines, uint64_t address,
			  struct uvh_elf_line found[UVH_ELF_LINES_MAX])
{
	const struct range *range = find_range(&lines->code, address);
	Dwarf_Die functions[UVH_ELF_LINES_MAX];
	Dwarf_Attribute attribute;
	const char *folder;
	struct unit *unit;
	size_t count;

	if (range == NULL)
		return 0;
	unit = &lines->units[range->of];
	count = find_functions(unit, address, functions);
	folder = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
	found[0] = (struct uvh_elf_line){.folder = folder};
	find_line(unit, address, &found[0]);
	for (size_t i = 0; i < count; i++) {
		Dwarf_Die *function = &functions[count - 1 - i];

		if (i > 0) {
			found[i] = (struct uvh_elf_line){.folder = folder};
			find_call(unit, function + 1, &found[i]);
		}
		found[i].function = name_of(function);
	}
	if (count == 0 && found[0].path == NULL)
		return 0;
	return count != 0 ? count : 1;
}

void uvh_elf_line_path(const struct uvh_elf_line *line, char *path, size_t bytes)
{
	const bool is_relative = line->path != NULL && line->path[0] != '/' && line->folder != NULL;

	if (line->path == NULL || line->path[0] == '\0')
		path[0] = '\0';
	else
		snprintf(path, bytes, "%s%s%s", is_relative ? line->folder : "",
			 is_relative ? "/" : "", line->path);
}
