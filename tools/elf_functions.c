/* SPDX-License-Identifier: MIT */
#include "elf_functions.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

struct uvh_elf_function {
	uint64_t begin;
	uint64_t end;
	uint64_t reach; /* the furthest end of this one and all before it */
	const char *name;
	uint32_t order; /* in the file */
	uint32_t rank;  /* among those that hold an address, but for where they begin */
};

/* That an address is where the function begins counts more than all else. */
#define RANK_BEGIN 8

static uint32_t rank_of(const GElf_Sym *symbol, const char *name)
{
	return (GELF_ST_BIND(symbol->st_info) == STB_GLOBAL) + 2 * (name[0] != '_') +
	       4 * (symbol->st_size != 0);
}

static bool is_function(const GElf_Sym *symbol)
{
	unsigned int type = GELF_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF;
}

/* A table of symbols in the file, and the texts of its names, the last of which has an end. */
struct table {
	Elf_Data *symbols;
	Elf_Data *texts;
	size_t count;
};

static bool read_table(struct table *table, const struct uvh_raw *raw, Elf_Scn *section)
{
	GElf_Shdr header;
	Elf_Scn *texts;

	if (gelf_getshdr(section, &header) == NULL ||
	    (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
		return false;
	texts = elf_getscn(raw->elf, header.sh_link);
	table->symbols = elf_getdata(section, NULL);
	table->texts = texts != NULL ? elf_getdata(texts, NULL) : NULL;
	if (table->symbols == NULL || table->symbols->d_buf == NULL || table->texts == NULL ||
	    table->texts->d_buf == NULL || table->texts->d_size == 0 ||
	    ((char *) table->texts->d_buf)[table->texts->d_size - 1] != '\0')
		return false;
	table->count = table->symbols->d_size / gelf_fsize(raw->elf, ELF_T_SYM, 1, EV_CURRENT);
	return true;
}

/* The symbol at `index`, if it is a function that has a name in the table. */
static const char *function_at(const struct table *table, size_t index, GElf_Sym *symbol)
{
	if (gelf_getsym(table->symbols, (int) index, symbol) == NULL || !is_function(symbol) ||
	    symbol->st_name >= table->texts->d_size)
		return NULL;
	return (const char *) table->texts->d_buf + symbol->st_name;
}

static int add_table(struct uvh_elf_functions *functions, const struct table *table)
{
	struct uvh_elf_function *more;
	size_t count = 0;
	GElf_Sym symbol;

	for (size_t i = 0; i < table->count; i++)
		count += function_at(table, i, &symbol) != NULL;
	if (count == 0)
		return 0;
	more = reallocarray(functions->functions, functions->count + count, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	functions->functions = more;
	for (size_t i = 0; i < table->count; i++) {
		const char *name = function_at(table, i, &symbol);
		uint64_t size = symbol.st_size != 0 ? symbol.st_size : 1;

		if (name == NULL)
			continue;
		if (size > UINT64_MAX - symbol.st_value)
			size = UINT64_MAX - symbol.st_value;
		more[functions->count] = (struct uvh_elf_function){
		    .begin = symbol.st_value,
		    .end = symbol.st_value + size,
		    .name = name,
		    .order = (uint32_t) functions->count,
		    .rank = rank_of(&symbol, name),
		};
		functions->count++;
	}
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct uvh_elf_function *one = left, *other = right;

	if (one->begin != other->begin)
		return one->begin < other->begin ? -1 : 1;
	return one->order < other->order ? -1 : one->order > other->order;
}

int uvh_elf_functions_read(struct uvh_elf_functions *functions, const struct uvh_raw *raw)
{
	Elf_Scn *section = NULL;
	uint64_t reach = 0;
	struct table table;

	*functions = (struct uvh_elf_functions){0};
	while ((section = elf_nextscn(raw->elf, section)) != NULL) {
		if (read_table(&table, raw, section) && add_table(functions, &table) != 0) {
			uvh_elf_functions_free(functions);
			return -ENOMEM;
		}
	}
	if (functions->count == 0)
		return 0;
	qsort(functions->functions, functions->count, sizeof(*functions->functions), compare);
	for (size_t i = 0; i < functions->count; i++) {
		if (functions->functions[i].end > reach)
			reach = functions->functions[i].end;
		functions->functions[i].reach = reach;
	}
	return 0;
}

void uvh_elf_functions_free(struct uvh_elf_functions *functions)
{
	free(functions->functions);
	*functions = (struct uvh_elf_functions){0};
}

/* How many functions begin at `address` or before it. */
static size_t count_up_to(const struct uvh_elf_functions *functions, uint64_t address)
{
	size_t low = 0, high = functions->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (functions->functions[middle].begin <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const char *uvh_elf_functions_find(const struct uvh_elf_functions *functions, uint64_t address,
				   uint64_t *offset)
{
	const struct uvh_elf_function *best = NULL;
	uint32_t best_rank = 0;

	/* Backwards, until none of those before reaches the address. */
	for (size_t i = count_up_to(functions, address);
	     i > 0 && functions->functions[i - 1].reach > address; i--) {
		const struct uvh_elf_function *function = &functions->functions[i - 1];
		uint32_t rank = function->rank + (function->begin == address ? RANK_BEGIN : 0);

		if (function->end <= address)
			continue;
		if (best == NULL || rank > best_rank ||
		    (rank == best_rank && function->order < best->order)) {
			best = function;
			best_rank = rank;
		}
	}
	if (best == NULL)
		return NULL;
	*offset = address - best->begin;
	return best->name;
}
