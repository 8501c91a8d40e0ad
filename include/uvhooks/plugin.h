/* SPDX-License-Identifier: MIT */
/*
 * The plugin ABI: what a shared object must offer to be named in UVHOOKS_PLUGINS.
 *
 *	UVHOOKS_PLUGINS='log:file=/tmp/x,format=json;/path/my.so:key=value'
 *
 * Plugins are parted by ';'. Behind the name or path, and a ':', come options, key=value, parted by
 * ','; a backslash takes the meaning from the character behind it. A name without a '/' is looked
 * for in UVHOOKS_PLUGIN_PATH (folders parted by ':') and then beside libuvhooks.so.
 *
 * A plugin exports one symbol, `uvhooks_plugin`. It is loaded once, with RTLD_NOW, RTLD_LOCAL and
 * RTLD_NODELETE, before main runs where the shim was preloaded, and is never unloaded. Nothing is
 * loaded into a setuid program.
 *
 *	static int count_init(struct uvhooks_plugin_args *args)
 *	{
 *		if (args->count != 0)
 *			return uvhooks_plugin_error(args, "this plugin takes no options");
 *		if (args->dry_run)
 *			return 0;
 *		return uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
 *	}
 *
 *	UVHOOKS_PLUGIN = {
 *		.size = sizeof(struct uvhooks_plugin),
 *		.abi = UVHOOKS_PLUGIN_ABI,
 *		.name = "count",
 *		.summary = "counts resources",
 *		.init = count_init,
 *	};
 */
#ifndef UVHOOKS_PLUGIN_H
#define UVHOOKS_PLUGIN_H

#include <stdarg.h>
#include <uvhooks/hooks.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UVHOOKS_PLUGIN_ABI 1

/* The prefix of a plugin's definition; see the sample above. */
#ifdef __cplusplus
#define UVHOOKS_PLUGIN                                                                             \
	extern "C" __attribute__((visibility("default"))) const struct uvhooks_plugin uvhooks_plugin
#else
#define UVHOOKS_PLUGIN                                                                             \
	__attribute__((visibility("default"))) const struct uvhooks_plugin uvhooks_plugin
#endif

struct uvhooks_plugin_option {
	const char *key;
	const char *value; /* "" where the option was given without '=' */
};

/* Valid during init only: copy what is to be kept. */
struct uvhooks_plugin_args {
	size_t size; /* bytes that are valid; fields are only appended */
	/*
	 * Check the options and return: open, create and enable nothing. `uvhooks run` asks this
	 * in its own process, before the program starts.
	 */
	bool dry_run;
	size_t count;
	const struct uvhooks_plugin_option *options;
	char *error; /* where init says in one line what is wrong; see uvhooks_plugin_error */
	size_t error_bytes;
	/* end of ABI 1 */
};

struct uvhooks_plugin {
	size_t size;  /* sizeof(struct uvhooks_plugin) */
	uint32_t abi; /* UVHOOKS_PLUGIN_ABI */
	uint32_t reserved;
	const char *name;
	const char *summary; /* one line for `uvhooks run --help` and for people */
	/*
	 * Called once on the thread that loads the shim. Returns 0, or a negative errno: then the
	 * plugin takes part in nothing, and the program runs on.
	 */
	int (*init)(struct uvhooks_plugin_args *args);
	/* end of what every plugin has; where `size` ends here, the rest is as if NULL */
	/*
	 * New options while the program runs, as somebody asks with `uvhooks ctl`; those that are
	 * not named stay as they are. Called between two callbacks of a loop, on its thread, one
	 * call at a time, while other threads have events. Returns 0, or a negative errno and what
	 * is wrong in `args->error`: then nothing has changed. NULL: it takes none.
	 */
	int (*configure)(struct uvhooks_plugin_args *args);
	/*
	 * Writes what it does and what it has lost, in one line ("120000 events, 0 lost, to
	 * /tmp/trace"), for `uvhooks ctl PID status`. Called as `configure`. NULL: it has no more
	 * to say.
	 */
	void (*status)(char *text, size_t bytes);
	/* end of ABI 1 */
};

/* The least `size` of a plugin. */
#define UVHOOKS_PLUGIN_BYTES offsetof(struct uvhooks_plugin, configure)

/* Writes what is wrong into `args->error`; returns -1, so that init can return it. */
__attribute__((format(printf, 2, 3))) static inline int
uvhooks_plugin_error(struct uvhooks_plugin_args *args, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(args->error, args->error_bytes, format, list);
	va_end(list);
	return -1;
}

/*
 * Checks a UVHOOKS_PLUGINS text as a process under the shim would read it: finds and loads each
 * plugin and calls its init as a dry run. 0, or -1 and the reason, one line, in `message`; -1 also
 * if there is no shim.
 *
 * Thread: any, one at a time. Since: 0.1.
 */
UVHOOKS_API int uvhooks_check_plugins(const char *plugins, char *message, size_t message_bytes);

#ifndef UVHOOKS_SHIM
static inline int uvhooks_bare_check_plugins(const char *plugins, char *message,
					     size_t message_bytes)
{
	(void) plugins;
	snprintf(message, message_bytes, "libuvhooks.so is not in this process");
	return -1;
}

#define uvhooks_check_plugins(...)                                                                 \
	(UVHOOKS_HAS(uvhooks_check_plugins) ? (uvhooks_check_plugins) (__VA_ARGS__)                \
					    : uvhooks_bare_check_plugins(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
