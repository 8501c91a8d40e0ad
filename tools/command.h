/* SPDX-License-Identifier: MIT */
/*
 * What every verb of the `uvhooks` command shares: its exit statuses, its table, its way of
 * speaking. The command runs outside the traced process; nothing of the shim is linked into it.
 */
#ifndef UVH_COMMAND_H
#define UVH_COMMAND_H

#include <stddef.h>

enum uvh_status {
	UVH_OK = 0,
	UVH_FAILED = 1,           /* the answer is no, or something outside broke */
	UVH_USAGE = 2,            /* the command line or the file it names cannot be worked with */
	UVH_NOT_EXECUTABLE = 126, /* `run` only: as shells do */
	UVH_NOT_FOUND = 127
};

struct uvh_verb {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the verb; returns an enum uvh_status */
	const char *summary;
};

/* The one table of verbs, closed by a NULL name. */
extern const struct uvh_verb uvh_verbs[];

int uvh_cmd_run(int argc, char **argv);
int uvh_cmd_record(int argc, char **argv);
int uvh_cmd_report(int argc, char **argv);
int uvh_cmd_log(int argc, char **argv);
int uvh_cmd_tree(int argc, char **argv);
int uvh_cmd_why(int argc, char **argv);
int uvh_cmd_leaks(int argc, char **argv);
int uvh_cmd_stalls(int argc, char **argv);
int uvh_cmd_pool(int argc, char **argv);
int uvh_cmd_stack(int argc, char **argv);
int uvh_cmd_export(int argc, char **argv);
int uvh_cmd_recover(int argc, char **argv);
int uvh_cmd_ps(int argc, char **argv);
int uvh_cmd_ctl(int argc, char **argv);
int uvh_cmd_top(int argc, char **argv);
int uvh_cmd_check(int argc, char **argv);
int uvh_cmd_hooks(int argc, char **argv);

/* One line on stderr, "uvhooks: " in front. */
void uvh_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text for stdout; a failed write is noticed when the verb has ended. Returns UVH_OK. */
int uvh_print_help(const char *text);

/* Options of getopt_long() have numbers from here on, so that none is taken for a letter. */
#define UVH_LONG_OPTION 256

/*
 * Says which option getopt_long() has refused (`found` is what it returned, '?' or ':') and where
 * to read on. Returns UVH_USAGE.
 */
int uvh_bad_option(int found, char **argv);

/* Says what is wrong with the words of the command line. Returns UVH_USAGE. */
int uvh_bad_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
