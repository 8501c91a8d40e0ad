/* SPDX-License-Identifier: MIT */
/*
 * A process that publishes nonsense as what the meter counts: random numbers, as many as there
 * should be, or zeros, or the largest ones. It prints "ok" when that is done, and
 * lives until its input ends.
 *
 *	liar SEED
 */
#include <uvhooks/control.h>

#include "../../shim/plugins/meter_area.h"
#include "../programs/program.h"

static struct meter_area area;
static struct meter_row rows[METER_ROWS];
static struct meter_thread threads[METER_THREADS];
static struct meter_site sites[METER_SITES];
static struct meter_space spaces[METER_SPACES];
static struct meter_bucket buckets[64];
static uint64_t state;

/* xorshift64*; now and then one of those that are special. */
static uint64_t lie(void)
{
	static const uint64_t special[] = {0, 1, UINT64_MAX, INT64_MAX, UINT32_MAX, METER_STACK};

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	if (state % 5 == 0)
		return special[(state >> 8) % (sizeof(special) / sizeof(special[0]))];
	if (state % 5 == 1)
		return (state >> 8) % 40;
	return state * UINT64_C(0x2545f4914f6cdd1d);
}

static void fill(void *memory, size_t bytes)
{
	uint64_t *words = memory;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = lie();
}

/* So much is right that it is read. */
static void make_believable(void)
{
	area.version = METER_VERSION;
	area.watching = 1;
	area.generation = 7;
	area.clock_is_tsc = (uint32_t) lie() & 1;
	area.frequency = 1000000000;
	area.rows = (uintptr_t) rows;
	area.threads = (uintptr_t) threads;
	area.sites = (uintptr_t) sites;
	area.spaces = (uintptr_t) spaces;
	area.row_count = (uint32_t) lie();
	area.thread_count = (uint32_t) (lie() % 4 == 0 ? lie() : lie() % 16);
	area.site_count = (uint32_t) lie();
	for (size_t i = 0; i < METER_ROWS; i++) {
		rows[i].kind = (uint16_t) (lie() % METER_KINDS);
		rows[i].type = (uint16_t) (lie() % 2 ? lie() : lie() % UVHOOKS_TYPE_MAX);
	}
	for (size_t i = 0; i < METER_THREADS; i++)
		threads[i].generation = area.generation;
	for (size_t i = 0; i < METER_SITES; i++)
		sites[i].number = (uint32_t) (lie() % 2000);
	for (size_t i = 0; i < METER_SPACES; i++) {
		spaces[i].generation = area.generation;
		for (size_t level = 0; level < METER_LEVELS; level++)
			spaces[i].buckets[level] = (uintptr_t) buckets;
	}
	for (size_t i = 0; i < 64; i++)
		for (size_t way = 0; way < METER_WAYS; way++)
			buckets[i].ids[way] = i;
}

static void on_input(uv_poll_t *poll, int status, int events)
{
	(void) status;
	(void) events;
	uv_stop(poll->loop);
}

/* The true meter has been loaded meanwhile. */
static void on_timer(uv_timer_t *timer)
{
	(void) timer;
	CHECK_OK(uvhooks_publish("meter", &area, sizeof(area)));
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_poll_t input;
	uv_timer_t timer;

	CHECK(argc == 2);
	state = strtoull(argv[1], NULL, 10) * 977 + 1;
	fill(&area, sizeof(area));
	fill(rows, sizeof(rows));
	fill(threads, sizeof(threads));
	fill(sites, sizeof(sites));
	fill(spaces, sizeof(spaces));
	fill(buckets, sizeof(buckets));
	make_believable();
	CHECK_OK(uvhooks_publish("meter", &area, sizeof(area)));
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 1));
	CHECK_OK(uv_poll_init(loop, &input, STDIN_FILENO));
	CHECK_OK(uv_poll_start(&input, UV_READABLE | UV_DISCONNECT, on_input));
	CHECK(uv_run(loop, UV_RUN_NOWAIT) != 0);
	CHECK(write(STDOUT_FILENO, "ok\n", 3) == 3);
	uv_run(loop, UV_RUN_DEFAULT);
	return 0;
}
