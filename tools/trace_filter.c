/* SPDX-License-Identifier: MIT */
#include "trace_filter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "memory.h"
#include "trace_known.h"

const char uvh_trace_filter_help[] =
    "  --type LIST      only resources of these types, by either name: TIMERWRAP,uv_fs_t,... or\n"
    "                   embedder (all that the program makes itself)\n"
    "  --loop LIST      only those of these loops, by the number of their id space: 0,1\n"
    "  --id LIST        only these resources: 7,1:8. A loop or an id of which nothing is in the\n"
    "                   trace is told, and the exit status is 1\n"
    "  --from T         only what happened at T or later: in seconds since the trace began, or\n"
    "                   with a unit: 1.5, 20ms, 300us\n"
    "  --to T           only what happened up to T\n"
    "  --callback TEXT  only resources with a callback whose name has TEXT in it, from where it\n"
    "                   is armed or called first\n"
    "  --process LIST   only these processes, by pid or by the name of the folder\n";

#define NAMED UVHOOKS_TYPE_MAX /* in the set of types: all that programs name */

/* What matched --callback, and is still alive. */
struct match {
	const struct uvh_trace_process *process;
	uvhooks_async_id id;
};

/* Has a callback of a process the text in its name? */
struct verdict {
	const struct uvh_trace_process *process;
	uint64_t callback;
	bool wanted;
};

struct wanted_id {
	uvhooks_async_id id;
	bool seen;
};

struct words {
	char **list;
	size_t count, room;
};

struct uvh_trace_filter {
	bool is_set;
	bool some_types;
	bool types[NAMED + 1];
	struct words type_names; /* which may be the program's own */
	struct words processes;
	bool some_loops;
	bool loops[UINT16_MAX + 1];
	bool loops_seen[UINT16_MAX + 1];
	struct wanted_id *ids;
	size_t id_count, id_room;
	int64_t from_ns, to_ns; /* since the trace began */

	const char *callback; /* NULL: all */
	struct verdict *verdicts;
	size_t verdict_count, verdict_room;
	struct uvh_index verdict_index;
	struct match *matches;
	size_t match_count, match_room;
	struct uvh_index match_index;
};

struct uvh_trace_filter *uvh_trace_filter_new(void)
{
	struct uvh_trace_filter *filter = uvh_zeros(1, sizeof(*filter));

	filter->from_ns = INT64_MIN;
	filter->to_ns = INT64_MAX;
	return filter;
}

static void free_words(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
}

void uvh_trace_filter_free(struct uvh_trace_filter *filter)
{
	if (filter == NULL)
		return;
	free_words(&filter->type_names);
	free_words(&filter->processes);
	free(filter->ids);
	free(filter->verdicts);
	free(filter->matches);
	uvh_index_free(&filter->verdict_index);
	uvh_index_free(&filter->match_index);
	free(filter);
}

bool uvh_trace_filter_is_set(const struct uvh_trace_filter *filter)
{
	return filter->is_set;
}

static void add_word(struct words *words, const char *word)
{
	words->list = uvh_grow(words->list, &words->room, words->count + 1, sizeof(*words->list));
	words->list[words->count++] = uvh_copy_text(word);
}

static int read_type(struct uvh_trace_filter *filter, const char *verb, const char *word)
{
	bool found = strcmp(word, "embedder") == 0;

	if (word[0] == '\0')
		return uvh_bad_usage(verb, "--type needs types: TIMERWRAP,uv_fs_t,...");
	filter->some_types = true;
	filter->types[NAMED] |= found;
	for (unsigned int type = UVHOOKS_NONE + 1; type < UVHOOKS_TYPE_MAX; type++) {
		bool own = uvhooks_type_kind(type) == UVHOOKS_KIND_EMBEDDER;
		const char *other = own ? "embedder" : uvhooks_uv_type_name(type);

		if (strcmp(word, uvhooks_type_name(type)) == 0 || strcmp(word, other) == 0)
			filter->types[type] = found = true;
	}
	if (!found)
		add_word(&filter->type_names, word);
	return UVH_OK;
}

/* Digits only, up to `most`, and `*end` behind them. */
static bool read_number(const char *text, uint64_t most, uint64_t *number, char **end)
{
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, end, 10);
	return errno == 0 && *number <= most;
}

static int read_loop(struct uvh_trace_filter *filter, const char *verb, const char *word)
{
	uint64_t number;
	char *end;

	if (!read_number(word, UINT16_MAX, &number, &end) || *end != '\0')
		return uvh_bad_usage(verb,
				     "--loop: '%s' is no id space; they have numbers: 0 is "
				     "that of the first loop, 1 is where 1:7 is from",
				     word);
	filter->some_loops = true;
	filter->loops[number] = true;
	return UVH_OK;
}

bool uvh_trace_filter_read_id(const char *word, uvhooks_async_id *id)
{
	const uint64_t most = (UINT64_C(1) << UVHOOKS_ID_SEQUENCE_BITS) - 1;
	uint64_t space = 0, sequence;
	char *end;

	if (!read_number(word, most, &sequence, &end))
		return false;
	if (*end == ':') {
		space = sequence;
		if (space > UINT16_MAX || !read_number(end + 1, most, &sequence, &end))
			return false;
	}
	*id = space << UVHOOKS_ID_SEQUENCE_BITS | sequence;
	return *end == '\0';
}

static int read_id(struct uvh_trace_filter *filter, const char *verb, const char *word)
{
	uvhooks_async_id id;

	if (!uvh_trace_filter_read_id(word, &id))
		return uvh_bad_usage(verb, "--id: '%s' is no async id; they are like 7 or 1:7",
				     word);
	filter->ids =
	    uvh_grow(filter->ids, &filter->id_room, filter->id_count + 1, sizeof(*filter->ids));
	filter->ids[filter->id_count++] = (struct wanted_id){.id = id};
	return UVH_OK;
}

static int read_process(struct uvh_trace_filter *filter, const char *verb, const char *word)
{
	if (word[0] == '\0')
		return uvh_bad_usage(verb, "--process needs a pid or the name of a folder");
	add_word(&filter->processes, word);
	return UVH_OK;
}

static int read_list(struct uvh_trace_filter *filter, const char *verb, const char *value,
		     int (*read)(struct uvh_trace_filter *filter, const char *verb,
				 const char *word))
{
	char *words = uvh_copy_text(value), *rest = words, *word;
	int status = UVH_OK;

	while (status == UVH_OK && (word = strsep(&rest, ",")) != NULL)
		status = read(filter, verb, word);
	free(words);
	return status;
}

static int read_time(const char *verb, const char *option, const char *text, int64_t *time_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};
	char *end;
	double number = strtod(text, &end);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (end == text || strcmp(end, units[i].name) != 0)
			continue;
		if (!(number >= 0) || number * units[i].ns > 9e18)
			break;
		*time_ns = llround(number * units[i].ns);
		return UVH_OK;
	}
	return uvh_bad_usage(verb,
			     "--%s: '%s' is no time since the trace began; say 1.5 for seconds, "
			     "20ms or 300us",
			     option, text);
}

int uvh_trace_filter_option(struct uvh_trace_filter *filter, const char *verb, int option,
			    const char *value)
{
	filter->is_set = true;
	switch (option) {
	case UVH_FILTER_TYPE:
		return read_list(filter, verb, value, read_type);
	case UVH_FILTER_LOOP:
		return read_list(filter, verb, value, read_loop);
	case UVH_FILTER_ID:
		return read_list(filter, verb, value, read_id);
	case UVH_FILTER_FROM:
		return read_time(verb, "from", value, &filter->from_ns);
	case UVH_FILTER_TO:
		return read_time(verb, "to", value, &filter->to_ns);
	case UVH_FILTER_PROCESS:
		return read_list(filter, verb, value, read_process);
	}
	if (value[0] == '\0')
		return uvh_bad_usage(verb, "--callback needs a part of a callback's name");
	filter->callback = value;
	return UVH_OK;
}

int uvh_trace_filter_check(const struct uvh_trace_filter *filter, const char *verb,
			   const struct uvh_trace *trace)
{
	int status = UVH_OK;

	if (filter->from_ns > filter->to_ns)
		return uvh_bad_usage(verb, "--from is later than --to: nothing happened between");
	for (size_t i = 0; status == UVH_OK && i < filter->type_names.count; i++)
		status = uvh_known_type(verb, trace, filter->type_names.list[i]);
	for (size_t i = 0; status == UVH_OK && i < filter->processes.count; i++)
		status = uvh_known_process(verb, trace, filter->processes.list[i]);
	if (status == UVH_OK && filter->callback != NULL)
		status = uvh_known_callback(verb, trace, filter->callback);
	/* It may be damage that has taken it. */
	if (status != UVH_OK)
		uvh_trace_say_damage(trace);
	return status;
}

void uvh_trace_filter_see(struct uvh_trace_filter *filter, const struct uvh_trace_event *event)
{
	if (!filter->is_set)
		return;
	filter->loops_seen[uvhooks_id_space(event->async_id)] = true;
	for (size_t i = 0; i < filter->id_count; i++)
		filter->ids[i].seen |= filter->ids[i].id == event->async_id;
}

int uvh_trace_filter_say_unseen(const struct uvh_trace_filter *filter)
{
	/* What is behind --to is not read. */
	const char *where = filter->to_ns == INT64_MAX ? "" : " up to --to";
	char text[UVHOOKS_ID_TEXT_BYTES];
	int status = UVH_OK;

	for (size_t i = 0; i < filter->id_count; i++) {
		if (filter->ids[i].seen)
			continue;
		uvh_say("--id: nothing of %s is in this trace%s",
			uvhooks_id_text(filter->ids[i].id, text), where);
		status = UVH_FAILED;
	}
	for (size_t space = 0; space <= UINT16_MAX; space++) {
		if (!filter->loops[space] || filter->loops_seen[space])
			continue;
		uvh_say("--loop: nothing of a loop %zu is in this trace%s", space, where);
		status = UVH_FAILED;
	}
	return status;
}

void uvh_trace_filter_window(const struct uvh_trace_filter *filter, const struct uvh_trace *trace,
			     int64_t *from_ns, int64_t *to_ns)
{
	int64_t begin =
	    uvh_trace_process_count(trace) == 0 ? 0 : uvh_trace_process(trace, 0)->start_ns;

	*from_ns = filter->from_ns;
	*to_ns = filter->to_ns;
	if (*from_ns != INT64_MIN && __builtin_add_overflow(*from_ns, begin, from_ns))
		*from_ns = INT64_MAX;
	if (*to_ns != INT64_MAX && __builtin_add_overflow(*to_ns, begin, to_ns))
		*to_ns = INT64_MAX;
}

static bool is_in_time(const struct uvh_trace_filter *filter, const struct uvh_trace *trace,
		       int64_t time_ns)
{
	int64_t from_ns, to_ns;

	if (filter->from_ns == INT64_MIN && filter->to_ns == INT64_MAX)
		return true;
	uvh_trace_filter_window(filter, trace, &from_ns, &to_ns);
	return time_ns >= from_ns && time_ns <= to_ns;
}

bool uvh_trace_filter_wants_process(const struct uvh_trace_filter *filter,
				    const struct uvh_trace_process *process)
{
	for (size_t i = 0; i < filter->processes.count; i++)
		if (uvh_process_is(process, filter->processes.list[i]))
			return true;
	return filter->processes.count == 0;
}

void uvh_trace_filter_say_missing(const struct uvh_trace_filter *filter,
				  const struct uvh_trace *trace)
{
	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(trace, i);

		if (!uvh_trace_filter_wants_process(filter, process))
			continue;
		if (process->events_discarded != 0)
			uvh_say("%s: %llu events were lost while recording: they are missing here",
				process->folder, (unsigned long long) process->events_discarded);
		if (process->flight_recorder)
			uvh_say("%s: kept by a flight recorder: the beginning may be missing",
				process->folder);
	}
}

static bool wants_type(const struct uvh_trace_filter *filter,
		       const struct uvh_trace_process *process, unsigned int type)
{
	const char *name;

	if (filter->types[type < NAMED ? type : NAMED])
		return true;
	if (type < UVHOOKS_TYPE_NAMED || filter->type_names.count == 0)
		return false;
	name = uvh_trace_type_name(process, type);
	for (size_t i = 0; i < filter->type_names.count; i++)
		if (strcmp(name, filter->type_names.list[i]) == 0)
			return true;
	return false;
}

/* All but the time and the callback. */
static bool wants_thing(const struct uvh_trace_filter *filter,
			const struct uvh_trace_process *process, uvhooks_async_id id,
			unsigned int type)
{
	bool found = filter->id_count == 0;

	for (size_t i = 0; i < filter->id_count && !found; i++)
		found = filter->ids[i].id == id;
	return found && (!filter->some_loops || filter->loops[uvhooks_id_space(id)]) &&
	       (!filter->some_types || wants_type(filter, process, type)) &&
	       uvh_trace_filter_wants_process(filter, process);
}

static bool wants_callback(struct uvh_trace_filter *filter, const struct uvh_trace_process *process,
			   uint64_t callback)
{
	uint32_t hash = uvh_hash(callback, (uintptr_t) process);
	struct verdict *verdict;
	size_t at = 0;
	uint32_t row;

	if (callback == 0)
		return false;
	while ((row = uvh_index_next(&filter->verdict_index, hash, &at)) != UVH_INDEX_END)
		if (filter->verdicts[row].callback == callback &&
		    filter->verdicts[row].process == process)
			return filter->verdicts[row].wanted;
	filter->verdicts = uvh_grow(filter->verdicts, &filter->verdict_room,
				    filter->verdict_count + 1, sizeof(*filter->verdicts));
	verdict = &filter->verdicts[filter->verdict_count];
	verdict->process = process;
	verdict->callback = callback;
	verdict->wanted =
	    strstr(uvh_trace_callback_name(process, callback), filter->callback) != NULL;
	uvh_index_add(&filter->verdict_index, hash, (uint32_t) filter->verdict_count++);
	return verdict->wanted;
}

static uint32_t find_match(const struct uvh_trace_filter *filter,
			   const struct uvh_trace_process *process, uvhooks_async_id id)
{
	size_t at = 0;
	uint32_t row;

	while ((row = uvh_index_next(&filter->match_index, uvh_hash(id, (uintptr_t) process),
				     &at)) != UVH_INDEX_END)
		if (filter->matches[row].id == id && filter->matches[row].process == process)
			break;
	return row;
}

static void remember_match(struct uvh_trace_filter *filter, const struct uvh_trace_process *process,
			   uvhooks_async_id id)
{
	filter->matches = uvh_grow(filter->matches, &filter->match_room, filter->match_count + 1,
				   sizeof(*filter->matches));
	filter->matches[filter->match_count] = (struct match){process, id};
	uvh_index_add(&filter->match_index, uvh_hash(id, (uintptr_t) process),
		      (uint32_t) filter->match_count++);
}

/* The last one takes the place of the one that is forgotten. */
static void forget_match(struct uvh_trace_filter *filter, uint32_t row)
{
	uint32_t last = (uint32_t) --filter->match_count;
	const struct match *match = &filter->matches[row];

	uvh_index_remove(&filter->match_index, uvh_hash(match->id, (uintptr_t) match->process),
			 row);
	if (row == last)
		return;
	match = &filter->matches[last];
	uvh_index_remove(&filter->match_index, uvh_hash(match->id, (uintptr_t) match->process),
			 last);
	filter->matches[row] = *match;
	uvh_index_add(&filter->match_index, uvh_hash(match->id, (uintptr_t) match->process), row);
}

static bool has_callback(struct uvh_trace_filter *filter, const struct uvh_trace_resource *resource)
{
	return wants_callback(filter, resource->process, resource->callback) ||
	       wants_callback(filter, resource->process, resource->init_callback);
}

/* Keeps in mind what has matched: the callback may be another one at the next event. */
static bool is_match(struct uvh_trace_filter *filter, const struct uvh_trace_event *event)
{
	uint32_t row;
	bool matches;

	if (event->resource == NULL)
		return false;
	row = find_match(filter, event->process, event->async_id);
	matches = row != UVH_INDEX_END || wants_callback(filter, event->process, event->callback) ||
		  has_callback(filter, event->resource);
	if (event->event == UVHOOKS_EVENT_DESTROY) {
		if (row != UVH_INDEX_END)
			forget_match(filter, row);
	} else if (matches && row == UVH_INDEX_END) {
		remember_match(filter, event->process, event->async_id);
	}
	return matches;
}

bool uvh_trace_filter_wants(struct uvh_trace_filter *filter, const struct uvh_trace *trace,
			    const struct uvh_trace_event *event)
{
	if (!filter->is_set)
		return true;
	/* First, since it must see all that happened. */
	if (filter->callback != NULL && !is_match(filter, event))
		return false;
	if (event->resource == NULL && (filter->some_types || filter->id_count > 0))
		return false;
	return wants_thing(filter, event->process, event->async_id, event->type) &&
	       is_in_time(filter, trace, event->time_ns);
}

bool uvh_trace_filter_wants_resource(struct uvh_trace_filter *filter,
				     const struct uvh_trace_resource *resource)
{
	if (!filter->is_set)
		return true;
	if (!wants_thing(filter, resource->process, resource->id, resource->type))
		return false;
	return filter->callback == NULL ||
	       find_match(filter, resource->process, resource->id) != UVH_INDEX_END ||
	       has_callback(filter, resource);
}

void uvh_trace_filter_set_window(const struct uvh_trace_filter *filter, struct uvh_trace *trace)
{
	int64_t from_ns, to_ns;

	uvh_trace_filter_window(filter, trace, &from_ns, &to_ns);
	uvh_trace_window(trace, from_ns, to_ns);
}
