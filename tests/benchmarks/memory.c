/* SPDX-License-Identifier: MIT */
/*
 *	memory COUNT
 *
 * Makes COUNT live timers and prints one line of JSON: what the process then holds in memory, in
 * bytes, and how much more it holds after they have all been closed and made anew. The memory of
 * the timers themselves is touched before.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "benchmark.h"

static size_t closed;

/* Exact, unlike the numbers in statm, which the kernel may add up late. */
static uint64_t resident(void)
{
	static char text[4096];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t length = read(fd, text, sizeof(text) - 1);
	const char *line = strstr(text, "\nRss:");

	CHECK(fd >= 0 && length > 0 && line != NULL);
	close(fd);
	return strtoull(line + strlen("\nRss:"), NULL, 10) * 1024;
}

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	closed++;
}

static void make(uv_loop_t *loop, uv_timer_t *timers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		CHECK(uv_timer_init(loop, &timers[i]) == 0);
}

int main(int argc, char **argv)
{
	size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	uv_timer_t *timers = malloc(count * sizeof(*timers));
	uv_loop_t *loop = uv_default_loop();
	uint64_t first;

	CHECK(count > 0 && timers != NULL && loop != NULL);
	memset(timers, 0, count * sizeof(*timers));
	make(loop, timers, count);
	first = resident();

	for (size_t i = 0; i < count; i++)
		uv_close((uv_handle_t *) &timers[i], on_close);
	uv_run(loop, UV_RUN_DEFAULT);
	CHECK(closed == count);
	make(loop, timers, count);
	printf("{\"resident\": %" PRIu64 ", \"growth\": %" PRId64 "}\n", first,
	       (int64_t) (resident() - first));
	return 0;
}
