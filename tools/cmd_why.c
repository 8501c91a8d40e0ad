/* SPDX-License-Identifier: MIT */
/* uvhooks why: what keeps the loops alive. */
#include <stdio.h>
#include <unistd.h>

#include "verb.h"
#include "why.h"

static const char help_head[] =
    "Usage: uvhooks why [OPTION]... DIR|PID\n"
    "\n"
    "Prints what keeps each loop of the trace in DIR alive at its end, or kept it alive when the\n"
    "process was killed, by libuv's own rule: handles that are active and referenced, requests\n"
    "that are pending, handles that are being closed. Each with what it does, and where and by\n"
    "whose callback it was made; those that are alike are put together. Where uv_loop_close said\n"
    "UV_EBUSY, what was not closed then is told, too. With --to, all this at that moment.\n"
    "\n"
    "Where no folder is called so, a number is the PID of a process under the shim: what keeps "
    "its\n"
    "loops alive now.\n"
    "\n"
    "OPTIONS\n";

static const char help_tail[] =
    "EXIT STATUS\n"
    "  0  done, be a loop alive or not\n"
    "  1  parts of the trace could not be read, the process does not answer, or the output could\n"
    "     not be written\n"
    "  2  there is no trace in DIR, no such process, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks record --stacks -o trace -- ./server\n"
    "  uvhooks why trace\n"
    "  uvhooks why -v --to 1.5 trace\n"
    "  uvhooks why --json trace\n"
    "  uvhooks why 4711\n"
    "  uvhooks run --why -- ./server\n";

static void add_event(struct uvh_question *question, const struct uvh_trace_event *event)
{
	struct uvh_why *why = question->data;

	uvh_why_of(why, question);
	uvh_why_add(why, event);
}

static int tell(struct uvh_question *question)
{
	struct uvh_why *why = question->data;

	uvh_why_of(why, question);
	uvh_why_end(why);
	if (question->json)
		uvh_why_json(why);
	else
		uvh_why_print(why);
	uvh_why_free(why);
	return UVH_OK;
}

int uvh_cmd_why(int argc, char **argv)
{
	struct uvh_why why = {.count = 0};
	struct uvh_question question = {
	    .verb = "why",
	    .help_head = help_head,
	    .help_tail = help_tail,
	    .event = add_event,
	    .tell = tell,
	    .data = &why,
	};

	return uvh_question_answer(&question, argc, argv);
}

int uvh_why_about(const char *path)
{
	struct uvh_why why = {.count = 0};
	struct uvh_question question = {
	    .verb = "why", .event = add_event, .tell = tell, .data = &why};

	/* Colours, too, are then those of stderr. */
	if (fflush(stdout) != 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return UVH_FAILED;
	return uvh_question_answer_about(&question, path, false, false);
}
