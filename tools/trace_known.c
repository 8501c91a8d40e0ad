/* SPDX-License-Identifier: MIT */
#include "trace_known.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "terminal.h"

/* So many names help; more hide each other. */
#define NAMES_SHOWN 8

/* The recorder names no more callbacks of a process: half of RECORDER_CALLBACKS. */
#define CALLBACKS_NAMED 4096

/* The first ones of some names, each once. */
struct names {
	const char *shown[NAMES_SHOWN];
	size_t count; /* may be more than are shown */
};

struct search {
	const char *word;
	bool is_part; /* of a name */
	bool found;
	struct names near, all;
};

static void add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count && i < NAMES_SHOWN; i++)
		if (strcmp(names->shown[i], name) == 0)
			return;
	if (names->count < NAMES_SHOWN)
		names->shown[names->count] = name;
	names->count++;
}

static void look_at(struct search *search, const char *name)
{
	if (strcmp(name, search->word) == 0 ||
	    (search->is_part && strstr(name, search->word) != NULL))
		search->found = true;
	if (strcasestr(name, search->word) != NULL || strcasestr(search->word, name) != NULL)
		add_name(&search->near, name);
	add_name(&search->all, name);
}

/* Those that may have been meant; else what there is. */
static const char *names_text(const struct search *search, char *text, size_t bytes)
{
	const struct names *names = search->near.count != 0 ? &search->near : &search->all;
	struct uvh_words words = {text, bytes, 0};

	uvh_add(&words, "%s", names->count == 0 ? "there is none" : "there is ");
	for (size_t i = 0; i < names->count && i < NAMES_SHOWN; i++)
		uvh_add(&words, "%s%.100s", i == 0 ? "" : ", ", names->shown[i]);
	if (names->count > NAMES_SHOWN)
		uvh_add(&words, " and more");
	return text;
}

int uvh_known_type(const char *verb, const struct uvh_trace *trace, const char *word)
{
	struct search search = {.word = word};
	char text[1024];

	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const char *name;

		for (size_t k = 0;
		     (name = uvh_trace_own_type(uvh_trace_process(trace, i), k)) != NULL; k++)
			look_at(&search, name);
	}
	look_at(&search, "embedder");
	for (unsigned int type = UVHOOKS_NONE + 1; type < UVHOOKS_TYPE_MAX; type++) {
		look_at(&search, uvhooks_type_name(type));
		if (uvhooks_type_kind(type) != UVHOOKS_KIND_EMBEDDER)
			look_at(&search, uvhooks_uv_type_name(type));
	}
	if (search.found)
		return UVH_OK;
	return uvh_bad_usage(verb, "--type: neither uvhooks nor this trace has a type '%s'; %s",
			     word, names_text(&search, text, sizeof(text)));
}

int uvh_known_callback(const char *verb, const struct uvh_trace *trace, const char *part)
{
	struct search search = {.word = part, .is_part = true};
	char text[1024];

	for (size_t i = 0; i < uvh_trace_process_count(trace) && !search.found; i++) {
		const struct uvh_trace_process *process = uvh_trace_process(trace, i);
		const char *name;
		size_t k = 0;

		while (!search.found && (name = uvh_trace_known_callback(process, k++)) != NULL)
			look_at(&search, name);
		/* It may be among what is missing. */
		if (k > CALLBACKS_NAMED || process->events_discarded != 0)
			search.found = true;
	}
	if (search.found)
		return UVH_OK;
	return uvh_bad_usage(verb, "--callback: no callback in this trace has '%s' in its name; %s",
			     part, names_text(&search, text, sizeof(text)));
}

bool uvh_process_is(const struct uvh_trace_process *process, const char *word)
{
	unsigned long long pid;
	char *end;

	if (strcmp(word, process->folder) == 0)
		return true;
	pid = strtoull(word, &end, 10);
	return word[0] >= '0' && word[0] <= '9' && *end == '\0' && pid == process->pid;
}

int uvh_known_process(const char *verb, const struct uvh_trace *trace, const char *word)
{
	struct search search = {.word = word};
	char text[1024];

	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(trace, i);

		if (uvh_process_is(process, word))
			return UVH_OK;
		look_at(&search, process->folder);
	}
	return uvh_bad_usage(verb, "--process: no process of this trace is '%s'; %s", word,
			     names_text(&search, text, sizeof(text)));
}
