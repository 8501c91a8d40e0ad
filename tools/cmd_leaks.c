/* SPDX-License-Identifier: MIT */
/* uvhooks leaks: what was made and never closed. */
#include "leaks.h"
#include "verb.h"

static const char help_head[] =
    "Usage: uvhooks leaks [OPTION]... DIR|PID\n"
    "\n"
    "Prints what was made in the trace in DIR and never closed, by the place where it was made,\n"
    "as far as it looks like a leak. A server, a signal handler or a timer that lives as long as\n"
    "its program is none. Suspected is\n"
    "\n"
    "  - what was open when uv_loop_close said UV_EBUSY, unless the loop was run again;\n"
    "  - a place that made 8 or more that are alive at the end, where the time of the process is\n"
    "    cut into 16 parts and they were made in 8 of these or more: they get more and more;\n"
    "  - the same, where most were alive until the last eighth of that time, and then closed;\n"
    "  - a place that made 8 handles or more that are stopped or were never started;\n"
    "  - a request that is pending for 100 ms or more, and for twice as long as any of its kind\n"
    "    took that was completed; for more than a second, where none was;\n"
    "  - a child process whose handle was closed before its exit callback: nobody waits for it,\n"
    "    and it becomes a zombie.\n"
    "\n"
    "Where no folder is called so, a number is the PID of a process under the shim: what lives in\n"
    "it now.\n"
    "\n"
    "OPTIONS\n"
    "  --least N        so many of one place are many (8)\n";

static const char help_tail[] =
    "EXIT STATUS\n"
    "  0  nothing is suspected\n"
    "  1  something is, parts of the trace could not be read, or the output could not be written\n"
    "  2  there is no trace in DIR, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks record --stacks -o trace -- ./server\n"
    "  uvhooks leaks trace\n"
    "  uvhooks leaks -v --type uv_timer_t trace\n"
    "  uvhooks leaks --least 100 --json trace\n";

enum { LEAST = UVH_VERB_OPTION };

static int read_option(struct uvh_question *question, int option, const char *value)
{
	struct uvh_leaks *leaks = question->data;

	(void) option;
	return uvh_read_number("leaks", "least", value, 1, UINT32_MAX, &leaks->least);
}

static void add_event(struct uvh_question *question, const struct uvh_trace_event *event)
{
	struct uvh_leaks *leaks = question->data;

	uvh_why_of(&leaks->why, question);
	uvh_leaks_add(leaks, event);
}

static int tell(struct uvh_question *question)
{
	struct uvh_leaks *leaks = question->data;
	bool suspected = false;

	uvh_why_of(&leaks->why, question);
	uvh_leaks_end(leaks);
	if (question->json)
		uvh_leaks_json(leaks);
	else
		uvh_leaks_print(leaks);
	for (size_t i = 0; i < leaks->groups.count; i++)
		suspected |= UVH_LEAKS_SUSPECTED(leaks->groups.groups[i].kind);
	uvh_leaks_free(leaks);
	return suspected ? UVH_FAILED : UVH_OK;
}

int uvh_cmd_leaks(int argc, char **argv)
{
	static const struct option options[] = {
	    {"least", required_argument, NULL, LEAST},
	    {NULL, 0, NULL, 0},
	};
	struct uvh_leaks leaks = {.least = UVH_LEAKS_LEAST};
	struct uvh_question question = {
	    .verb = "leaks",
	    .help_head = help_head,
	    .help_tail = help_tail,
	    .options = options,
	    .read_option = read_option,
	    .event = add_event,
	    .tell = tell,
	    .data = &leaks,
	};

	return uvh_question_answer(&question, argc, argv);
}
