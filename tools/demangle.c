/* SPDX-License-Identifier: MIT */
#include "demangle.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

typedef char *demangle_function(const char *name, char *buffer, size_t *bytes, int *status);

/* What was asked for before, by the address of the name: the reader has one text for each. */
static struct known {
	const char *name;
	const char *readable;
} * known;
static size_t known_count, known_room;
static struct uvh_index known_index;

/* Only now, since most names, and most verbs, do not need it. */
static demangle_function *find_demangler(void)
{
	static demangle_function *found;
	static bool looked;
	void *library;

	if (looked)
		return found;
	looked = true;
	library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
	if (library != NULL)
		found = (demangle_function *) dlsym(library, "__cxa_demangle");
	return found;
}

static bool is_kept(const char *name, size_t begin)
{
	static const char operator[] = "operator";
	const size_t length = sizeof(operator) - 1;

	return strncmp(name + begin, "(anonymous", 10) == 0 ||
	       (begin >= length && memcmp(name + begin - length, operator, length) == 0);
}

/* Cuts what stands behind the last '>', ')' or '}', if it begins like that. */
static void cut_from(char *name, const char *begin)
{
	char *found = strstr(name, begin);

	if (found != NULL && strpbrk(found, "<>(){}") == NULL)
		*found = '\0';
}

/*
 * What a callback is called with is known from its type, so arguments are left out, but for those
 * within a template's: "f(uv_timer_s*)" is "f", "f()::{lambda(int)#2}::_FUN" is "f::{lambda#2}".
 */
static void shorten(char *name)
{
	unsigned int templates = 0, cut = 0;
	size_t used = 0, bytes;

	for (size_t i = 0; name[i] != '\0'; i++) {
		templates += cut == 0 && name[i] == '<';
		templates -= cut == 0 && name[i] == '>' && templates > 0;
		if (name[i] == '(' && templates == 0 && (cut > 0 || !is_kept(name, i)))
			cut++;
		if (cut == 0)
			name[used++] = name[i];
		if (name[i] == ')' && cut > 0)
			cut--;
	}
	name[used] = '\0';
	/* What the compiler made of it for some of its callers, and that it changes nothing. */
	cut_from(name, " [clone ");
	cut_from(name, " const");
	used = strlen(name);
	bytes = strlen("::_FUN");
	if (used > bytes && strcmp(name + used - bytes, "::_FUN") == 0)
		name[used - bytes] = '\0';
}

static const char *demangle(const char *name)
{
	demangle_function *demangler;
	char *readable;
	int status = -1;

	if (strncmp(name, "_Z", 2) != 0)
		return name;
	demangler = find_demangler();
	if (demangler == NULL)
		return name;
	readable = demangler(name, NULL, NULL, &status);
	if (status != 0 || readable == NULL)
		return name;
	shorten(readable);
	return readable;
}

const char *uvh_readable_name(const char *name)
{
	uint32_t hash = uvh_hash((uintptr_t) name, 0);
	size_t at = 0;
	uint32_t row;

	if (strncmp(name, "_Z", 2) != 0)
		return name;
	while ((row = uvh_index_next(&known_index, hash, &at)) != UVH_INDEX_END)
		if (known[row].name == name)
			return known[row].readable;
	known = uvh_grow(known, &known_room, known_count + 1, sizeof(*known));
	known[known_count] = (struct known){name, demangle(name)};
	uvh_index_add(&known_index, hash, (uint32_t) known_count);
	return known[known_count++].readable;
}

const char *uvh_readable_callback(const struct uvh_trace_process *process, uint64_t address)
{
	return uvh_readable_name(uvh_trace_callback_name(process, address));
}
