/* SPDX-License-Identifier: MIT */
/*
 * find_lines FILE: what the tools make of the addresses on stdin, as `addr2line -i -f -a` prints
 * it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../tools/elf_lines.h"

static void print_lines(struct uvh_elf_lines *lines, uint64_t address)
{
	struct uvh_elf_line found[UVH_ELF_LINES_MAX];
	size_t count = uvh_elf_lines_find(lines, address, found);

	printf("0x%016" PRIx64 "\n", address);
	for (size_t i = 0; i < count; i++) {
		const char *folder = found[i].folder != NULL ? found[i].folder : "";
		const char *path = found[i].path != NULL ? found[i].path : "?";
		int relative = path[0] != '/' && path[0] != '?' && folder[0] != '\0';

		printf("%s\n%s%s%s:%" PRIu32 "\n",
		       found[i].function != NULL ? found[i].function : "?", relative ? folder : "",
		       relative ? "/" : "", path, found[i].line);
	}
}

int main(int argc, char **argv)
{
	struct uvh_elf_lines *lines = argc == 2 ? uvh_elf_lines_open(argv[1]) : NULL;
	uint64_t address;

	if (lines == NULL) {
		puts("no lines");
		return 1;
	}
	while (scanf("%" SCNx64, &address) == 1)
		print_lines(lines, address);
	uvh_elf_lines_close(lines);
	return 0;
}
