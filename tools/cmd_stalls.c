/* SPDX-License-Identifier: MIT */
/* uvhooks stalls: callbacks that kept their loop from doing anything else. */
#include "stalls.h"
#include "verb.h"

static const char help_head[] =
    "Usage: uvhooks stalls [OPTION]... DIR\n"
    "\n"
    "Prints which callbacks of the trace in DIR ran so long that their loop could do nothing "
    "else:\n"
    "how often, how long, where inside (as far as a watchdog was asked to look), where and by\n"
    "whose callback the resource was made, and how much of it were synchronous calls of the file\n"
    "system. A callback is not blamed for what ran inside it: a nested loop, other callbacks.\n"
    "\n"
    "OPTIONS\n"
    "  --over TIME      what is too long (100ms): 20ms, 300us, 1.5 (seconds)\n";

static const char help_tail[] =
    "Of a callback that took too long, only what lies between --from and --to counts.\n"
    "\n"
    "EXIT STATUS\n"
    "  0  done, be there any or not\n"
    "  1  parts of the trace could not be read, or the output could not be written\n"
    "  2  there is no trace in DIR, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks record --stacks --watchdog 100ms -o trace -- ./server\n"
    "  uvhooks stalls trace\n"
    "  uvhooks stalls -v --over 20ms --type uv_timer_t trace\n"
    "  uvhooks stalls --json trace\n";

#define OVER_NS 100000000

enum { OVER = UVH_VERB_OPTION };

static const struct option options[] = {
    {"over", required_argument, NULL, OVER},
    {NULL, 0, NULL, 0},
};

static int read_option(struct uvh_question *question, int option, const char *value)
{
	struct uvh_stalls *stalls = question->data;

	(void) option;
	return uvh_read_duration(question->verb, "over", value, &stalls->over_ns);
}

static void begin(struct uvh_question *question)
{
	struct uvh_stalls *stalls = question->data;
	int64_t from_ns;

	if (stalls->trace != NULL)
		return;
	stalls->trace = question->trace;
	stalls->filter = question->filter;
	uvh_trace_filter_window(question->filter, question->trace, &from_ns, &stalls->to_ns);
}

static void add_event(struct uvh_question *question, const struct uvh_trace_event *event)
{
	begin(question);
	uvh_stalls_add(question->data, event);
}

static int tell(struct uvh_question *question)
{
	struct uvh_stalls *stalls = question->data;

	begin(question);
	uvh_stalls_end(stalls);
	if (question->json)
		uvh_stalls_json(stalls);
	else
		uvh_stalls_print(stalls, question->verbose);
	uvh_stalls_free(stalls);
	return UVH_OK;
}

int uvh_cmd_stalls(int argc, char **argv)
{
	struct uvh_stalls stalls = {.over_ns = OVER_NS};
	struct uvh_question question = {
	    .verb = "stalls",
	    .help_head = help_head,
	    .help_tail = help_tail,
	    .options = options,
	    .read_option = read_option,
	    .event = add_event,
	    .tell = tell,
	    .data = &stalls,
	};

	return uvh_question_answer(&question, argc, argv);
}
