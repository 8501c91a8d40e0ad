/* SPDX-License-Identifier: MIT */
/*
 * uvhooks log: prints the events of a trace, in the lines that the log plugin would have written.
 * They are made by the plugin's own code, to which this gives what it asks the traced process for:
 * the names of callbacks, and of types.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../shim/plugins/log.h"
#include "command.h"
#include "progress.h"
#include "trace.h"
#include "trace_filter.h"

static const char help_head[] =
    "Usage: uvhooks log [OPTION]... DIR\n"
    "\n"
    "Prints the events of the trace in DIR in the order of time, a line each, as the log plugin\n"
    "does. Times are seconds since recording began, in each process for itself.\n"
    "\n"
    "OPTIONS\n"
    "  --format FORMAT  text (the default), or json: one object a line\n"
    "  --events LIST    only these events: init,before,... or node (Node's five) or all;\n"
    "                   default: all but ref, unref, pool_end, fs_call, loop_busy and stall\n";

static const char help_tail[] =
    "  --help           print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  all events were printed\n"
    "  1  parts of the trace could not be read, or the output could not be written\n"
    "  2  there is no trace in DIR, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks log trace\n"
    "  uvhooks log --type uv_fs_t --from 1.5 --to 1.6 trace\n"
    "  uvhooks log --id 7 --events init,before,destroy trace\n"
    "  uvhooks log --format json trace\n";

#define NODE_EVENTS ((1u << (UVHOOKS_EVENT_PROMISE_RESOLVE + 1)) - 1)

#define OUTPUT_BYTES   (1 << 18)
#define PROGRESS_EVERY 1024 /* events; a power of two */

struct request {
	const char *path;
	struct uvh_trace_filter *filter;
	bool json;
	uint32_t events; /* a mask of enum uvhooks_event_type */
	bool help_wanted;
};

/* Whose event is printed: the plugin's code asks for names only, and knows one process. */
static const struct uvh_trace_process *current;

const char *log_symbol(const void *address, char buffer[LOG_SYMBOL_BYTES])
{
	(void) buffer;
	return uvh_trace_callback_name(current, (uintptr_t) address);
}

const char *uvhooks_named_type(unsigned int type)
{
	return current == NULL ? NULL : uvh_trace_type_name(current, type);
}

/* The set of events that a word stands for; 0 if it stands for none. */
static uint32_t event_set(const char *word)
{
	for (unsigned int event = 0; event < UVHOOKS_EVENT_MAX; event++)
		if (strcmp(word, uvhooks_event_name(event)) == 0)
			return 1u << event;
	if (strcmp(word, "node") == 0)
		return NODE_EVENTS;
	return strcmp(word, "all") == 0 ? UVHOOKS_EVENTS_ALL : 0;
}

static int read_events(struct request *request, char *list)
{
	static const char known[] = "node, all"
#define XX(name, text) ", " #text
	    UVHOOKS_EVENT_MAP(XX)
#undef XX
	    ;
	const char *word;

	while ((word = strsep(&list, ",+")) != NULL) {
		uint32_t set = event_set(word);

		if (set == 0)
			return uvh_bad_usage("log", "--events: '%s' is not an event; known are %s",
					     word, known);
		request->events |= set;
	}
	return UVH_OK;
}

static int read_format(struct request *request, const char *format)
{
	request->json = strcmp(format, "json") == 0;
	if (request->json || strcmp(format, "text") == 0)
		return UVH_OK;
	return uvh_bad_usage("log", "--format %s: known are text and json", format);
}

static int read_options(int argc, char **argv, struct request *request)
{
	enum { FORMAT = UVH_LONG_OPTION, EVENTS, HELP };
	static const struct option options[] = {
	    {"format", required_argument, NULL, FORMAT},
	    {"events", required_argument, NULL, EVENTS},
	    UVH_FILTER_OPTIONS,
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	int status = UVH_OK;
	int option;

	while (status == UVH_OK && (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option >= UVH_FILTER_OPTION)
			status = uvh_trace_filter_option(request->filter, "log", option, optarg);
		else if (option == FORMAT)
			status = read_format(request, optarg);
		else if (option == EVENTS)
			status = read_events(request, optarg);
		else if (option == 'h' || option == HELP)
			return request->help_wanted = true, UVH_OK;
		else
			return uvh_bad_option(option, argv);
	}
	if (status != UVH_OK)
		return status;
	if (argc - optind != 1)
		return uvh_bad_usage("log", optind == argc ? "the folder of a trace is missing"
							   : "one trace at a time");
	request->path = argv[optind];
	if (request->events == 0)
		request->events = UVHOOKS_EVENTS_OF_A_LOG;
	return UVH_OK;
}

/* Does the event begin or end something, of which both are shown? */
static bool is_one_of(uint32_t events, unsigned int event, unsigned int begin, unsigned int end)
{
	return (event == begin || event == end) && (events >> begin & events >> end & 1) != 0;
}

/*
 * How far the line is indented: as far as the plugin did it, which counts for each thread what it
 * shows. That is kept in the thread's `user`.
 */
static unsigned int nest(const struct uvh_trace_event *event, uint32_t events)
{
	uintptr_t depth = (uintptr_t) event->thread->user;

	if (!is_one_of(events, event->event, UVHOOKS_EVENT_BEFORE, UVHOOKS_EVENT_AFTER) &&
	    !is_one_of(events, event->event, UVHOOKS_EVENT_WORK_BEGIN, UVHOOKS_EVENT_WORK_END) &&
	    !is_one_of(events, event->event, UVHOOKS_EVENT_LOOP_ENTER, UVHOOKS_EVENT_LOOP_EXIT))
		return (unsigned int) depth;
	if (event->event == UVHOOKS_EVENT_BEFORE || event->event == UVHOOKS_EVENT_WORK_BEGIN ||
	    event->event == UVHOOKS_EVENT_LOOP_ENTER) {
		event->thread->user = (void *) (depth + 1);
		return (unsigned int) depth;
	}
	depth -= depth > 0;
	event->thread->user = (void *) depth;
	return (unsigned int) depth;
}

static void print_event(const struct uvh_trace_event *event, unsigned int depth, bool json)
{
	const struct uvh_trace_process *process = event->process;
	const struct uvhooks_event seen = {
	    .size = sizeof(seen),
	    .event = (uint16_t) event->event,
	    .flags = event->flags,
	    .async_id = event->async_id,
	    .trigger_async_id = event->trigger_async_id,
	    .execution_async_id = event->execution_async_id,
	    .other_async_id = event->other_async_id,
	    .type = event->type,
	    .fs_type = event->fs_type,
	    .thread_id = event->thread->thread_id,
	    .loop = event->no_loop ? NULL : event->process, /* is there one? */
	    .callback = (void *) (uintptr_t) event->callback,
	    .other_thread_id = event->other_thread_id,
	    .duration_ns = (uint64_t) event->duration_ns,
	};
	const struct log_moment moment = {
	    .time_ns = event->time_ns < process->start_ns
			   ? 0
			   : (uint64_t) (event->time_ns - process->start_ns),
	    .depth = depth,
	    .show_thread = event->thread->thread_id != process->pid ||
			   (process->launched != 0 && process->launched != process->pid),
	};
	struct log_line line;

	current = process;
	line.used = 0;
	if (json)
		log_json_event(&line, &seen, &moment);
	else
		log_text_event(&line, &seen, &moment);
	fwrite_unlocked(line.text, 1, line.used, stdout);
}

static void print_events(struct uvh_trace *trace, const struct request *request)
{
	const bool show_progress = !isatty(STDOUT_FILENO);
	struct uvh_trace_event event;
	unsigned int depth, seen = 0;

	uvh_trace_filter_set_window(request->filter, trace);
	while (!ferror_unlocked(stdout) && uvh_trace_next(trace, &event)) {
		bool wanted = uvh_trace_filter_wants(request->filter, trace, &event);

		uvh_trace_filter_see(request->filter, &event);
		if (show_progress && (++seen & (PROGRESS_EVERY - 1)) == 0)
			uvh_progress("reading", uvh_trace_progress(trace));
		if (event.event >= UVHOOKS_EVENT_MAX || !(request->events >> event.event & 1))
			continue;
		depth = nest(&event, request->events);
		if (wanted)
			print_event(&event, depth, request->json);
	}
	uvh_progress_end();
}

static int log_trace(const struct request *request)
{
	static char output[OUTPUT_BYTES];
	struct uvh_trace *trace = uvh_trace_open(request->path);
	int status;

	if (trace == NULL)
		return UVH_USAGE;
	if (uvh_trace_filter_check(request->filter, "log", trace) != UVH_OK) {
		uvh_trace_close(trace);
		return UVH_USAGE;
	}
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	/* First: whoever reads the lines must know that some are missing. */
	uvh_trace_filter_say_missing(request->filter, trace);
	print_events(trace, request);
	fflush(stdout);
	status = uvh_trace_filter_say_unseen(request->filter);
	if (uvh_trace_say_damage(trace) != 0)
		status = UVH_FAILED;
	current = NULL;
	uvh_trace_close(trace);
	return status;
}

static int print_help(void)
{
	uvh_print_help(help_head);
	uvh_print_help(uvh_trace_filter_help);
	return uvh_print_help(help_tail);
}

int uvh_cmd_log(int argc, char **argv)
{
	struct request request = {.filter = uvh_trace_filter_new()};
	int status = read_options(argc, argv, &request);

	if (status == UVH_OK)
		status = request.help_wanted ? print_help() : log_trace(&request);
	uvh_trace_filter_free(request.filter);
	return status;
}
