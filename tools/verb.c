/* SPDX-License-Identifier: MIT */
#include "verb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "snapshot.h"
#include "terminal.h"

#define PROGRESS_EVERY 65536 /* events; a power of two */

enum { JSON = UVH_LONG_OPTION, COLOR, HELP };

static const char common_help[] =
    "  -v, --verbose    all of it, and whole stacks\n"
    "  --json           for programs: one object with all there is\n" UVH_COLOR_HELP;

struct command_line {
	const char *path;
	bool help_wanted;
};

static const struct option common_options[] = {
    {"json", no_argument, NULL, JSON},         {"verbose", no_argument, NULL, 'v'},
    {"color", required_argument, NULL, COLOR}, UVH_FILTER_OPTIONS,
    {"help", no_argument, NULL, HELP},
};

#define COMMON_COUNT (sizeof(common_options) / sizeof(common_options[0]))

static int read_option(struct uvh_question *question, struct command_line *line, int option,
		       char **argv)
{
	if (option >= UVH_FILTER_OPTION)
		return uvh_trace_filter_option(question->filter, question->verb, option, optarg);
	if (option >= UVH_VERB_OPTION)
		return question->read_option(question, option, optarg);
	switch (option) {
	case JSON:
		question->json = true;
		return UVH_OK;
	case 'v':
		question->verbose = true;
		return UVH_OK;
	case COLOR:
		return uvh_color_option(question->verb, optarg);
	case 'h':
	case HELP:
		line->help_wanted = true;
		return UVH_OK;
	}
	return uvh_bad_option(option, argv);
}

static int read_words(struct uvh_question *question, struct command_line *line, int count,
		      char **words)
{
	if (count == 0)
		return uvh_bad_usage(question->verb, "the folder of a trace is missing");
	line->path = words[0];
	if (question->read_words != NULL)
		return question->read_words(question, count - 1, words + 1);
	if (count > 1)
		return uvh_bad_usage(question->verb, "one trace at a time");
	return UVH_OK;
}

static int read_options(struct uvh_question *question, struct command_line *line, int argc,
			char **argv)
{
	struct option options[COMMON_COUNT + UVH_VERB_OPTIONS_MAX + 1];
	size_t count = COMMON_COUNT;
	int option, status;

	memcpy(options, common_options, sizeof(common_options));
	for (const struct option *own = question->options; own != NULL && own->name != NULL; own++)
		options[count++] = *own;
	options[count] = (struct option){NULL, 0, NULL, 0};
	while ((option = getopt_long(argc, argv, ":vh", options, NULL)) != -1) {
		status = read_option(question, line, option, argv);
		if (status != UVH_OK || line->help_wanted)
			return status;
	}
	return read_words(question, line, argc - optind, argv + optind);
}

static void read_events(struct uvh_question *question)
{
	struct uvh_trace_event event;
	size_t seen = 0;

	uvh_trace_filter_set_window(question->filter, question->trace);
	while (uvh_trace_next(question->trace, &event)) {
		uvh_trace_filter_see(question->filter, &event);
		question->event(question, &event);
		if ((++seen & (PROGRESS_EVERY - 1)) == 0)
			uvh_progress("reading", uvh_trace_progress(question->trace));
	}
	uvh_progress_end();
}

/* First: what follows is not all there was. */
static void say_lost(const struct uvh_question *question)
{
	for (size_t i = 0; i < uvh_trace_process_count(question->trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(question->trace, i);

		if (process->events_discarded != 0 &&
		    uvh_trace_filter_wants_process(question->filter, process))
			uvh_say("%s: %llu events were lost while recording: what they would have "
				"told is missing",
				process->folder, (unsigned long long) process->events_discarded);
	}
}

static int answer_of_trace(struct uvh_question *question, const char *path)
{
	int status, unseen;

	question->trace = uvh_trace_open(path);
	if (question->trace == NULL)
		return UVH_USAGE;
	status = uvh_trace_filter_check(question->filter, question->verb, question->trace);
	if (status != UVH_OK) {
		uvh_trace_close(question->trace);
		return status;
	}
	if (question->begin != NULL)
		question->begin(question);
	read_events(question);
	unseen = uvh_trace_filter_say_unseen(question->filter);
	question->damaged = uvh_trace_say_damage(question->trace);
	if (!question->tells_losses)
		say_lost(question);
	status = question->tell(question);
	uvh_trace_close(question->trace);
	return question->damaged == 0 && unseen == UVH_OK ? status : UVH_FAILED;
}

/* Of a trace, or of a process that runs, which is made one of. */
static int answer(struct uvh_question *question, const char *path)
{
	struct uvh_snapshot *snapshot;
	int status;

	if (!uvh_snapshot_is_meant(path))
		return answer_of_trace(question, path);
	status = uvh_snapshot_take(&snapshot, path);
	if (status != UVH_OK)
		return status;
	status = answer_of_trace(question, uvh_snapshot_path(snapshot));
	uvh_snapshot_drop(snapshot);
	return status;
}

static int print_help(const struct uvh_question *question)
{
	uvh_print_help(question->help_head);
	uvh_print_help(common_help);
	uvh_print_help(uvh_trace_filter_help);
	uvh_print_help("  --help           print this\n\n");
	return uvh_print_help(question->help_tail);
}

int uvh_question_answer(struct uvh_question *question, int argc, char **argv)
{
	struct command_line line = {0};
	int status;

	question->filter = uvh_trace_filter_new();
	status = read_options(question, &line, argc, argv);
	if (status == UVH_OK)
		status = line.help_wanted ? print_help(question) : answer(question, line.path);
	uvh_trace_filter_free(question->filter);
	return status;
}

int uvh_question_answer_about(struct uvh_question *question, const char *path, bool json,
			      bool verbose)
{
	int status;

	question->filter = uvh_trace_filter_new();
	question->json = json;
	question->verbose = verbose;
	status = answer(question, path);
	uvh_trace_filter_free(question->filter);
	return status;
}

int uvh_read_number(const char *verb, const char *option, const char *text, uint64_t least,
		    uint64_t most, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *number >= least &&
	    *number <= most)
		return UVH_OK;
	return uvh_bad_usage(verb, "--%s: '%s' is no number from %llu to %llu", option, text,
			     (unsigned long long) least, (unsigned long long) most);
}

int uvh_read_duration(const char *verb, const char *option, const char *text, int64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};
	char *end = (char *) (uintptr_t) text;
	double value = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;

	for (size_t i = 0; end != text && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0 || value * units[i].ns >= 1e18)
			continue;
		*ns = (int64_t) (value * units[i].ns);
		return UVH_OK;
	}
	return uvh_bad_usage(verb, "--%s: '%s' is no duration; they are like 20ms, 300us or 1.5",
			     option, text);
}
