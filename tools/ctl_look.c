/* SPDX-License-Identifier: MIT */
/* What can be told of a process without its help. */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "memory.h"
#include "process_parts.h"

static void count_record(const struct uvhooks_control_record *record, void *data)
{
	struct uvh_look *look = data;

	look->live++;
	look->by_type[record->type]++;
}

static void read_user(const struct uvh_process *process, struct uvh_look *look)
{
	struct uvh_process_facts facts;
	const struct passwd *user;

	if (!uvh_process_facts(process->folder, &facts))
		return;
	user = getpwuid(facts.user);
	if (user != NULL)
		uvh_clean_text(user->pw_name, true, look->user, sizeof(look->user));
	else
		snprintf(look->user, sizeof(look->user), "%u", (unsigned int) facts.user);
}

static size_t read_file(const struct uvh_process *process, const char *name, char *text,
			size_t bytes)
{
	int fd = openat(process->folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, bytes - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t) got : 0;
}

/* The command line, in one; where it has none any more, what the kernel calls the process. */
static void read_program(const struct uvh_process *process, struct uvh_look *look)
{
	char text[sizeof(look->program)];
	size_t bytes = read_file(process, "cmdline", text, sizeof(text));

	while (bytes > 0 && text[bytes - 1] == '\0')
		bytes--;
	for (size_t i = 0; i < bytes; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	if (bytes == 0) {
		read_file(process, "comm", text, sizeof(text));
		text[strcspn(text, "\n")] = '\0';
	}
	uvh_clean_text(text, true, look->program, sizeof(look->program));
}

bool uvh_look_at(struct uvh_process *process, struct uvh_look *look)
{
	struct timespec now;
	uint64_t hooks = 0;

	memset(look, 0, sizeof(*look));
	if (!uvh_process_control(process, &look->control))
		return false;
	clock_gettime(CLOCK_BOOTTIME, &now);
	look->up_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec -
		      (int64_t) (look->control.begin_ns & INT64_MAX);
	if (look->up_ns < 0)
		look->up_ns = 0;
	read_user(process, look);
	read_program(process, look);
	look->is_hooked = uvh_process_read(process, look->control.hook_set, &hooks,
					   sizeof(hooks)) == sizeof(hooks) &&
			  hooks != 0;
	look->is_whole = uvh_process_each_record(process, count_record, look);
	return true;
}

const char *uvh_look_state(const struct uvh_look *look)
{
	if (look->control.state & UVHOOKS_CONTROL_BROKEN)
		return "broken";
	if (look->control.state & UVHOOKS_CONTROL_DISABLED)
		return "disabled";
	if (look->control.plugins[0] != '\0')
		return look->control.plugins;
	return look->is_hooked ? "hooks of its own" : "dormant";
}

const char *uvh_age_text(int64_t ns, char text[UVH_TEXT_ROOM])
{
	const int64_t seconds = ns / 1000000000, minutes = seconds / 60, hours = minutes / 60;

	if (minutes == 0)
		snprintf(text, UVH_TEXT_ROOM, "%" PRId64 " s", seconds);
	else if (hours == 0)
		snprintf(text, UVH_TEXT_ROOM, "%" PRId64 " min", minutes);
	else if (hours < 24)
		snprintf(text, UVH_TEXT_ROOM, "%" PRId64 " h %02" PRId64 " min", hours,
			 minutes % 60);
	else
		snprintf(text, UVH_TEXT_ROOM, "%" PRId64 " d %02" PRId64 " h", hours / 24,
			 hours % 24);
	return text;
}

pid_t uvh_read_pid(const char *text)
{
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char) text[0]))
		return 0;
	number = strtoul(text, &end, 10);
	return *end != '\0' || number > INT_MAX ? 0 : (pid_t) number;
}

int uvh_ctl_open(struct uvh_process **process, pid_t pid, bool writable)
{
	char error[UVH_PROCESS_ERROR_BYTES];

	switch (uvh_process_open(process, pid, writable, error)) {
	case UVH_PROCESS_FOUND:
		return UVH_OK;
	case UVH_PROCESS_GONE:
	case UVH_PROCESS_WITHOUT:
	case UVH_PROCESS_OTHER_ABI:
		uvh_say("%s", error);
		return UVH_USAGE;
	case UVH_PROCESS_FORBIDDEN:
	case UVH_PROCESS_FAILED:
		break;
	}
	uvh_say("%s", error);
	return UVH_FAILED;
}

int uvh_ctl_ask(struct uvh_process *process, const char *request, int64_t timeout_ns, char *answer)
{
	int status;

	switch (uvh_process_request(process, request, timeout_ns, &status, answer)) {
	case UVH_REQUEST_DONE:
		if (status == 0)
			return UVH_OK;
		uvh_say("%s", answer[0] != '\0' ? answer : strerror(status < 0 ? -status : status));
		return UVH_FAILED;
	case UVH_REQUEST_NO_ANSWER:
		uvh_say(
		    "%s\nto wait longer: uvhooks ctl --timeout 1m %d ...; its status tells what "
		    "can be told without a loop",
		    answer, (int) uvh_process_pid(process));
		return UVH_FAILED;
	case UVH_REQUEST_BUSY:
	case UVH_REQUEST_FAILED:
		break;
	}
	uvh_say("%s", answer);
	return UVH_FAILED;
}

void uvh_request_add_guarded(char *request, size_t bytes, const char *text)
{
	size_t used = strlen(request);

	for (; *text != '\0' && used + 2 < bytes; text++) {
		if (strchr(":;,\\", *text) != NULL)
			request[used++] = '\\';
		request[used++] = *text;
	}
	request[used] = '\0';
}
