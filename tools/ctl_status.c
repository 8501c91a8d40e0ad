/* SPDX-License-Identifier: MIT */
/*
 * uvhooks ctl PID status: first what can be seen from outside, then what only the process knows, if
 * one of its loops answers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "json.h"
#include "memory.h"

struct status {
	struct uvh_ctl *ctl;
	struct uvh_look *look;
	char *answer;
	enum uvh_request_result result;
	struct uvh_json *json;
	size_t loops;
};

static const char *const counter_names[] = {
#define XX(name) #name,
    UVHOOKS_COUNTER_MAP(XX)
#undef XX
};

/* A newer shim may have more than we have names for. */
static const char *counter_name(size_t number, char text[UVH_TEXT_ROOM])
{
	if (number < sizeof(counter_names) / sizeof(counter_names[0]))
		return counter_names[number];
	snprintf(text, UVH_TEXT_ROOM, "counter %zu", number);
	return text;
}

/* The next line of the answer that begins with the key, without it; NULL: there is no more. */
static const char *next_line(const char **at, const char *key, char *line, size_t bytes)
{
	const size_t length = strlen(key);

	while (**at != '\0') {
		const char *begin = *at;
		const size_t whole = strcspn(begin, "\n");

		*at += whole + (begin[whole] == '\n');
		if (whole < length + 2 || strncmp(begin, key, length) != 0 ||
		    strncmp(begin + length, ": ", 2) != 0)
			continue;
		snprintf(line, bytes, "%.*s", (int) (whole - length - 2), begin + length + 2);
		return line;
	}
	return NULL;
}

/* The number behind a key; -1: it is not told. */
static int64_t number_of(const struct status *status, const char *key)
{
	const char *at = status->answer;
	char line[64];

	return next_line(&at, key, line, sizeof(line)) == NULL ? -1 : strtoll(line, NULL, 10);
}

/* What the shim has mapped for records at least. */
static uint64_t record_bytes(const struct status *status)
{
	const struct uvhooks_control *control = &status->look->control;
	uint32_t limit = 0;

	uvh_process_read(status->ctl->process, control->record_limit, &limit, sizeof(limit));
	return (uint64_t) limit * control->record_bytes;
}

static void print_bytes(uint64_t bytes)
{
	if (bytes < UINT64_C(10) << 20)
		printf("%" PRIu64 " KiB", (bytes + 1023) >> 10);
	else
		printf("%" PRIu64 " MiB", (bytes + (1 << 20) - 1) >> 20);
}

static void print_title(const char *title)
{
	printf("%s%-10s%s", uvh_color(UVH_DIM), title, uvh_color(UVH_PLAIN));
}

/* Lines of one kind, one below the other. */
static void print_lines(const struct status *status, const char *title, const char *key)
{
	const char *at = status->answer;
	char line[1024];

	while (next_line(&at, key, line, sizeof(line)) != NULL) {
		print_title(title);
		printf("%s\n", line);
		title = "";
	}
}

static void print_state(const struct uvh_look *look)
{
	print_title("state");
	if (look->control.state & UVHOOKS_CONTROL_BROKEN)
		printf("%sbroken: it found itself in a state that cannot be, and lets everything "
		       "pass%s\n",
		       uvh_color(UVH_BAD), uvh_color(UVH_PLAIN));
	else if (look->control.state & UVHOOKS_CONTROL_DISABLED)
		printf("disabled: it lets everything pass\n");
	else if (look->is_hooked)
		printf("hooks are enabled\n");
	else
		printf("dormant: no hook is enabled\n");
}

static void print_live(const struct status *status)
{
	const struct uvh_look *look = status->look;
	const int64_t made = number_of(status, "resources made");
	char text[UVH_TEXT_ROOM];

	print_title("live");
	printf("%s resource%s", uvh_count_text(look->live, text), look->live == 1 ? "" : "s");
	if (made >= 0)
		printf(", %s made", uvh_count_text((uint64_t) made, text));
	printf("%s\n", look->is_whole ? "" : " (not all of them could be read)");
	for (uint64_t most = UINT64_MAX, next; most != 0; most = next) {
		next = 0;
		for (unsigned int type = 0; type <= UINT16_MAX; type++) {
			if (look->by_type[type] == most)
				printf("%10s%7" PRIu64 " %s\n", "", look->by_type[type],
				       uvh_process_type_name(status->ctl->process, type));
			else if (look->by_type[type] < most && look->by_type[type] > next)
				next = look->by_type[type];
		}
	}
}

static void print_loop(const struct uvhooks_control_loop *loop,
		       const struct uvhooks_control_frame *frame, void *data)
{
	struct status *status = data;
	char text[UVH_PROCESS_DOES_BYTES];

	print_title(status->loops++ == 0 ? "loops" : "");
	printf("0x%" PRIx64 " (ids %" PRIu32 ":) %s%s\n", loop->loop, loop->space,
	       uvh_process_does(status->ctl->process, frame, text),
	       loop->waker_pending == 0 ? "; it cannot be woken" : "");
}

static void print_loops(struct status *status)
{
	const uint32_t unlisted = status->look->control.loops_unlisted;

	uvh_process_each_loop(status->ctl->process, print_loop, status);
	if (status->loops == 0) {
		print_title("loops");
		printf("none has run\n");
	}
	if (unlisted > 0) {
		print_title("");
		printf("and %" PRIu32 " more since it began that found no room in the list\n",
		       unlisted);
	}
}

static void print_losses(const struct status *status)
{
	bool any = false;

	for (size_t i = 0; i < status->look->control.counter_count; i++) {
		uint64_t count = uvh_process_counter(status->ctl->process, i);
		char name[UVH_TEXT_ROOM], text[UVH_TEXT_ROOM];

		if (count == 0)
			continue;
		print_title(any ? "" : "losses");
		printf("%s%s %s%s\n", uvh_color(UVH_WARN), uvh_count_text(count, text),
		       counter_name(i, name), uvh_color(UVH_PLAIN));
		any = true;
	}
	if (!any) {
		print_title("losses");
		printf("none\n");
	}
}

static void print_memory(const struct status *status)
{
	const int64_t mapped = number_of(status, "memory bytes");

	print_title("memory");
	print_bytes(mapped >= 0 ? (uint64_t) mapped : record_bytes(status));
	printf("%s\n", mapped >= 0 ? " mapped by the shim" : " of records, at least");
}

static bool is_answered(const struct status *status)
{
	return status->result == UVH_REQUEST_DONE;
}

static void print(struct status *status)
{
	const struct uvh_look *look = status->look;
	char libuv[sizeof(look->control.libuv)], version[sizeof(look->control.version)];
	char plugins[sizeof(look->control.plugins)], age[UVH_TEXT_ROOM];

	printf("%s%s%s\n", uvh_color(UVH_TITLE), look->program, uvh_color(UVH_PLAIN));
	print_title("process");
	printf("%d of %s, under uvhooks %s for %s\n", (int) uvh_process_pid(status->ctl->process),
	       look->user, uvh_clean_text(look->control.version, true, version, sizeof(version)),
	       uvh_age_text(look->up_ns, age));
	print_title("libuv");
	uvh_clean_text(look->control.libuv, true, libuv, sizeof(libuv));
	printf("%s\n", libuv[0] != '\0' ? libuv : "none was called yet");
	if (is_answered(status))
		print_lines(status, "", "libuv");
	print_state(look);
	if (is_answered(status)) {
		print_lines(status, "plugins", "plugin");
		print_lines(status, "hooks", "hook");
	} else if (look->control.plugins[0] != '\0') {
		print_title("plugins");
		printf("%s\n",
		       uvh_clean_text(look->control.plugins, true, plugins, sizeof(plugins)));
	}
	print_live(status);
	print_loops(status);
	print_memory(status);
	print_losses(status);
}

static void tell_json_lines(const struct status *status, const char *list, const char *key)
{
	const char *at = status->answer;
	char line[1024];

	uvh_json_array(status->json, list);
	while (next_line(&at, key, line, sizeof(line)) != NULL)
		uvh_json_text(status->json, NULL, line);
	uvh_json_array_end(status->json);
}

static void tell_json_loop(const struct uvhooks_control_loop *loop,
			   const struct uvhooks_control_frame *frame, void *data)
{
	struct status *status = data;
	const bool runs = uvhooks_id_sequence(frame->async_id) > 1;
	char text[UVH_PROCESS_DOES_BYTES];

	uvh_json_object(status->json, NULL);
	snprintf(text, sizeof(text), "0x%" PRIx64, loop->loop);
	uvh_json_text(status->json, "loop", text);
	uvh_json_number(status->json, "space", loop->space);
	uvh_json_id(status->json, "async_id", frame->async_id);
	uvh_json_text(status->json, "callback",
		      runs && frame->callback != 0
			  ? uvh_process_name(status->ctl->process, frame->callback)
			  : NULL);
	uvh_json_text(status->json, "does", uvh_process_does(status->ctl->process, frame, text));
	uvh_json_bool(status->json, "can_be_woken", loop->waker_pending != 0);
	uvh_json_object_end(status->json);
}

static void tell_json_numbers(const struct status *status)
{
	const struct uvh_look *look = status->look;
	char name[UVH_TEXT_ROOM];

	uvh_json_number(status->json, "live", (int64_t) look->live);
	uvh_json_object(status->json, "live_by_type");
	for (unsigned int type = 0; type <= UINT16_MAX; type++)
		if (look->by_type[type] != 0)
			uvh_json_number(status->json,
					uvh_process_type_name(status->ctl->process, type),
					(int64_t) look->by_type[type]);
	uvh_json_object_end(status->json);
	uvh_json_object(status->json, "losses");
	for (size_t i = 0; i < look->control.counter_count; i++) {
		uint64_t count = uvh_process_counter(status->ctl->process, i);

		if (count != 0)
			uvh_json_number(status->json, counter_name(i, name), (int64_t) count);
	}
	uvh_json_object_end(status->json);
	uvh_json_number(status->json, "record_bytes", (int64_t) record_bytes(status));
}

static void tell_json(struct status *status)
{
	const struct uvh_look *look = status->look;

	status->json = uvh_json_new();
	uvh_json_object(status->json, NULL);
	uvh_json_number(status->json, "pid", uvh_process_pid(status->ctl->process));
	uvh_json_text(status->json, "program", look->program);
	uvh_json_text(status->json, "user", look->user);
	uvh_json_text(status->json, "version", look->control.version);
	uvh_json_text(status->json, "libuv", look->control.libuv[0] ? look->control.libuv : NULL);
	uvh_json_text(status->json, "state", uvh_look_state(look));
	uvh_json_text(status->json, "plugins", look->control.plugins);
	uvh_json_number(status->json, "up_ns", look->up_ns);
	tell_json_numbers(status);
	uvh_json_array(status->json, "loops");
	uvh_process_each_loop(status->ctl->process, tell_json_loop, status);
	uvh_json_array_end(status->json);
	uvh_json_bool(status->json, "answered", is_answered(status));
	if (is_answered(status)) {
		tell_json_lines(status, "libuvs", "libuv");
		tell_json_lines(status, "plugin_status", "plugin");
		tell_json_lines(status, "hooks", "hook");
		uvh_json_number(status->json, "resources_made",
				number_of(status, "resources made"));
		uvh_json_number(status->json, "memory_bytes", number_of(status, "memory bytes"));
	}
	uvh_json_object_end(status->json);
	uvh_json_free(status->json);
}

static void count_loop(const struct uvhooks_control_loop *loop,
		       const struct uvhooks_control_frame *frame, void *data)
{
	(void) frame;
	*(size_t *) data += loop->waker_pending != 0;
}

/* Whether something is missing that a loop could have told. */
static bool is_missing(const struct status *status)
{
	size_t loops = 0;

	if (is_answered(status))
		return false;
	uvh_process_each_loop(status->ctl->process, count_loop, &loops);
	return loops > 0;
}

int uvh_ctl_status(struct uvh_ctl *ctl)
{
	struct status status = {
	    .ctl = ctl,
	    .look = uvh_zeros(1, sizeof(struct uvh_look)),
	    .answer = uvh_zeros(1, UVHOOKS_CONTROL_ANSWER_BYTES),
	};
	int result = UVH_OK, error;

	if (ctl->count > 0) {
		result = uvh_bad_usage("ctl", "status: '%s' is too much", ctl->words[0]);
		goto out;
	}
	status.result =
	    uvh_process_request(ctl->process, "status", ctl->timeout_ns, &error, status.answer);
	if (!uvh_look_at(ctl->process, status.look)) {
		uvh_say("process %d has ended", (int) uvh_process_pid(ctl->process));
		result = UVH_FAILED;
		goto out;
	}
	if (ctl->json)
		tell_json(&status);
	else
		print(&status);
	if (is_missing(&status)) {
		fflush(stdout);
		uvh_say("what plugins say, hooks and memory are missing: %s", status.answer);
		result = UVH_FAILED;
	}
out:
	free(status.look);
	free(status.answer);
	return result;
}
