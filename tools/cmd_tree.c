/* SPDX-License-Identifier: MIT */
/* uvhooks tree: who caused what in a trace. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "progress.h"
#include "terminal.h"
#include "tree.h"

static const char help_head[] =
    "Usage: uvhooks tree [OPTION]... DIR [ID]\n"
    "\n"
    "Prints who caused what in the trace in DIR, as a tree: below each resource those that it\n"
    "triggered. With ID only what that resource caused, and in a line before it by whom it was\n"
    "caused itself. Resources of one kind, with the same callback, are put together, and so are\n"
    "those that cause their like again and again. Ids are those of the log; where several are\n"
    "put together, that of the first.\n"
    "\n"
    "OPTIONS\n"
    "  --all            each resource for itself, and as deep as it goes\n"
    "  --depth N        so many levels (8)\n"
    "  --limit N        at most so many resources (4000000), which take 130 bytes each; where\n"
    "                   there are more, name an ID, or use the filters\n"
    "  --json           for programs: one object with all resources, each with its "
    "trigger\n" UVH_COLOR_HELP;

static const char help_tail[] =
    "  --help           print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  done\n"
    "  1  there is no such ID, there were too many resources, parts of the trace could not be\n"
    "     read, or the output could not be written\n"
    "  2  there is no trace in DIR, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks tree trace\n"
    "  uvhooks tree trace 7\n"
    "  uvhooks tree --all --type uv_tcp_t,uv_write_t trace\n"
    "  uvhooks tree --json trace\n";

#define DEPTH          8
#define PROGRESS_EVERY 65536 /* events; a power of two */

enum { ALL = UVH_LONG_OPTION, LEVELS, LIMIT, JSON, COLOR, HELP };

struct request {
	const char *path;
	struct uvh_tree tree;
	struct uvh_tree_style style;
	bool json;
	bool help_wanted;
};

static int read_number(const char *option, const char *text, size_t most, size_t *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *number <= most &&
	    *number > 0)
		return UVH_OK;
	return uvh_bad_usage("tree", "--%s: '%s' is no number from 1 to %zu", option, text, most);
}

static int read_option(struct request *request, int option, char **argv)
{
	if (option >= UVH_FILTER_OPTION)
		return uvh_trace_filter_option(request->tree.filter, "tree", option, optarg);
	switch (option) {
	case ALL:
		request->style = (struct uvh_tree_style){.folded = false, .depth = SIZE_MAX};
		return UVH_OK;
	case LEVELS:
		return read_number("depth", optarg, UVH_TREE_NONE, &request->style.depth);
	case LIMIT:
		return read_number("limit", optarg, UVH_TREE_NONE - 1, &request->tree.limit);
	case JSON:
		request->json = true;
		return UVH_OK;
	case COLOR:
		return uvh_color_option("tree", optarg);
	case 'h':
	case HELP:
		request->help_wanted = true;
		return UVH_OK;
	}
	return uvh_bad_option(option, argv);
}

static int read_words(int count, char **words, struct request *request)
{
	if (count == 0)
		return uvh_bad_usage("tree", "the folder of a trace is missing");
	if (count > 2)
		return uvh_bad_usage("tree", "one trace and one ID at a time");
	request->path = words[0];
	request->tree.has_id = count == 2;
	if (count == 2 && !uvh_trace_filter_read_id(words[1], &request->tree.id))
		return uvh_bad_usage("tree", "'%s' is no async id; they are like 7 or 1:7",
				     words[1]);
	return UVH_OK;
}

static int read_options(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
	    {"all", no_argument, NULL, ALL},           {"depth", required_argument, NULL, LEVELS},
	    {"limit", required_argument, NULL, LIMIT}, {"json", no_argument, NULL, JSON},
	    {"color", required_argument, NULL, COLOR}, UVH_FILTER_OPTIONS,
	    {"help", no_argument, NULL, HELP},         {NULL, 0, NULL, 0},
	};
	int option, status;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		status = read_option(request, option, argv);
		if (status != UVH_OK || request->help_wanted)
			return status;
	}
	return read_words(argc - optind, argv + optind, request);
}

static void read_events(struct uvh_tree *tree)
{
	struct uvh_trace_event event;
	size_t seen = 0;

	while (uvh_trace_next(tree->trace, &event)) {
		if (uvh_trace_filter_is_past(tree->filter, tree->trace, &event))
			break;
		uvh_tree_add(tree, &event);
		if ((++seen & (PROGRESS_EVERY - 1)) == 0)
			uvh_progress("reading", uvh_trace_progress(tree->trace));
	}
	uvh_tree_end(tree);
	uvh_progress_end();
}

/* First: what follows is not the whole tree. */
static void say_lost(const struct uvh_tree *tree)
{
	for (size_t i = 0; i < uvh_trace_process_count(tree->trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(tree->trace, i);

		if (process->events_discarded != 0 &&
		    uvh_trace_filter_wants_process(tree->filter, process))
			uvh_say("%s: %llu events were lost while recording: what they would have "
				"told is missing",
				process->folder, (unsigned long long) process->events_discarded);
	}
	if (tree->is_full)
		uvh_say("there are more than %zu resources, and only the first of them are in the "
			"tree; name an ID, use --from and --to or --type, or raise --limit",
			tree->limit);
}

static bool has_anything(const struct uvh_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->nodes[i].visible && tree->nodes[i].inside)
			return true;
	return false;
}

static int tell(const struct request *request)
{
	const struct uvh_tree *tree = &request->tree;
	char id[UVHOOKS_ID_TEXT_BYTES];
	bool found = has_anything(tree);

	if (request->json)
		uvh_tree_json(tree);
	else if (found)
		uvh_tree_print(tree, &request->style);
	if (found)
		return tree->is_full ? UVH_FAILED : UVH_OK;
	if (tree->has_id) {
		uvh_say("nothing of %s is in this trace%s", uvhooks_id_text(tree->id, id),
			uvh_trace_filter_is_set(tree->filter) ? " that passes the filters" : "");
		return UVH_FAILED;
	}
	if (!request->json)
		printf("%s\n", uvh_trace_filter_is_set(tree->filter)
				   ? "No event passed the filters."
				   : "There are no resources in this trace.");
	return UVH_OK;
}

static int print_tree(struct request *request)
{
	struct uvh_tree *tree = &request->tree;
	size_t damaged;
	int status;

	tree->trace = uvh_trace_open(request->path);
	if (tree->trace == NULL)
		return UVH_USAGE;
	read_events(tree);
	damaged = uvh_trace_say_damage(tree->trace);
	say_lost(tree);
	status = tell(request);
	uvh_tree_free(tree);
	uvh_trace_close(tree->trace);
	return damaged == 0 ? status : UVH_FAILED;
}

static int print_help(void)
{
	uvh_print_help(help_head);
	uvh_print_help(uvh_trace_filter_help);
	return uvh_print_help(help_tail);
}

int uvh_cmd_tree(int argc, char **argv)
{
	struct request request = {
	    .tree = {.filter = uvh_trace_filter_new(), .limit = UVH_TREE_NODES},
	    .style = {.folded = true, .depth = DEPTH},
	};
	int status = read_options(argc, argv, &request);

	if (status == UVH_OK)
		status = request.help_wanted ? print_help() : print_tree(&request);
	uvh_trace_filter_free(request.tree.filter);
	return status;
}
