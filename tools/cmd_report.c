/* SPDX-License-Identifier: MIT */
/*
 * uvhooks report: what happened in a trace, in numbers. It is read once, from its beginning to its
 * end; report_collect.c gathers, report_print.c and report_json.c tell.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "progress.h"
#include "report.h"
#include "terminal.h"

static const char help_head[] =
    "Usage: uvhooks report [OPTION]... DIR\n"
    "\n"
    "Tells what the trace in DIR shows: which callbacks took long, how busy the loops and the\n"
    "thread pool were, how long requests waited, how late timers came, who woke whom, and what\n"
    "was left alive and who had made it. What was lost while recording is said first.\n"
    "\n"
    "OPTIONS\n"
    "  --json           for programs: one object, with times in nanoseconds\n"
    "  --sort KEY       callbacks and types by total (the default), self, mean, p99, max or runs\n"
    "  --top N          so many lines in each section (20; of JSON, all)\n"
    "  --all            all of them\n" UVH_COLOR_HELP;

static const char help_tail[] =
    "  --help           print this\n"
    "\n"
    "With filters only what passes is counted. Sums, means and maxima are exact, percentiles to\n"
    "1.6 %.\n"
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

#define TOP            20
#define PROGRESS_EVERY 65536 /* events; a power of two */

enum { JSON = UVH_LONG_OPTION, SORT, TOP_LINES, ALL, COLOR, HELP };

struct request {
	const char *path;
	struct uvh_trace_filter *filter;
	struct uvh_report_style style;
	bool json;
	bool help_wanted;
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

static int read_top(struct request *request, const char *text)
{
	char *end;

	errno = 0;
	request->style.top = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && request->style.top > 0)
		return UVH_OK;
	return uvh_bad_usage("report", "--top: '%s' is no number of lines", text);
}

static int read_option(struct request *request, int option, char **argv)
{
	if (option >= UVH_FILTER_OPTION)
		return uvh_trace_filter_option(request->filter, "report", option, optarg);
	switch (option) {
	case JSON:
		request->json = true;
		return UVH_OK;
	case SORT:
		return read_sort(request, optarg);
	case TOP_LINES:
		return read_top(request, optarg);
	case ALL:
		request->style.top = SIZE_MAX;
		return UVH_OK;
	case COLOR:
		return uvh_color_option("report", optarg);
	case 'h':
	case HELP:
		request->help_wanted = true;
		return UVH_OK;
	}
	return uvh_bad_option(option, argv);
}

static int read_options(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, JSON},           {"sort", required_argument, NULL, SORT},
	    {"top", required_argument, NULL, TOP_LINES}, {"all", no_argument, NULL, ALL},
	    {"color", required_argument, NULL, COLOR},   UVH_FILTER_OPTIONS,
	    {"help", no_argument, NULL, HELP},           {NULL, 0, NULL, 0},
	};
	int option, status;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		status = read_option(request, option, argv);
		if (status != UVH_OK || request->help_wanted)
			return status;
	}
	if (argc - optind != 1)
		return uvh_bad_usage("report", optind == argc ? "the folder of a trace is missing"
							      : "one trace at a time");
	request->path = argv[optind];
	if (request->style.top == 0)
		request->style.top = request->json ? SIZE_MAX : TOP;
	return UVH_OK;
}

static void read_events(struct uvh_report *report)
{
	struct uvh_trace_event event;

	while (uvh_trace_next(report->trace, &event)) {
		if (uvh_trace_filter_is_past(report->filter, report->trace, &event))
			break;
		uvh_report_add(report, &event);
		if ((report->events_read & (PROGRESS_EVERY - 1)) == 0)
			uvh_progress("reading", uvh_trace_progress(report->trace));
	}
	uvh_report_end(report);
	uvh_progress_end();
}

static int report_trace(const struct request *request)
{
	struct uvh_trace *trace = uvh_trace_open(request->path);
	struct uvh_report report;

	if (trace == NULL)
		return UVH_USAGE;
	uvh_report_begin(&report, trace, request->filter);
	read_events(&report);
	report.damaged = uvh_trace_say_damage(trace);
	if (request->json)
		uvh_report_json(&report, &request->style);
	else
		uvh_report_print(&report, &request->style);
	uvh_report_free(&report);
	uvh_trace_close(trace);
	return report.damaged == 0 ? UVH_OK : UVH_FAILED;
}

static int print_help(void)
{
	uvh_print_help(help_head);
	uvh_print_help(uvh_trace_filter_help);
	return uvh_print_help(help_tail);
}

int uvh_cmd_report(int argc, char **argv)
{
	struct request request = {
	    .filter = uvh_trace_filter_new(),
	    .style = {.top = 0, .sort = UVH_SORT_TOTAL},
	};
	int status = read_options(argc, argv, &request);

	if (status == UVH_OK)
		status = request.help_wanted ? print_help() : report_trace(&request);
	uvh_trace_filter_free(request.filter);
	return status;
}
