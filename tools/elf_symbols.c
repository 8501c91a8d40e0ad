/* SPDX-License-Identifier: MIT */
#include "elf_symbols.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BUILD_ID_MAX 64

struct build_id {
	unsigned char bytes[BUILD_ID_MAX];
	size_t length; /* 0: none */
};

/* The words of a hash table: from `address` to the end of what the file has there. */
static const uint32_t *words_at(const struct uvh_raw *raw, GElf_Addr address, size_t *count)
{
	size_t room = address != 0 ? uvh_raw_room(raw, address) / 4 * 4 : 0;
	Elf_Data *data = room != 0 ? uvh_raw_at(raw, address, room, ELF_T_WORD) : NULL;

	*count = data != NULL ? room / 4 : 0;
	return data != NULL ? data->d_buf : NULL;
}

/* DT_GNU_HASH: four words, a bloom filter, buckets, and chains, each ended by an odd hash. */
static void read_gnu_hash(struct uvh_symbols *symbols, const struct uvh_raw *raw)
{
	size_t bloom_words = gelf_getclass(raw->elf) == ELFCLASS64 ? 2 : 1;
	size_t count;
	const uint32_t *words = words_at(raw, uvh_raw_dynamic_value(raw, DT_GNU_HASH), &count);

	if (count < 4 || words[0] == 0 || 4 + words[2] * bloom_words + words[0] > count)
		return;
	symbols->hash = words;
	symbols->hash_words = count;
	symbols->first_bucket = 4 + words[2] * bloom_words;
}

/* The loader needs no count, and so there is none: but the hash tables know it. */
static size_t count_by_gnu_hash(const struct uvh_symbols *symbols)
{
	const uint32_t *words = symbols->hash;
	const uint32_t *buckets = words + symbols->first_bucket;
	size_t chains = symbols->first_bucket + words[0];
	size_t last = 0;

	for (size_t i = 0; i < words[0]; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < words[1])
		return words[1];
	for (last -= words[1]; chains + last < symbols->hash_words; last++)
		if (words[chains + last] & 1)
			return words[1] + last + 1;
	return 0;
}

static size_t count_exported(const struct uvh_symbols *symbols, const struct uvh_raw *raw)
{
	size_t count;
	const uint32_t *words = words_at(raw, uvh_raw_dynamic_value(raw, DT_HASH), &count);

	if (count >= 2)
		return words[1];
	return symbols->hash != NULL ? count_by_gnu_hash(symbols) : 0;
}

/* Does a text end where the table ends? Then every text in it has an end. */
static bool has_end(const Elf_Data *texts)
{
	return texts != NULL && texts->d_buf != NULL && texts->d_size != 0 &&
	       ((char *) texts->d_buf)[texts->d_size - 1] == '\0';
}

static const char *text_of(const struct uvh_symbols *symbols, size_t offset)
{
	return offset < symbols->texts->d_size ? (char *) symbols->texts->d_buf + offset : "";
}

void uvh_symbols_exported(struct uvh_symbols *symbols, const struct uvh_raw *raw)
{
	GElf_Addr address = uvh_raw_dynamic_value(raw, DT_SYMTAB);
	size_t bytes = gelf_fsize(raw->elf, ELF_T_SYM, 1, EV_CURRENT);
	size_t count;

	*symbols = (struct uvh_symbols){.texts = uvh_raw_dynamic_texts(raw)};
	read_gnu_hash(symbols, raw);
	count = count_exported(symbols, raw);
	if (!has_end(symbols->texts) || count > uvh_raw_room(raw, address) / bytes)
		return;
	symbols->symbols = uvh_raw_at(raw, address, count * bytes, ELF_T_SYM);
	if (symbols->symbols != NULL)
		symbols->count = count;
}

void uvh_symbols_full(struct uvh_symbols *symbols, const struct uvh_raw *raw)
{
	GElf_Shdr header;
	Elf_Scn *section = uvh_raw_section(raw, SHT_SYMTAB, &header);
	Elf_Scn *texts;

	*symbols = (struct uvh_symbols){0};
	if (section == NULL || header.sh_entsize != gelf_fsize(raw->elf, ELF_T_SYM, 1, EV_CURRENT))
		return;
	texts = elf_getscn(raw->elf, header.sh_link);
	symbols->symbols = elf_getdata(section, NULL);
	symbols->texts = texts != NULL ? elf_getdata(texts, NULL) : NULL;
	if (symbols->symbols != NULL && has_end(symbols->texts))
		symbols->count = header.sh_size / header.sh_entsize;
}

static void find_build_id(struct build_id *id, Elf_Data *notes)
{
	size_t offset = 0, next, name, value;
	GElf_Nhdr note;

	while (notes != NULL && id->length == 0 &&
	       (next = gelf_getnote(notes, offset, &note, &name, &value)) > 0) {
		const char *bytes = notes->d_buf;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(bytes + name, "GNU", 4) == 0 && note.n_descsz <= BUILD_ID_MAX) {
			id->length = note.n_descsz;
			memcpy(id->bytes, bytes + value, id->length);
		}
		offset = next;
	}
}

/* What is loaded has it in a segment; of a debug file only the sections are to be trusted. */
static struct build_id read_build_id(const struct uvh_raw *raw, bool debug)
{
	struct build_id id = {.length = 0};
	Elf_Scn *section = NULL;
	GElf_Phdr segment;
	GElf_Shdr header;
	size_t count;

	if (debug) {
		while ((section = elf_nextscn(raw->elf, section)) != NULL)
			if (gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_NOTE)
				find_build_id(&id, elf_getdata(section, NULL));
		return id;
	}
	if (elf_getphdrnum(raw->elf, &count) != 0)
		return id;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(raw->elf, (int) i, &segment) != NULL &&
		    segment.p_type == PT_NOTE && segment.p_offset <= INT64_MAX)
			find_build_id(&id,
				      elf_getdata_rawchunk(
					  raw->elf, (int64_t) segment.p_offset, segment.p_filesz,
					  segment.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR));
	return id;
}

void uvh_build_id(const struct uvh_raw *raw, uint8_t *id, size_t bytes)
{
	struct build_id found = read_build_id(raw, false);

	memset(id, 0, bytes);
	memcpy(id, found.bytes, found.length < bytes ? found.length : bytes);
}

void uvh_debug_path(const struct uvh_raw *raw, const char *root, char path[PATH_MAX])
{
	struct build_id id = read_build_id(raw, false);
	size_t length;

	path[0] = '\0';
	if (id.length < 2 || strlen(root) > PATH_MAX / 2)
		return;
	length = (size_t) snprintf(path, PATH_MAX, "%s/.build-id/%02x/", root, id.bytes[0]);
	for (size_t i = 1; i < id.length; i++)
		length += (size_t) snprintf(path + length, PATH_MAX - length, "%02x", id.bytes[i]);
	snprintf(path + length, PATH_MAX - length, ".debug");
}

bool uvh_is_debug_of(const struct uvh_raw *debug, const struct uvh_raw *raw)
{
	struct build_id one = read_build_id(debug, true);
	struct build_id other = read_build_id(raw, false);

	return one.length != 0 && one.length == other.length &&
	       memcmp(one.bytes, other.bytes, one.length) == 0;
}

static bool is_function(const GElf_Sym *symbol)
{
	return symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 &&
	       GELF_ST_TYPE(symbol->st_info) == STT_FUNC;
}

bool uvh_symbols_each(const struct uvh_symbols *symbols, uvh_symbol_cb callback, void *data)
{
	GElf_Sym symbol;

	for (size_t i = 0; i < symbols->count; i++) {
		if (gelf_getsym(symbols->symbols, (int) i, &symbol) == NULL)
			break;
		if (!is_function(&symbol))
			continue;
		if (callback(text_of(symbols, symbol.st_name), &symbol, data))
			return true;
	}
	return false;
}

bool uvh_symbol_is_named(const char *symbol, const char *name)
{
	size_t length = strlen(name);

	return strncmp(symbol, name, length) == 0 &&
	       (symbol[length] == '\0' || symbol[length] == '@');
}

static GElf_Addr find_by_hash(const struct uvh_symbols *symbols, const char *name)
{
	const uint32_t *words = symbols->hash;
	const size_t chains = symbols->first_bucket + words[0];
	uint32_t value = 5381;
	GElf_Sym symbol;

	for (const char *c = name; *c != '\0'; c++)
		value = value * 33 + (unsigned char) *c;
	for (size_t i = words[symbols->first_bucket + value % words[0]];
	     i >= words[1] && chains + i - words[1] < symbols->hash_words; i++) {
		uint32_t chain = words[chains + i - words[1]];

		if ((chain | 1) == (value | 1) && strcmp(uvh_symbols_name(symbols, i), name) == 0)
			return gelf_getsym(symbols->symbols, (int) i, &symbol) != NULL &&
				       is_function(&symbol)
				   ? symbol.st_value
				   : 0;
		if (chain & 1)
			break;
	}
	return 0;
}

struct wanted {
	const char *name;
	GElf_Addr address;
};

static bool is_wanted(const char *name, const GElf_Sym *symbol, void *data)
{
	struct wanted *wanted = data;

	if (!uvh_symbol_is_named(name, wanted->name))
		return false;
	wanted->address = symbol->st_value;
	return true;
}

GElf_Addr uvh_symbols_find(const struct uvh_symbols *symbols, const char *name)
{
	struct wanted wanted = {.name = name};

	if (symbols->count != 0 && symbols->hash != NULL)
		return find_by_hash(symbols, name);
	if (uvh_symbols_may_have(symbols, name))
		uvh_symbols_each(symbols, is_wanted, &wanted);
	return wanted.address;
}

const char *uvh_symbols_name(const struct uvh_symbols *symbols, size_t index)
{
	GElf_Sym symbol;

	if (index >= symbols->count || gelf_getsym(symbols->symbols, (int) index, &symbol) == NULL)
		return "";
	return text_of(symbols, symbol.st_name);
}

bool uvh_symbols_want(const struct uvh_symbols *symbols, const char *name)
{
	GElf_Sym symbol;

	if (!uvh_symbols_may_have(symbols, name))
		return false;
	for (size_t i = 1; i < symbols->count; i++)
		if (gelf_getsym(symbols->symbols, (int) i, &symbol) != NULL &&
		    symbol.st_shndx == SHN_UNDEF &&
		    strcmp(text_of(symbols, symbol.st_name), name) == 0)
			return true;
	return false;
}

bool uvh_symbols_may_have(const struct uvh_symbols *symbols, const char *name)
{
	return symbols->count != 0 &&
	       memmem(symbols->texts->d_buf, symbols->texts->d_size, name, strlen(name)) != NULL;
}
