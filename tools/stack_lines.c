/* SPDX-License-Identifier: MIT */
#include "stack_lines.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "perf_map.h"
#include "trace_parts.h"

/* Templates make names of any length; a definition must fit into the reader's memory. */
#define NAME_BYTES_MAX ((size_t) 8 << 10)

void uvh_stack_lines_free(struct uvh_stack_lines *lines)
{
	uvh_perf_map_close(lines->map);
}

/*
 * Takes "." and ".." out of an absolute path, as a compiler leaves them there: one file should
 * have one name. A symbolic link before ".." would lead elsewhere, but such paths come from build
 * folders, and their ends are what is read.
 */
static void simplify(char *path)
{
	char *to = path, *from = path;

	if (path[0] != '/')
		return;
	while (*from != '\0') {
		size_t bytes;

		from += strspn(from, "/");
		bytes = strcspn(from, "/");
		if (bytes == 2 && memcmp(from, "..", 2) == 0) {
			while (to > path && *--to != '/')
				;
		} else if (bytes != 0 && !(bytes == 1 && *from == '.')) {
			*to++ = '/';
			memmove(to, from, bytes);
			to += bytes;
		}
		from += bytes;
	}
	*to = '\0';
}

static const char *path_of(struct uvh_texts *texts, const struct uvh_elf_line *line)
{
	char path[PATH_MAX];

	uvh_elf_line_path(line, path, sizeof(path));
	simplify(path);
	return uvh_text(texts, path, strlen(path));
}

/* A name in the linker's tables may have a version behind it. */
static const char *name_of(struct uvh_texts *texts, const char *function)
{
	size_t bytes = function != NULL ? strcspn(function, "@") : 0;

	return uvh_text(texts, function, bytes < NAME_BYTES_MAX ? bytes : NAME_BYTES_MAX);
}

static size_t find_in_files(const struct uvh_folder *folder, uint64_t address,
			    struct uvh_trace_line found[UVH_ELF_LINES_MAX])
{
	struct uvh_texts *texts = &folder->trace->texts;
	struct uvh_elf_line lines[UVH_ELF_LINES_MAX];
	const char *module;
	uint64_t offset;
	size_t count;

	if (folder->libraries == NULL)
		return 0;
	count = uvh_trace_symbols_lines(folder->libraries, address, lines);
	if (count == 0)
		return 0;
	module = uvh_trace_symbols_module(folder->libraries, address, &offset);
	for (size_t i = 0; i < count; i++)
		found[i] = (struct uvh_trace_line){
		    .function = name_of(texts, lines[i].function),
		    .path = path_of(texts, &lines[i]),
		    .line = lines[i].line,
		    .module = module,
		};
	return count;
}

static size_t find_in_map(struct uvh_stack_lines *lines, uint64_t address,
			  struct uvh_trace_line *found)
{
	const struct uvh_folder *folder = (const struct uvh_folder *) lines->process;
	struct uvh_texts *texts = &folder->trace->texts;

	if (!lines->map_tried)
		lines->map = uvh_perf_map_open(lines->process);
	lines->map_tried = true;
	if (lines->map == NULL || !uvh_perf_map_find(lines->map, address - 1, found))
		return 0;
	found->function = uvh_text(texts, found->function, strlen(found->function));
	found->path = uvh_text(texts, found->path, strlen(found->path));
	return 1;
}

size_t uvh_stack_lines_find(struct uvh_stack_lines *lines, uint64_t address,
			    struct uvh_trace_line found[UVH_ELF_LINES_MAX])
{
	const struct uvh_trace_line *kept;
	size_t count;

	kept = uvh_trace_lines(lines->process, address, &count);
	if (kept != NULL) {
		count = count < UVH_ELF_LINES_MAX ? count : UVH_ELF_LINES_MAX;
		memcpy(found, kept, count * sizeof(*found));
		return count;
	}
	count = find_in_files((const struct uvh_folder *) lines->process, address, found);
	return count != 0 ? count : find_in_map(lines, address, found);
}
