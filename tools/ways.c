/* SPDX-License-Identifier: MIT */
#include "ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

static int add_copy(struct uvh_copies *copies, const char *path, bool program)
{
	struct uvh_libuv_file file;
	struct uvh_copy *larger;
	int error = uvh_libuv_look(path, &file);

	/* A library that cannot be read: the loader will say so, or has found another way. */
	if (error != 0 || file.where == UVH_WHERE_NONE)
		return program ? error : 0;
	larger = realloc(copies->list, (copies->count + 1) * sizeof *larger);
	if (larger == NULL)
		return -ENOMEM;
	copies->list = larger;
	larger[copies->count++] = (struct uvh_copy){.file = file, .program = program};
	return 0;
}

const struct uvh_copy *uvh_copies_global(const struct uvh_copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		if (!copies->list[i].program && copies->list[i].file.where == UVH_WHERE_EXPORTED)
			return &copies->list[i];
	return NULL;
}

/* Why nothing can be patched; NULL if it can. Asked where it has to be: the engine is loaded. */
static const char *no_patching(struct uvh_copies *copies)
{
	const char *option = getenv("UVHOOKS_PATCH");

	if (option != NULL && (option[0] == '\0' || strcmp(option, "0") == 0)) {
		copies->forbidden = true;
		return "UVHOOKS_PATCH=0 forbids it";
	}
	if (copies->engine == NULL && copies->no_engine[0] == '\0')
		copies->engine = uvh_engine_load(copies->no_engine);
	return copies->engine == NULL ? copies->no_engine : NULL;
}

/* What the shim does with one, when `adopted` others have been taken before it. */
static bool adopt(struct uvh_copies *copies, struct uvh_copy *copy, size_t adopted)
{
	const bool exported = copy->file.where == UVH_WHERE_EXPORTED;
	const struct uvh_way_facts facts = {
	    .program = copy->program,
	    .late = false,
	    .exported = exported,
	    .alone = copy->file.alone,
	    .first = adopted == 0,
	    .yields = uvh_copies_global(copies) != NULL && copy->file.asks,
	};

	if (copy->file.where == UVH_WHERE_LOST) {
		copy->way = UVH_WAY_NONE;
		copy->blocked = "its functions have no names any more";
		return false;
	}
	copy->way = uvh_way_in(&facts);
	if (copy->way == UVH_WAY_NONE)
		return false;
	if (copy->way == UVH_WAY_PATCH)
		copy->blocked = no_patching(copies);
	if (copy->blocked != NULL)
		copy->way =
		    exported && !copy->program && facts.first ? UVH_WAY_SYMBOLS : UVH_WAY_NONE;
	copy->seen = copy->way != UVH_WAY_NONE;
	return copy->seen || (exported && !copy->program);
}

/* In the order of the shim: first the one that calls through symbols are for. */
static void decide(struct uvh_copies *copies)
{
	const struct uvh_copy *global = uvh_copies_global(copies);
	size_t adopted = 0;

	for (size_t i = 0; i < copies->count; i++)
		if (&copies->list[i] == global)
			adopted += adopt(copies, &copies->list[i], adopted);
	for (size_t i = 0; i < copies->count; i++)
		if (&copies->list[i] != global)
			adopted += adopt(copies, &copies->list[i], adopted);
}

int uvh_copies_find(const char *file, const char *loader, struct uvh_copies *copies)
{
	struct uvh_libraries libraries = {0};
	int error;

	*copies = (struct uvh_copies){0};
	error = add_copy(copies, file, true);
	if (error == 0 && loader[0] != '\0') {
		copies->libraries_error = uvh_libraries_read(loader, file, &libraries);
		memcpy(copies->libraries_text, libraries.error, sizeof libraries.error);
	}
	for (size_t i = 0; error == 0 && i < libraries.count; i++)
		if (!uvh_is_shim(libraries.paths[i]))
			error = add_copy(copies, libraries.paths[i], false);
	uvh_libraries_free(&libraries);
	decide(copies);
	return error;
}

void uvh_copies_free(struct uvh_copies *copies)
{
	free(copies->list);
	*copies = (struct uvh_copies){0};
}

const struct uvh_copy *uvh_copies_unseen(const struct uvh_copies *copies)
{
	const struct uvh_copy *unseen = NULL;

	for (size_t i = copies->count; i-- > 0;) {
		if (copies->list[i].seen)
			return NULL;
		unseen = &copies->list[i];
	}
	return unseen;
}
