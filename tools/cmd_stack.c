/* SPDX-License-Identifier: MIT */
/* uvhooks stack: the async stack of a resource. */
#include "async_stack.h"

static const char help_head[] =
    "Usage: uvhooks stack [OPTION]... DIR|PID [ID]\n"
    "\n"
    "Prints the async stack of the resource ID in the trace in DIR: where in the source it was\n"
    "made (and last armed, if that is elsewhere), then the same for what triggered it, and so on\n"
    "up to top-level code. What comes again and again is told once. Ids are those of the log; the\n"
    "resource may be long gone.\n"
    "\n"
    "Without ID: where resources were made, first what most are alive of at the end, each with an\n"
    "id to ask for.\n"
    "\n"
    "Stacks are in a trace that was recorded with --stacks.\n"
    "\n"
    "Where no folder is called so, a number is the PID of a process under the shim: what lives in\n"
    "it now.\n"
    "\n"
    "OPTIONS\n"
    "  --depth N        so many triggers (10)\n"
    "  --limit N        at most so many resources (4000000), which take 40 bytes each, are kept\n"
    "                   in memory until ID is found\n";

static const char help_tail[] =
    "ENVIRONMENT\n"
    "  UVHOOKS_DEBUG_PATH  folders, parted by ':', to look for debug files in, instead of\n"
    "                      /usr/lib/debug; `uvhooks record` has looked there, too\n"
    "\n"
    "EXIT STATUS\n"
    "  0  done\n"
    "  1  there is no such ID, there were too many resources, parts of the trace could not be\n"
    "     read, or the output could not be written\n"
    "  2  there is no trace in DIR, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks record --stacks -o trace -- ./server\n"
    "  uvhooks stack trace\n"
    "  uvhooks stack trace 7\n"
    "  uvhooks stack -v --depth 100 trace 7\n";

enum { DEPTH = UVH_VERB_OPTION, LIMIT };

static int read_option(struct uvh_question *question, int option, const char *value)
{
	struct uvh_async *async = question->data;

	if (option == DEPTH)
		return uvh_read_number("stack", "depth", value, 1, UINT32_MAX, &async->depth);
	return uvh_read_number("stack", "limit", value, 1, UINT32_MAX, &async->limit);
}

static int read_words(struct uvh_question *question, int count, char **words)
{
	struct uvh_async *async = question->data;

	if (count > 1)
		return uvh_bad_usage("stack", "one trace and one ID at a time");
	async->has_id = count == 1;
	if (count == 1 && !uvh_trace_filter_read_id(words[0], &async->id))
		return uvh_bad_usage("stack", "'%s' is no async id; they are like 7 or 1:7",
				     words[0]);
	return UVH_OK;
}

static void add_event(struct uvh_question *question, const struct uvh_trace_event *event)
{
	uvh_live_begin(question->trace);
	uvh_async_add(question->data, question, event);
}

static int say_missing(const struct uvh_async *async)
{
	char id[UVHOOKS_ID_TEXT_BYTES];

	uvhooks_id_text(async->id, id);
	if (uvhooks_id_sequence(async->id) <= 1)
		uvh_say("%s is no resource: it stands for %s", id,
			uvhooks_id_sequence(async->id) == 1 ? "top-level code" : "libuv itself");
	else
		uvh_say("there is no %s in this trace; `uvhooks tree DIR` shows all ids", id);
	return UVH_FAILED;
}

static int tell(struct uvh_question *question)
{
	struct uvh_async *async = question->data;
	bool found = false;

	if (!async->has_id) {
		uvh_async_sites(async, question);
		return UVH_OK;
	}
	uvh_async_end(async, question);
	for (size_t i = 0; i < async->asked_room; i++)
		found |= async->asked[i].found;
	if (question->json)
		uvh_async_json(async, question);
	else if (found)
		uvh_async_print(async, question);
	if (async->is_full)
		uvh_say("there are more than %llu resources before it, and not all could be kept: "
			"raise --limit",
			(unsigned long long) async->limit);
	if (!found)
		return say_missing(async);
	return async->is_full ? UVH_FAILED : UVH_OK;
}

int uvh_cmd_stack(int argc, char **argv)
{
	static const struct option options[] = {
	    {"depth", required_argument, NULL, DEPTH},
	    {"limit", required_argument, NULL, LIMIT},
	    {NULL, 0, NULL, 0},
	};
	struct uvh_async async = {.depth = UVH_ASYNC_DEPTH, .limit = UVH_ASYNC_LIMIT};
	struct uvh_question question = {
	    .verb = "stack",
	    .help_head = help_head,
	    .help_tail = help_tail,
	    .options = options,
	    .read_option = read_option,
	    .read_words = read_words,
	    .event = add_event,
	    .tell = tell,
	    .data = &async,
	};
	int status = uvh_question_answer(&question, argc, argv);

	uvh_async_free(&async);
	return status;
}
