/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "context.h"
#include "hooks.h"
#include "libuv.h"
#include "plugin.h"

/*
 * Plugins are started once, by one thread: so paths lie in static memory, and not on the stack of
 * whoever made the first call.
 */
#define OPTION_MAX 64
#define PATH_BYTES 4096

/* One plugin as it stands in UVHOOKS_PLUGINS, cut into a copy of the text. */
struct request {
	char *name;
	struct uvhooks_plugin_option options[OPTION_MAX];
	size_t count;
};

/*
 * Cuts the next field off at any of `ends`, drops the backslashes that guard, and says which end
 * it was ('\0' for the end of the text).
 */
static char *cut(char **text, const char *ends, char *end)
{
	char *start = *text;
	char *write = start;
	char *read = start;

	for (; *read != '\0' && strchr(ends, *read) == NULL; read++) {
		if (*read == '\\' && read[1] != '\0')
			read++;
		*write++ = *read;
	}
	*end = *read;
	*text = *read == '\0' ? read : read + 1;
	*write = '\0';
	return start;
}

/* Reads up to the next ';'. False, with the reason, where it makes no sense. */
static bool read_request(char **text, struct request *request, char *error, size_t error_bytes)
{
	char end;

	memset(request, 0, sizeof(*request));
	request->name = cut(text, ":;", &end);
	if (request->name[0] == '\0') {
		snprintf(error, error_bytes, "a plugin without a name in UVHOOKS_PLUGINS");
		while (end != ';' && end != '\0')
			cut(text, ";", &end);
		return false;
	}
	while (end == ':' || end == ',') {
		struct uvhooks_plugin_option *option = &request->options[request->count];

		if (request->count == OPTION_MAX) {
			snprintf(error, error_bytes, "plugin '%s': more than %d options",
				 request->name, OPTION_MAX);
			cut(text, ";", &end);
			return false;
		}
		option->key = cut(text, "=,;", &end);
		option->value = "";
		if (end == '=')
			option->value = cut(text, ",;", &end);
		if (option->key[0] == '\0') {
			snprintf(error, error_bytes,
				 "plugin '%s': an option without a name; options look like "
				 "key=value,key=value",
				 request->name);
			if (end != ';')
				cut(text, ";", &end);
			return false;
		}
		request->count++;
	}
	return true;
}

/* Finds the file of a plugin that is named without a slash; `path` has PATH_BYTES. */
static bool find_file(const char *name, const char *folders, char *path)
{
	static char shim[PATH_BYTES - 64];

	while (folders != NULL && *folders != '\0') {
		size_t length = strcspn(folders, ":");
		int wrote = snprintf(path, PATH_BYTES, "%.*s/%s.so", (int) length, folders, name);

		if (length > 0 && wrote < PATH_BYTES && access(path, F_OK) == 0)
			return true;
		folders += length + (folders[length] == ':');
	}
	uvh_shim_folder(shim, sizeof(shim));
	if (shim[0] == '\0')
		return false;
	if (snprintf(path, PATH_BYTES, "%s/plugins/%s.so", shim, name) < PATH_BYTES &&
	    access(path, F_OK) == 0)
		return true;
	return snprintf(path, PATH_BYTES, "%s/uvhooks/plugins/%s.so", shim, name) < PATH_BYTES &&
	       access(path, F_OK) == 0;
}

static const struct uvhooks_plugin *open_plugin(const char *name, const char *folders, char *error,
						size_t error_bytes)
{
	const struct uvhooks_plugin *plugin;
	static char path[PATH_BYTES];
	void *handle;

	if (strchr(name, '/') != NULL) {
		snprintf(path, sizeof(path), "%s", name);
	} else if (!find_file(name, folders, path)) {
		snprintf(error, error_bytes,
			 "plugin '%s' is neither in UVHOOKS_PLUGIN_PATH nor beside libuvhooks.so; "
			 "give a path with a '/' to name a file",
			 name);
		return NULL;
	}
	if (access(path, R_OK) != 0) {
		snprintf(error, error_bytes, "plugin '%s': cannot read %s: %s", name, path,
			 strerror(errno));
		return NULL;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (handle == NULL) {
		snprintf(error, error_bytes, "plugin '%s': %s", name, dlerror());
		return NULL;
	}
	plugin = dlsym(handle, "uvhooks_plugin");
	if (plugin == NULL) {
		dlerror();
		snprintf(error, error_bytes,
			 "plugin '%s': %s exports no symbol uvhooks_plugin; see "
			 "<uvhooks/plugin.h>",
			 name, path);
		return NULL;
	}
	if (plugin->abi != UVHOOKS_PLUGIN_ABI || plugin->size < sizeof(*plugin) ||
	    plugin->init == NULL) {
		snprintf(error, error_bytes,
			 "plugin '%s': made for plugin ABI %u (struct of %zu bytes), this is ABI "
			 "%d (%zu bytes); compile it against this version's <uvhooks/plugin.h>",
			 name, plugin->abi, plugin->size, UVHOOKS_PLUGIN_ABI, sizeof(*plugin));
		return NULL;
	}
	return plugin;
}

/* What a guarded call can carry: init with its arguments. */
struct start {
	const struct uvhooks_plugin *plugin;
	struct uvhooks_plugin_args *args;
	int result;
};

static void start_plugin(const struct uvhooks_event *event, void *data)
{
	struct start *start = data;

	(void) event;
	start->result = start->plugin->init(start->args);
}

static bool run_plugin(const struct request *request, const char *folders, bool dry_run,
		       char *error, size_t error_bytes)
{
	const struct uvhooks_plugin *plugin =
	    open_plugin(request->name, folders, error, error_bytes);
	char reason[256] = "";
	struct uvhooks_plugin_args args = {
	    .size = sizeof(args),
	    .dry_run = dry_run,
	    .count = request->count,
	    .options = request->options,
	    .error = reason,
	    .error_bytes = sizeof(reason),
	};
	struct start start = {plugin, &args, 0};
	const char *owner;
	void *exception;

	if (plugin == NULL)
		return false;
	owner = uvh_hook_owner = plugin->name == NULL ? request->name : plugin->name;
	exception = uvh_guarded_call(NULL, &start, start_plugin);
	uvh_hook_owner = "";
	if (exception != NULL || start.result != 0)
		uvh_hooks_disable_of(owner);
	if (exception != NULL) {
		uvh_exception_drop(exception);
		snprintf(error, error_bytes, "plugin '%s': an exception left its init",
			 request->name);
		return false;
	}
	if (start.result == 0)
		return true;
	if (reason[0] == '\0')
		snprintf(reason, sizeof(reason), "its init failed (%d: %s)", start.result,
			 strerror(start.result < 0 ? -start.result : start.result));
	snprintf(error, error_bytes, "plugin '%s': %s", request->name, reason);
	return false;
}

/* Runs all plugins of a text; a dry run stops at the first that fails. */
static bool run_all(const char *plugins, const char *folders, bool dry_run, char *error,
		    size_t error_bytes)
{
	struct request *request = uvh_keep(sizeof(*request));
	char *text = uvh_keep_text(plugins, strlen(plugins));
	bool good = true;

	if (request == NULL || text == NULL) {
		snprintf(error, error_bytes, "no memory to load plugins");
		return false;
	}
	while (*text != '\0') {
		if (*text == ';') {
			text++;
			continue;
		}
		if (read_request(&text, request, error, error_bytes) &&
		    run_plugin(request, folders, dry_run, error, error_bytes))
			continue;
		good = false;
		if (dry_run)
			break;
		uvh_count(UVH_COUNT_plugins_failed);
		uvh_message("%s (the program runs on without it)", error);
	}
	return good;
}

void uvh_plugins_load(const char *plugins)
{
	char error[512] = "";
	int saved_errno = errno;

	if (plugins != NULL && plugins[0] != '\0')
		run_all(plugins, uvh_options.plugin_path, false, error, sizeof(error));
	errno = saved_errno;
}

int uvhooks_check_plugins(const char *plugins, char *message, size_t message_bytes)
{
	if (plugins == NULL || message == NULL || message_bytes == 0)
		return -1;
	message[0] = '\0';
	return run_all(plugins, uvh_options.plugin_path, true, message, message_bytes) ? 0 : -1;
}
