/* SPDX-License-Identifier: MIT */
/*
 * Everything new is made ready first, in memory near the functions; then one jump after another is
 * written. So a refusal of the kernel comes before anything was changed.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "entry.h"
#include "ground.h"
#include "libuv.h"
#include "patch.h"
#include "patch_island.h"
#include "text.h"

/* Moves one function's first instructions into its part; what is refused has no part. */
static bool prepare(struct uvh_patch *patch, struct uvh_patch_function *function,
		    const struct uvh_patch_engine *engine, struct uvh_island *run,
		    struct uvh_island *write, struct uvh_moved *moved, bool calls)
{
	const struct uvh_object *object = patch->object;
	uintptr_t text = object->code_low, end = object->code_high;
	enum uvh_move_refusal refusal;

	/* In a segment of its own: nothing around it is known to be code. */
	if (function->address < text || function->address >= end) {
		text = function->address;
		end = text + function->bytes;
	}
	refusal = engine->move_function((const uint8_t *) text, end - text, text, function->address,
					function->bytes, calls, write->moved,
					(uintptr_t) run->moved, moved);
	if (refusal != UVH_MOVE_DONE) {
		function->refused = engine->refusal_text(refusal);
		return false;
	}
	write->patched = (struct uvh_patched){
	    .wrapper = function->wrapper,
	    .original = run->moved,
	    .text_low = patch->text_low,
	    .text_bytes = patch->text_bytes,
	    .cold_low = patch->cold_low,
	    .cold_bytes = patch->cold_bytes,
	    .libuv = patch->libuv,
	    .entry = function->entry,
	};
	uvh_island_write(write, run, function->address);
	return true;
}

/* Writes the jumps of those that are ready. False if the kernel refuses the first of them. */
static bool write_jumps(struct uvh_patch *patch, const struct uvh_patch_engine *engine,
			const struct uvh_island *run, const struct uvh_moved *moved,
			const bool *ready)
{
	int memory = uvh_text_open();
	bool refused = false;

	for (size_t i = 0; i < patch->count && !refused; i++) {
		struct uvh_patch_function *function = &patch->functions[i];
		uint8_t jump[UVH_JUMP_BYTES];
		uintptr_t at = function->address + moved[i].at;

		if (!ready[i])
			continue;
		if (!engine->move_jump(jump, at, (uintptr_t) run[i].start)) {
			function->refused = engine->refusal_text(UVH_MOVE_FAR);
		} else if (uvh_text_write(memory, (void *) at, jump, sizeof(jump))) {
			function->real = (void *) run[i].moved;
			patch->done++;
		} else {
			function->refused = "the kernel did not let its code be changed";
			refused = patch->done == 0;
		}
	}
	uvh_text_close(memory);
	return !refused;
}

const char *uvh_patch_apply(struct uvh_patch *patch, const struct uvh_patch_engine *engine)
{
	const bool calls = uvh_calls_may_move();
	struct uvh_moved moved[patch->count];
	bool ready[patch->count];
	struct uvh_code code;
	struct uvh_island *run, *write;

	if (!uvh_code_map(&code, patch->object->low, patch->object->high, UVH_JUMP_REACH,
			  patch->count * sizeof(struct uvh_island)))
		return "there is no memory for code near it";
	run = (struct uvh_island *) code.run;
	write = (struct uvh_island *) code.write;
	for (size_t i = 0; i < patch->count; i++) {
		struct uvh_patch_function *function = &patch->functions[i];

		ready[i] = function->address != 0 && function->wrapper != NULL &&
			   function->refused == NULL &&
			   prepare(patch, function, engine, &run[i], &write[i], &moved[i], calls);
	}
	if (!uvh_code_seal(&code))
		return "the kernel does not let new memory become code";
	if (!write_jumps(patch, engine, run, moved, ready)) {
		uvh_code_drop(&code);
		return "the kernel does not let its code be changed";
	}
	for (size_t i = 0; i < patch->count; i++)
		if (patch->functions[i].refused != NULL)
			patch->refused++;
	return NULL;
}

static bool has_sanitizer(void)
{
	/* Its dlopen ends the process for RTLD_DEEPBIND. */
	return dlsym(RTLD_DEFAULT, "__asan_init") != NULL ||
	       dlsym(RTLD_DEFAULT, "__tsan_init") != NULL ||
	       dlsym(RTLD_DEFAULT, "__msan_init") != NULL;
}

const struct uvh_patch_engine *uvh_patch_engine_load(const char **why)
{
	static const struct uvh_patch_engine *engine;
	static const char file[] = "/" UVH_PATCH_ENGINE_FILE;
	static char reason[300];
	static bool tried;
	static char path[4096]; /* under the lock: stacks may be small */
	void *handle;
	int mode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;

	*why = reason;
	if (tried)
		return engine;
	tried = true;
	uvh_shim_folder(path, sizeof(path) - sizeof(file));
	memcpy(path + strlen(path), file, sizeof(file));
	/* The program may have another version of the decoder, and export it. */
	if (!has_sanitizer())
		mode |= RTLD_DEEPBIND;
	handle = dlopen(path, mode);
	if (handle != NULL)
		engine = dlsym(handle, UVH_PATCH_ENGINE_SYMBOL);
	if (engine != NULL && engine->size != sizeof(*engine)) {
		snprintf(reason, sizeof(reason), "%s belongs to another version of libuvhooks.so",
			 path);
		engine = NULL;
	} else if (engine == NULL) {
		const char *error = dlerror();

		snprintf(reason, sizeof(reason), "%s", error == NULL ? path : error);
	}
	dlerror(); /* the program shall not find our failure there */
	return engine;
}
