/* SPDX-License-Identifier: MIT */
/*
 * uvhooks report: what happened in a trace, in numbers. It is read once, from its beginning to its
 * end; report_collect.c gathers, report_print.c and report_json.c tell.
 */
#include <string.h>

#include "report.h"
#include "verb.h"

static const char help_head[] =
    "Usage: uvhooks report [OPTION]... DIR\n"
    "\n"
    "Tells what the trace in DIR shows: which callbacks took long, how busy the loops and the\n"
    "thread pool were, how long requests waited, how late timers came, who woke whom, and what\n"
    "was left alive and who had made it. What was lost while recording is said first.\n"
    "\n"
    "OPTIONS\n"
    "  --sort KEY       callbacks and types by total (the default), self, mean, p99, max or runs\n"
    "  --top N          so many lines in each section (20; of JSON, all)\n"
    "  --all            as -v\n";

static const char help_tail[] =
    "With filters only what passes is counted; of a callback that runs at --from or --to, what "
    "lies\n"
    "between. Sums, means and maxima are exact, percentiles to 1.6 %.\n"
    "\n"
    "EXIT STATUS\n"
    "  0  done\n"
    "  1  parts of the trace could not be read, or the output could not be written\n"
    "  2  there is no trace in DIR, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks report trace\n"
    "  uvhooks report --sort max --top 5 trace\n"
    "  uvhooks report --type uv_fs_t --from 1.5 --to 2.5 trace\n"
    "  uvhooks report --json trace\n";

#define TOP 20

enum { SORT = UVH_VERB_OPTION, TOP_LINES, ALL };

/* What `data` of the question points to. */
struct request {
	struct uvh_report report;
	struct uvh_report_style style;
};

static int read_sort(struct request *request, const char *key)
{
	static const char *const keys[] = {
	    [UVH_SORT_TOTAL] = "total", [UVH_SORT_SELF] = "self", [UVH_SORT_MEAN] = "mean",
	    [UVH_SORT_P99] = "p99",     [UVH_SORT_MAX] = "max",   [UVH_SORT_RUNS] = "runs",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i]) == 0)
			return request->style.sort = (enum uvh_report_sort) i, UVH_OK;
	return uvh_bad_usage("report", "--sort %s: known are total, self, mean, p99, max and runs",
			     key);
}

static int read_option(struct uvh_question *question, int option, const char *value)
{
	struct request *request = question->data;
	uint64_t top;
	int status;

	if (option == SORT)
		return read_sort(request, value);
	if (option == ALL) {
		request->style.top = SIZE_MAX;
		return UVH_OK;
	}
	status = uvh_read_number("report", "top", value, 1, UINT32_MAX, &top);
	request->style.top = top;
	return status;
}

static void begin(struct uvh_question *question)
{
	struct request *request = question->data;

	if (request->style.top == 0)
		request->style.top = question->verbose || question->json ? SIZE_MAX : TOP;
	uvh_report_begin(&request->report, question->trace, question->filter);
}

static void add_event(struct uvh_question *question, const struct uvh_trace_event *event)
{
	struct request *request = question->data;

	uvh_report_add(&request->report, event);
}

static int tell(struct uvh_question *question)
{
	struct request *request = question->data;

	uvh_report_end(&request->report);
	request->report.damaged = question->damaged;
	if (question->json)
		uvh_report_json(&request->report, &request->style);
	else
		uvh_report_print(&request->report, &request->style);
	uvh_report_free(&request->report);
	return UVH_OK;
}

int uvh_cmd_report(int argc, char **argv)
{
	static const struct option options[] = {
	    {"sort", required_argument, NULL, SORT},
	    {"top", required_argument, NULL, TOP_LINES},
	    {"all", no_argument, NULL, ALL},
	    {NULL, 0, NULL, 0},
	};
	struct request request = {.style = {.top = 0, .sort = UVH_SORT_TOTAL}};
	struct uvh_question question = {
	    .verb = "report",
	    .help_head = help_head,
	    .help_tail = help_tail,
	    .options = options,
	    .read_option = read_option,
	    .begin = begin,
	    .event = add_event,
	    .tell = tell,
	    .tells_losses = true, /* before anything else */
	    .data = &request,
	};

	return uvh_question_answer(&question, argc, argv);
}
