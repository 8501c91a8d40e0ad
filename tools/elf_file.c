/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "elf_raw.h"

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

bool uvh_is_asan(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name != NULL ? name + 1 : path;
	return strncmp(name, "libasan.so", 10) == 0 || strncmp(name, "libclang_rt.asan", 16) == 0;
}

static void read_dynamic(const struct uvh_raw *raw, struct uvh_elf *elf)
{
	const Elf_Data *texts = uvh_raw_dynamic_texts(raw);
	bool pie = (uvh_raw_dynamic_value(raw, DT_FLAGS_1) & DF_1_PIE) != 0;
	GElf_Dyn entry;

	for (size_t i = 0; uvh_raw_dynamic(raw, i, &entry); i++) {
		const char *text = uvh_raw_text(texts, entry.d_un.d_val);

		if (entry.d_tag == DT_SONAME)
			snprintf(elf->soname, sizeof elf->soname, "%s", text);
		else if (entry.d_tag == DT_NEEDED && uvh_is_asan(text))
			snprintf(elf->asan, sizeof elf->asan, "%s", text);
	}
	elf->library = raw->dynamic_count != 0 && raw->header.e_type == ET_DYN && !pie &&
		       elf->loader[0] == '\0';
}

int uvh_elf_read(const char *path, struct uvh_elf *elf)
{
	struct uvh_raw raw;
	GElf_Phdr segment;
	int error = uvh_raw_open(&raw, path);

	memset(elf, 0, sizeof *elf);
	if (error != 0)
		return error;
	elf->machine = raw.header.e_machine;
	elf->word_class = raw.header.e_ident[EI_CLASS];
	if (uvh_raw_segment(&raw, PT_INTERP, &segment) && segment.p_filesz < sizeof elf->loader) {
		const Elf_Data *data = elf_getdata_rawchunk(raw.elf, (int64_t) segment.p_offset,
							    segment.p_filesz, ELF_T_BYTE);

		snprintf(elf->loader, sizeof elf->loader, "%s", uvh_raw_text(data, 0));
	}
	read_dynamic(&raw, elf);
	uvh_raw_close(&raw);
	return 0;
}

const char *uvh_machine_text(const struct uvh_elf *elf, char *text, size_t bytes)
{
	static const struct {
		unsigned int machine;
		const char *name;
	} machines[] = {
	    {EM_386, "i386"},     {EM_X86_64, "x86-64"},       {EM_ARM, "arm"},
	    {EM_PPC, "powerpc"},  {EM_AARCH64, "aarch64"},     {EM_PPC64, "powerpc64"},
	    {EM_S390, "s390"},    {EM_LOONGARCH, "loongarch"}, {EM_MIPS, "mips"},
	    {EM_RISCV, "risc-v"}, {EM_SPARCV9, "sparc64"},
	};
	int bits = elf->word_class == ELFCLASS32 ? 32 : 64;

	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
		if (machines[i].machine == elf->machine) {
			snprintf(text, bytes, "%s (%d bit)", machines[i].name, bits);
			return text;
		}
	snprintf(text, bytes, "ELF machine %u (%d bit)", elf->machine, bits);
	return text;
}
