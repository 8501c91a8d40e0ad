/* SPDX-License-Identifier: MIT */
/* The options; what they mean stands in stacks.c. */
#include "stacks.h"

#include <string.h>

#define DEPTH_DEFAULT 48
#define MAX_DEFAULT   16384
#define MAX_MOST      (1u << 20)
#define SAMPLE_MOST   1000000
#define WATCHDOG_MOST 86400000

struct stacks_options stacks_options;

/* Which stacks_options_read() is at. */
static struct stacks_options *reading;
static bool types_named;

/* A number and nothing else, from 1 to `most`. 0: it is none. */
static uint32_t read_number(const char *text, uint32_t most)
{
	uint64_t number = 0;

	for (; *text >= '0' && *text <= '9' && number <= most; text++)
		number = number * 10 + (uint64_t) (*text - '0');
	return *text != '\0' || number > most ? 0 : (uint32_t) number;
}

static int read_sample(struct uvhooks_plugin_args *args, const char *value)
{
	if (strncmp(value, "1/", 2) == 0)
		reading->sample = read_number(value + 2, SAMPLE_MOST);
	else
		reading->sample = strcmp(value, "1") == 0;
	if (reading->sample != 0)
		return 0;
	return uvhooks_plugin_error(
	    args, "sample=%s: say 1/N, for one stack of N: sample=1/100; N is %d at most", value,
	    SAMPLE_MOST);
}

/* Several types share a name of libuv's; it has none for an embedder's, but that is no name. */
static bool is_type(unsigned int type, const char *word, size_t length)
{
	const char *names[] = {uvhooks_type_name(type),
			       uvhooks_type_kind(type) == UVHOOKS_KIND_EMBEDDER
				   ? "embedder"
				   : uvhooks_uv_type_name(type)};

	for (size_t i = 0; i < 2; i++)
		if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0)
			return true;
	return false;
}

static int read_type(struct uvhooks_plugin_args *args, const char *word, size_t length)
{
	bool found = false;

	if (!types_named)
		memset(reading->types, 0, sizeof(reading->types));
	types_named = true;
	if (length == strlen("all") && memcmp(word, "all", length) == 0) {
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
	if (length == strlen("embedder") && memcmp(word, "embedder", length) == 0)
		reading->types[STACKS_NAMED_TYPES] = true;
	reading->some_types = true;
	return 0;
}

static int read_types(struct uvhooks_plugin_args *args, const char *value)
{
	for (;;) {
		size_t length = strcspn(value, ",+");

		if (read_type(args, value, length) != 0)
			return -1;
		if (value[length] == '\0')
			return 0;
		value += length + 1;
	}
}

static int read_at(struct uvhooks_plugin_args *args, const char *value)
{
	reading->at_init = strcmp(value, "arm") != 0;
	reading->at_start = strcmp(value, "init") != 0;
	if (strcmp(value, "both") == 0 || !reading->at_init || !reading->at_start)
		return 0;
	return uvhooks_plugin_error(args, "at=%s: known are init, arm and both", value);
}

static int read_unwind(struct uvhooks_plugin_args *args, const char *value)
{
	reading->by_frame_pointers = strcmp(value, "frames") == 0;
	if (reading->by_frame_pointers || strcmp(value, "dwarf") == 0)
		return 0;
	return uvhooks_plugin_error(args,
				    "unwind=%s: known are dwarf, and frames for programs that "
				    "are built with -fno-omit-frame-pointer",
				    value);
}

static int read_count(struct uvhooks_plugin_args *args, const char *key, const char *value,
		      uint32_t *count, uint32_t most)
{
	*count = read_number(value, most);
	if (*count != 0)
		return 0;
	return uvhooks_plugin_error(args, "%s=%s: say a number from 1 to %u", key, value, most);
}

static int read_option(struct uvhooks_plugin_args *args, const char *key, const char *value)
{
	if (strcmp(key, "sample") == 0)
		return read_sample(args, value);
	if (strcmp(key, "types") == 0)
		return read_types(args, value);
	if (strcmp(key, "at") == 0)
		return read_at(args, value);
	if (strcmp(key, "unwind") == 0)
		return read_unwind(args, value);
	if (strcmp(key, "depth") == 0)
		return read_count(args, key, value, &reading->depth, STACKS_DEPTH_MAX);
	if (strcmp(key, "max") == 0)
		return read_count(args, key, value, &reading->max, MAX_MOST);
	if (strcmp(key, "watchdog_ms") == 0 && strcmp(value, "0") == 0) {
		reading->watchdog_ms = 0;
		return 0;
	}
	if (strcmp(key, "watchdog_ms") == 0)
		return read_count(args, key, value, &reading->watchdog_ms, WATCHDOG_MOST);
	return uvhooks_plugin_error(args,
				    "unknown option '%s'; known are sample=1/N, types=LIST, "
				    "at=init|arm|both, unwind=dwarf|frames, depth=N, max=N and "
				    "watchdog_ms=MS",
				    key);
}

/*
 * ',' parts options as well as the items of a list: in `types=TIMERWRAP,uv_idle_t` the shim has
 * read an option `uv_idle_t` that has no value, and it belongs to the list in front of it.
 */
const struct stacks_options stacks_options_usual = {
    .sample = 1, .depth = DEPTH_DEFAULT, .max = MAX_DEFAULT, .at_init = true, .at_start = true};

int stacks_options_read(struct uvhooks_plugin_args *args, struct stacks_options *options)
{
	bool in_list = false;

	reading = options;
	types_named = false;
	for (size_t i = 0; i < args->count; i++) {
		const char *key = args->options[i].key, *value = args->options[i].value;
		int result;

		if (in_list && value[0] == '\0') {
			result = read_types(args, key);
		} else {
			in_list = strcmp(key, "types") == 0;
			result = read_option(args, key, value);
		}
		if (result != 0)
			return -1;
	}
	return 0;
}
