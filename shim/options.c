/* SPDX-License-Identifier: MIT */
/* Every variable that the shim reads stands in one table. */
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "ground.h"

struct uvh_options uvh_options = {.follow = true, .longjmp = true, .rebind = true, .patch = true};

enum form { TEXT, SWITCH, NUMBER };

static const struct {
	const char *name;
	enum form form;
	void *value;
} table[] = {
    {"UVHOOKS_PLUGINS", TEXT, &uvh_options.plugins},
    {"UVHOOKS_PLUGIN_PATH", TEXT, &uvh_options.plugin_path},
    /* 0: children run without the shim. */
    {"UVHOOKS_FOLLOW", SWITCH, &uvh_options.follow},
    /* 1: say on stderr what was found, and at the end what was lost. */
    {"UVHOOKS_VERBOSE", SWITCH, &uvh_options.verbose},
    /* 1: deliver open afters and waiting destroys when the process ends. */
    {"UVHOOKS_FLUSH_AT_EXIT", SWITCH, &uvh_options.flush_at_exit},
    /* 0: never conclude from a stack address that a callback was left by longjmp. */
    {"UVHOOKS_LONGJMP", SWITCH, &uvh_options.longjmp},
    /* 0: leave libuv's GOT alone, and tell its own calls by their caller. */
    {"UVHOOKS_REBIND", SWITCH, &uvh_options.rebind},
    /* 0: change no code: a libuv that is not called through symbols is not traced. */
    {"UVHOOKS_PATCH", SWITCH, &uvh_options.patch},
    /* 1: abort where an invariant of the shim is broken; for its own tests. */
    {"UVHOOKS_STRICT", SWITCH, &uvh_options.strict},
    /* 1: everything passes through, as if the shim were not there. */
    {"UVHOOKS_DISABLE", SWITCH, &uvh_options.disable},
    /* Programs for which that holds: patterns of names, or of paths, parted by ':'. */
    {"UVHOOKS_SKIP", TEXT, &uvh_options.skip},
    /* Set by `uvhooks run`: the pid of the program that it became. */
    {"UVHOOKS_LAUNCHED", NUMBER, &uvh_options.launched},
};

/* A bad value leaves the default in force, and says so: the program runs on. */
static void read_switch(const char *name, const char *text, bool *value)
{
	if (strcmp(text, "1") == 0)
		*value = true;
	else if (strcmp(text, "0") == 0 || text[0] == '\0')
		*value = false;
	else
		uvh_message("%s='%s' is neither 0 nor 1; it is ignored", name, text);
}

static bool is_shim(const char *path, size_t length)
{
	static const char name[] = "libuvhooks.so";
	size_t size = sizeof(name) - 1;

	return length >= size && memcmp(path + length - size, name, size) == 0 &&
	       (length == size || path[length - size - 1] == '/');
}

/*
 * Takes the shim out of what children inherit. The strings are shortened in place: setenv could
 * allocate, and would move `environ` under a program that has its address.
 */
static void stop_following(void)
{
	extern char **environ;
	char **from, **to;
	char *preload = getenv("LD_PRELOAD");

	if (preload == NULL || strstr(preload, "libuvhooks.so") == NULL)
		return; /* not how the shim came in: this may be `uvhooks` itself */
	{
		char *read = preload, *write = preload;

		while (*read != '\0') {
			size_t length = strcspn(read, ": ");
			size_t whole = length + (read[length] != '\0');

			if (!is_shim(read, length)) {
				memmove(write, read, whole);
				write += whole;
			}
			read += whole;
		}
		while (write > preload && (write[-1] == ':' || write[-1] == ' '))
			write--;
		*write = '\0';
	}
	for (from = to = environ; *from != NULL; from++) {
		bool ours = strncmp(*from, "UVHOOKS_", 8) == 0;
		bool empty = preload[0] == '\0' && strcmp(*from, "LD_PRELOAD=") == 0;

		if (!ours && !empty)
			*to++ = *from;
	}
	*to = NULL;
}

/*
 * Is the program of this process named? Its constructors run before it has chosen a locale, so
 * fnmatch neither allocates nor cares for one.
 */
static bool is_skipped(const char *patterns)
{
	static char path[PATH_MAX], pattern[PATH_MAX];
	ssize_t bytes = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *name = bytes <= 0 ? NULL : strrchr(path, '/');

	while (name != NULL && *patterns != '\0') {
		size_t length = strcspn(patterns, ":");

		if (length > 0 && length < sizeof(pattern)) {
			memcpy(pattern, patterns, length);
			pattern[length] = '\0';
			if (fnmatch(pattern, strchr(pattern, '/') == NULL ? name + 1 : path, 0) ==
			    0)
				return true;
		}
		patterns += length + (patterns[length] == ':');
	}
	return false;
}

void uvh_options_read(void)
{
	if (getauxval(AT_SECURE) != 0) {
		uvh_options.secure = true;
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *text = getenv(table[i].name);

		if (text == NULL)
			continue;
		switch (table[i].form) {
		case TEXT:
			*(const char **) table[i].value = uvh_keep_text(text, strlen(text));
			break;
		case SWITCH:
			read_switch(table[i].name, text, table[i].value);
			break;
		case NUMBER:
			*(long *) table[i].value = strtol(text, NULL, 10);
			break;
		}
	}
	if (!uvh_options.disable && uvh_options.skip != NULL)
		uvh_options.disable = is_skipped(uvh_options.skip);
	if (!uvh_options.follow)
		stop_following();
}
