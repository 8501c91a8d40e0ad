/* SPDX-License-Identifier: MIT */
/*
 * A plugin to copy: counts the resources of each type and writes a summary when the process ends.
 *
 *	cc -shared -fPIC $(pkg-config --cflags uvhooks) example.c -o example.so
 *	uvhooks run -p ./example.so:file=/tmp/summary -- program
 *
 * Option: file=PATH, where the summary is appended; stderr if it is left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

/* Hooks run on the thread of the event, many at a time: what they share must be atomic. */
static unsigned long made[UVHOOKS_TYPE_MAX];
static unsigned long ended[UVHOOKS_TYPE_MAX];

static char path[4096];
static pid_t process;

static void on_init(const struct uvhooks_event *event, void *data)
{
	(void) data;
	/* A later version may know more types than this plugin was compiled with. */
	if (event->type < UVHOOKS_TYPE_MAX)
		__atomic_add_fetch(&made[event->type], 1, __ATOMIC_RELAXED);
}

static void on_destroy(const struct uvhooks_event *event, void *data)
{
	(void) data;
	if (event->type < UVHOOKS_TYPE_MAX)
		__atomic_add_fetch(&ended[event->type], 1, __ATOMIC_RELAXED);
}

/* The process ends, by exit() or by returning from main: outside of hooks stdio is fine. */
static void write_summary(void)
{
	FILE *out = stderr;

	/* The child of a fork has the counts of its parent, who will write them. */
	if (getpid() != process)
		return;
	if (path[0] != '\0')
		out = fopen(path, "ae");
	if (out == NULL)
		return;
	for (int type = 0; type < UVHOOKS_TYPE_MAX; type++)
		if (made[type] != 0)
			fprintf(out, "%-18s %-18s %lu made, %lu ended\n", uvhooks_type_name(type),
				uvhooks_uv_type_name(type), made[type], ended[type]);
	if (out != stderr)
		fclose(out);
}

/*
 * Reads the options. With `dry_run` it says what is wrong with them and touches nothing; the real
 * call follows in the program. What `args` points to is gone when it returns.
 */
static int example_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = on_init,
	    .destroy = on_destroy,
	};

	for (size_t i = 0; i < args->count; i++) {
		const struct uvhooks_plugin_option *option = &args->options[i];

		if (strcmp(option->key, "file") != 0)
			return uvhooks_plugin_error(args, "unknown option '%s'; known is file=PATH",
						    option->key);
		if (option->value[0] == '\0' || strlen(option->value) >= sizeof(path))
			return uvhooks_plugin_error(args, "file= needs the path of a file");
		strcpy(path, option->value);
	}
	if (args->dry_run)
		return 0;
	process = getpid();
	if (atexit(write_summary) != 0)
		return -ENOMEM;
	return uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "example",
    .summary = "counts the resources of each type: file=PATH",
    .init = example_init,
};
