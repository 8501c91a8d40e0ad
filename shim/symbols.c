/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbols.h"

#define BUILD_ID_MAX 64

struct build_id {
	uint8_t bytes[BUILD_ID_MAX];
	size_t length; /* 0: none */
};

/* Memory that is given back, unlike uvh_map's. */
static void *take(size_t bytes)
{
	void *memory =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool read_at(int fd, void *to, size_t bytes, off_t offset)
{
	while (bytes > 0) {
		ssize_t got = pread(fd, to, bytes, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to = (char *) to + got;
		offset += got;
		bytes -= (size_t) got;
	}
	return true;
}

/* One note after another: name size, value size, type, name, value, each padded to four bytes. */
static void find_build_id(struct build_id *id, const uint8_t *notes, size_t bytes)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *) notes;
		size_t name = (note->n_namesz + 3u) & ~(size_t) 3;
		size_t value = (note->n_descsz + 3u) & ~(size_t) 3;

		if (name > bytes - sizeof(*note) || value > bytes - sizeof(*note) - name)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    memcmp(note + 1, "GNU", 4) == 0 && note->n_descsz <= BUILD_ID_MAX) {
			id->length = note->n_descsz;
			memcpy(id->bytes, notes + sizeof(*note) + name, id->length);
			return;
		}
		notes += sizeof(*note) + name + value;
		bytes -= sizeof(*note) + name + value;
	}
}

struct search {
	const struct uvh_object *object;
	struct build_id *id;
};

static int read_loaded_notes(struct dl_phdr_info *info, size_t size, void *data)
{
	const struct search *search = data;
	struct uvh_object object;

	(void) size;
	if (info->dlpi_addr != search->object->base || !uvh_object_read(&object, info) ||
	    object.low != search->object->low)
		return 0;
	for (int i = 0; i < info->dlpi_phnum && search->id->length == 0; i++)
		if (info->dlpi_phdr[i].p_type == PT_NOTE)
			find_build_id(search->id,
				      (const uint8_t *) info->dlpi_addr +
					  info->dlpi_phdr[i].p_vaddr,
				      info->dlpi_phdr[i].p_memsz);
	return 1;
}

/* The section headers of a file, or NULL. */
static ElfW(Shdr) * read_sections(int fd, const ElfW(Ehdr) * header)
{
	size_t bytes = (size_t) header->e_shnum * sizeof(ElfW(Shdr));
	ElfW(Shdr) * sections;

	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_shnum == 0 ||
	    header->e_shentsize != sizeof(ElfW(Shdr)))
		return NULL;
	sections = take(bytes);
	if (sections != NULL && !read_at(fd, sections, bytes, (off_t) header->e_shoff)) {
		munmap(sections, bytes);
		sections = NULL;
	}
	return sections;
}

static void read_file_notes(int fd, const ElfW(Shdr) * sections, size_t count, struct build_id *id)
{
	for (size_t i = 0; i < count && id->length == 0; i++) {
		uint8_t notes[256];
		size_t bytes = sections[i].sh_size;

		if (sections[i].sh_type == SHT_NOTE && bytes <= sizeof(notes) &&
		    read_at(fd, notes, bytes, (off_t) sections[i].sh_offset))
			find_build_id(id, notes, bytes);
	}
}

static bool same_id(const struct build_id *one, const struct build_id *other)
{
	return one->length == other->length && memcmp(one->bytes, other->bytes, one->length) == 0;
}

/* More than any program has; what a damaged file claims is not believed. */
#define TABLE_MAX ((size_t) 1 << 30)

static bool read_table(struct uvh_symbols *symbols, const ElfW(Shdr) * sections, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const ElfW(Shdr) *table = &sections[i];
		const ElfW(Shdr) * strings;

		if (table->sh_type != SHT_SYMTAB || table->sh_entsize != sizeof(ElfW(Sym)) ||
		    table->sh_link >= count || table->sh_size < sizeof(ElfW(Sym)) ||
		    table->sh_size > TABLE_MAX)
			continue;
		strings = &sections[table->sh_link];
		if (strings->sh_size > TABLE_MAX)
			return false;
		symbols->string_offset = (off_t) strings->sh_offset;
		symbols->string_bytes = strings->sh_size;
		symbols->offset = (off_t) table->sh_offset;
		symbols->count = table->sh_size / sizeof(ElfW(Sym));
		return true;
	}
	return false;
}

/* A program may have a million: they pass through here, and none stays. */
#define AT_ONCE 512

const ElfW(Sym) * uvh_symbols_next(struct uvh_symbols *symbols)
{
	static ElfW(Sym) table[AT_ONCE];
	size_t place = symbols->next % AT_ONCE;

	if (symbols->next >= symbols->count)
		return NULL;
	if (place == 0) {
		size_t count = symbols->count - symbols->next;

		if (count > AT_ONCE)
			count = AT_ONCE;
		if (!read_at(symbols->fd, table, count * sizeof(table[0]),
			     symbols->offset + (off_t) (symbols->next * sizeof(table[0]))))
			return NULL;
	}
	symbols->next++;
	return &table[place];
}

/* To where a table was read. */
void uvh_symbols_seek(struct uvh_symbols *symbols, size_t number)
{
	symbols->next = number - number % AT_ONCE;
}

/*
 * The file must be the one that was loaded: it may have been replaced since. With a build id that
 * is told by it; else by the header, which is loaded too.
 */
static bool open_table(struct uvh_symbols *symbols, const char *path,
		       const struct uvh_object *object, const struct build_id *loaded)
{
	ElfW(Ehdr) header;
	ElfW(Shdr) *sections = NULL;
	struct build_id id = {.length = 0};
	bool good = false;

	*symbols = (struct uvh_symbols){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
	if (symbols->fd < 0)
		return false;
	if (read_at(symbols->fd, &header, sizeof(header), 0))
		sections = read_sections(symbols->fd, &header);
	if (sections != NULL) {
		if (loaded->length != 0) {
			read_file_notes(symbols->fd, sections, header.e_shnum, &id);
			good = same_id(&id, loaded);
		} else {
			good = memcmp((const void *) object->low, &header, sizeof(header)) == 0;
		}
		good = good && read_table(symbols, sections, header.e_shnum);
		munmap(sections, (size_t) header.e_shnum * sizeof(ElfW(Shdr)));
	}
	if (!good)
		uvh_symbols_close(symbols);
	return good;
}

static void debug_path(char *path, size_t bytes, const struct build_id *id)
{
	size_t length =
	    (size_t) snprintf(path, bytes, "/usr/lib/debug/.build-id/%02x/", id->bytes[0]);

	for (size_t i = 1; i < id->length && length + 2 < bytes; i++)
		length += (size_t) snprintf(path + length, bytes - length, "%02x", id->bytes[i]);
	snprintf(path + length, bytes - length, ".debug");
}

bool uvh_symbols_open(struct uvh_symbols *symbols, const struct uvh_object *object)
{
	const char *path = object->path[0] == '\0' ? "/proc/self/exe" : object->path;
	struct build_id id = {.length = 0};
	struct search search = {object, &id};
	char debug[sizeof("/usr/lib/debug/.build-id/.debug") + 3 * BUILD_ID_MAX];
	int saved_errno = errno;
	bool found;

	dl_iterate_phdr(read_loaded_notes, &search);
	found = open_table(symbols, path, object, &id);
	/* Without /proc: as it was named when it was started, if that still leads there. */
	if (!found && object->path[0] == '\0' && getauxval(AT_EXECFN) != 0)
		found = open_table(symbols, (const char *) getauxval(AT_EXECFN), object, &id);
	if (!found && id.length > 1) {
		debug_path(debug, sizeof(debug), &id);
		found = open_table(symbols, debug, object, &id);
	}
	errno = saved_errno;
	return found;
}

bool uvh_symbols_read_names(struct uvh_symbols *symbols)
{
	if (symbols->strings != NULL)
		return true;
	symbols->strings = take(symbols->string_bytes + 1);
	if (symbols->strings == NULL)
		return false;
	if (read_at(symbols->fd, symbols->strings, symbols->string_bytes, symbols->string_offset))
		return true;
	munmap(symbols->strings, symbols->string_bytes + 1);
	symbols->strings = NULL;
	return false;
}

const char *uvh_symbols_name(struct uvh_symbols *symbols, const ElfW(Sym) * symbol)
{
	static char name[64]; /* of libuv's names none is longer; others may be cut */
	size_t left;

	if (symbol->st_name >= symbols->string_bytes)
		return "";
	if (symbols->strings != NULL)
		return symbols->strings + symbol->st_name;
	left = symbols->string_bytes - symbol->st_name;
	if (left > sizeof(name) - 1)
		left = sizeof(name) - 1;
	if (!read_at(symbols->fd, name, left, symbols->string_offset + (off_t) symbol->st_name))
		return "";
	name[left] = '\0';
	return name;
}

void uvh_symbols_close(struct uvh_symbols *symbols)
{
	if (symbols->fd >= 0)
		close(symbols->fd);
	if (symbols->strings != NULL)
		munmap(symbols->strings, symbols->string_bytes + 1);
	*symbols = (struct uvh_symbols){.fd = -1};
}
