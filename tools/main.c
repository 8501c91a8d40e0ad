/* SPDX-License-Identifier: MIT */
/*
 * uvhooks: the command. Each verb is a file of its own, cmd_VERB.c.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uvhooks/hooks.h>

#include "command.h"
#include "terminal.h"

const struct uvh_verb uvh_verbs[] = {
    {"run", uvh_cmd_run, "start a program with hook plugins in it"},
    {"record", uvh_cmd_record, "start a program and keep all of its events in a trace"},
    {"report", uvh_cmd_report, "tell what a trace shows: times, waits, what was left alive"},
    {"log", uvh_cmd_log, "print the events of a trace"},
    {"tree", uvh_cmd_tree, "print who caused what in a trace"},
    {"stack", uvh_cmd_stack, "print where a resource was made, and what led there"},
    {"why", uvh_cmd_why, "tell what keeps a loop alive, and who made it"},
    {"leaks", uvh_cmd_leaks, "tell what is made and never closed, and where"},
    {"stalls", uvh_cmd_stalls, "tell which callbacks blocked a loop, and where inside"},
    {"pool", uvh_cmd_pool, "tell what waits for the thread pool, and for what"},
    {"export", uvh_cmd_export, "turn a trace into what other viewers read"},
    {"recover", uvh_cmd_recover, "take the trace of a crashed process out of its core file"},
    {"ps", uvh_cmd_ps, "list the running processes that are under the shim"},
    {"ctl", uvh_cmd_ctl, "look into a running process, and switch hooks, plugins and recording"},
    {"top", uvh_cmd_top, "show what a running process does, live"},
    {"check", uvh_cmd_check, "tell whether a program can be traced, and which libuv it has"},
    {"hooks", uvh_cmd_hooks, "list the libuv functions that are intercepted"},
    {NULL, NULL, NULL},
};

static const char *current_verb = "";

/* One line, whatever is in the names that it tells, and in one piece. */
__attribute__((format(printf, 2, 0))) static void say_line(const char *verb, const char *format,
							   va_list list)
{
	char *text, *visible = NULL;

	if (vasprintf(&text, format, list) >= 0) {
		visible = uvh_visible_text(text);
		free(text);
	}
	fprintf(stderr, "uvhooks: %s%s%s\n", verb, verb[0] != '\0' ? ": " : "",
		visible != NULL ? visible : "no memory");
	free(visible);
}

void uvh_say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_line("", format, list);
	va_end(list);
}

int uvh_print_help(const char *text)
{
	fputs(text, stdout);
	return UVH_OK;
}

static void say_help(const char *verb)
{
	uvh_say("see: uvhooks %s%s--help", verb, verb[0] != '\0' ? " " : "");
}

int uvh_bad_usage(const char *verb, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_line(verb, format, list);
	va_end(list);
	say_help(verb);
	return UVH_USAGE;
}

int uvh_bad_option(int found, char **argv)
{
	/* It has gone past a long option, but a short one may have more behind it in its word. */
	const char *word = argv[optind - 1];

	if (found == ':')
		return uvh_bad_usage(current_verb, "the option '%s' needs a value", word);
	if (optopt > 0 && optopt < UVH_LONG_OPTION && isprint(optopt))
		return uvh_bad_usage(current_verb, "unknown option '-%c'", optopt);
	return uvh_bad_usage(current_verb, "unknown option '%s'", word);
}

static int print_usage(void)
{
	printf("Usage: uvhooks VERB [OPTION]... [ARGUMENT]...\n"
	       "\n"
	       "Shows the async events of an unmodified libuv program: which resource was made,\n"
	       "why, and when its callbacks run.\n"
	       "\n"
	       "VERBS\n");
	for (const struct uvh_verb *verb = uvh_verbs; verb->name != NULL; verb++)
		printf("  %-10s %s\n", verb->name, verb->summary);
	printf("\n"
	       "OPTIONS\n"
	       "  --version  print the version\n"
	       "  --help     print this; behind a verb, all about that verb\n"
	       "\n"
	       "EXIT STATUS\n"
	       "  0  done\n"
	       "  1  failed, or the answer is no\n"
	       "  2  bad usage, or a file or process that cannot be worked with\n"
	       "  of run and record, the status of the program, once it has started\n"
	       "\n"
	       "EXAMPLES\n"
	       "  uvhooks run -p log -- nvim --headless +q\n"
	       "  uvhooks record -o trace -- nvim --headless +q\n"
	       "  uvhooks report trace\n"
	       "  uvhooks check nvim\n"
	       "  uvhooks hooks\n"
	       "  uvhooks run --help\n");
	return UVH_OK;
}

static int run_command(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (name == NULL)
		return uvh_bad_usage("", "a verb is missing");
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return print_usage();
	if (strcmp(name, "--version") == 0)
		return printf("uvhooks %s\n", UVHOOKS_VERSION), UVH_OK;
	for (const struct uvh_verb *verb = uvh_verbs; verb->name != NULL; verb++)
		if (strcmp(name, verb->name) == 0) {
			current_verb = verb->name;
			return verb->run(argc - 1, argv + 1);
		}
	return uvh_bad_usage("", "unknown %s '%s'", name[0] == '-' ? "option" : "verb", name);
}

int main(int argc, char **argv)
{
	int status = run_command(argc, argv);

	if (fflush(stdout) != 0 || ferror(stdout)) {
		uvh_say("cannot write to standard output: %s", strerror(errno));
		return UVH_FAILED;
	}
	return status;
}
