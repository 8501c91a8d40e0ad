/* SPDX-License-Identifier: MIT */
/*
 * A million timers that are alive at once. With UVHOOKS_TEST_MEMORY=FILE it writes there how many
 * bytes of memory the process has gained for each, so that a run with the shim can be held against
 * a bare one. UVHOOKS_TEST_TIMERS=N is for who wants to see what it does, and not how it does so
 * many.
 */
#include "program.h"

static unsigned int count = 1000000;
static uv_timer_t *timers;
static unsigned int fired;

static void on_timer(uv_timer_t *timer)
{
	fired++;
	uv_close((uv_handle_t *) timer, NULL);
}

static size_t resident_bytes(void)
{
	size_t bytes;

	CHECK_OK(uv_resident_set_memory(&bytes));
	return bytes;
}

static void report_memory(size_t gained)
{
	const char *path = getenv("UVHOOKS_TEST_MEMORY");
	FILE *file;

	if (path == NULL)
		return;
	file = fopen(path, "we");
	CHECK(file != NULL);
	fprintf(file, "%.1f\n", (double) gained / count);
	CHECK(fclose(file) == 0);
}

static void million(uv_loop_t *loop)
{
	const char *other = getenv("UVHOOKS_TEST_TIMERS");
	size_t before;

	if (other != NULL)
		count = (unsigned int) strtoul(other, NULL, 10);
	timers = malloc(count * sizeof *timers);
	CHECK(timers != NULL);
	memset(timers, 1, count * sizeof *timers);
	before = resident_bytes();
	for (unsigned int i = 0; i < count; i++) {
		CHECK_OK(uv_timer_init(loop, &timers[i]));
		CHECK_OK(uv_timer_start(&timers[i], on_timer, i % 50, 0));
	}
	report_memory(resident_bytes() - before);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("%u fired\n", fired);
	free(timers);
}

static const struct scene scenes[] = {
    {"million", million},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
