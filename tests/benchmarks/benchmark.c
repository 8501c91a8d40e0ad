/* SPDX-License-Identifier: MIT */
/*
 *	NAME [SLICES [BATCHES]]
 *
 * Runs one slice to warm up, then SLICES of BATCHES batches each. Prints one line of JSON:
 *
 *	operations   in a slice
 *	ns           the time that each slice took; many short slices, so that some of them meet no
 *	             other process and no interrupt: the fastest tell what the code costs
 *	calls        calls of functions that allocate, by anybody in the process, during all slices;
 *	             null unless count_calls.so is loaded
 *	store        whether a store of a local storage was entered, which enter_store.so does
 */
#include <inttypes.h>
#include <time.h>

#include "benchmark.h"

#define SLICES     200
#define MAX_SLICES 100000

/* In count_calls.so. */
extern uint64_t count_calls(void) __attribute__((weak));

/* In enter_store.so. 0 or a negative errno. */
extern int benchmark_enter_store(void) __attribute__((weak));

static uint64_t spent, resumed;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t) time.tv_sec * 1000000000 + (uint64_t) time.tv_nsec;
}

void benchmark_pause(void)
{
	spent += now() - resumed;
}

void benchmark_resume(void)
{
	resumed = now();
}

static uint64_t slice(uv_loop_t *loop, unsigned long batches)
{
	spent = 0;
	benchmark_resume();
	for (unsigned long i = 0; i < batches; i++)
		benchmark.batch(loop);
	benchmark_pause();
	return spent;
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	CHECK(*text != '\0' && *end == '\0' && value > 0 && value <= MAX_SLICES);
	return value;
}

int main(int argc, char **argv)
{
	unsigned long slices = argc > 1 ? number(argv[1]) : SLICES;
	unsigned long batches = argc > 2 ? number(argv[2]) : benchmark.batches;
	uint64_t *ns = calloc(slices, sizeof(*ns));
	uint64_t calls = 0;
	uv_loop_t *loop = uv_default_loop();

	CHECK(argc <= 3 && ns != NULL && loop != NULL);
	if (benchmark_enter_store != NULL)
		CHECK(benchmark_enter_store() == 0);
	benchmark.setup(loop);
	slice(loop, batches);
	if (count_calls != NULL)
		calls = count_calls();
	for (unsigned long i = 0; i < slices; i++)
		ns[i] = slice(loop, batches);
	if (count_calls != NULL)
		calls = count_calls() - calls;

	printf("{\"operations\": %lu, \"ns\": [", batches * benchmark.operations);
	for (unsigned long i = 0; i < slices; i++)
		printf("%s%" PRIu64, i == 0 ? "" : ", ", ns[i]);
	if (count_calls != NULL)
		printf("], \"calls\": %" PRIu64, calls);
	else
		printf("], \"calls\": null");
	printf(", \"store\": %s}\n", benchmark_enter_store != NULL ? "true" : "false");
	return 0;
}
