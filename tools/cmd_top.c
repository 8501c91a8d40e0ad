/* SPDX-License-Identifier: MIT */
/* uvhooks top: what a process does, live. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "ctl.h"
#include "top.h"
#include "trace_filter.h"
#include "verb.h"

#define TOP_LINES 10

#define SECOND_NS            INT64_C(1000000000)
#define INTERVAL_LEAST_NS    (SECOND_NS / 100)
#define INTERVAL_MOST_NS     (3600 * SECOND_NS)
#define FIRST_ASK_TIMEOUT_NS (2 * SECOND_NS)

static const char help[] =
    "Usage: uvhooks top [OPTION]... PID\n"
    "\n"
    "Shows what a process under the shim does, live: its resources by type and by where they were\n"
    "made, how many are made, closed and called back a second, how busy each loop is and what it\n"
    "runs now, the longest callbacks, the thread pool and its queue, and what was lost. While it\n"
    "runs, the meter plugin counts in the process; if it is killed, that ends by itself after "
    "some\n"
    "seconds. Where a loop is stuck, all is shown that needs no answer of the process.\n"
    "\n"
    "OPTIONS\n"
    "  --once           measure for one interval, or until Ctrl-C, print that as text, and leave\n"
    "  --json           the same as one object, for programs\n"
    "  --interval TIME  how often it looks: 500ms, 2s (1s)\n"
    "  --stacks         have places told by file and line, for what is made from now on: loads "
    "the\n"
    "                   stacks plugin, which takes stacks as long as anything listens\n"
    "  --sort COLUMN    by the column of this title, in each table that has it\n"
    "  --filter TEXT    only lines with TEXT in the name of the type, the callback or the place\n"
    "  --top N          with --once: so many lines in each table (10)\n"
    "  --id ID          with --once or --json: one resource, and what led to it\n" UVH_COLOR_HELP
    "  --help           print this\n"
    "\n"
    "KEYS\n"
    "  1 to 6, Tab      types, places, callbacks, resources, thread pool, longest callbacks\n"
    "  arrows, j, k     select a line; PgUp, PgDn, Home, End\n"
    "  Enter            the resources of that line; of a resource: what led to it\n"
    "  Esc, Backspace   back, and the filter off\n"
    "  s, S, r          sort by the next or the previous column; turn the order round\n"
    "  /                filter\n"
    "  Space            stand still, and go on\n"
    "  h, ?             help        q, Ctrl-C  leave\n"
    "\n"
    "EXIT STATUS\n"
    "  0  left\n"
    "  1  the process has ended, or cannot be watched\n"
    "  2  there is no such process, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks top --once 1234\n"
    "  uvhooks top --once --interval 5s --sort max 1234\n"
    "  uvhooks top --once --id 2 1234\n"
    "  uvhooks top --json 1234 | jq '.loops[].busy'\n";

enum { ONCE = UVH_LONG_OPTION, JSON, INTERVAL, STACKS, SORT, FILTER, LINES, ID, COLOR, HELP };

struct request {
	bool once, json, stacks, help_wanted, has_id;
	int64_t interval_ns;
	uint64_t lines;
	uvhooks_async_id id;
	struct uvh_top_style style;
	pid_t pid;
};

static int read_interval(struct request *request, const char *text)
{
	int status = uvh_read_duration("top", "interval", text, &request->interval_ns);

	if (status != UVH_OK)
		return status;
	if (request->interval_ns < INTERVAL_LEAST_NS || request->interval_ns > INTERVAL_MOST_NS)
		return uvh_bad_usage("top", "--interval %s: from 10ms to 3600s is possible", text);
	return UVH_OK;
}

static int read_option(struct request *request, int option, char **argv)
{
	switch (option) {
	case ONCE:
		request->once = true;
		return UVH_OK;
	case JSON:
		request->json = request->once = true;
		return UVH_OK;
	case INTERVAL:
		return read_interval(request, optarg);
	case STACKS:
		request->stacks = true;
		return UVH_OK;
	case SORT:
		request->style.sort = optarg;
		if (uvh_top_is_column(optarg))
			return UVH_OK;
		return uvh_bad_usage("top", "--sort %s: no table has such a column", optarg);
	case FILTER:
		request->style.filter = optarg;
		return UVH_OK;
	case LINES:
		return uvh_read_number("top", "top", optarg, 1, SIZE_MAX, &request->lines);
	case ID:
		request->has_id = true;
		if (uvh_trace_filter_read_id(optarg, &request->id))
			return UVH_OK;
		return uvh_bad_usage("top", "--id %s: say an id, such as 7 or 1:7", optarg);
	case COLOR:
		return uvh_color_option("top", optarg);
	case 'h':
	case HELP:
		request->help_wanted = true;
		return UVH_OK;
	}
	return uvh_bad_option(option, argv);
}

static int read_words(struct request *request, int count, char **words)
{
	if (count == 0)
		return uvh_bad_usage("top", "a pid is missing; uvhooks ps lists some");
	if (count > 1)
		return uvh_bad_usage("top", "one process at a time");
	request->pid = uvh_read_pid(words[0]);
	if (request->pid <= 0)
		return uvh_bad_usage("top", "'%s' is no pid", words[0]);
	if (request->has_id && !request->once)
		return uvh_bad_usage("top", "--id needs --once or --json");
	return UVH_OK;
}

static int read_options(struct request *request, int argc, char **argv)
{
	static const struct option options[] = {
	    {"once", no_argument, NULL, ONCE},
	    {"json", no_argument, NULL, JSON},
	    {"interval", required_argument, NULL, INTERVAL},
	    {"stacks", no_argument, NULL, STACKS},
	    {"sort", required_argument, NULL, SORT},
	    {"filter", required_argument, NULL, FILTER},
	    {"top", required_argument, NULL, LINES},
	    {"id", required_argument, NULL, ID},
	    {"color", required_argument, NULL, COLOR},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	int option, status;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		status = read_option(request, option, argv);
		if (status != UVH_OK || request->help_wanted)
			return status;
	}
	return read_words(request, argc - optind, argv + optind);
}

static int say_gone(const struct request *request)
{
	uvh_say("process %d has ended", (int) request->pid);
	return UVH_FAILED;
}

/* What is told of a process without an answer is less, and that is no success. */
static int tell(struct uvh_top *top, const struct request *request)
{
	char id[UVHOOKS_ID_TEXT_BYTES];
	bool found = true;

	uvh_top_frame(top);
	if (request->has_id)
		found = request->json ? uvh_top_resource_json(top, request->id)
				      : uvh_top_print_resource(top, request->id);
	else if (request->json)
		uvh_top_json(top, &request->style);
	else
		uvh_top_print(top, &request->style, request->lines);
	if (!found) {
		uvh_say("there is no live resource %s in process %d",
			uvhooks_id_text(request->id, id), (int) request->pid);
		return UVH_FAILED;
	}
	if (top->frame.is_metered || request->has_id)
		return UVH_OK;
	uvh_say("process %d cannot be measured: %s", (int) request->pid, top->trouble);
	return UVH_FAILED;
}

/*
 * Where nobody has watched before, all that is counted is what happens from now on; where others
 * do, it is held against what has been counted before. A signal ends the interval early.
 */
static int show_once(struct uvh_top *top, const struct request *request)
{
	if (!uvh_top_look(top) || !uvh_top_ask(top, FIRST_ASK_TIMEOUT_NS))
		return say_gone(request);
	if (top->samples[top->newest].is_metered && !uvh_top_look(top))
		return say_gone(request);
	/* Of one resource there is nothing to be measured. */
	if (!request->has_id) {
		uvh_top_frame(top);
		if (!uvh_top_wait(top, request->interval_ns))
			return say_gone(request);
	}
	return uvh_top_look(top) ? tell(top, request) : say_gone(request);
}

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

/* So that the process is left as it was found. */
static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = catch};
	struct sigaction before;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}

bool uvh_top_is_interrupted(void)
{
	return caught != 0;
}

static int watch(struct request *request)
{
	struct uvh_process *process;
	struct uvh_top top;
	int status = uvh_ctl_open(&process, request->pid, true);

	if (status != UVH_OK)
		return status;
	catch_signals();
	uvh_top_open(&top, process);
	top.wants_stacks = request->stacks;
	status = request->once ? show_once(&top, request)
			       : uvh_top_screen(&top, &request->style, request->interval_ns);
	uvh_top_leave(&top);
	uvh_top_close(&top);
	uvh_process_close(process);
	if (caught != 0 && request->once) {
		fflush(stdout);
		signal(caught, SIG_DFL);
		raise(caught);
	}
	return status;
}

int uvh_cmd_top(int argc, char **argv)
{
	struct request request = {
	    .interval_ns = SECOND_NS, .lines = TOP_LINES, .style = {.filter = ""}};
	int status = read_options(&request, argc, argv);

	if (status != UVH_OK)
		return status;
	return request.help_wanted ? uvh_print_help(help) : watch(&request);
}
