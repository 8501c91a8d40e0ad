/* SPDX-License-Identifier: MIT */
#include "elf_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

void uvh_raw_close(struct uvh_raw *raw)
{
	elf_end(raw->elf);
	if (raw->fd >= 0)
		close(raw->fd);
}

void uvh_raw_forget_descriptor(struct uvh_raw *raw)
{
	elf_cntl(raw->elf, ELF_C_FDDONE);
	close(raw->fd);
	raw->fd = -1;
}

static void find_dynamic(struct uvh_raw *raw)
{
	GElf_Phdr segment;

	raw->dynamic = NULL;
	raw->dynamic_count = 0;
	if (!uvh_raw_segment(raw, PT_DYNAMIC, &segment) || segment.p_offset > INT64_MAX)
		return;
	raw->dynamic =
	    elf_getdata_rawchunk(raw->elf, (int64_t) segment.p_offset, segment.p_filesz, ELF_T_DYN);
	if (raw->dynamic != NULL)
		raw->dynamic_count =
		    segment.p_filesz / gelf_fsize(raw->elf, ELF_T_DYN, 1, EV_CURRENT);
}

int uvh_raw_open(struct uvh_raw *raw, const char *path)
{
	int error = -ENOEXEC;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EINVAL;
	raw->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (raw->fd < 0)
		return -errno;
	raw->elf = elf_begin(raw->fd, ELF_C_READ_MMAP, NULL);
	if (raw->elf != NULL && elf_kind(raw->elf) == ELF_K_ELF) {
		if (gelf_getehdr(raw->elf, &raw->header) != NULL &&
		    (raw->header.e_type == ET_EXEC || raw->header.e_type == ET_DYN)) {
			find_dynamic(raw);
			return 0;
		}
	} else if (read(raw->fd, &(char){0}, 1) < 0) {
		/* A folder opens like a file; only a read tells. */
		error = -errno;
	}
	uvh_raw_close(raw);
	return error;
}

bool uvh_raw_segment(const struct uvh_raw *raw, unsigned int type, GElf_Phdr *found)
{
	size_t count;

	if (elf_getphdrnum(raw->elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(raw->elf, (int) i, found) != NULL && found->p_type == type)
			return true;
	return false;
}

Elf_Scn *uvh_raw_section(const struct uvh_raw *raw, unsigned int type, GElf_Shdr *found)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(raw->elf, section)) != NULL)
		if (gelf_getshdr(section, found) != NULL && found->sh_type == type)
			return section;
	return NULL;
}

/* Where in the file an address is, and how much of it there is. */
static size_t find_room(const struct uvh_raw *raw, GElf_Addr address, GElf_Off *offset)
{
	GElf_Phdr segment;
	size_t count;

	if (elf_getphdrnum(raw->elf, &count) != 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(raw->elf, (int) i, &segment) == NULL || segment.p_type != PT_LOAD)
			continue;
		if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz)
			continue;
		*offset = segment.p_offset + (address - segment.p_vaddr);
		return segment.p_filesz - (address - segment.p_vaddr);
	}
	return 0;
}

size_t uvh_raw_room(const struct uvh_raw *raw, GElf_Addr address)
{
	GElf_Off offset;

	return find_room(raw, address, &offset);
}

Elf_Data *uvh_raw_at(const struct uvh_raw *raw, GElf_Addr address, size_t bytes, Elf_Type type)
{
	GElf_Off offset;

	if (bytes == 0 || bytes > find_room(raw, address, &offset) || offset > INT64_MAX)
		return NULL;
	return elf_getdata_rawchunk(raw->elf, (int64_t) offset, bytes, type);
}

bool uvh_raw_dynamic(const struct uvh_raw *raw, size_t index, GElf_Dyn *entry)
{
	return index < raw->dynamic_count &&
	       gelf_getdyn(raw->dynamic, (int) index, entry) != NULL && entry->d_tag != DT_NULL;
}

GElf_Xword uvh_raw_dynamic_value(const struct uvh_raw *raw, GElf_Sxword tag)
{
	GElf_Dyn entry;

	for (size_t i = 0; uvh_raw_dynamic(raw, i, &entry); i++)
		if (entry.d_tag == tag)
			return entry.d_un.d_val;
	return 0;
}

Elf_Data *uvh_raw_dynamic_texts(const struct uvh_raw *raw)
{
	return uvh_raw_at(raw, uvh_raw_dynamic_value(raw, DT_STRTAB),
			  uvh_raw_dynamic_value(raw, DT_STRSZ), ELF_T_BYTE);
}

const char *uvh_raw_text(const Elf_Data *texts, GElf_Xword offset)
{
	if (texts == NULL || offset >= texts->d_size ||
	    memchr((char *) texts->d_buf + offset, 0, texts->d_size - offset) == NULL)
		return "";
	return (char *) texts->d_buf + offset;
}
