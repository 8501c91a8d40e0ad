/* SPDX-License-Identifier: MIT */
/*
 * Asks a process many things.
 *
 *	ask PID COUNT REQUEST...   the requests in turn, COUNT in all, as fast as they are answered;
 *	                           prints how many were done, refused, and without an answer
 *	ask PID COUNT --hostile SEED
 *	                           COUNT times bytes that no command would write, at random: without
 *	                           an end, with numbers of requests that were not announced, changed
 *	                           while they are read. The last thing is a status, which is to be
 *	                           answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uvhooks/control.h>

#include "process_parts.h"

#define TIMEOUT_NS INT64_C(10000000000)

static char answer[UVHOOKS_CONTROL_ANSWER_BYTES];

struct counts {
	unsigned long done, refused, unanswered;
};

static void ask(struct uvh_process *process, const char *request, struct counts *counts)
{
	int status;
	enum uvh_request_result result =
	    uvh_process_request(process, request, TIMEOUT_NS, &status, answer);

	if (result != UVH_REQUEST_DONE)
		counts->unanswered++;
	else if (status != 0)
		counts->refused++;
	else
		counts->done++;
	if (result != UVH_REQUEST_DONE)
		fprintf(stderr, "%s: %s\n", request, answer);
}

/* What a command would write, but for some bytes; or anything. */
static size_t make_text(unsigned char *text)
{
	static const char *const seeds[] = {
	    "status",
	    "load log:file=/nowhere/x",
	    "set log:format=json",
	    "enable log",
	    "disable hook 1",
	    "enable hook 99999999999999999999",
	    "load a:b=c;d",
	    "disable hook -1",
	    "set :,;=\\",
	    "load",
	    "load ;;;;;;:",
	    "status ",
	};
	size_t bytes = (size_t) rand() % UVHOOKS_CONTROL_REQUEST_BYTES + 1;
	const char *seed = seeds[(size_t) rand() % (sizeof(seeds) / sizeof(seeds[0]))];

	if (rand() % 4 == 0)
		bytes = UVHOOKS_CONTROL_REQUEST_BYTES;
	for (size_t i = 0; i < bytes; i++)
		text[i] = (unsigned char) (rand() % 4 == 0 ? rand() : ' ' + rand() % 90);
	if (rand() % 4 != 0) {
		size_t length = strlen(seed) + (size_t) (rand() % 2);

		memcpy(text, seed, length < bytes ? length : bytes);
	}
	/* Nothing that would work: the shim must be there for the next one. */
	if (memcmp(text, "off", 3) == 0)
		text[0] = 'x';
	return bytes;
}

static void write_number(struct uvh_process *process, size_t offset, uint32_t number)
{
	uvh_process_write(process, process->address + offset, &number, sizeof(number));
}

static void be_hostile(struct uvh_process *process)
{
	unsigned char text[UVHOOKS_CONTROL_REQUEST_BYTES];
	size_t bytes = make_text(text);
	uint32_t number = (uint32_t) rand() * 2 + 1;

	if (rand() % 2 == 0)
		uvh_process_write(process, process->control.request_text, text, bytes);
	write_number(process, offsetof(struct uvhooks_control, request), number);
	for (size_t i = 0; i < process->control.loop_count; i++)
		uvh_process_wake(process, i);
	if (rand() % 2 == 0)
		uvh_process_write(process, process->control.request_text, text, bytes);
	if (rand() % 4 == 0)
		write_number(process, offsetof(struct uvhooks_control, answered),
			     number + (uint32_t) (rand() % 3) - 1);
}

int main(int argc, char **argv)
{
	char error[UVH_PROCESS_ERROR_BYTES];
	struct counts counts = {0, 0, 0};
	struct uvh_process *process;
	unsigned long count;

	if (argc < 4)
		return 2;
	count = strtoul(argv[2], NULL, 10);
	if (uvh_process_open(&process, (pid_t) strtol(argv[1], NULL, 10), true, error) !=
	    UVH_PROCESS_FOUND) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	if (strcmp(argv[3], "--hostile") == 0 && argc == 5) {
		srand((unsigned int) strtoul(argv[4], NULL, 10));
		ask(process, "status", &counts);
		for (unsigned long i = 0; i < count; i++)
			be_hostile(process);
		ask(process, "status", &counts);
	} else {
		for (unsigned long i = 0; i < count; i++)
			ask(process, argv[3 + i % (unsigned long) (argc - 3)], &counts);
	}
	uvh_process_close(process);
	printf("%lu done, %lu refused, %lu without an answer\n", counts.done, counts.refused,
	       counts.unanswered);
	return 0;
}
