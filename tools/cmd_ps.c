/* SPDX-License-Identifier: MIT */
/* uvhooks ps: the processes that are under the shim. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "json.h"
#include "memory.h"

static const char help[] =
    "Usage: uvhooks ps [OPTION]... [PID]...\n"
    "\n"
    "Lists the running processes that are under the shim, or those of them that are named: whose\n"
    "they are, which libuv they have, what is switched on in them, how many resources live, and\n"
    "for how long they are under the shim. Nothing runs in them for that.\n"
    "\n"
    "STATE is `dormant` where nothing watches, the plugins that were loaded, `hooks of its own`\n"
    "where the program watches itself, `disabled` where the shim lets everything pass, `broken`\n"
    "where it does so since it found itself in a state that cannot be.\n"
    "\n"
    "OPTIONS\n"
    "  --json           for programs: one object with all there is\n" UVH_COLOR_HELP
    "  --help           print this\n"
    "\n"
    "EXIT STATUS\n"
    "  0  done, be there any or none\n"
    "  1  a process that was named cannot be looked into\n"
    "  2  a process that was named is not there or not under the shim, or the usage is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  uvhooks ps\n"
    "  uvhooks ps 4711\n"
    "  uvhooks ps --json $(pgrep nvim)\n";

struct list {
	bool json;
	size_t count, forbidden, other_versions, broken;
	int status;
	pid_t *named;
	size_t named_count;
	struct uvh_look *look;
	struct uvh_table *table;
	struct uvh_json *out;
};

static const struct uvh_column columns[] = {{"PID", false},   {"USER", true},  {"LIBUV", true},
					    {"STATE", true},  {"LIVE", false}, {"UP", false},
					    {"PROGRAM", true}};

static void tell_json(const struct list *list, pid_t pid)
{
	const struct uvh_look *look = list->look;
	char plugins[sizeof(look->control.plugins)];
	char *rest = plugins, *plugin;

	memcpy(plugins, look->control.plugins, sizeof(plugins));
	uvh_json_object(list->out, NULL);
	uvh_json_number(list->out, "pid", pid);
	uvh_json_text(list->out, "user", look->user);
	uvh_json_text(list->out, "program", look->program);
	uvh_json_text(list->out, "version", look->control.version);
	uvh_json_text(list->out, "libuv", look->control.libuv[0] ? look->control.libuv : NULL);
	uvh_json_text(list->out, "state", uvh_look_state(look));
	uvh_json_array(list->out, "plugins");
	while ((plugin = strsep(&rest, ",")) != NULL)
		if (plugin[0] != '\0')
			uvh_json_text(list->out, NULL, plugin);
	uvh_json_array_end(list->out);
	uvh_json_number(list->out, "live", (int64_t) look->live);
	uvh_json_number(list->out, "up_ns", look->up_ns);
	uvh_json_object_end(list->out);
}

static void tell_row(const struct list *list, pid_t pid)
{
	const struct uvh_look *look = list->look;
	char text[UVH_TEXT_ROOM], libuv[sizeof(look->control.libuv)];
	char state[sizeof(look->control.plugins)], program[60];

	uvh_table_cell(list->table, UVH_PLAIN, "%d", (int) pid);
	uvh_table_cell(list->table, UVH_PLAIN, "%s", look->user);
	uvh_clean_text(look->control.libuv, true, libuv, sizeof(libuv));
	uvh_table_cell(list->table, libuv[0] ? UVH_PLAIN : UVH_DIM, "%s", libuv[0] ? libuv : "-");
	uvh_clean_text(uvh_look_state(look), true, state, sizeof(state));
	uvh_table_cell(list->table,
		       look->control.state & UVHOOKS_CONTROL_BROKEN ? UVH_BAD : UVH_PLAIN, "%s",
		       state);
	uvh_table_count(list->table, look->live);
	uvh_table_cell(list->table, UVH_PLAIN, "%s", uvh_age_text(look->up_ns, text));
	uvh_clean_text(look->program, true, program, sizeof(program));
	uvh_table_cell(list->table, UVH_PLAIN, "%s", program);
}

static void add_process(struct list *list, struct uvh_process *process)
{
	if (!uvh_look_at(process, list->look))
		return;
	list->count++;
	if (list->json)
		tell_json(list, uvh_process_pid(process));
	else
		tell_row(list, uvh_process_pid(process));
}

/* One of all there are: those that have ended, or are not under the shim, say nothing. */
static void look_into(struct list *list, pid_t pid)
{
	char error[UVH_PROCESS_ERROR_BYTES];
	struct uvh_process *process;

	switch (uvh_process_open(&process, pid, false, error)) {
	case UVH_PROCESS_FOUND:
		add_process(list, process);
		break;
	case UVH_PROCESS_FORBIDDEN:
		list->forbidden++;
		break;
	case UVH_PROCESS_OTHER_ABI:
		list->other_versions++;
		break;
	case UVH_PROCESS_FAILED:
		list->broken++;
		break;
	case UVH_PROCESS_GONE:
	case UVH_PROCESS_WITHOUT:
		break;
	}
	uvh_process_close(process);
}

static int look_into_all(struct list *list)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;

	if (folder == NULL) {
		uvh_say("/proc: %s", strerror(errno));
		return UVH_FAILED;
	}
	while ((entry = readdir(folder)) != NULL) {
		pid_t pid = uvh_read_pid(entry->d_name);

		if (pid != 0)
			look_into(list, pid);
	}
	closedir(folder);
	return UVH_OK;
}

static int look_into_named(struct list *list)
{
	int worst = UVH_OK;

	for (size_t i = 0; i < list->named_count; i++) {
		struct uvh_process *process;
		int status = uvh_ctl_open(&process, list->named[i], false);

		if (status > worst)
			worst = status;
		if (status == UVH_OK)
			add_process(list, process);
		uvh_process_close(process);
	}
	return worst;
}

static void say_rest(const struct list *list)
{
	if (list->count == 0 && list->named_count == 0 && !list->json)
		uvh_say("no process is under the shim%s", list->forbidden == 0
							      ? ""
							      : " among those that you may look "
								"into");
	if (list->forbidden > 0)
		uvh_say("%zu process%s could not be looked into: %s", list->forbidden,
			list->forbidden == 1 ? "" : "es",
			geteuid() == 0 ? "protected even from root"
				       : "of other users, or protected; root may");
	if (list->other_versions > 0)
		uvh_say("%zu process%s under a shim of another version: see its own `uvhooks ps`",
			list->other_versions, list->other_versions == 1 ? " is" : "es are");
	if (list->broken > 0)
		uvh_say("%zu process%s could not be looked into: name %s to be told why",
			list->broken, list->broken == 1 ? "" : "es",
			list->broken == 1 ? "it" : "one");
}

static int tell(struct list *list)
{
	int status;

	list->look = uvh_zeros(1, sizeof(*list->look));
	if (list->json) {
		list->out = uvh_json_new();
		uvh_json_object(list->out, NULL);
		uvh_json_array(list->out, "processes");
	} else {
		list->table = uvh_table_new(columns, sizeof(columns) / sizeof(columns[0]));
	}
	status = list->named_count > 0 ? look_into_named(list) : look_into_all(list);
	if (list->json) {
		uvh_json_array_end(list->out);
		uvh_json_number(list->out, "forbidden", (int64_t) list->forbidden);
		uvh_json_number(list->out, "other_versions", (int64_t) list->other_versions);
		uvh_json_number(list->out, "failed", (int64_t) list->broken);
		uvh_json_object_end(list->out);
		uvh_json_free(list->out);
	} else {
		uvh_table_print(list->table);
	}
	free(list->look);
	if (fflush(stdout) == 0)
		say_rest(list);
	return status;
}

static int read_words(struct list *list, int count, char **words)
{
	list->named = uvh_zeros((size_t) count + 1, sizeof(*list->named));
	for (int i = 0; i < count; i++) {
		list->named[list->named_count] = uvh_read_pid(words[i]);
		if (list->named[list->named_count++] == 0)
			return uvh_bad_usage("ps", "'%s' is no pid", words[i]);
	}
	return UVH_OK;
}

int uvh_cmd_ps(int argc, char **argv)
{
	enum { JSON = UVH_LONG_OPTION, COLOR, HELP };
	static const struct option options[] = {
	    {"json", no_argument, NULL, JSON},
	    {"color", required_argument, NULL, COLOR},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	struct list list = {.json = false};
	int option, status = UVH_OK;

	while (status == UVH_OK && (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == JSON)
			list.json = true;
		else if (option == COLOR)
			status = uvh_color_option("ps", optarg);
		else if (option == HELP || option == 'h')
			return uvh_print_help(help);
		else
			status = uvh_bad_option(option, argv);
	}
	if (status == UVH_OK)
		status = read_words(&list, argc - optind, argv + optind);
	if (status == UVH_OK)
		status = tell(&list);
	free(list.named);
	return status;
}
