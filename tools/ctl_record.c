/* SPDX-License-Identifier: MIT */
/* uvhooks ctl PID record: the recorder of a process that runs. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "ctl_folder.h"

static void add(char *request, const char *text)
{
	size_t used = strlen(request);

	snprintf(request + used, UVHOOKS_CONTROL_REQUEST_BYTES - used, "%s", text);
}

static void add_option(char *request, const char *key, const char *value)
{
	if (value == NULL)
		return;
	add(request, key);
	uvh_request_add_guarded(request, UVHOOKS_CONTROL_REQUEST_BYTES, value);
}

static bool is_loaded(const struct uvhooks_control *control, const char *plugin)
{
	const size_t length = strlen(plugin);

	for (const char *at = control->plugins; *at != '\0';) {
		size_t bytes = strcspn(at, ",");

		if (bytes == length && strncmp(at, plugin, length) == 0)
			return true;
		at += bytes + (at[bytes] == ',');
	}
	return false;
}

/* What is in front of a recorder: who takes stacks, and who knows of scripts. */
static void add_stacks(char *request, const struct uvh_ctl *ctl,
		       const struct uvhooks_control *control)
{
	static const char *const annotators[] = {"python", "lua"};

	if (ctl->sample != NULL) {
		add_option(request, "stacks:sample=", ctl->sample);
		add(request, ";");
	} else if (!is_loaded(control, "stacks")) {
		add(request, "stacks;");
	}
	for (size_t i = 0; i < sizeof(annotators) / sizeof(annotators[0]); i++)
		if (!is_loaded(control, annotators[i])) {
			add(request, annotators[i]);
			add(request, ";");
		}
}

/* Asks, and prints what was answered. */
static int ask(const struct uvh_ctl *ctl, const char *request)
{
	char answer[UVHOOKS_CONTROL_ANSWER_BYTES];
	int status = uvh_ctl_ask(ctl->process, request, ctl->timeout_ns, answer);

	if (status == UVH_OK && answer[0] != '\0')
		printf("%s%s", answer, answer[strlen(answer) - 1] == '\n' ? "" : "\n");
	return status;
}

static void say_where(const struct uvh_ctl *ctl, const struct uvh_folder *folder)
{
	char path[PATH_MAX + 64] = "";

	if (!uvh_process_has_our_root(ctl->process))
		snprintf(path, sizeof(path), "/proc/%d/root", (int) uvh_process_pid(ctl->process));
	strncat(path, folder->seen, sizeof(path) - strlen(path) - 1);
	uvh_say("it goes to %s; now: uvhooks report %s", path, path);
}

/* In a folder that is not there yet, or empty: two processes in one would be read as one story. */
static int ask_with_folder(const struct uvh_ctl *ctl, char *request, bool is_dump)
{
	struct uvh_folder folder;
	int status;

	if (ctl->output == NULL)
		return uvh_bad_usage("ctl", "record %s: -o DIR is missing: the folder of the trace",
				     ctl->words[0]);
	status = uvh_folder_make(&folder, ctl->process, ctl->output);
	if (status != UVH_OK)
		return status;
	add_option(request, is_dump ? "dump=" : "dir=", folder.seen);
	add_option(request, ",ring=", ctl->ring);
	add_option(request, ",max_size=", ctl->max_size);
	if (ctl->stacks)
		add(request, ",details=1");
	status = ask(ctl, request);
	if (status == UVH_OK) {
		say_where(ctl, &folder);
		uvh_folder_close(&folder);
	} else {
		uvh_folder_remove_empty(&folder);
	}
	return status;
}

int uvh_ctl_record(struct uvh_ctl *ctl)
{
	char request[UVHOOKS_CONTROL_REQUEST_BYTES] = "load ";
	struct uvhooks_control control;

	if (ctl->count == 0)
		return uvh_bad_usage("ctl", "record: say start, stop or dump");
	if (ctl->count > 1)
		return uvh_bad_usage("ctl", "record: '%s' is too much", ctl->words[1]);
	if (!uvh_process_control(ctl->process, &control))
		return uvh_say("process %d has ended", (int) uvh_process_pid(ctl->process)),
		       UVH_FAILED;
	if (strcmp(ctl->words[0], "start") == 0) {
		if (ctl->stacks)
			add_stacks(request, ctl, &control);
		add(request, "recorder:");
		return ask_with_folder(ctl, request, false);
	}
	if (strcmp(ctl->words[0], "dump") == 0) {
		strcpy(request, "set recorder:");
		return ask_with_folder(ctl, request, true);
	}
	if (strcmp(ctl->words[0], "stop") == 0)
		return ask(ctl, "set recorder:stop=1");
	return uvh_bad_usage("ctl", "record: '%s' is none of start, stop and dump", ctl->words[0]);
}
