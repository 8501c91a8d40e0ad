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

static int read_dir(struct uvhooks_plugin_args *args, const char *key, const char *value,
		    char dir[PATH_MAX])
{
	size_t used = 0;

	if (value[0] == '\0')
		return uvhooks_plugin_error(args, "%s= needs the path of a folder", key);
	if (value[0] != '/') {
		if (getcwd(dir, PATH_MAX) == NULL)
			return uvhooks_plugin_error(args, "%s=%s: the current folder: %s", key,
						    value, strerror(errno));
		used = strlen(dir);
		dir[used++] = '/';
	}
	/* Behind it come the folder of a process and a file. */
	if (used + strlen(value) >= PATH_MAX - 4 * RECORDER_NAME_BYTES)
		return uvhooks_plugin_error(args, "%s=%s: the path is too long", key, value);
	memcpy(dir + used, value, strlen(value) + 1);
	for (used = strlen(dir); used > 1 && dir[used - 1] == '/'; used--)
		dir[used - 1] = '\0';
	return 0;
}

static int read_bool(struct uvhooks_plugin_args *args, const char *key, const char *value,
		     bool *is_set)
{
	*is_set = strcmp(value, "1") == 0;
	if (*is_set || strcmp(value, "0") == 0)
		return 0;
	return uvhooks_plugin_error(args, "%s=%s: say 1 or 0", key, value);
}

static int read_option(struct uvhooks_plugin_args *args, struct recorder_request *request,
		       const char *key, const char *value)
{
	uint64_t *size = NULL;

	if (strcmp(key, "details") == 0) {
		request->has_details = true;
		return read_bool(args, key, value, &request->options.details);
	}
	if (strcmp(key, "frozen") == 0)
		return read_bool(args, key, value, &request->options.frozen);
	if (strcmp(key, "stop") == 0)
		return read_bool(args, key, value, &request->stop);
	if (strcmp(key, "snapshot") == 0)
		return read_bool(args, key, value, &request->snapshot);
	if (strcmp(key, "dir") == 0)
		return read_dir(args, key, value, request->options.dir);
	if (strcmp(key, "dump") == 0)
		return read_dir(args, key, value, request->dump);
	if (strcmp(key, "ring") == 0)
		size = &request->options.ring_bytes;
	if (strcmp(key, "max_size") == 0)
		size = &request->options.max_size_bytes;
	if (size == NULL)
		return uvhooks_plugin_error(
		    args,
		    "unknown option '%s'; known are dir=DIR, ring=SIZE, max_size=SIZE, details=1, "
		    "frozen=1, snapshot=1, and, while the program runs, stop=1 and dump=DIR",
		    key);
	request->has_sizes = true;
	*size = read_size(value);
	if (*size == 0)
		return uvhooks_plugin_error(
		    args, "%s=%s: say a size, as a number of bytes or with K, M or G: %s=64M", key,
		    value, key);
	return 0;
}

/* Can a folder be made in DIR, or DIR itself? */
static int check_dir(struct uvhooks_plugin_args *args, const char *key, const char *dir)
{
	char parent[PATH_MAX];
	struct stat status;
	char *slash;

	if (stat(dir, &status) == 0) {
		if (!S_ISDIR(status.st_mode))
			return uvhooks_plugin_error(args, "%s=%s: this is no folder", key, dir);
		if (access(dir, W_OK | X_OK) != 0)
			return uvhooks_plugin_error(args, "%s=%s: %s", key, dir, strerror(errno));
		return 0;
	}
	if (errno != ENOENT)
		return uvhooks_plugin_error(args, "%s=%s: %s", key, dir, strerror(errno));
	memcpy(parent, dir, strlen(dir) + 1);
	slash = strrchr(parent, '/');
	slash[slash == parent ? 1 : 0] = '\0';
	if (access(parent, W_OK | X_OK) != 0)
		return uvhooks_plugin_error(args, "%s=%s: it cannot be made in %s: %s", key, dir,
					    parent, strerror(errno));
	return 0;
}

static int check_options(struct uvhooks_plugin_args *args, const struct recorder_request *request)
{
	const struct recorder_options *options = &request->options;

	if (options->ring_bytes != 0 && options->max_size_bytes != UINT64_MAX)
		return uvhooks_plugin_error(args, "ring= and max_size= exclude each other: a ring "
						  "never grows beyond its size");
	if (options->ring_bytes != 0 && options->ring_bytes < RING_MIN_BYTES)
		return uvhooks_plugin_error(args, "ring=: 1M is the least");
	if (options->frozen && (options->ring_bytes == 0 || options->details))
		return uvhooks_plugin_error(args,
					    "frozen=1 keeps the newest events in memory: it needs "
					    "ring=SIZE, and has no details=1");
	if (request->snapshot && options->dir[0] == '\0')
		return uvhooks_plugin_error(args,
					    "snapshot=1 needs dir=DIR: the folder of the trace");
	if (request->snapshot && request->has_sizes)
		return uvhooks_plugin_error(args, "snapshot=1 tells what lives now: ring= and "
						  "max_size= are of no use");
	return 0;
}

int recorder_options_read(struct uvhooks_plugin_args *args, struct recorder_request *request)
{
	*request = (struct recorder_request){.options.max_size_bytes = UINT64_MAX};
	for (size_t i = 0; i < args->count; i++)
		if (read_option(args, request, args->options[i].key, args->options[i].value) != 0)
			return -1;
	if (check_options(args, request) != 0)
		return -1;
	if (request->dump[0] != '\0' && check_dir(args, "dump", request->dump) != 0)
		return -1;
	return request->options.dir[0] == '\0' ? 0 : check_dir(args, "dir", request->options.dir);
}
