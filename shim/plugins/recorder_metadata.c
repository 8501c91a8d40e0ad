/* SPDX-License-Identifier: MIT */
/* `metadata`: what is there of this process, and of the clock; the rest is in recorder_tsdl.c. */
#include "recorder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "recorder_tsdl.h"

/* That of the trace that is written to, under the lock. */
#define here (&recorder_trace->metadata)

static char path[PATH_MAX];

static void add_command(struct recorder_text *text)
{
	static char command[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? 0 : read(fd, command, sizeof(command));

	if (fd >= 0)
		close(fd);
	if (bytes < 0)
		bytes = 0;
	for (ssize_t i = 0; i + 1 < bytes; i++)
		if (command[i] == '\0')
			command[i] = ' ';
	recorder_text_string(text, "command", command, (size_t) bytes);
}

static void add_environment(struct recorder_text *text)
{
	const char *launched = getenv("UVHOOKS_LAUNCHED");
	static struct utsname host;

	uname(&host);
	recorder_text_add(text, "env {\n");
	recorder_text_string(text, "hostname", host.nodename, sizeof(host.nodename));
	recorder_text_string(text, "domain", "uvhooks", SIZE_MAX);
	recorder_text_string(text, "tracer_name", "uvhooks", SIZE_MAX);
	recorder_text_string(text, "tracer_version", uvhooks_version(), SIZE_MAX);
	recorder_text_string(text, "program", recorder_program, SIZE_MAX);
	add_command(text);
	recorder_text_integer(text, "pid", (uint64_t) getpid());
	recorder_text_integer(text, "ppid", (uint64_t) getppid());
	recorder_text_string(text, "parent",
			     recorder_trace == &recorder_main ? recorder_parent : "", SIZE_MAX);
	recorder_text_integer(text, "launched", launched == NULL ? 0 : strtoul(launched, NULL, 10));
	recorder_text_string(text, "mode", recorder_trace->mode, SIZE_MAX);
	recorder_text_integer(text, "clock_is_tsc", recorder_clock_is_tsc);
	recorder_text_add(text, "};\n\n");
}

int recorder_metadata_write(const struct recorder_clock *clock)
{
	struct recorder_text text = {.text = here->text, .room = sizeof(here->text)};
	int error = recorder_file_path(path, "metadata");

	if (error != 0)
		return error;
	recorder_tsdl_begin(&text, recorder_trace->uuid);
	add_environment(&text);
	recorder_text_add(&text, "clock {\n\tname = \"ticks\";\n");
	here->clock_begin = text.used;
	recorder_tsdl_clock(&text, clock->frequency, clock->offset_s, clock->offset);
	here->clock_end = text.used;
	recorder_text_add(&text, "};\n\n");
	recorder_tsdl_end(&text);
	here->whole = text.used;
	return recorder_file_write(path, true, 0, 0, here->text, here->whole);
}

int recorder_metadata_clock(const struct recorder_clock *clock)
{
	struct recorder_text text = {here->text, here->clock_begin, here->clock_end};
	int error = recorder_file_path(path, "metadata");

	if (error != 0)
		return error;
	recorder_tsdl_clock(&text, clock->frequency, clock->offset_s, clock->offset);
	return recorder_file_write(path, false, here->whole, here->clock_begin,
				   here->text + here->clock_begin,
				   here->clock_end - here->clock_begin);
}
