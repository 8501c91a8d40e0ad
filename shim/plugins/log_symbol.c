/* SPDX-License-Identifier: MIT */
/*
 * Names of callbacks. Most are static functions, which the dynamic symbols do not know; so the
 * symbol table of the object's file is read, once for each address.
 *
 * Neither dladdr nor dl_iterate_phdr where it can be helped: the first waits for a lock that is
 * held while constructors run, and a constructor may wait for the thread that is asking.
 */
#include "log.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A power of two; programs have tens to hundreds of callbacks. */
#define SLOTS       1024
#define PROBES      16
#define ARENA_BYTES (64 * 1024)

/*
 * Invariant: `address` changes once, from 0; `text` changes once, from NULL, to a text in the
 * arena that never changes. Two threads may name the same function at once; one of them publishes.
 */
struct slot {
	_Atomic uintptr_t address;
	_Atomic(const char *) text;
};

static struct slot slots[SLOTS];
static char arena[ARENA_BYTES];
static atomic_size_t arena_used;
static char program_name[NAME_MAX + 1];

/* A loaded ELF object. */
struct object {
	uintptr_t bias;  /* what to add to a symbol's value */
	uintptr_t start; /* where its ELF header is mapped, as a rule */
	const char *path;
	const char *name;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

void log_symbol_start(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *name;

	if (length <= 0)
		return;
	path[length] = '\0';
	name = base_name(path);
	memcpy(program_name, name, strnlen(name, sizeof(program_name) - 1));
}

static void set_names(struct object *object, const char *path)
{
	bool program = path == NULL || path[0] == '\0';

	object->path = program ? "/proc/self/exe" : path;
	object->name = program ? program_name : base_name(path);
	/* The loader does not count its read-only part in, where the program is at a fixed address.
	 */
	if (program && getauxval(AT_PHDR) > sizeof(ElfW(Ehdr)))
		object->start = getauxval(AT_PHDR) - sizeof(ElfW(Ehdr));
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE /* glibc 2.35: no lock, and fit for signal handlers */

static bool find_object(uintptr_t address, struct object *object)
{
	struct dl_find_object found;

	if (_dl_find_object((void *) address, &found) != 0)
		return false;
	object->bias = found.dlfo_link_map->l_addr;
	object->start = (uintptr_t) found.dlfo_map_start;
	set_names(object, found.dlfo_link_map->l_name);
	return true;
}

#else

struct search {
	uintptr_t address;
	struct object *object;
};

static int look_into(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	bool inside = false;
	uintptr_t start = UINTPTR_MAX;

	(void) size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t first = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD)
			continue;
		if (search->address - first < segment->p_memsz)
			inside = true;
		if (first < start)
			start = first;
	}
	if (!inside)
		return 0;
	search->object->bias = info->dlpi_addr;
	search->object->start = start;
	set_names(search->object, info->dlpi_name);
	return 1;
}

/* The lock that this takes is held for moments only, never while a constructor runs. */
static bool find_object(uintptr_t address, struct object *object)
{
	struct search search = {address, object};

	return dl_iterate_phdr(look_into, &search) != 0;
}

#endif

/* Appends to the name in `buffer`, whose `used` bytes are full; cuts with "..." at its end. */
static size_t append(char *buffer, size_t used, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes && text[i] != '\0'; i++) {
		if (used == LOG_SYMBOL_BYTES - 1) {
			memcpy(buffer + used - 3, "...", 3);
			break;
		}
		/* A name goes to terminals and into JSON: nothing in it may have a meaning there.
		 */
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			buffer[used++] = '?';
		else
			buffer[used++] = text[i];
	}
	buffer[used] = '\0';
	return used;
}

static void append_hex(char *buffer, size_t used, const char *before, uintptr_t number)
{
	struct log_line line;

	line.used = 0;
	log_line_text(&line, before);
	log_line_hex(&line, number);
	append(buffer, used, line.text, line.used);
}

/* A symbol that holds the address, and how well it fits. */
struct match {
	const char *name;
	size_t name_bytes; /* at most */
	uintptr_t offset;  /* of the address in the function */
	int rank;
};

/*
 * How well a symbol fits; 0: not at all. Of two names for one address the better is the one that
 * an author would write: free, and not __libc_free.
 */
static int rank_of(const ElfW(Sym) * symbol, const char *name, uintptr_t value)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);
	uintptr_t offset = value - symbol->st_value;

	if (type != STT_FUNC && type != STT_GNU_IFUNC)
		return 0;
	if (symbol->st_shndx == SHN_UNDEF || offset >= (symbol->st_size == 0 ? 1 : symbol->st_size))
		return 0;
	return 1 + (ELF64_ST_BIND(symbol->st_info) == STB_GLOBAL) + 2 * (name[0] != '_') +
	       4 * (symbol->st_size != 0) + 8 * (offset == 0);
}

static bool section_fits(const ElfW(Shdr) * section, size_t size)
{
	return section->sh_offset <= size && section->sh_size <= size - section->sh_offset;
}

/* Every offset is held against the size of the file: it may be cut short, or no ELF at all. */
static void search_file(const char *file, size_t size, uintptr_t value, struct match *match)
{
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *) file;
	const ElfW(Shdr) *sections = (const ElfW(Shdr) *) (file + header->e_shoff);

	if (header->e_shentsize != sizeof(ElfW(Shdr)) || header->e_shoff > size ||
	    header->e_shnum > (size - header->e_shoff) / sizeof(ElfW(Shdr)))
		return;
	for (size_t i = 0; i < header->e_shnum; i++) {
		const ElfW(Shdr) *table = &sections[i];
		const ElfW(Shdr) * names;
		const ElfW(Sym) *symbols = (const ElfW(Sym) *) (file + table->sh_offset);

		if (table->sh_type != SHT_SYMTAB && table->sh_type != SHT_DYNSYM)
			continue;
		if (table->sh_link >= header->e_shnum || !section_fits(table, size))
			continue;
		names = &sections[table->sh_link];
		if (!section_fits(names, size))
			continue;
		for (size_t s = 0; s < table->sh_size / sizeof(ElfW(Sym)); s++) {
			const char *name = file + names->sh_offset + symbols[s].st_name;
			int rank;

			if (symbols[s].st_name >= names->sh_size)
				continue;
			rank = rank_of(&symbols[s], name, value);
			if (rank <= match->rank)
				continue;
			match->rank = rank;
			match->name = name;
			match->name_bytes = names->sh_size - symbols[s].st_name;
			match->offset = value - symbols[s].st_value;
		}
	}
}

static bool name_from_file(const struct object *object, uintptr_t address, char *buffer)
{
	struct match match = {NULL, 0, 0, 0};
	struct stat status;
	const char *file = MAP_FAILED;
	int fd = open(object->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    (size_t) status.st_size >= sizeof(ElfW(Ehdr)))
		file = mmap(NULL, (size_t) status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return false;
	/* The file may have been replaced since, or its first segment may begin elsewhere. */
	if (memcmp(file, (const void *) object->start, sizeof(ElfW(Ehdr))) == 0)
		search_file(file, (size_t) status.st_size, address - object->bias, &match);
	if (match.name != NULL) {
		size_t bytes = strnlen(match.name, match.name_bytes);
		const char *version = memchr(match.name, '@', bytes);
		size_t used;

		if (version != NULL)
			bytes = (size_t) (version - match.name);
		used = append(buffer, 0, match.name, bytes);
		if (match.offset != 0)
			append_hex(buffer, used, "+", match.offset);
	}
	munmap((void *) file, (size_t) status.st_size);
	return match.name != NULL;
}

static void name(uintptr_t address, bool thoroughly, char *buffer)
{
	struct object object;

	if (!find_object(address, &object)) {
		append_hex(buffer, 0, "", address);
		return;
	}
	if (thoroughly && name_from_file(&object, address, buffer))
		return;
	append_hex(buffer, append(buffer, 0, object.name, SIZE_MAX), "+", address - object.bias);
}

/* The slot of an address, its own or a free one that becomes its own; NULL where it is crowded. */
static struct slot *find_slot(uintptr_t address)
{
	size_t hash = (address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	for (size_t i = 0; i < PROBES; i++) {
		struct slot *slot = &slots[(hash + i) & (SLOTS - 1)];
		uintptr_t owner = atomic_load_explicit(&slot->address, memory_order_relaxed);

		if (owner == 0 && atomic_compare_exchange_strong(&slot->address, &owner, address))
			return slot;
		if (owner == address)
			return slot;
	}
	return NULL;
}

static void publish(struct slot *slot, const char *text)
{
	size_t bytes = strlen(text) + 1;
	size_t at = atomic_load(&arena_used);
	const char *none = NULL;

	do {
		if (bytes > ARENA_BYTES - at)
			return;
	} while (!atomic_compare_exchange_weak(&arena_used, &at, at + bytes));
	memcpy(arena + at, text, bytes);
	atomic_compare_exchange_strong(&slot->text, &none, arena + at);
}

const char *log_symbol(const void *address, char buffer[LOG_SYMBOL_BYTES])
{
	struct slot *slot = find_slot((uintptr_t) address);
	const char *text = NULL;

	if (slot != NULL)
		text = atomic_load_explicit(&slot->text, memory_order_acquire);
	if (text != NULL)
		return text;
	/* An address that cannot be remembered must not cost a search of a file each time. */
	name((uintptr_t) address, slot != NULL, buffer);
	if (slot != NULL)
		publish(slot, buffer);
	return buffer;
}
