/* SPDX-License-Identifier: MIT */
/*
 * uvhooks record: starts a program with the recorder in it, waits for its end, and completes the
 * trace: what killed processes left in memory, and the names of callbacks, while the files that
 * know them are there.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "launch.h"
#include "preload.h"
#include "record.h"
#include "trace_names.h"
#include "verb.h"

static const char help[] =
    "Usage: uvhooks record [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "Starts PROGRAM and records every async event of it, and of the programs that it starts. What\n"
    "was recorded is kept even if they are killed.\n"
    "\n"
    "OPTIONS\n"
    "  -o, --output DIR  the folder of the trace, new or empty; default: PROGRAM.trace\n"
    "  --ring SIZE       keep the newest events only, in SIZE on disk for each process: 64M\n"
    "  --max-size SIZE   stop recording when a process has written SIZE: 10G\n"
    "  --stacks[=1/N]    keep where each resource was made and armed, too (of every Nth), with "
    "the\n"
    "                    lines of Lua and Python, and what it is about: for stack, why and leaks\n"
    "  --watchdog TIME   look where a callback is that has run for TIME, say 100ms: for stalls;\n"
    "                    implies --stacks\n"
    "  -p, --plugin PLUGIN[:KEY=VALUE,...]\n"
    "                    load another plugin, too; may be given more than once\n"
    "  --no-follow       record PROGRAM only, not the programs that it starts\n"
    "  --help            print this\n"
    "\n"
    "The trace is CTF 1.8: `babeltrace2 DIR` reads it, too. For a PROGRAM that becomes another\n"
    "user make DIR before, one that this user may write to.\n"
    "\n"
    "EXIT STATUS\n"
    "  that of PROGRAM, or its signal; before it starts: 2 if PROGRAM cannot be traced or an\n"
    "  option is wrong, 126 if it cannot be executed, 127 if it is not found, 1 if uvhooks itself\n"
    "  is incomplete\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks record -o nvim.trace -- nvim --headless +q\n"
    "  uvhooks report nvim.trace\n"
    "  uvhooks record --ring 64M -- python3 server.py\n"
    "  uvhooks record --stacks --watchdog 100ms -o server.trace -- python3 server.py\n";

struct request {
	struct uvh_launch launch;
	struct uvh_recording recording;
	char default_output[NAME_MAX + 1];
	bool made_output; /* the folder was not there before */
	bool help_wanted;
};

/* UVH_OK to go on, or the status to end with. */
static int read_options(int argc, char **argv, struct request *request)
{
	enum {
		OUTPUT = UVH_LONG_OPTION,
		RING,
		MAX_SIZE,
		STACKS,
		WATCHDOG,
		PLUGIN,
		NO_FOLLOW,
		HELP
	};
	static const struct option options[] = {
	    {"output", required_argument, NULL, OUTPUT},
	    {"ring", required_argument, NULL, RING},
	    {"max-size", required_argument, NULL, MAX_SIZE},
	    {"stacks", optional_argument, NULL, STACKS},
	    {"watchdog", required_argument, NULL, WATCHDOG},
	    {"plugin", required_argument, NULL, PLUGIN},
	    {"no-follow", no_argument, NULL, NO_FOLLOW},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	int option, status;

	/* '+': what stands behind PROGRAM is its own. */
	while ((option = getopt_long(argc, argv, "+:o:p:h", options, NULL)) != -1) {
		switch (option) {
		case 'o':
		case OUTPUT:
			request->recording.output = optarg;
			break;
		case RING:
			request->recording.ring = optarg;
			break;
		case MAX_SIZE:
			request->recording.max_size = optarg;
			break;
		case STACKS:
			request->recording.stacks = true;
			request->recording.sample = optarg;
			break;
		case WATCHDOG:
			request->recording.stacks = true;
			status = uvh_read_duration("record", "watchdog", optarg,
						   &request->recording.watchdog_ns);
			if (status == UVH_OK && request->recording.watchdog_ns == 0)
				status = uvh_bad_usage("record",
						       "--watchdog: there is nothing to look at "
						       "after no time; say 100ms");
			if (status != UVH_OK)
				return status;
			break;
		case 'p':
		case PLUGIN:
			status = uvh_launch_add_plugin(&request->launch, "record", optarg);
			if (status != UVH_OK)
				return status;
			break;
		case NO_FOLLOW:
			request->launch.follow = "0";
			break;
		case 'h':
		case HELP:
			request->help_wanted = true;
			return UVH_OK;
		default:
			return uvh_bad_option(option, argv);
		}
	}
	request->launch.program = argv + optind;
	if (request->launch.program[0] == NULL)
		return uvh_bad_usage("record", "a program is missing");
	return UVH_OK;
}

static bool is_empty(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	bool empty = true;

	if (folder == NULL)
		return false;
	while (empty && (entry = readdir(folder)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(folder);
	return empty;
}

/* "nvim.trace", "nvim-2.trace", ...: one that is not there yet. */
static void choose_output(struct request *request)
{
	const char *name = strrchr(request->launch.program[0], '/');
	struct stat status;

	name = name == NULL ? request->launch.program[0] : name + 1;
	snprintf(request->default_output, sizeof(request->default_output), "%.200s.trace", name);
	for (unsigned int number = 2; lstat(request->default_output, &status) == 0; number++)
		snprintf(request->default_output, sizeof(request->default_output),
			 "%.200s-%u.trace", name, number);
	request->recording.output = request->default_output;
}

/* Two programs in one trace would be read as one story. */
static int make_output(struct request *request)
{
	if (request->recording.output == NULL)
		choose_output(request);
	if (request->recording.output[0] == '\0')
		return uvh_bad_usage("record", "-o needs the path of a folder");
	request->made_output = mkdir(request->recording.output, 0700) == 0;
	if (request->made_output)
		return UVH_OK;
	if (errno != EEXIST) {
		uvh_say("cannot make the folder %s: %s", request->recording.output,
			strerror(errno));
		return UVH_USAGE;
	}
	if (is_empty(request->recording.output))
		return UVH_OK;
	uvh_say("%s is there, and is no empty folder; name another one, or remove it",
		request->recording.output);
	return UVH_USAGE;
}

static void tell_loss(const struct uvh_trace *trace)
{
	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(trace, i);

		if (process->events_discarded != 0)
			uvh_say("%s: %" PRIu64 " events could not be kept", process->folder,
				process->events_discarded);
		if (process->running)
			uvh_say("%s still runs: read the trace again when it has ended",
				process->folder);
	}
}

static void remove_output(const struct request *request)
{
	if (request->made_output)
		rmdir(request->recording.output);
}

/* As a shell and then `uvhooks` read it: quoted where that is needed, and no option. */
static const char *shell_word(const char *text, char *word, size_t bytes)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_-+=./,:@%";
	const char *const begin = text[0] == '-' ? "./" : "";
	size_t used;

	if (text[strspn(text, plain)] == '\0') {
		snprintf(word, bytes, "%s%s", begin, text);
		return word;
	}
	used = (size_t) snprintf(word, bytes, "'%s", begin);
	for (; *text != '\0' && used + 8 < bytes; text++) {
		if (*text == '\'')
			used += (size_t) snprintf(word + used, bytes - used, "'\\''");
		else
			word[used++] = *text;
	}
	snprintf(word + used, bytes - used, "'");
	return word;
}

/* Without an event there is nothing to read. */
static void complete(const struct request *request)
{
	const char *output = request->recording.output;
	char word[4 * PATH_MAX + 8];
	struct uvh_trace *trace;

	if (is_empty(output)) {
		uvh_say("nothing was recorded: the program made no call of libuv's that can be "
			"seen; `uvhooks check` tells why");
		remove_output(request);
		return;
	}
	trace = uvh_trace_open(output);
	if (trace == NULL)
		return;
	uvh_trace_keep_names(trace);
	tell_loss(trace);
	uvh_trace_close(trace);
	uvh_say("recorded in %s; now: uvhooks report %s%s", output,
		shell_word(output, word, sizeof(word)),
		request->recording.stacks ? " (or why, leaks, stalls, pool, stack)" : "");
}

int uvh_cmd_record(int argc, char **argv)
{
	const char *plugins = getenv("UVHOOKS_PLUGINS");
	struct request request = {0};
	pid_t child;
	int status;

	if (plugins != NULL && plugins[0] != '\0')
		request.launch.plugins = strdup(plugins);
	status = read_options(argc, argv, &request);
	if (status == UVH_OK && request.help_wanted) {
		status = uvh_print_help(help);
	} else if (status == UVH_OK) {
		status = make_output(&request);
		if (status == UVH_OK)
			status = uvh_record_add(&request.launch, "record", &request.recording);
		if (status == UVH_OK)
			status = uvh_launch_prepare(&request.launch);
		if (status == UVH_OK) {
			status = uvh_record_run(&request.launch, &child);
			complete(&request);
			status = uvh_record_end(status);
		} else {
			remove_output(&request);
		}
	}
	free(request.launch.plugins);
	return status;
}
