/* SPDX-License-Identifier: MIT */
/* Which functions of an object are libuv's, and how far libuv's own code reaches. */
#include <string.h>

#include "patch.h"
#include "symbols.h"

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
	size_t i;

	/* Most lie nowhere near. */
	if (order->count == 0 || address < order->functions[0]->address ||
	    address > order->functions[order->count - 1]->address)
		return false;
	i = first_from(order, address);
	return order->functions[i]->address == address;
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

/* Of one source file: its functions that nobody else can call. */
struct file {
	struct range before; /* those that stand before libuv's first */
	struct range apart;  /* those that stand nowhere near */
	bool libuvs;         /* one is among libuv's, or has a name as only those have */
	ElfW(Sym) symbol;    /* its own; what was hidden, of all files, stands under no name */
};

/*
 * Of libuv's files the one of which nothing else tells whose it is, and that calls out. To read a
 * name is a call of the kernel, and a program may have ten thousand files.
 */
static bool is_fs_poll(struct uvh_symbols *symbols, const struct file *file)
{
	return file->before.low < file->before.high &&
	       strncmp(uvh_symbols_name(symbols, &file->symbol), "fs-poll.", 8) == 0;
}

static void end_file(struct uvh_symbols *symbols, const struct file *file, struct range *text,
		     struct range *cold)
{
	if (file->symbol.st_name == 0 || !(file->libuvs || is_fs_poll(symbols, file)))
		return;
	widen(cold, file->apart.low, file->apart.high);
	widen(text, file->before.low, file->before.high);
}

/* The next function that only its own file can call, or that was hidden; NULL behind the last. */
static const ElfW(Sym) * next_local(struct uvh_symbols *symbols, bool *new_file, ElfW(Sym) * file)
{
	const ElfW(Sym) * symbol;

	*new_file = false;
	while ((symbol = uvh_symbols_next(symbols)) != NULL) {
		if (ELF64_ST_TYPE(symbol->st_info) == STT_FILE) {
			*new_file = true;
			*file = *symbol;
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
			      size_t hidden, uintptr_t low, uintptr_t known)
{
	ElfW(Sym) file = {.st_name = 1};
	const ElfW(Sym) * symbol;
	bool new_file;

	uvh_symbols_seek(symbols, hidden);
	while ((symbol = next_local(symbols, &new_file, &file)) != NULL) {
		uintptr_t address = patch->object->base + symbol->st_value;

		if (file.st_name == 0 && address >= low && address < known &&
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
	struct file file = {NO_RANGE, NO_RANGE, false, {.st_name = 0}};
	ElfW(Sym) source = {.st_name = 0};
	const ElfW(Sym) * symbol;
	bool new_file;

	text->low = known;
	uvh_symbols_seek(symbols, 0);
	while ((symbol = next_local(symbols, &new_file, &source)) != NULL) {
		uintptr_t low = patch->object->base + symbol->st_value;
		uintptr_t high = low + symbol->st_size;

		if (new_file) {
			end_file(symbols, &file, text, cold);
			file = (struct file){NO_RANGE, NO_RANGE, false, source};
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
	end_file(symbols, &file, text, cold);
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
	size_t hidden = symbols->count; /* where those stand that have no file's name */
	struct range text, cold = NO_RANGE;
	const ElfW(Sym) * symbol;

	uvh_symbols_seek(symbols, 0);
	while ((symbol = uvh_symbols_next(symbols)) != NULL) {
		uintptr_t address = patch->object->base + symbol->st_value;
		uintptr_t end = address + symbol->st_size;

		if (ELF64_ST_TYPE(symbol->st_info) == STT_FILE && symbol->st_name == 0 &&
		    hidden == symbols->count)
			hidden = symbols->next - 1;
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
	first = first_hidden(patch, symbols, hidden, before, first);
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
