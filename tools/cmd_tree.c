/* SPDX-License-Identifier: MIT */
/* uvhooks tree: who caused what in a trace. */
#include <stdio.h>

#include "tree.h"
#include "verb.h"

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
    "  --all            as -v: each resource for itself, and as deep as it goes\n"
    "  --depth N        so many levels (8)\n"
    "  --limit N        at most so many resources (4000000), which take 130 bytes each; where\n"
    "                   there are more, name an ID, or use the filters\n";

static const char help_tail[] =
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

#define DEPTH 8

enum { ALL = UVH_VERB_OPTION, LEVELS, LIMIT };

/* What `data` of the question points to. */
struct request {
	struct uvh_tree tree;
	struct uvh_tree_style style;
};

static int read_option(struct uvh_question *question, int option, const char *value)
{
	struct request *request = question->data;
	uint64_t number;
	int status;

	if (option == ALL) {
		question->verbose = true;
		return UVH_OK;
	}
	status = uvh_read_number("tree", option == LEVELS ? "depth" : "limit", value, 1,
				 UVH_TREE_NONE - 1, &number);
	if (option == LEVELS)
		request->style.depth = number;
	else
		request->tree.limit = number;
	return status;
}

static int read_words(struct uvh_question *question, int count, char **words)
{
	struct request *request = question->data;

	if (count > 1)
		return uvh_bad_usage("tree", "one trace and one ID at a time");
	request->tree.has_id = count == 1;
	if (count == 1 && !uvh_trace_filter_read_id(words[0], &request->tree.id))
		return uvh_bad_usage("tree", "'%s' is no async id; they are like 7 or 1:7",
				     words[0]);
	return UVH_OK;
}

static void begin(struct uvh_question *question)
{
	struct request *request = question->data;

	if (question->verbose)
		request->style.folded = false;
	if (request->style.depth == 0)
		request->style.depth = question->verbose ? SIZE_MAX : DEPTH;
	request->tree.trace = question->trace;
	request->tree.filter = question->filter;
}

static void add_event(struct uvh_question *question, const struct uvh_trace_event *event)
{
	struct request *request = question->data;

	uvh_tree_add(&request->tree, event);
}

static bool has_anything(const struct uvh_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->nodes[i].visible && tree->nodes[i].inside)
			return true;
	return false;
}

static int print(const struct uvh_question *question)
{
	const struct request *request = question->data;
	const struct uvh_tree *tree = &request->tree;
	char id[UVHOOKS_ID_TEXT_BYTES];
	bool found = has_anything(tree);

	if (question->json)
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
	if (!question->json)
		printf("%s\n", uvh_trace_filter_is_set(tree->filter)
				   ? "No event passed the filters."
				   : "There are no resources in this trace.");
	return UVH_OK;
}

static int tell(struct uvh_question *question)
{
	struct request *request = question->data;
	int status;

	uvh_tree_end(&request->tree);
	if (request->tree.is_full)
		uvh_say("there are more than %zu resources, and only the first of them are in the "
			"tree; name an ID, use --from and --to or --type, or raise --limit",
			request->tree.limit);
	status = print(question);
	uvh_tree_free(&request->tree);
	return status;
}

int uvh_cmd_tree(int argc, char **argv)
{
	static const struct option options[] = {
	    {"all", no_argument, NULL, ALL},
	    {"depth", required_argument, NULL, LEVELS},
	    {"limit", required_argument, NULL, LIMIT},
	    {NULL, 0, NULL, 0},
	};
	struct request request = {
	    .tree = {.limit = UVH_TREE_NODES},
	    .style = {.folded = true},
	};
	struct uvh_question question = {
	    .verb = "tree",
	    .help_head = help_head,
	    .help_tail = help_tail,
	    .options = options,
	    .read_option = read_option,
	    .read_words = read_words,
	    .begin = begin,
	    .event = add_event,
	    .tell = tell,
	    .data = &request,
	};

	return uvh_question_answer(&question, argc, argv);
}
