/* SPDX-License-Identifier: MIT */
/*
 * uvhooks export: turns a trace into what other viewers read. A format is a struct
 * uvh_export_format; what the events mean is told to it by export_flows.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "export.h"
#include "progress.h"
#include "terminal.h"
#include "trace_filter.h"

static const char help_head[] = "Usage: uvhooks export --format FORMAT [-o FILE] [OPTION]... DIR\n"
				"\n"
				"Turns the trace in DIR into what other viewers read.\n"
				"\n"
				"FORMATS\n";

static const char help_middle[] =
    "\n"
    "perfetto and chrome show a track for each thread with its callbacks, the lives of resources,\n"
    "and an arrow to each callback from where it was caused: where its handle was started last or\n"
    "its request was submitted, its work was done, or who sent to its uv_async_t.\n"
    "folded, speedscope and dot show the same causes, summed: 'top level;TCPSERVERWRAP\n"
    "on_connection;TCPWRAP on_read' is what ran because of what. A callback that causes itself\n"
    "again is shown once, and a chain is 128 callbacks long at most.\n"
    "\n"
    "OPTIONS\n"
    "  --format FORMAT  one of these\n"
    "  -o, --output FILE\n"
    "                   where to; replaced when all is written; without it, or for -, to stdout\n"
    "  --top N          dot: show the N callbacks that ran longest (40)\n";

static const char help_tail[] =
    "  --help           print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  all was written\n"
    "  1  parts of the trace could not be read, or not all could be written\n"
    "  2  there is no trace in DIR, FILE cannot be made, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks export --format perfetto -o trace.pftrace trace\n"
    "  uvhooks export --format folded trace | flamegraph.pl --countname ns >causes.svg\n"
    "  uvhooks export --format dot --type embedder trace | dot -Tsvg >causes.svg\n";

#define OUTPUT_BYTES   (1 << 18)
#define PROGRESS_EVERY 1024 /* events; a power of two */

static const struct uvh_export_format *const formats[] = {
    &uvh_export_perfetto,   &uvh_export_chrome, &uvh_export_folded,
    &uvh_export_speedscope, &uvh_export_dot,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct request {
	const char *path;
	const char *output; /* NULL: stdout */
	const struct uvh_export_format *format;
	struct uvh_trace_filter *filter;
	size_t top;
	bool help_wanted;
};

/* Where the export goes. */
struct output {
	FILE *file;
	const char *path;
	char *target;  /* what `path` is, or the file that it is a link to */
	char *scratch; /* what is renamed to `target` in the end; NULL: `file` is that itself */
};

static int print_help(void)
{
	uvh_print_help(help_head);
	for (size_t i = 0; i < COUNT(formats); i++)
		printf("  %-11s %s\n", formats[i]->name, formats[i]->summary);
	uvh_print_help(help_middle);
	uvh_print_help(uvh_trace_filter_help);
	return uvh_print_help(help_tail);
}

/* What is wrong, and all formats. */
static int bad_format(const char *format, const char *what)
{
	char known[128];
	size_t used = 0;

	for (size_t i = 0; i < COUNT(formats); i++)
		used += (size_t) snprintf(known + used, sizeof(known) - used, "%s%s",
					  i == 0 ? "" : ", ", formats[i]->name);
	return uvh_bad_usage("export", "--format%s%s %s: known are %s",
			     format[0] == '\0' ? "" : " ", format, what, known);
}

static int read_format(struct request *request, const char *format)
{
	for (size_t i = 0; i < COUNT(formats); i++) {
		if (strcmp(format, formats[i]->name) == 0) {
			request->format = formats[i];
			return UVH_OK;
		}
	}
	return bad_format(format, "is no format");
}

static int read_top(struct request *request, const char *text)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || number == 0 ||
	    number > UINT32_MAX)
		return uvh_bad_usage("export", "--top %s: it is a number from 1 on", text);
	request->top = (size_t) number;
	return UVH_OK;
}

static int check_request(int argc, char **argv, struct request *request)
{
	if (request->format == NULL)
		return bad_format("", "is missing");
	if (argc - optind != 1)
		return uvh_bad_usage("export", optind == argc ? "the folder of a trace is missing"
							      : "one trace at a time");
	request->path = argv[optind];
	if (request->top != 0 && request->format != &uvh_export_dot)
		return uvh_bad_usage("export", "--top is for --format dot");
	if (request->top == 0)
		request->top = UVH_EXPORT_TOP_DEFAULT;
	if (request->output != NULL && strcmp(request->output, "-") == 0)
		request->output = NULL;
	return UVH_OK;
}

static int read_options(int argc, char **argv, struct request *request)
{
	enum { FORMAT = UVH_LONG_OPTION, TOP, HELP };
	static const struct option options[] = {
	    {"format", required_argument, NULL, FORMAT}, {"output", required_argument, NULL, 'o'},
	    {"top", required_argument, NULL, TOP},       UVH_FILTER_OPTIONS,
	    {"help", no_argument, NULL, HELP},           {NULL, 0, NULL, 0},
	};
	int status = UVH_OK;
	int option;

	while (status == UVH_OK &&
	       (option = getopt_long(argc, argv, ":ho:", options, NULL)) != -1) {
		if (option >= UVH_FILTER_OPTION)
			status = uvh_trace_filter_option(request->filter, "export", option, optarg);
		else if (option == FORMAT)
			status = read_format(request, optarg);
		else if (option == TOP)
			status = read_top(request, optarg);
		else if (option == 'o')
			request->output = optarg;
		else if (option == 'h' || option == HELP)
			return request->help_wanted = true, UVH_OK;
		else
			return uvh_bad_option(option, argv);
	}
	return status != UVH_OK ? status : check_request(argc, argv, request);
}

static int say_not_made(const char *path)
{
	uvh_say("cannot write to '%s': %s", path, strerror(errno));
	return UVH_USAGE;
}

/* What is to go when a signal ends the command. */
static const char *volatile unfinished;

static void end_by_signal(int signal)
{
	if (unfinished != NULL)
		unlink(unfinished);
	/* SA_RESETHAND: it comes again as what it was, when this returns. */
	raise(signal);
}

static void mind_signals(void)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ, SIGXCPU};
	const struct sigaction end = {.sa_handler = end_by_signal, .sa_flags = SA_RESETHAND};
	struct sigaction old;

	for (size_t i = 0; i < COUNT(ends); i++)
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(ends[i], &end, NULL);
}

/*
 * A file of its own first, beside the wanted one, and with its rights: what fails half-way leaves
 * nothing, and what was there stays.
 */
static int open_scratch(struct output *output, const struct stat *old)
{
	size_t room = strlen(output->target) + 32;

	output->scratch = uvh_resize(NULL, room, 1);
	snprintf(output->scratch, room, "%s.%d.part", output->target, (int) getpid());
	unfinished = output->scratch;
	mind_signals();
	output->file = fopen(output->scratch, "wex");
	if (output->file == NULL)
		return say_not_made(output->path);
	if (old != NULL)
		fchmod(fileno(output->file), old->st_mode & 07777);
	return UVH_OK;
}

/* A pipe or a device is written to as it is. */
static int open_output(const struct request *request, struct output *output)
{
	struct stat status;

	output->path = request->output;
	if (request->output == NULL) {
		if (request->format->is_binary && isatty(STDOUT_FILENO))
			return uvh_bad_usage("export",
					     "--format %s is not for a terminal: name a "
					     "file with -o",
					     request->format->name);
		output->file = stdout;
		return UVH_OK;
	}
	if (stat(request->output, &status) != 0) {
		if (errno != ENOENT)
			return say_not_made(request->output);
		if (lstat(request->output, &status) == 0) {
			uvh_say("cannot write to '%s': it is a link to nothing; name a file, or "
				"remove it",
				request->output);
			return UVH_USAGE;
		}
		output->target = uvh_copy_text(request->output);
		return open_scratch(output, NULL);
	}
	if (!S_ISREG(status.st_mode)) {
		output->file = fopen(request->output, "we");
		return output->file != NULL ? UVH_OK : say_not_made(request->output);
	}
	output->target = realpath(request->output, NULL);
	if (output->target == NULL || faccessat(AT_FDCWD, output->target, W_OK, AT_EACCESS) != 0)
		return say_not_made(request->output);
	return open_scratch(output, &status);
}

/* Did all that was written reach the file? */
static int close_output(struct output *output, bool is_wanted)
{
	int error = 0;

	if (output->file == NULL)
		goto out;
	if (fflush(output->file) != 0 || ferror(output->file))
		error = errno != 0 ? errno : EIO;
	if (output->file != stdout && fclose(output->file) != 0 && error == 0)
		error = errno;
	if (output->scratch != NULL) {
		if (error == 0 && is_wanted && rename(output->scratch, output->target) != 0)
			error = errno;
		if (error != 0 || !is_wanted)
			unlink(output->scratch);
	}
out:
	unfinished = NULL;
	free(output->scratch);
	free(output->target);
	if (error == 0)
		return UVH_OK;
	uvh_say("cannot write to '%s': %s", output->path == NULL ? "standard output" : output->path,
		strerror(error));
	return UVH_FAILED;
}

static int64_t beginning(const struct uvh_trace *trace)
{
	int64_t begin_ns = INT64_MAX;

	for (size_t i = 0; i < uvh_trace_process_count(trace); i++)
		if (uvh_trace_process(trace, i)->start_ns < begin_ns)
			begin_ns = uvh_trace_process(trace, i)->start_ns;
	return begin_ns;
}

static void write_events(struct uvh_trace *trace, const struct request *request,
			 struct uvh_export *export, struct uvh_flow_counts *counts)
{
	const bool show_progress = export->file != stdout || !isatty(STDOUT_FILENO);
	struct uvh_flows *flows;
	struct uvh_trace_event event;
	unsigned int seen = 0;

	request->format->open(export);
	flows = uvh_flows_new(trace, request->filter, request->format, export);
	uvh_trace_filter_set_window(request->filter, trace);
	while (!ferror_unlocked(export->file) && uvh_trace_next(trace, &event)) {
		if (show_progress && (++seen & (PROGRESS_EVERY - 1)) == 0)
			uvh_progress("exporting", uvh_trace_progress(trace));
		uvh_trace_filter_see(request->filter, &event);
		uvh_flows_event(flows, &event);
	}
	uvh_flows_end(flows, counts);
	request->format->close(export);
	uvh_progress_end();
}

static void say_done(const struct request *request, const struct uvh_flow_counts *counts)
{
	char slices[UVH_TEXT_ROOM], arrows[UVH_TEXT_ROOM], lives[UVH_TEXT_ROOM];
	const char *next = request->format->next;
	const char *file = strstr(next, "FILE");

	uvh_say("%s: %s callbacks, %s of them with a cause in the trace, %s lives of resources",
		request->output, uvh_count_text(counts->slices, slices),
		uvh_count_text(counts->arrows, arrows), uvh_count_text(counts->lives, lives));
	uvh_say("next: %.*s%s%s", (int) (file - next), next, request->output, file + 4);
}

static int export_trace(struct uvh_trace *trace, const struct request *request,
			struct output *output)
{
	static char buffer[OUTPUT_BYTES];
	struct uvh_flow_counts counts;
	struct uvh_export export = {
	    .file = output->file,
	    .trace = trace,
	    .names = uvh_export_names_new(),
	    .base_ns = beginning(trace),
	    .top = request->top,
	};
	int status, incomplete;

	setvbuf(output->file, buffer, _IOFBF, sizeof(buffer));
	/* First: whoever looks at it must know that something is missing. */
	uvh_trace_filter_say_missing(request->filter, trace);
	write_events(trace, request, &export, &counts);
	uvh_export_names_free(export.names);
	incomplete = uvh_trace_filter_say_unseen(request->filter);
	if (uvh_trace_say_damage(trace) != 0)
		incomplete = UVH_FAILED;
	status = close_output(output, true);
	if (export.remark[0] != '\0')
		uvh_say("%s", export.remark);
	if (status == UVH_OK && request->output != NULL)
		say_done(request, &counts);
	return status == UVH_OK ? incomplete : status;
}

static int export_to_output(const struct request *request)
{
	struct output output = {0};
	struct uvh_trace *trace;
	int status = open_output(request, &output);

	if (status != UVH_OK) {
		close_output(&output, false);
		return status;
	}
	trace = uvh_trace_open(request->path);
	status =
	    trace == NULL ? UVH_USAGE : uvh_trace_filter_check(request->filter, "export", trace);
	if (status == UVH_OK)
		status = export_trace(trace, request, &output);
	else
		close_output(&output, false);
	if (trace != NULL)
		uvh_trace_close(trace);
	return status;
}

int uvh_cmd_export(int argc, char **argv)
{
	struct request request = {.filter = uvh_trace_filter_new()};
	int status = read_options(argc, argv, &request);

	if (status == UVH_OK)
		status = request.help_wanted ? print_help() : export_to_output(&request);
	uvh_trace_filter_free(request.filter);
	return status;
}
