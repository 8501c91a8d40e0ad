/* SPDX-License-Identifier: MIT */
#include "elf_debug.h"

#include <elfutils/libdwelf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elf_symbols.h"

/* What is looked for. */
struct search {
	const struct uvh_raw *raw;
	const char *folder; /* where the file lies, with a '/' at its end */
	int folder_bytes;
	const char *link; /* the name in .gnu_debuglink; NULL: none */
	GElf_Word checksum;
	bool has_id;
};

/* CRC-32, as .gnu_debuglink has it. */
static uint32_t checksum_of(const unsigned char *bytes, size_t count)
{
	uint32_t table[256], sum = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? UINT32_C(0xedb88320) : 0);
	}
	for (size_t i = 0; i < count; i++)
		sum = sum >> 8 ^ table[(sum ^ bytes[i]) & 0xff];
	return ~sum;
}

static bool is_wanted(const struct search *search, const struct uvh_raw *debug)
{
	const char *bytes;
	size_t count;

	if (search->has_id)
		return uvh_is_debug_of(debug, search->raw);
	bytes = elf_rawfile(debug->elf, &count);
	return bytes != NULL &&
	       checksum_of((const unsigned char *) bytes, count) == search->checksum;
}

static bool try_file(const struct search *search, const char *path, struct uvh_raw *debug)
{
	struct stat status;

	if (path[0] == '\0' || stat(path, &status) != 0 || !S_ISREG(status.st_mode) ||
	    uvh_raw_open(debug, path) != 0)
		return false;
	if (is_wanted(search, debug))
		return true;
	uvh_raw_close(debug);
	return false;
}

static bool try_root(const struct search *search, const char *root, struct uvh_raw *debug,
		     char path[PATH_MAX])
{
	uvh_debug_path(search->raw, root, path);
	if (try_file(search, path, debug))
		return true;
	return search->link != NULL &&
	       snprintf(path, PATH_MAX, "%s%.*s%s", root, search->folder_bytes, search->folder,
			search->link) < PATH_MAX &&
	       try_file(search, path, debug);
}

static bool try_beside(const struct search *search, struct uvh_raw *debug, char path[PATH_MAX])
{
	static const char *const folders[] = {"", ".debug/"};

	for (size_t i = 0; search->link != NULL && i < 2; i++)
		if (snprintf(path, PATH_MAX, "%.*s%s%s", search->folder_bytes, search->folder,
			     folders[i], search->link) < PATH_MAX &&
		    try_file(search, path, debug))
			return true;
	return false;
}

static bool try_roots(const struct search *search, struct uvh_raw *debug, char path[PATH_MAX])
{
	const char *roots = getenv("UVHOOKS_DEBUG_PATH");
	char root[PATH_MAX];

	for (const char *at = roots != NULL ? roots : UVH_DEBUG_ROOT; *at != '\0';) {
		size_t bytes = strcspn(at, ":");

		snprintf(root, sizeof(root), "%.*s", (int) (bytes < PATH_MAX ? bytes : 0), at);
		if (root[0] != '\0' && try_root(search, root, debug, path))
			return true;
		at += bytes + (at[bytes] == ':');
	}
	return false;
}

bool uvh_debug_open(struct uvh_raw *debug, const struct uvh_raw *raw, const char *path,
		    char found[PATH_MAX])
{
	struct search search = {.raw = raw, .folder = path};
	const char *slash = strrchr(path, '/');
	uint8_t id[1 + UINT8_MAX];

	if (slash == NULL)
		return false;
	search.folder_bytes = (int) (slash + 1 - path);
	search.link = dwelf_elf_gnu_debuglink(raw->elf, &search.checksum);
	if (search.link != NULL && (search.link[0] == '\0' || strchr(search.link, '/') != NULL))
		search.link = NULL;
	uvh_build_id(raw, id, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		search.has_id |= id[i] != 0;
	return try_roots(&search, debug, found) || try_beside(&search, debug, found);
}
