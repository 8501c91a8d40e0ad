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
#include "symbols.h"
#include "text.h"

static bool same_name(const char *symbol, const char *name)
{
	size_t length = strlen(name);

	/* behind '@' is a version */
	return strncmp(symbol, name, length) == 0 &&
	       (symbol[length] == '\0' || symbol[length] == '@');
}

static void found(struct uvh_patch *patch, struct uvh_patch_function *function,
		  const ElfW(Sym) * symbol)
{
	function->address = patch->object->base + symbol->st_value;
	function->bytes = symbol->st_size;
	function->real = (void *) function->address;
	patch->found++;
}

/* libuv's names alone are worth comparing: a program may have a million others. */
static bool is_libuv_name(const char *name)
{
	return name[0] == 'u' && name[1] == 'v' && name[2] == '_';
}

/* What is libuv's alone has such a name. */
static bool is_hidden_name(const char *name)
{
	return is_libuv_name(name) && name[3] == '_';
}

static void find_hidden(struct uvh_patch *patch, struct uvh_symbols *symbols)
{
	const ElfW(Sym) * symbol;

	if (!uvh_symbols_read_names(symbols))
		return;
	while ((symbol = uvh_symbols_next(symbols)) != NULL) {
		const char *name;

		if (!uvh_symbol_is_function(symbol) ||
		    !is_libuv_name(name = uvh_symbols_name(symbols, symbol)))
			continue;
		for (size_t j = 0; j < patch->count; j++)
			if (patch->functions[j].address == 0 &&
			    same_name(name, patch->functions[j].name))
				found(patch, &patch->functions[j], symbol);
	}
}

/* Those that were found, by their addresses. */
struct order {
	struct uvh_patch_function **functions;
	size_t count;
};

static void put_in_order(struct uvh_patch *patch, struct order *order)
{
	order->count = 0;
	for (size_t i = 0; i < patch->count; i++) {
		struct uvh_patch_function *function = &patch->functions[i];
		size_t place = order->count;

		if (function->address == 0)
			continue;
		for (; place > 0 && order->functions[place - 1]->address > function->address;
		     place--)
			order->functions[place] = order->functions[place - 1];
		order->functions[place] = function;
		order->count++;
	}
}

/* The first in order that is not below the address; the count if all are. */
static size_t first_from(const struct order *order, uintptr_t address)
{
	size_t low = 0, high = order->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (order->functions[middle]->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Two functions folded into one by the linker: a call to either would arrive as a call to both.
 * Another name for the same function would be fine, but cannot be told from that.
 */
static void refuse_shared(const struct order *order, uintptr_t address, const char *name)
{
	for (size_t i = first_from(order, address);
	     i < order->count && order->functions[i]->address == address; i++)
		if (order->functions[i]->wrapper != NULL &&
		    !same_name(name, order->functions[i]->name))
			order->functions[i]->refused = "another function has the same address";
}

static bool is_among(const struct order *order, uintptr_t address)
{
	size_t i = first_from(order, address);

	return i < order->count && order->functions[i]->address == address;
}

struct range {
	uintptr_t low, high;
};

static void widen(struct range *range, uintptr_t low, uintptr_t high)
{
	if (low < range->low)
		range->low = low;
	if (high > range->high)
		range->high = high;
}

#define NO_RANGE ((struct range){UINTPTR_MAX, 0})

/* What the name of a source file says. What was hidden, of all files, stands under no name. */
enum source {
	SOURCE_HIDDEN,
	SOURCE_ANY,
	/* Of libuv's files the one of which nothing else tells whose it is, and that calls out. */
	SOURCE_FS_POLL,
};

/* Of one source file: its functions that nobody else can call. */
struct file {
	struct range before; /* those that stand before libuv's first */
	struct range apart;  /* those that stand nowhere near */
	bool libuvs;         /* one is among libuv's, or has a name as only those have */
	enum source source;
};

static void end_file(const struct file *file, struct range *text, struct range *cold)
{
	if (file->source == SOURCE_HIDDEN || !file->libuvs)
		return;
	widen(cold, file->apart.low, file->apart.high);
	widen(text, file->before.low, file->before.high);
}

static enum source source_of(const char *name)
{
	if (name[0] == '\0')
		return SOURCE_HIDDEN;
	return strncmp(name, "fs-poll.", 8) == 0 ? SOURCE_FS_POLL : SOURCE_ANY;
}

/* The next function that only its own file can call, or that was hidden; NULL behind the last. */
static const ElfW(Sym) *
    next_local(struct uvh_symbols *symbols, bool *new_file, enum source *source)
{
	const ElfW(Sym) * symbol;

	*new_file = false;
	while ((symbol = uvh_symbols_next(symbols)) != NULL) {
		if (ELF64_ST_TYPE(symbol->st_info) == STT_FILE) {
			*new_file = true;
			*source = source_of(uvh_symbols_name(symbols, symbol));
		}
		if (!uvh_symbol_is_function(symbol))
			continue;
		/* All local symbols come first. */
		return ELF64_ST_BIND(symbol->st_info) == STB_LOCAL ? symbol : NULL;
	}
	return NULL;
}

/* libuv's first function that more than one file can call: of those before `known`, a hidden one.
 */
static uintptr_t first_hidden(const struct uvh_patch *patch, struct uvh_symbols *symbols,
			      uintptr_t low, uintptr_t known)
{
	enum source source = SOURCE_ANY;
	const ElfW(Sym) * symbol;
	bool new_file;

	uvh_symbols_rewind(symbols);
	while ((symbol = next_local(symbols, &new_file, &source)) != NULL) {
		uintptr_t address = patch->object->base + symbol->st_value;

		if (source == SOURCE_HIDDEN && address >= low && address < known &&
		    is_hidden_name(uvh_symbols_name(symbols, symbol)))
			known = address;
	}
	return known;
}

/*
 * What only one file can call stands beside what everybody can: between `text->low` and libuv's
 * first, `known`, there may be some of libuv's and some of the program's. And the parts of libuv's
 * files that were split off stand apart.
 */
static void look_through_files(const struct uvh_patch *patch, struct uvh_symbols *symbols,
			       uintptr_t known, struct range *text, struct range *cold)
{
	const struct range around = *text;
	struct file file = {NO_RANGE, NO_RANGE, false, SOURCE_HIDDEN};
	enum source source = SOURCE_ANY;
	const ElfW(Sym) * symbol;
	bool new_file;

	text->low = known;
	uvh_symbols_rewind(symbols);
	while ((symbol = next_local(symbols, &new_file, &source)) != NULL) {
		uintptr_t low = patch->object->base + symbol->st_value;
		uintptr_t high = low + symbol->st_size;

		if (new_file) {
			end_file(&file, text, cold);
			file = (struct file){NO_RANGE, NO_RANGE, source == SOURCE_FS_POLL, source};
		}
		if (low < around.low || low >= around.high) {
			widen(&file.apart, low, high);
		} else if (low >= known) {
			file.libuvs = true;
		} else {
			widen(&file.before, low, high);
			file.libuvs |= is_hidden_name(uvh_symbols_name(symbols, symbol));
		}
	}
	end_file(&file, text, cold);
}

/*
 * libuv's files were linked one after another. So its code reaches from the end of the last
 * function before it that everybody can call, and that has no name of libuv's, to the next such one
 * behind.
 */
static void look_through(struct uvh_patch *patch, const struct order *order, uintptr_t uv_run,
			 struct uvh_symbols *symbols)
{
	uintptr_t before = patch->object->low, behind = patch->object->high;
	uintptr_t first = uv_run;
	struct range text, cold = NO_RANGE;
	const ElfW(Sym) * symbol;

	uvh_symbols_rewind(symbols);
	while ((symbol = uvh_symbols_next(symbols)) != NULL) {
		uintptr_t address = patch->object->base + symbol->st_value;
		uintptr_t end = address + symbol->st_size;

		if (!uvh_symbol_is_function(symbol))
			continue;
		if (is_among(order, address))
			refuse_shared(order, address, uvh_symbols_name(symbols, symbol));
		if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL || end <= before ||
		    address >= behind || is_libuv_name(uvh_symbols_name(symbols, symbol)))
			continue;
		if (address < uv_run)
			before = end;
		else
			behind = address;
	}
	for (size_t i = first_from(order, before); i < order->count; i++)
		if (order->functions[i]->address < first)
			first = order->functions[i]->address;
	text = (struct range){before, behind};
	first = first_hidden(patch, symbols, before, first);
	look_through_files(patch, symbols, first, &text, &cold);
	patch->text_low = text.low;
	patch->text_bytes = text.high - text.low;
	if (cold.low < cold.high) {
		patch->cold_low = cold.low;
		patch->cold_bytes = cold.high - cold.low;
	}
}

/* Without a full table: what is exported may be folded too. */
static void look_through_exported(const struct uvh_object *object, const struct order *order)
{
	uint32_t count = uvh_object_symbol_count(object);

	for (uint32_t i = 0; i < count; i++) {
		const ElfW(Sym) *symbol = &object->symbols[i];
		uintptr_t address = object->base + symbol->st_value;

		if (uvh_symbol_is_function(symbol) && is_among(order, address))
			refuse_shared(order, address, object->strings + symbol->st_name);
	}
}

static size_t find_exported(struct uvh_patch *patch)
{
	for (size_t i = 0; i < patch->count; i++) {
		const ElfW(Sym) *symbol =
		    uvh_object_symbol(patch->object, patch->functions[i].name);

		if (symbol != NULL)
			found(patch, &patch->functions[i], symbol);
	}
	return patch->found;
}

static uintptr_t address_of(const struct uvh_patch *patch, const char *name)
{
	for (size_t i = 0; i < patch->count; i++)
		if (strcmp(patch->functions[i].name, name) == 0)
			return patch->functions[i].address;
	return 0;
}

bool uvh_patch_find(struct uvh_patch *patch)
{
	const struct uvh_object *object = patch->object;
	struct uvh_patch_function *found_functions[patch->count];
	struct order order = {.functions = found_functions};
	struct uvh_symbols symbols;
	bool have = uvh_symbols_open(&symbols, object);
	uintptr_t uv_run;

	/* What is exported may be only what other libraries need of it. */
	if (find_exported(patch) < patch->count / 2 && have)
		find_hidden(patch, &symbols);
	uv_run = address_of(patch, "uv_run");
	put_in_order(patch, &order);
	patch->text_low = object->low;
	patch->text_bytes = object->high - object->low;
	if (uv_run != 0 && have)
		look_through(patch, &order, uv_run, &symbols);
	else if (uv_run != 0)
		look_through_exported(object, &order);
	if (have)
		uvh_symbols_close(&symbols);
	return uv_run != 0;
}

bool uvh_patch_is_libuv(const struct uvh_object *object)
{
	const ElfW(Sym) * symbol;
	struct uvh_symbols symbols;
	bool is = false;

	if (uvh_object_symbol(object, "uv_run") != NULL)
		return uvh_object_symbol(object, "uv_loop_init") != NULL;
	if (!uvh_symbols_open(&symbols, object))
		return false;
	/* Most have none, which one look through the names tells. */
	if (uvh_symbols_read_names(&symbols) &&
	    memmem(symbols.strings, symbols.string_bytes, "uv_loop_init", 13) != NULL)
		while (!is && (symbol = uvh_symbols_next(&symbols)) != NULL)
			is = uvh_symbol_is_function(symbol) &&
			     same_name(uvh_symbols_name(&symbols, symbol), "uv_run");
	uvh_symbols_close(&symbols);
	return is;
}

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
