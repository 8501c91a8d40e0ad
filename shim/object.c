/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "object.h"
#include "ground.h"

#if defined(__x86_64__)
#define RELOCATION_SLOT     R_X86_64_JUMP_SLOT
#define RELOCATION_GLOBAL   R_X86_64_GLOB_DAT
#define RELOCATION_ABSOLUTE R_X86_64_64
#elif defined(__aarch64__)
#define RELOCATION_SLOT     R_AARCH64_JUMP_SLOT
#define RELOCATION_GLOBAL   R_AARCH64_GLOB_DAT
#define RELOCATION_ABSOLUTE R_AARCH64_ABS64
#else
#error "uvhooks needs the numbers of this machine's relocations here"
#endif

/* glibc relocates the pointers of .dynamic in place; other loaders leave them relative. */
static const void *dynamic_pointer(const struct uvh_object *object, ElfW(Addr) value)
{
	return (const void *) (value < object->base ? object->base + value : value);
}

static void read_dynamic(struct uvh_object *object)
{
	size_t soname = 0;

	for (const ElfW(Dyn) *dynamic = object->dynamic; dynamic->d_tag != DT_NULL; dynamic++) {
		const void *pointer = dynamic_pointer(object, dynamic->d_un.d_ptr);

		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			object->symbols = pointer;
			break;
		case DT_STRTAB:
			object->strings = pointer;
			break;
		case DT_GNU_HASH:
			object->gnu_hash = pointer;
			break;
		case DT_HASH:
			object->sysv_hash = pointer;
			break;
		case DT_JMPREL:
			object->relocations[0] = pointer;
			break;
		case DT_PLTRELSZ:
			object->relocation_count[0] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_RELA:
			object->relocations[1] = pointer;
			break;
		case DT_RELASZ:
			object->relocation_count[1] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_SONAME:
			soname = dynamic->d_un.d_val;
			break;
		}
	}
	if (soname != 0 && object->strings != NULL)
		object->soname = object->strings + soname;
}

bool uvh_object_read(struct uvh_object *object, const struct dl_phdr_info *info)
{
	*object = (struct uvh_object){
	    .path = info->dlpi_name == NULL ? "" : info->dlpi_name,
	    .base = info->dlpi_addr,
	    .low = UINTPTR_MAX,
	    .soname = "",
	};
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		switch (header->p_type) {
		case PT_LOAD:
			if (start < object->low)
				object->low = start;
			if (start + header->p_memsz > object->high)
				object->high = start + header->p_memsz;
			if (header->p_flags & PF_X &&
			    header->p_filesz > object->code_high - object->code_low) {
				object->code_low = start;
				object->code_high = start + header->p_filesz;
			}
			break;
		case PT_DYNAMIC:
			object->dynamic = (const ElfW(Dyn) *) start;
			break;
		case PT_GNU_RELRO:
			object->relro_low = start;
			object->relro_high = start + header->p_memsz;
			break;
		}
	}
	if (object->dynamic == NULL)
		return false;
	read_dynamic(object);
	return object->symbols != NULL && object->strings != NULL &&
	       (object->gnu_hash != NULL || object->sysv_hash != NULL);
}

struct search {
	struct uvh_object *object;
	uintptr_t address;
};

static int holds_address(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	bool readable = uvh_object_read(search->object, info);

	(void) size;
	return readable && uvh_object_holds(search->object, search->address);
}

bool uvh_object_at(struct uvh_object *object, uintptr_t address)
{
	struct search search = {object, address};

	return dl_iterate_phdr(holds_address, &search) != 0;
}

static bool is_function(const ElfW(Sym) * symbol)
{
	return symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 &&
	       ELF64_ST_TYPE(symbol->st_info) == STT_FUNC;
}

/* The layout of DT_GNU_HASH: four words, a bloom filter, buckets, and the hashes themselves. */
struct gnu_hash {
	uint32_t bucket_count, first_symbol;
	const uint32_t *buckets, *chains;
};

static struct gnu_hash read_gnu_hash(const uint32_t *words)
{
	const ElfW(Addr) *bloom = (const ElfW(Addr) *) (words + 4);
	struct gnu_hash hash = {.bucket_count = words[0], .first_symbol = words[1]};

	hash.buckets = (const uint32_t *) (bloom + words[2]);
	hash.chains = hash.buckets + hash.bucket_count;
	return hash;
}

static const ElfW(Sym) * find_by_gnu_hash(const struct uvh_object *object, const char *name)
{
	struct gnu_hash hash = read_gnu_hash(object->gnu_hash);
	uint32_t value = 5381;
	uint32_t index;

	for (const char *c = name; *c != '\0'; c++)
		value = value * 33 + (unsigned char) *c;
	if (hash.bucket_count == 0)
		return NULL;
	index = hash.buckets[value % hash.bucket_count];
	if (index < hash.first_symbol)
		return NULL;
	for (;; index++) {
		uint32_t chain = hash.chains[index - hash.first_symbol];
		const ElfW(Sym) *symbol = &object->symbols[index];

		if ((chain | 1) == (value | 1) &&
		    strcmp(object->strings + symbol->st_name, name) == 0)
			return symbol;
		if (chain & 1)
			return NULL;
	}
}

uint32_t uvh_object_symbol_count(const struct uvh_object *object)
{
	struct gnu_hash hash;
	uint32_t last = 0;

	if (object->sysv_hash != NULL)
		return object->sysv_hash[1];
	hash = read_gnu_hash(object->gnu_hash);
	for (uint32_t i = 0; i < hash.bucket_count; i++)
		if (hash.buckets[i] > last)
			last = hash.buckets[i];
	if (last < hash.first_symbol)
		return hash.first_symbol;
	while (!(hash.chains[last - hash.first_symbol] & 1))
		last++;
	return last + 1;
}

const ElfW(Sym) * uvh_object_symbol(const struct uvh_object *object, const char *name)
{
	const ElfW(Sym) *symbol = NULL;

	if (object->gnu_hash != NULL) {
		symbol = find_by_gnu_hash(object, name);
	} else {
		for (uint32_t i = 0; symbol == NULL && i < uvh_object_symbol_count(object); i++)
			if (strcmp(object->strings + object->symbols[i].st_name, name) == 0)
				symbol = &object->symbols[i];
	}
	return symbol != NULL && is_function(symbol) ? symbol : NULL;
}

void *uvh_object_function(const struct uvh_object *object, const char *name)
{
	const ElfW(Sym) *symbol = uvh_object_symbol(object, name);

	return symbol == NULL ? NULL : (void *) (object->base + symbol->st_value);
}

bool uvh_object_imports(const struct uvh_object *object, const char *name)
{
	/* With DT_GNU_HASH what is not defined stands first. */
	uint32_t count = object->gnu_hash != NULL ? read_gnu_hash(object->gnu_hash).first_symbol
						  : uvh_object_symbol_count(object);

	/* One that defines nothing has an empty table; what there is then ends where the names are.
	 */
	if (count <= 1 && object->strings > (const char *) object->symbols)
		count = (uint32_t) ((size_t) (object->strings - (const char *) object->symbols) /
				    sizeof(ElfW(Sym)));
	for (uint32_t i = 1; i < count; i++) {
		const ElfW(Sym) *symbol = &object->symbols[i];

		if (symbol->st_shndx == SHN_UNDEF &&
		    strcmp(object->strings + symbol->st_name, name) == 0)
			return true;
	}
	return false;
}

bool uvh_object_exports_only(const struct uvh_object *object, const char *prefix)
{
	uint32_t count = uvh_object_symbol_count(object);

	for (uint32_t i = 0; i < count; i++) {
		const ElfW(Sym) *symbol = &object->symbols[i];
		const char *name = object->strings + symbol->st_name;

		if (is_function(symbol) && name[0] != '_' &&
		    strncmp(name, prefix, strlen(prefix)) != 0)
			return false;
	}
	return true;
}

static bool set_protection(uintptr_t low, uintptr_t high, int protection)
{
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);

	/* RELRO covers whole pages only: the loader rounds its end down. */
	low &= ~(page - 1);
	high &= ~(page - 1);
	return low >= high || mprotect((void *) low, high - low, protection) == 0;
}

static bool is_slot(const ElfW(Rela) * relocation)
{
	unsigned long type = ELF64_R_TYPE(relocation->r_info);

	return type == RELOCATION_SLOT || type == RELOCATION_GLOBAL || type == RELOCATION_ABSOLUTE;
}

static const char *slot_name(const struct uvh_object *object, const ElfW(Rela) * relocation)
{
	return object->strings + object->symbols[ELF64_R_SYM(relocation->r_info)].st_name;
}

bool uvh_object_asks_for(const struct uvh_object *object, bool (*chosen)(const char *name))
{
	for (int table = 0; table < 2; table++) {
		for (size_t i = 0; i < object->relocation_count[table]; i++) {
			const ElfW(Rela) *relocation = &object->relocations[table][i];

			if (is_slot(relocation) && chosen(slot_name(object, relocation)))
				return true;
		}
	}
	return false;
}

struct rebind {
	const struct uvh_object *object;
	const struct uvh_object *target;
	bool (*chosen)(const char *name);
};

/* Writes the slots that differ, or only counts them. */
static size_t rebind_slots(const struct rebind *rebind, bool in_relro, bool write)
{
	const struct uvh_object *object = rebind->object;
	size_t found = 0;

	for (int table = 0; table < 2; table++) {
		for (size_t i = 0; i < object->relocation_count[table]; i++) {
			const ElfW(Rela) *relocation = &object->relocations[table][i];
			const char *name = slot_name(object, relocation);
			uintptr_t *slot = (uintptr_t *) (object->base + relocation->r_offset);
			uintptr_t wanted;

			if (!is_slot(relocation))
				continue;
			if (((uintptr_t) slot >= object->relro_low &&
			     (uintptr_t) slot < object->relro_high) != in_relro)
				continue;
			if (!rebind->chosen(name))
				continue;
			wanted = (uintptr_t) uvh_object_function(rebind->target, name);
			if (wanted == 0)
				continue;
			if (ELF64_R_TYPE(relocation->r_info) == RELOCATION_ABSOLUTE)
				wanted += (uintptr_t) relocation->r_addend;
			/* One aligned store: a thread that reads the slot sees old or new. */
			if (__atomic_load_n(slot, __ATOMIC_RELAXED) == wanted)
				continue;
			found++;
			if (write)
				__atomic_store_n(slot, wanted, __ATOMIC_RELEASE);
		}
	}
	return found;
}

bool uvh_object_rebind(const struct uvh_object *object, const struct uvh_object *target,
		       bool (*chosen)(const char *name))
{
	const struct rebind rebind = {object, target, chosen};

	/* A lazily bound slot in .got.plt stays writable; one in RELRO was sealed by the loader. */
	rebind_slots(&rebind, false, true);
	if (rebind_slots(&rebind, true, false) == 0)
		return true;
	if (!set_protection(object->relro_low, object->relro_high, PROT_READ | PROT_WRITE))
		return false;
	rebind_slots(&rebind, true, true);
	/* Sealing may only fail for want of kernel memory; the slots are right either way. */
	set_protection(object->relro_low, object->relro_high, PROT_READ);
	return true;
}
