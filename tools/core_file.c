/* SPDX-License-Identifier: MIT */
#include "core_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#ifdef __x86_64__
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

static int compare_parts(const void *one, const void *other)
{
	const struct uvh_core_part *a = one, *b = other;

	return (a->address > b->address) - (a->address < b->address);
}

static void add_part(struct uvh_core *core, const GElf_Phdr *segment, uint64_t file_bytes)
{
	const uint64_t room = segment->p_offset < file_bytes ? file_bytes - segment->p_offset : 0;
	struct uvh_core_part part = {
	    .address = segment->p_vaddr,
	    .bytes = segment->p_filesz < room ? segment->p_filesz : room,
	    .offset = segment->p_offset,
	    .is_writable = (segment->p_flags & PF_W) != 0,
	};

	if (part.bytes == 0 || part.address + part.bytes < part.address)
		return;
	core->parts = uvh_resize(core->parts, core->part_count + 1, sizeof(part));
	core->parts[core->part_count++] = part;
}

/* Numbers first, three for each mapping, and then their paths, one behind the other. */
static void read_mappings(struct uvh_core *core, const char *note, size_t bytes)
{
	uint64_t head[2], entry[3];
	const char *path, *end = note + bytes;

	if (bytes < sizeof(head) || core->mappings != NULL)
		return;
	memcpy(head, note, sizeof(head));
	if (head[0] > (bytes - sizeof(head)) / sizeof(entry) || head[1] > UINT32_MAX)
		return;
	core->mappings = uvh_zeros(head[0] + 1, sizeof(*core->mappings));
	path = note + sizeof(head) + head[0] * sizeof(entry);
	for (uint64_t i = 0; i < head[0]; i++) {
		const size_t length = strnlen(path, (size_t) (end - path));

		if (path + length == end)
			return;
		memcpy(entry, note + sizeof(head) + i * sizeof(entry), sizeof(entry));
		core->mappings[core->mapping_count++] = (struct uvh_core_mapping){
		    entry[0], entry[1], entry[2] * head[1], uvh_copy_text(path)};
		path += length + 1;
	}
}

static void read_auxiliary(struct uvh_core *core, const char *note, size_t bytes)
{
	uint64_t entry[2];

	for (size_t at = 0; at + sizeof(entry) <= bytes; at += sizeof(entry)) {
		memcpy(entry, note + at, sizeof(entry));
		if (entry[0] == AT_ENTRY)
			core->program_code = entry[1];
	}
}

static void read_process(struct uvh_core *core, const char *note, size_t bytes)
{
	struct elf_prpsinfo info;

	if (bytes < sizeof(info))
		return;
	memcpy(&info, note, sizeof(info));
	core->pid = info.pr_pid;
	memcpy(core->name, info.pr_fname, sizeof(info.pr_fname));
	memcpy(core->command, info.pr_psargs, sizeof(info.pr_psargs));
}

/* That of the thread that the signal ended comes first. */
static void read_thread(struct uvh_core *core, const char *note, size_t bytes)
{
	struct elf_prstatus status;

	if (bytes < sizeof(status) || core->signal != 0)
		return;
	memcpy(&status, note, sizeof(status));
	core->signal = status.pr_cursig != 0 ? status.pr_cursig : -1;
	if (core->pid == 0)
		core->pid = status.pr_pid;
}

static void read_notes(struct uvh_core *core, const GElf_Phdr *segment)
{
	Elf_Data *data = elf_getdata_rawchunk(core->elf, (int64_t) segment->p_offset,
					      segment->p_filesz, ELF_T_NHDR);
	size_t at = 0, name, body;
	GElf_Nhdr note;

	while (data != NULL && (at = gelf_getnote(data, at, &note, &name, &body)) > 0) {
		const char *bytes = (const char *) data->d_buf + body;

		if (note.n_namesz != sizeof("CORE") ||
		    memcmp((const char *) data->d_buf + name, "CORE", sizeof("CORE")) != 0)
			continue;
		if (note.n_type == NT_FILE)
			read_mappings(core, bytes, note.n_descsz);
		else if (note.n_type == NT_AUXV)
			read_auxiliary(core, bytes, note.n_descsz);
		else if (note.n_type == NT_PRPSINFO)
			read_process(core, bytes, note.n_descsz);
		else if (note.n_type == NT_PRSTATUS)
			read_thread(core, bytes, note.n_descsz);
	}
}

static void read_segments(struct uvh_core *core, uint64_t file_bytes)
{
	GElf_Phdr segment;
	size_t count;

	if (elf_getphdrnum(core->elf, &count) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(core->elf, (int) i, &segment) == NULL)
			continue;
		if (segment.p_type == PT_LOAD)
			add_part(core, &segment, file_bytes);
		else if (segment.p_type == PT_NOTE && segment.p_offset <= file_bytes)
			read_notes(core, &segment);
	}
	if (core->part_count > 0)
		qsort(core->parts, core->part_count, sizeof(*core->parts), compare_parts);
	if (core->signal < 0)
		core->signal = 0;
}

/* NULL: it is one that can be read. */
static const char *complaint_about(Elf *elf)
{
	GElf_Ehdr header;

	if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL ||
	    header.e_type != ET_CORE)
		return "this is no core file";
	if (header.e_machine != MACHINE || gelf_getclass(elf) != ELFCLASS64)
		return "this is a core file of another kind of machine";
	return NULL;
}

bool uvh_core_open(struct uvh_core *core, const char *path, char error[UVH_CORE_ERROR_BYTES])
{
	const char *complaint;
	struct stat status;

	*core = (struct uvh_core){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
	if (core->fd < 0 || fstat(core->fd, &status) != 0) {
		snprintf(error, UVH_CORE_ERROR_BYTES, "%s: %s", path, strerror(errno));
		uvh_core_close(core);
		return false;
	}
	elf_version(EV_CURRENT);
	core->elf = S_ISREG(status.st_mode) ? elf_begin(core->fd, ELF_C_READ_MMAP, NULL) : NULL;
	complaint = complaint_about(core->elf);
	if (complaint != NULL) {
		snprintf(error, UVH_CORE_ERROR_BYTES, "%s: %s", path, complaint);
		uvh_core_close(core);
		return false;
	}
	core->written_s = (uint64_t) status.st_mtime;
	read_segments(core, (uint64_t) status.st_size);
	return true;
}

void uvh_core_close(struct uvh_core *core)
{
	for (size_t i = 0; i < core->mapping_count; i++)
		free((char *) (uintptr_t) core->mappings[i].path);
	free(core->mappings);
	free(core->parts);
	elf_end(core->elf);
	if (core->fd >= 0)
		close(core->fd);
}

/* The last that does not begin behind `address`; NULL: none. */
static const struct uvh_core_part *part_at(const struct uvh_core *core, uint64_t address)
{
	size_t low = 0, high = core->part_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (core->parts[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NULL : &core->parts[low - 1];
}

size_t uvh_core_read(const struct uvh_core *core, uint64_t address, void *copy, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		const struct uvh_core_part *part = part_at(core, address + done);
		uint64_t skip, room;
		ssize_t some;

		if (part == NULL)
			break;
		skip = address + done - part->address;
		if (skip >= part->bytes)
			break;
		room = part->bytes - skip;
		some = pread(core->fd, (char *) copy + done,
			     room < bytes - done ? (size_t) room : bytes - done,
			     (off_t) (part->offset + skip));
		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			break;
		done += (size_t) some;
	}
	return done;
}
