/* SPDX-License-Identifier: MIT */
/* The options; what they mean stands in recorder.c. */
#include "recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A few packets for each of a few threads: less would keep next to nothing. */
#define RING_MIN_BYTES (UINT64_C(1) << 20)

struct recorder_options recorder_options;

/* "64M": a number, and K, M or G. 0: it is none. */
static uint64_t read_size(const char *text)
{
	uint64_t number = 0, unit = 1;

	for (; *text >= '0' && *text <= '9'; text++) {
		if (number > UINT64_MAX / 10 - 1)
			return 0;
		number = number * 10 + (uint64_t) (*text - '0');
	}
	switch (*text) {
	case 'G':
	case 'g':
		unit <<= 10;
		/* fall through */
	case 'M':
	case 'm':
		unit <<= 10;
		/* fall through */
	case 'K':
	case 'k':
		unit <<= 10;
		text++;
		break;
	default:
		break;
	}
	return *text != '\0' || number > UINT64_MAX / unit ? 0 : number * unit;
}

static int read_dir(struct uvhooks_plugin_args *args, const char *value)
{
	char *dir = recorder_options.dir;
	size_t used = 0;

	if (value[0] == '\0')
		return uvhooks_plugin_error(args, "dir= needs the path of a folder");
	if (value[0] != '/') {
		if (getcwd(dir, PATH_MAX) == NULL)
			return uvhooks_plugin_error(args, "dir=%s: the current folder: %s", value,
						    strerror(errno));
		used = strlen(dir);
		dir[used++] = '/';
	}
	/* Behind it come the folder of a process and a file. */
	if (used + strlen(value) >= PATH_MAX - 4 * RECORDER_NAME_BYTES)
		return uvhooks_plugin_error(args, "dir=%s: the path is too long", value);
	memcpy(dir + used, value, strlen(value) + 1);
	for (used = strlen(dir); used > 1 && dir[used - 1] == '/'; used--)
		dir[used - 1] = '\0';
	return 0;
}

static int read_option(struct uvhooks_plugin_args *args, const char *key, const char *value)
{
	uint64_t *size = NULL;

	if (strcmp(key, "details") == 0) {
		recorder_options.details = strcmp(value, "1") == 0;
		if (recorder_options.details || strcmp(value, "0") == 0)
			return 0;
		return uvhooks_plugin_error(args, "details=%s: say 1 or 0", value);
	}
	if (strcmp(key, "dir") == 0)
		return read_dir(args, value);
	if (strcmp(key, "ring") == 0)
		size = &recorder_options.ring_bytes;
	if (strcmp(key, "max_size") == 0)
		size = &recorder_options.max_size_bytes;
	if (size == NULL)
		return uvhooks_plugin_error(
		    args,
		    "unknown option '%s'; known are dir=DIR, ring=SIZE, max_size=SIZE and "
		    "details=1",
		    key);
	*size = read_size(value);
	if (*size == 0)
		return uvhooks_plugin_error(
		    args, "%s=%s: say a size, as a number of bytes or with K, M or G: %s=64M", key,
		    value, key);
	return 0;
}

/* Can a folder be made in DIR, or DIR itself? */
static int check_dir(struct uvhooks_plugin_args *args)
{
	char parent[PATH_MAX];
	struct stat status;
	char *slash;

	if (stat(recorder_options.dir, &status) == 0) {
		if (!S_ISDIR(status.st_mode))
			return uvhooks_plugin_error(args, "dir=%s: this is no folder",
						    recorder_options.dir);
		if (access(recorder_options.dir, W_OK | X_OK) != 0)
			return uvhooks_plugin_error(args, "dir=%s: %s", recorder_options.dir,
						    strerror(errno));
		return 0;
	}
	if (errno != ENOENT)
		return uvhooks_plugin_error(args, "dir=%s: %s", recorder_options.dir,
					    strerror(errno));
	memcpy(parent, recorder_options.dir, sizeof(parent));
	slash = strrchr(parent, '/');
	slash[slash == parent ? 1 : 0] = '\0';
	if (access(parent, W_OK | X_OK) != 0)
		return uvhooks_plugin_error(args, "dir=%s: it cannot be made in %s: %s",
					    recorder_options.dir, parent, strerror(errno));
	return 0;
}

int recorder_options_read(struct uvhooks_plugin_args *args)
{
	recorder_options = (struct recorder_options){.max_size_bytes = UINT64_MAX};
	for (size_t i = 0; i < args->count; i++)
		if (read_option(args, args->options[i].key, args->options[i].value) != 0)
			return -1;
	if (recorder_options.dir[0] == '\0')
		return uvhooks_plugin_error(args, "dir=DIR is missing: the folder of the trace");
	if (recorder_options.ring_bytes != 0 && recorder_options.max_size_bytes != UINT64_MAX)
		return uvhooks_plugin_error(args, "ring= and max_size= exclude each other: a ring "
						  "never grows beyond its size");
	if (recorder_options.ring_bytes != 0 && recorder_options.ring_bytes < RING_MIN_BYTES)
		return uvhooks_plugin_error(args, "ring=: 1M is the least");
	return check_dir(args);
}
