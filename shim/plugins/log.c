/* SPDX-License-Identifier: MIT */
/*
 * The log plugin: one line per event.
 *
 * - file=PATH: append to PATH, which is relative to the folder that each process starts in; %p
 *   stands for the process id, %% for %. Default: stderr.
 * - format=text|json: for people (the default), or one JSON object a line.
 * - events=LIST: only these events: init,before,... or node (Node's five) or all (the default).
 * - types=LIST: only resources of these types, by either name: TIMERWRAP,uv_fs_t,...
 *
 * The items of a list are parted by ',' or '+'.
 */
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OPTIONS "file=PATH, format=text|json, events=LIST and types=LIST"

#define ALL_EVENTS  ((1u << UVHOOKS_EVENT_MAX) - 1)
#define NODE_EVENTS ((1u << (UVHOOKS_EVENT_PROMISE_RESOLVE + 1)) - 1)
#define ALL_TYPES   UINT64_MAX

_Static_assert(UVHOOKS_TYPE_MAX < 64, "types fit into a mask");
_Static_assert(UVHOOKS_EVENT_MAX < 32, "events fit into a mask");

struct options {
	const char *file;
	bool json;
	uint32_t events;
	uint64_t types;
};

static struct options options;
static struct timespec started;
static pid_t main_thread;     /* whose thread id goes without saying */
static bool one_among_others; /* started by a program that is traced, too */

/* Small, since room for the static TLS of a plugin is: callbacks and loops on this thread. */
static __thread unsigned int depth __attribute__((tls_model("initial-exec")));

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) (now.tv_sec - started.tv_sec) * UINT64_C(1000000000) +
	       (uint64_t) now.tv_nsec - (uint64_t) started.tv_nsec;
}

/* How far the event is indented. What was left without an `after` must not go below zero. */
static unsigned int nest(unsigned int event)
{
	switch (event) {
	case UVHOOKS_EVENT_BEFORE:
	case UVHOOKS_EVENT_WORK_BEGIN:
	case UVHOOKS_EVENT_LOOP_ENTER:
		return depth++;
	case UVHOOKS_EVENT_AFTER:
	case UVHOOKS_EVENT_WORK_END:
	case UVHOOKS_EVENT_LOOP_EXIT:
		return depth == 0 ? 0 : --depth;
	}
	return depth;
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	struct log_moment moment;
	struct log_line line;
	int saved_errno, cancel;

	(void) data;
	moment.depth = nest(event->event);
	if ((options.types >> event->type & 1) == 0)
		return;
	/* write and open are cancellation points; the call that caused the event may be none. */
	saved_errno = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	moment.time_ns = now_ns();
	moment.show_thread = one_among_others || event->thread_id != (uint32_t) main_thread;
	line.used = 0;
	if (options.json)
		log_json_event(&line, event, &moment);
	else
		log_text_event(&line, event, &moment);
	log_file_write(&line);
	pthread_setcancelstate(cancel, NULL);
	errno = saved_errno;
}

static void lost_line(struct log_line *line, uint64_t lost)
{
	if (options.json)
		log_json_lost(line, lost, now_ns());
	else
		log_text_lost(line, lost, now_ns());
}

/* The set of events that a word stands for; 0 if it stands for none. */
static uint64_t event_set(const char *word, size_t length)
{
#define XX(name, text)                                                                             \
	if (length == sizeof(#text) - 1 && memcmp(word, #text, length) == 0)                       \
		return UINT64_C(1) << UVHOOKS_EVENT_##name;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	if (length == 4 && memcmp(word, "node", 4) == 0)
		return NODE_EVENTS;
	if (length == 3 && memcmp(word, "all", 3) == 0)
		return ALL_EVENTS;
	return 0;
}

/* The same for a type, by either name; several share libuv's. */
static uint64_t type_set(const char *word, size_t length)
{
	uint64_t set = 0;

#define XX(name, uv_name, kind)                                                                    \
	if ((length == sizeof(#name) - 1 && memcmp(word, #name, length) == 0) ||                   \
	    (length == sizeof(uv_name) - 1 && memcmp(word, uv_name, length) == 0))                 \
		set |= UINT64_C(1) << UVHOOKS_##name;
	UVHOOKS_TYPE_MAP(XX)
#undef XX
	return set & ~(UINT64_C(1) << UVHOOKS_NONE);
}

typedef uint64_t (*word_set)(const char *word, size_t length);

/* Adds what a list names to `set`. Returns the word that it cannot read, or NULL. */
static const char *read_list(const char *list, word_set words, uint64_t *set)
{
	for (;;) {
		size_t length = strcspn(list, ",+");
		uint64_t word = words(list, length);

		if (word == 0)
			return list;
		*set |= word;
		if (list[length] == '\0')
			return NULL;
		list += length + 1;
	}
}

static int bad_event(struct uvhooks_plugin_args *args, const char *word)
{
	static const char known[] = "node, all"
#define XX(name, text) ", " #text
	    UVHOOKS_EVENT_MAP(XX)
#undef XX
	    ;

	return uvhooks_plugin_error(args, "events: '%.*s' is not an event; known are %s",
				    (int) strcspn(word, ",+"), word, known);
}

static int bad_type(struct uvhooks_plugin_args *args, const char *word)
{
	return uvhooks_plugin_error(args,
				    "types: '%.*s' is not a type; say one as Node does, TIMERWRAP, "
				    "or as libuv does, uv_timer_t",
				    (int) strcspn(word, ",+"), word);
}

/*
 * The list that the options before left open. ',' also parts options: in `events=init,before` the
 * shim has read an option `before` that has no value, and it belongs to the list.
 */
enum open_list { NO_LIST, EVENTS_LIST, TYPES_LIST };

static int read_option(struct uvhooks_plugin_args *args, const struct uvhooks_plugin_option *option,
		       enum open_list *list, uint64_t *events, uint64_t *types)
{
	const char *value = option->value, *bad;

	if (strcmp(option->key, "events") == 0) {
		*list = EVENTS_LIST;
	} else if (strcmp(option->key, "types") == 0) {
		*list = TYPES_LIST;
	} else if (*list != NO_LIST && value[0] == '\0' && strcmp(option->key, "file") != 0 &&
		   strcmp(option->key, "format") != 0) {
		value = option->key;
	} else {
		*list = NO_LIST;
	}
	switch (*list) {
	case EVENTS_LIST:
		bad = read_list(value, event_set, events);
		return bad == NULL ? 0 : bad_event(args, bad);
	case TYPES_LIST:
		bad = read_list(value, type_set, types);
		return bad == NULL ? 0 : bad_type(args, bad);
	case NO_LIST:
		break;
	}
	if (strcmp(option->key, "file") == 0) {
		if (value[0] == '\0')
			return uvhooks_plugin_error(args, "file= needs the path of a file");
		options.file = value;
		return 0;
	}
	if (strcmp(option->key, "format") == 0) {
		options.json = strcmp(value, "json") == 0;
		if (options.json || strcmp(value, "text") == 0)
			return 0;
		return uvhooks_plugin_error(args, "format=%s: known are text and json", value);
	}
	return uvhooks_plugin_error(args, "unknown option '%s'; known are " OPTIONS, option->key);
}

static int read_options(struct uvhooks_plugin_args *args)
{
	enum open_list list = NO_LIST;
	uint64_t events = 0, types = 0;

	options = (struct options){.events = ALL_EVENTS, .types = ALL_TYPES};
	for (size_t i = 0; i < args->count; i++)
		if (read_option(args, &args->options[i], &list, &events, &types) != 0)
			return -1;
	if (events != 0)
		options.events = (uint32_t) events;
	if (types != 0)
		options.types = types;
	return 0;
}

static int hook(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks)};
	struct uvhooks_hook *made;

#define XX(name, text)                                                                             \
	if (options.events >> UVHOOKS_EVENT_##name & 1)                                            \
		callbacks.text = on_event;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	made = uvhooks_create_hook(&callbacks, NULL);
	if (made == NULL || uvhooks_hook_enable(made) != 0)
		return uvhooks_plugin_error(args, "no memory for a hook");
	return 0;
}

static int log_init(struct uvhooks_plugin_args *args)
{
	const char *launched = getenv("UVHOOKS_LAUNCHED");

	if (read_options(args) != 0)
		return -1;
	if (args->dry_run)
		return log_file_check(args, options.file);
	if (!uvhooks_present())
		return uvhooks_plugin_error(args, "libuvhooks.so is not in this process");
	clock_gettime(CLOCK_MONOTONIC, &started);
	main_thread = getpid();
	one_among_others = launched != NULL && strtol(launched, NULL, 10) != main_thread;
	log_symbol_start();
	if (log_file_start(args, options.file, lost_line) != 0)
		return -1;
	options.file = NULL; /* `args` ends with this call */
	return hook(args);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "log",
    .summary = "one line per event: " OPTIONS,
    .init = log_init,
};
