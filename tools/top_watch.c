/* SPDX-License-Identifier: MIT */
/*
 * Watching a process: the meter plugin is asked to count for some seconds, again and again, so that
 * it stops by itself where we are killed.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "top.h"

#define SECOND_NS INT64_C(1000000000)

/* It is asked again when a third of the time has passed. */
#define LEASE_S  3
#define RENEW_NS (LEASE_S * SECOND_NS / 3)

#define LEAVE_TIMEOUT_NS (SECOND_NS / 2)
#define ASK_TIMEOUT_NS   (SECOND_NS / 4)

#define POOL_THREADS_MAX 1024

static const char *read_link(pid_t pid, const char *name, char text[PATH_MAX])
{
	char path[64];
	ssize_t bytes;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
	bytes = readlink(path, text, PATH_MAX - 1);
	text[bytes > 0 ? bytes : 0] = '\0';
	return text;
}

/* UV_THREADPOOL_SIZE as the program was started with. */
static size_t read_pool_threads(pid_t pid)
{
	static const char variable[] = "UV_THREADPOOL_SIZE=";
	size_t room = 0, found = UVH_POOL_DEFAULT_THREADS;
	char path[64], *entry = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int) pid);
	file = fopen(path, "re");
	while (file != NULL && getdelim(&entry, &room, '\0', file) > 0) {
		if (strncmp(entry, variable, sizeof(variable) - 1) != 0)
			continue;
		found = strtoul(entry + sizeof(variable) - 1, NULL, 10);
		found = found == 0 ? 1 : found > POOL_THREADS_MAX ? POOL_THREADS_MAX : found;
	}
	free(entry);
	if (file != NULL)
		fclose(file);
	return found;
}

void uvh_top_open(struct uvh_top *top, struct uvh_process *process)
{
	char program[PATH_MAX];

	*top = (struct uvh_top){.process = process};
	top->names = uvh_top_names_open(process);
	top->program =
	    uvh_top_text(top->names, read_link(uvh_process_pid(process), "exe", program));
	top->pool_threads_said = read_pool_threads(uvh_process_pid(process));
}

void uvh_top_close(struct uvh_top *top)
{
	uvh_top_frame_free(&top->frame);
	uvh_top_sample_free(&top->samples[0]);
	uvh_top_sample_free(&top->samples[1]);
	uvh_top_names_close(top->names);
	free(top->seen);
}

/* False: the process is gone. */
static bool request(struct uvh_top *top, const char *text, int64_t timeout_ns)
{
	int status = 0;

	top->answered = false;
	switch (uvh_process_request(top->process, text, timeout_ns, &status, top->trouble)) {
	case UVH_REQUEST_DONE:
		top->trouble[strcspn(top->trouble, "\n")] = '\0';
		top->answered = status == 0;
		if (top->answered)
			top->trouble[0] = '\0';
		return true;
	case UVH_REQUEST_NO_ANSWER:
		/* What the loops do instead is seen anyway. */
		snprintf(top->trouble, sizeof(top->trouble),
			 "no loop has answered: each is in a callback, or stopped; rates come when "
			 "one turns");
		return true;
	case UVH_REQUEST_BUSY:
		top->trouble[strcspn(top->trouble, "\n")] = '\0';
		return true;
	case UVH_REQUEST_FAILED:
		break;
	}
	return false;
}

/* Is the plugin started? */
static bool has_plugin(struct uvh_top *top, const char *name)
{
	const size_t bytes = strlen(name);
	struct uvhooks_control control;
	const char *at;

	if (!uvh_process_control(top->process, &control))
		return false;
	control.plugins[sizeof(control.plugins) - 1] = '\0';
	for (at = control.plugins; (at = strstr(at, name)) != NULL; at += bytes)
		if ((at == control.plugins || at[-1] == ',') &&
		    (at[bytes] == ',' || at[bytes] == '\0'))
			return true;
	return false;
}

/* It stays, and takes stacks as long as anything listens. */
static bool ask_for_stacks(struct uvh_top *top, int64_t timeout_ns)
{
	bool is_alive = true;

	if (!has_plugin(top, "stacks"))
		is_alive = request(top, "load stacks:at=init;python;lua", timeout_ns);
	snprintf(top->no_stacks, sizeof(top->no_stacks), "%s", top->trouble);
	top->wants_stacks = false;
	return is_alive;
}

bool uvh_top_ask(struct uvh_top *top, int64_t timeout_ns)
{
	const int64_t now_ns = uvh_top_now_ns(CLOCK_BOOTTIME);
	char text[128];

	if (top->answered && now_ns - top->asked_ns < RENEW_NS)
		return true;
	if (top->wants_stacks && !ask_for_stacks(top, timeout_ns))
		return false;
	snprintf(text, sizeof(text), "load meter:watch=%d,who=%d", LEASE_S, (int) getpid());
	top->asked_ns = now_ns;
	return request(top, text, timeout_ns);
}

void uvh_top_leave(struct uvh_top *top)
{
	char text[64];

	if (top->asked_ns == 0)
		return;
	snprintf(text, sizeof(text), "set meter:leave=1,who=%d", (int) getpid());
	request(top, text, LEAVE_TIMEOUT_NS);
}

bool uvh_top_wait(struct uvh_top *top, int64_t ns)
{
	const int64_t end_ns = uvh_top_now_ns(CLOCK_MONOTONIC) + ns;
	int64_t left_ns = ns;

	while (left_ns > 0 && !uvh_top_is_interrupted()) {
		const int64_t slice_ns = left_ns < RENEW_NS ? left_ns : RENEW_NS;
		const struct timespec slice = {.tv_sec = slice_ns / SECOND_NS,
					       .tv_nsec = slice_ns % SECOND_NS};

		nanosleep(&slice, NULL);
		left_ns = end_ns - uvh_top_now_ns(CLOCK_MONOTONIC);
		if (left_ns > 0 && !uvh_top_is_interrupted() && !uvh_top_ask(top, ASK_TIMEOUT_NS))
			return false;
	}
	return true;
}

bool uvh_top_look(struct uvh_top *top)
{
	const unsigned int next = !top->newest;
	struct uvh_top_sample sample;

	if (!uvh_top_sample(top->process, &sample)) {
		uvh_top_sample_free(&sample);
		return false;
	}
	uvh_top_sample_free(&top->samples[next]);
	top->has_two = top->samples[top->newest].now_ns != 0;
	top->samples[next] = sample;
	top->newest = next;
	return true;
}
