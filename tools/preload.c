/* SPDX-License-Identifier: MIT */
#include "preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

#include "elf_file.h"

#define SHIM "libuvhooks.so"

/* Where it is from the folder of the command: first as built, then as installed. */
static const char *const places[] = {"../shim", UVH_LIBDIR_FROM_BINDIR};

int uvh_shim_find(char path[PATH_MAX], char text[UVH_TEXT_BYTES])
{
	char own[PATH_MAX];
	char place[PATH_MAX + 256];
	ssize_t bytes = readlink("/proc/self/exe", own, sizeof own - 1);

	if (bytes < 0) {
		snprintf(text, UVH_TEXT_BYTES,
			 "cannot find " SHIM ": /proc/self/exe cannot be read: %s",
			 strerror(errno));
		return -1;
	}
	own[bytes] = '\0';
	*strrchr(own, '/') = '\0';
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(place, sizeof place, "%s/%s/" SHIM, own, places[i]);
		if (realpath(place, path) != NULL)
			break;
		path[0] = '\0';
	}
	if (path[0] == '\0') {
		snprintf(text, UVH_TEXT_BYTES,
			 "there is no " SHIM " in %s or %s, seen from %.700s: build or install "
			 "uvhooks again",
			 places[0], places[1], own);
		return -1;
	}
	return 0;
}

const struct uvh_patch_engine *uvh_engine_load(char text[UVH_TEXT_BYTES])
{
	const struct uvh_patch_engine *engine;
	char path[PATH_MAX];
	void *library;

	if (uvh_shim_find(path, text) != 0)
		return NULL;
	if (strlen(path) - strlen(SHIM) + sizeof UVH_PATCH_ENGINE_FILE > sizeof path) {
		snprintf(text, UVH_TEXT_BYTES, "%s", strerror(ENAMETOOLONG));
		return NULL;
	}
	strcpy(strrchr(path, '/') + 1, UVH_PATCH_ENGINE_FILE);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	engine = library != NULL ? dlsym(library, UVH_PATCH_ENGINE_SYMBOL) : NULL;
	if (engine == NULL) {
		snprintf(text, UVH_TEXT_BYTES, "%s", dlerror());
		return NULL;
	}
	if (engine->size != sizeof *engine) {
		snprintf(text, UVH_TEXT_BYTES, "%.900s is of another version", path);
		return NULL;
	}
	return engine;
}

struct check {
	const char *shim;
	const char *plugins;
};

static void forget(const char *entry)
{
	char *name = strndup(entry, strcspn(entry, "="));

	if (name == NULL)
		_exit(1);
	unsetenv(name);
	free(name);
}

/*
 * In the child. The shim's constructor runs in here too: it must not find plugins in the
 * environment and start them in earnest, and what is wrong there it is the program's to say.
 */
static int check_plugins(const void *argument, char *text)
{
	const struct check *check = argument;
	__typeof__(uvhooks_check_plugins) *ask;
	void *shim;

	for (char **entry = environ; *entry != NULL;)
		if (strncmp(*entry, "UVHOOKS_", 8) != 0 ||
		    strncmp(*entry, "UVHOOKS_PLUGIN_PATH=", 20) == 0)
			entry++;
		else
			forget(*entry);
	shim = dlopen(check->shim, RTLD_NOW | RTLD_GLOBAL);
	if (shim == NULL) {
		snprintf(text, UVH_TEXT_BYTES, "%s", dlerror());
		return 1;
	}
	*(void **) &ask = dlsym(shim, "uvhooks_check_plugins");
	if (ask == NULL) {
		snprintf(text, UVH_TEXT_BYTES, "%s is of another version", check->shim);
		return 1;
	}
	return ask(check->plugins, text, UVH_TEXT_BYTES) == 0 ? 0 : 1;
}

int uvh_plugins_check(const char *shim, const char *plugins, char text[UVH_TEXT_BYTES])
{
	struct check check = {.shim = shim, .plugins = plugins};
	char reason[UVH_TEXT_BYTES];
	int status = uvh_in_child(check_plugins, &check, reason);

	if (status == 0)
		return 0;
	if (status == 1) {
		memcpy(text, reason, UVH_TEXT_BYTES);
		return -1;
	}
	snprintf(text, UVH_TEXT_BYTES, "while '%.300s' was checked, %.300s", plugins, reason);
	return -2;
}

/* How long the text is up to one of `ends` that no backslash guards. */
static size_t span(const char *text, const char *ends)
{
	size_t bytes = 0;

	while (text[bytes] != '\0' && strchr(ends, text[bytes]) == NULL)
		bytes += text[bytes] == '\\' && text[bytes + 1] != '\0' ? 2 : 1;
	return bytes;
}

bool uvh_plugins_have(const char *plugins, const char *name)
{
	const size_t length = strlen(name);

	while (plugins != NULL && *plugins != '\0') {
		const char *end = plugins + span(plugins, ":;"), *begin = plugins;

		for (const char *at = plugins; at < end; at++)
			if (*at == '/')
				begin = at + 1;
		if (begin != plugins && end - begin > 3 && strncmp(end - 3, ".so", 3) == 0)
			end -= 3;
		if ((size_t) (end - begin) == length && strncmp(begin, name, length) == 0)
			return true;
		plugins += span(plugins, ";");
		plugins += *plugins == ';';
	}
	return false;
}

/* Does it end with a backslash that has nothing to guard? */
static bool ends_open(const char *text, size_t length)
{
	size_t backslashes = 0;

	while (backslashes < length && text[length - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 != 0;
}

char *uvh_plugins_add(char *plugins, const char *plugin)
{
	size_t old = plugins != NULL ? strlen(plugins) : 0;
	size_t name = span(plugin, ":;");
	char folder[PATH_MAX];
	char *text;
	char *end;

	if (plugin[0] == '/' || memchr(plugin, '/', name) == NULL ||
	    getcwd(folder, sizeof folder) == NULL)
		folder[0] = '\0';

	if (folder[0] != '\0' && strncmp(plugin, "./", 2) == 0)
		plugin += 2;
	/* Each character of the folder may need a backslash. */
	text = realloc(plugins, old + 2 + 2 * strlen(folder) + 1 + strlen(plugin) + 1);
	if (text == NULL) {
		free(plugins);
		return NULL;
	}
	end = text + old;
	/* At the end of a text it stands for itself; it must not guard our ';'. */
	if (old != 0 && ends_open(text, old))
		*end++ = '\\';
	if (old != 0)
		*end++ = ';';
	for (const char *from = folder; *from != '\0'; from++) {
		if (strchr(":;,\\", *from) != NULL)
			*end++ = '\\';
		*end++ = *from;
	}
	if (folder[0] != '\0')
		*end++ = '/';
	strcpy(end, plugin);
	return text;
}

bool uvh_is_shim(const char *path)
{
	const char *name = strrchr(path, '/');

	return strcmp(name != NULL ? name + 1 : path, SHIM) == 0;
}

/* Adds one entry to the text of LD_PRELOAD that ends at `end`. */
static char *add_entry(char *text, char *end, const char *entry)
{
	return end + sprintf(end, "%s%s", end != text ? ":" : "", entry);
}

int uvh_preload(const char *shim, const char *asan)
{
	const char *old = getenv("LD_PRELOAD");
	char *entries = strdup(old != NULL ? old : "");
	char *rest = strdup(old != NULL ? old : "");
	char *text = NULL;
	char *end;
	char *entry;
	char *next;
	int error = -ENOMEM;

	if (entries != NULL && rest != NULL)
		text = malloc(strlen(entries) + strlen(shim) + strlen(asan) + 3);
	if (text == NULL)
		goto out;
	end = text;
	*end = '\0';
	next = entries;
	while ((entry = strsep(&next, " :")) != NULL)
		if (uvh_is_asan(entry)) {
			end = add_entry(text, end, entry);
			asan = "";
		}
	if (asan[0] != '\0')
		end = add_entry(text, end, asan);
	end = add_entry(text, end, shim);
	next = rest;
	while ((entry = strsep(&next, " :")) != NULL)
		if (entry[0] != '\0' && !uvh_is_asan(entry) && !uvh_is_shim(entry))
			end = add_entry(text, end, entry);
	error = setenv("LD_PRELOAD", text, 1) == 0 ? 0 : -errno;
out:
	free(text);
	free(rest);
	free(entries);
	return error;
}
