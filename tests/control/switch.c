/* SPDX-License-Identifier: MIT */
/*
 *	switch MILLISECONDS VARIABLE=VALUE PLUGIN
 *
 * Switches the hooks of a plugin off and on again, every so many milliseconds, in each process that
 * has this in its environment and is under the shim, until its stdin ends. Then it says how many
 * processes it found, and what became of its requests.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

#define PIDS       4194304   /* the most that Linux has */
#define TARGETS    256       /* at one time */
#define TIMEOUT_NS 20000000L /* a loop that does not turn is not waited for */

struct target {
	struct uvh_process *process; /* NULL: free */
	bool disabled;
	unsigned int rest; /* so many rounds it is left alone: it gave no answer */
};

static struct target targets[TARGETS];
static unsigned char looked[PIDS]; /* how often in vain; NEVER: it is none of ours, or known */
static const char *marker, *plugin;
static unsigned long found, done, refused, unanswered;

enum { TRIES = 50, NEVER = 255, REST = 20 };

/* The marker is one of the texts in it. */
static bool is_marked(pid_t pid)
{
	static char text[65536];
	const size_t length = strlen(marker) + 1;
	char path[64];
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int) pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bytes = read(fd, text, sizeof(text));
	close(fd);
	return bytes > 0 && memmem(text, (size_t) bytes, marker, length) != NULL;
}

/* What it is may change with an exec(); for some rounds. */
static void look_at(pid_t pid)
{
	char error[UVH_PROCESS_ERROR_BYTES];
	struct uvh_process *process;

	if (looked[pid] == NEVER)
		return;
	if (++looked[pid] == TRIES)
		looked[pid] = NEVER;
	if (!is_marked(pid) || uvh_process_open(&process, pid, true, error) != UVH_PROCESS_FOUND)
		return;
	for (size_t i = 0; i < TARGETS; i++)
		if (targets[i].process == NULL) {
			targets[i] = (struct target){.process = process};
			looked[pid] = NEVER;
			found++;
			return;
		}
	uvh_process_close(process);
}

static void look_at_all(void)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid < PIDS && pid != getpid())
			look_at((pid_t) pid);
	}
	if (folder != NULL)
		closedir(folder);
}

static void turn(struct target *target)
{
	static char answer[UVHOOKS_CONTROL_ANSWER_BYTES];
	char request[128];
	int status;

	snprintf(request, sizeof(request), "%s %s", target->disabled ? "enable" : "disable",
		 plugin);
	switch (uvh_process_request(target->process, request, TIMEOUT_NS, &status, answer)) {
	case UVH_REQUEST_DONE:
		if (status == 0)
			done++, target->disabled = !target->disabled;
		else
			refused++;
		break;
	case UVH_REQUEST_NO_ANSWER:
	case UVH_REQUEST_BUSY:
		unanswered++;
		target->rest = REST;
		break;
	case UVH_REQUEST_FAILED:
		/* It has ended, or is another program now. */
		looked[uvh_process_pid(target->process)] = 0;
		uvh_process_close(target->process);
		target->process = NULL;
		break;
	}
}

int main(int argc, char **argv)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	int every_ms;

	if (argc != 4)
		return 2;
	every_ms = (int) strtol(argv[1], NULL, 10);
	marker = argv[2];
	plugin = argv[3];
	while (poll(&input, 1, every_ms) == 0) {
		look_at_all();
		for (size_t i = 0; i < TARGETS; i++)
			if (targets[i].rest > 0)
				targets[i].rest--;
			else if (targets[i].process != NULL)
				turn(&targets[i]);
	}
	printf("%lu processes, %lu switched, %lu refused, %lu without an answer\n", found, done,
	       refused, unanswered);
	return 0;
}
