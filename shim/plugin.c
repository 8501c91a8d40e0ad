/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "context.h"
#include "control.h"
#include "hooks.h"
#include "init.h"
#include "libuv.h"
#include "plugin.h"

/*
 * Plugins are started once, by one thread: so paths lie in static memory, and not on the stack of
 * whoever made the first call.
 */
#define OPTION_MAX 64
#define PATH_BYTES 4096
#define PLUGIN_MAX 64

#define ERROR_BYTES 512

/* Those that were started. */
static struct {
	const struct uvhooks_plugin *plugin;
	const char *name;
} started[PLUGIN_MAX];
static size_t started_count;

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
	if (plugin->abi != UVHOOKS_PLUGIN_ABI || plugin->size < UVHOOKS_PLUGIN_BYTES) {
		snprintf(error, error_bytes,
			 "plugin '%s': made for plugin ABI %u (struct of %zu bytes), this is ABI "
			 "%d (%zu bytes); compile it against this version's <uvhooks/plugin.h>",
			 name, plugin->abi, plugin->size, UVHOOKS_PLUGIN_ABI, UVHOOKS_PLUGIN_BYTES);
		return NULL;
	}
	if (plugin->init == NULL) {
		snprintf(error, error_bytes, "plugin '%s': its uvhooks_plugin has no init", name);
		return NULL;
	}
	return plugin;
}

/* A plugin may be older than what its struct has got since. */
#define HAS(plugin, field)                                                                         \
	((plugin)->size >= offsetof(struct uvhooks_plugin, field) + sizeof((plugin)->field) &&     \
	 (plugin)->field != NULL)

/* What a guarded call can carry: a function of a plugin with its arguments. */
struct call {
	int (*function)(struct uvhooks_plugin_args *args);
	struct uvhooks_plugin_args *args;
	int result;
};

static void make_call(const struct uvhooks_event *event, void *data)
{
	struct call *call = data;

	(void) event;
	call->result = call->function(call->args);
}

/* Hands the options to a function of the plugin. 0, or a negative errno and the reason. */
static int hand_over(const struct request *request,
		     int (*function)(struct uvhooks_plugin_args *args), const char *what,
		     bool dry_run, char *error, size_t error_bytes)
{
	char reason[256] = "";
	struct uvhooks_plugin_args args = {
	    .size = sizeof(args),
	    .dry_run = dry_run,
	    .count = request->count,
	    .options = request->options,
	    .error = reason,
	    .error_bytes = sizeof(reason),
	};
	struct call call = {function, &args, 0};
	void *exception = uvh_guarded_call(NULL, &call, make_call);

	if (exception != NULL) {
		uvh_exception_drop(exception);
		snprintf(error, error_bytes, "plugin '%s': an exception left its %s", request->name,
			 what);
		return -ECANCELED;
	}
	if (call.result == 0)
		return 0;
	if (reason[0] == '\0')
		snprintf(reason, sizeof(reason), "its %s failed (%d: %s)", what, call.result,
			 strerror(call.result < 0 ? -call.result : call.result));
	snprintf(error, error_bytes, "plugin '%s': %s", request->name, reason);
	return call.result < 0 ? call.result : -call.result;
}

static const char *name_of(const struct uvhooks_plugin *plugin, const struct request *request)
{
	return plugin->name == NULL ? request->name : plugin->name;
}

static size_t started_number(const struct uvhooks_plugin *plugin)
{
	size_t i;

	for (i = 0; i < started_count && started[i].plugin != plugin;)
		i++;
	return i;
}

static int start_plugin(const struct uvhooks_plugin *plugin, const struct request *request,
			bool dry_run, char *error, size_t error_bytes)
{
	const char *name = name_of(plugin, request);
	int result;

	/* A text of its own for each start: if one fails, the hooks of another stay enabled. */
	if ((plugin->name == NULL || started_number(plugin) < started_count) &&
	    (name = uvh_keep_text(name, strlen(name))) == NULL)
		name = "";
	uvh_hook_owner = name;
	result = hand_over(request, plugin->init, "init", dry_run, error, error_bytes);
	uvh_hook_owner = "";
	if (result != 0) {
		uvh_hooks_disable_of(name);
	} else if (!dry_run && started_count < PLUGIN_MAX) {
		started[started_count].plugin = plugin;
		started[started_count++].name = name;
		uvh_control_plugin(name);
	}
	return result;
}

static bool run_plugin(const struct request *request, const char *folders, bool dry_run,
		       char *error, size_t error_bytes)
{
	const struct uvhooks_plugin *plugin =
	    open_plugin(request->name, folders, error, error_bytes);

	return plugin != NULL && start_plugin(plugin, request, dry_run, error, error_bytes) == 0;
}

static int configure_plugin(size_t number, const struct request *request, char *error,
			    size_t error_bytes)
{
	const struct uvhooks_plugin *plugin = started[number].plugin;
	int result;

	if (!HAS(plugin, configure)) {
		snprintf(error, error_bytes, "plugin '%s' takes no options while the program runs",
			 request->name);
		return -EOPNOTSUPP;
	}
	uvh_hook_owner = started[number].name;
	result = hand_over(request, plugin->configure, "configure", false, error, error_bytes);
	uvh_hook_owner = "";
	return result;
}

/* By its own name, or as it is named in what UVHOOKS_PLUGINS takes. */
static size_t started_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < started_count && strcmp(started[i].name, name) != 0;)
		i++;
	return i;
}

static int answer_request(const struct request *request, bool may_load, char *error,
			  size_t error_bytes)
{
	size_t number = started_by_name(request->name);
	const struct uvhooks_plugin *plugin;

	if (number < started_count)
		return configure_plugin(number, request, error, error_bytes);
	if (!may_load) {
		snprintf(error, error_bytes, "plugin '%s' is not loaded", request->name);
		return -ENOENT;
	}
	if (uvh_options.secure) {
		snprintf(error, error_bytes,
			 "plugin '%s': nothing is loaded into a program that has gained rights",
			 request->name);
		return -EPERM;
	}
	plugin = open_plugin(request->name, uvh_options.plugin_path, error, error_bytes);
	if (plugin == NULL)
		return -ENOENT;
	number = started_number(plugin);
	if (number < started_count)
		return configure_plugin(number, request, error, error_bytes);
	return start_plugin(plugin, request, false, error, error_bytes);
}

int uvh_plugins_request(char *text, bool may_load, char *error, size_t error_bytes)
{
	static struct request request;

	while (*text != '\0') {
		int result;

		if (*text == ';') {
			text++;
			continue;
		}
		if (!read_request(&text, &request, error, error_bytes))
			return -EINVAL;
		result = answer_request(&request, may_load, error, error_bytes);
		if (result != 0)
			return result;
	}
	return 0;
}

struct told {
	const struct uvhooks_plugin *plugin;
	char said[ERROR_BYTES];
};

static void ask_status(const struct uvhooks_event *event, void *data)
{
	struct told *told = data;

	(void) event;
	told->plugin->status(told->said, sizeof(told->said));
}

void uvh_plugins_tell(void (*tell)(const char *name, const char *said, void *data), void *data)
{
	static struct told told;

	for (size_t i = 0; i < started_count; i++) {
		void *exception = NULL;

		told.plugin = started[i].plugin;
		told.said[0] = '\0';
		if (HAS(told.plugin, status))
			exception = uvh_guarded_call(NULL, &told, ask_status);
		if (exception != NULL)
			uvh_exception_drop(exception);
		told.said[sizeof(told.said) - 1] = '\0';
		tell(started[i].name, told.said, data);
	}
}

/* Does one ask for what the other has asked for already, to the letter? */
static bool is_same(const struct request *request, const struct request *other)
{
	if (strcmp(request->name, other->name) != 0 || request->count != other->count)
		return false;
	for (size_t i = 0; i < request->count; i++)
		if (strcmp(request->options[i].key, other->options[i].key) != 0 ||
		    strcmp(request->options[i].value, other->options[i].value) != 0)
			return false;
	return true;
}

static void tell_failed(const char *error)
{
	uvh_count(UVH_COUNT_plugins_failed);
	uvh_message("%s (the program runs on without it)", error);
}

/*
 * Runs all plugins of a text; a dry run stops at the first that fails. What is there twice, as
 * where one `uvhooks run` runs another, is run once: two would write the same into the same file.
 */
static bool run_all(const char *plugins, const char *folders, bool dry_run, char *error,
		    size_t error_bytes)
{
	struct request *requests = uvh_keep(PLUGIN_MAX * sizeof(*requests)), *same;
	struct request *request = requests; /* those before it were run */
	char *text = uvh_keep_text(plugins, strlen(plugins));
	bool good = true;

	if (requests == NULL || text == NULL) {
		snprintf(error, error_bytes, "no memory to load plugins");
		if (!dry_run)
			tell_failed(error);
		return false;
	}
	while (*text != '\0') {
		if (*text == ';') {
			text++;
			continue;
		}
		if (read_request(&text, request, error, error_bytes)) {
			for (same = requests; same < request && !is_same(same, request);)
				same++;
			if (same < request)
				continue;
			if (run_plugin(request, folders, dry_run, error, error_bytes)) {
				request += request + 1 < requests + PLUGIN_MAX;
				continue;
			}
		}
		good = false;
		if (dry_run)
			break;
		tell_failed(error);
	}
	return good;
}

void uvh_plugins_load(const char *plugins)
{
	char error[ERROR_BYTES] = "";
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
