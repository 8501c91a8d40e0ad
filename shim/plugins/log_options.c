/* SPDX-License-Identifier: MIT */
/* The options of all plugins that write lines; what they mean stands in log.c. */
#include "log.h"

#include <string.h>

#define NODE_EVENTS ((1u << (UVHOOKS_EVENT_PROMISE_RESOLVE + 1)) - 1)

_Static_assert(UVHOOKS_EVENT_MAX < 32, "events fit into a mask");

/* One that nobody can be reading any more is used again: options change seldom. */
static struct log_options places[4];
static unsigned int place;

const struct log_options *_Atomic log_options = &places[0];

/* Which log_options_read() is at. */
static struct log_options *reading;
static bool events_named, types_named;

static bool is(const char *word, size_t length, const char *text)
{
	return strlen(text) == length && memcmp(word, text, length) == 0;
}

/* The set of events that a word stands for; 0 if it stands for none. */
static uint32_t event_set(const char *word, size_t length)
{
	for (unsigned int event = 0; event < UVHOOKS_EVENT_MAX; event++)
		if (is(word, length, uvhooks_event_name(event)))
			return 1u << event;
	if (is(word, length, "node"))
		return NODE_EVENTS;
	return is(word, length, "all") ? UVHOOKS_EVENTS_ALL : 0;
}

static int read_event(struct uvhooks_plugin_args *args, const char *word, size_t length)
{
	static const char known[] = "node, all"
#define XX(name, text) ", " #text
	    UVHOOKS_EVENT_MAP(XX)
#undef XX
	    ;
	uint32_t set = event_set(word, length);

	if (set == 0)
		return uvhooks_plugin_error(args, "events: '%.*s' is not an event; known are %s",
					    (int) length, word, known);
	reading->events = (events_named ? reading->events : 0) | set;
	events_named = true;
	return 0;
}

/* Several types share a name of libuv's; it has none for an embedder's, but that is no name. */
static bool is_type(unsigned int type, const char *word, size_t length)
{
	if (is(word, length, uvhooks_type_name(type)))
		return true;
	return uvhooks_type_kind(type) == UVHOOKS_KIND_EMBEDDER
		   ? is(word, length, "embedder")
		   : is(word, length, uvhooks_uv_type_name(type));
}

static int read_type(struct uvhooks_plugin_args *args, const char *word, size_t length)
{
	bool found = false;

	if (!types_named)
		memset(reading->types, 0, sizeof(reading->types));
	types_named = true;
	if (is(word, length, "all")) {
		reading->some_types = false;
		return 0;
	}
	for (unsigned int type = UVHOOKS_NONE + 1; type < UVHOOKS_TYPE_MAX; type++)
		if (is_type(type, word, length))
			reading->types[type] = found = true;
	if (!found)
		return uvhooks_plugin_error(
		    args,
		    "types: '%.*s' is not a type; say one as Node does, TIMERWRAP, "
		    "or as libuv does, uv_timer_t, or embedder, or all",
		    (int) length, word);
	reading->types[LOG_NAMED_TYPES] |= is(word, length, "embedder");
	reading->some_types = true;
	return 0;
}

static int read_file(struct uvhooks_plugin_args *args, const char *value, size_t length)
{
	if (length == 0)
		return uvhooks_plugin_error(args, "file= needs the path of a file");
	reading->file = value;
	return 0;
}

static int read_format(struct uvhooks_plugin_args *args, const char *value, size_t length)
{
	reading->json = is(value, length, "json");
	if (reading->json || is(value, length, "text"))
		return 0;
	return uvhooks_plugin_error(args, "format=%s: known are text and json", value);
}

static const struct log_option own[] = {
    {"file", false, read_file, "file=PATH"},
    {"format", false, read_format, "format=text|json"},
    {"events", true, read_event, "events=LIST"},
    {"types", true, read_type, "types=LIST"},
    {NULL, false, NULL, NULL},
};

static const struct log_option *find_option(const struct log_option *option, const char *key)
{
	while (option != NULL && option->key != NULL && strcmp(option->key, key) != 0)
		option++;
	return option == NULL || option->key == NULL ? NULL : option;
}

static int unknown_option(struct uvhooks_plugin_args *args, const struct log_option *more,
			  const char *key)
{
	struct log_line known = {.used = 0};

	for (const struct log_option *option = own; option->key != NULL; option++) {
		const char *between = option[1].key != NULL || more != NULL ? ", " : " and ";

		log_line_text(&known, option == own ? "" : between);
		log_line_text(&known, option->summary);
	}
	for (; more != NULL && more->key != NULL; more++) {
		log_line_text(&known, more[1].key != NULL ? ", " : " and ");
		log_line_text(&known, more->summary);
	}
	return uvhooks_plugin_error(args, "unknown option '%s'; known are %.*s", key,
				    (int) known.used, known.text);
}

static int read_value(struct uvhooks_plugin_args *args, const struct log_option *option,
		      const char *value)
{
	size_t length = strlen(value);

	while (option->is_list) {
		length = strcspn(value, ",+");
		if (value[length] == '\0')
			break;
		if (option->read(args, value, length) != 0)
			return -1;
		value += length + 1;
	}
	return option->read(args, value, length);
}

/*
 * ',' parts options as well as the items of a list: in `events=init,before` the shim has read an
 * option `before` that has no value, and it belongs to the list that the one before left open.
 */
int log_options_read(struct uvhooks_plugin_args *args, const struct log_option *more,
		     struct log_options *options)
{
	const struct log_option *list = NULL;

	reading = options;
	events_named = types_named = false;
	for (size_t i = 0; i < args->count; i++) {
		const char *key = args->options[i].key, *value = args->options[i].value;
		const struct log_option *option = find_option(own, key);

		if (option == NULL)
			option = find_option(more, key);
		if (option == NULL && value[0] == '\0') {
			option = list;
			value = key;
		}
		if (option == NULL)
			return unknown_option(args, more, key);
		list = option->is_list ? option : NULL;
		if (read_value(args, option, value) != 0)
			return -1;
	}
	if (options->events == 0)
		options->events = UVHOOKS_EVENTS_OF_A_LOG;
	return 0;
}

void log_options_set(const struct log_options *options)
{
	struct log_options *next = &places[++place % (sizeof(places) / sizeof(places[0]))];

	*next = *options;
	atomic_store_explicit(&log_options, next, memory_order_release);
}
