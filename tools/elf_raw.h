/* SPDX-License-Identifier: MIT */
/*
 * An ELF file, opened to be read with libelf. What a damaged file claims is followed nowhere out of
 * the file, and nothing of it is ever executed.
 */
#ifndef UVH_ELF_RAW_H
#define UVH_ELF_RAW_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>

struct uvh_raw {
	int fd;
	Elf *elf;
	GElf_Ehdr header;
	Elf_Data *dynamic; /* NULL where there is no such section */
	size_t dynamic_count;
};

/*
 * 0; -ENOEXEC where it is neither a program nor a library in ELF, nor the debug file of one; or
 * another -errno.
 */
int uvh_raw_open(struct uvh_raw *raw, const char *path);
void uvh_raw_close(struct uvh_raw *raw);

/* It is mapped: however many there are, they need no descriptors. */
void uvh_raw_forget_descriptor(struct uvh_raw *raw);

/* The first segment of this type. */
bool uvh_raw_segment(const struct uvh_raw *raw, unsigned int type, GElf_Phdr *found);

/* The first section of this type. */
Elf_Scn *uvh_raw_section(const struct uvh_raw *raw, unsigned int type, GElf_Shdr *found);

/* How many bytes the file has for what is loaded at `address` and behind it, in one segment. */
size_t uvh_raw_room(const struct uvh_raw *raw, GElf_Addr address);

/* The bytes that are loaded at `address`; NULL where not all of them are in the file. */
Elf_Data *uvh_raw_at(const struct uvh_raw *raw, GElf_Addr address, size_t bytes, Elf_Type type);

/* What the dynamic section says, entry by entry: false behind the last. */
bool uvh_raw_dynamic(const struct uvh_raw *raw, size_t index, GElf_Dyn *entry);

/* The value of the first entry of this tag; 0 where there is none. */
GElf_Xword uvh_raw_dynamic_value(const struct uvh_raw *raw, GElf_Sxword tag);

/* The texts that DT_STRTAB names; NULL where there are none. */
Elf_Data *uvh_raw_dynamic_texts(const struct uvh_raw *raw);

/* A text of a table of texts; "" where the offset lies outside or the text has no end. */
const char *uvh_raw_text(const Elf_Data *texts, GElf_Xword offset);

#endif
