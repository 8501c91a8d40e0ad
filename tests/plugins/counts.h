/* SPDX-License-Identifier: MIT */
/*
 * Counts of a plugin in the file of its one option, file=PATH: so they are there for others to read
 * at any time, and however the process ends.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

/* 0, or what init returns; in a dry run nothing is mapped. */
static inline int map_counts(struct uvhooks_plugin_args *args, void **counts, size_t bytes)
{
	int fd;

	if (args->count != 1 || strcmp(args->options[0].key, "file") != 0)
		return uvhooks_plugin_error(args, "this plugin takes one option: file=PATH");
	if (args->dry_run)
		return 0;
	fd = open(args->options[0].value, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t) bytes) != 0)
		return uvhooks_plugin_error(args, "%s: %s", args->options[0].value,
					    strerror(errno));
	*counts = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (*counts == MAP_FAILED)
		return uvhooks_plugin_error(args, "%s: %s", args->options[0].value,
					    strerror(errno));
	return 0;
}

#endif
