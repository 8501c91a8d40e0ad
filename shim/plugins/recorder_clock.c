/* SPDX-License-Identifier: MIT */
/*
 * The clock of the trace. The TSC takes half the time of CLOCK_MONOTONIC, and is right where it is
 * invariant and the kernel itself counts on it. How fast it is nobody tells; so it is held against
 * CLOCK_MONOTONIC, for a moment at the start and then over ever longer times.
 */
#include "recorder.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#define SECOND_NS UINT64_C(1000000000)

#define FIRST_LOOK_NS  UINT64_C(200000)   /* 0.02 % exact */
#define SECOND_LOOK_NS UINT64_C(10000000) /* and then always twice as long */
#define LOOKS          8                  /* of which the quickest is the most exact */

bool recorder_clock_is_tsc;
static struct recorder_moment first;
static _Atomic uint64_t next_look; /* ticks */

static uint64_t read_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t) now.tv_sec * SECOND_NS + (uint64_t) now.tv_nsec;
}

uint64_t recorder_monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

#ifdef __x86_64__

static bool kernel_trusts_tsc(void)
{
	char name[8] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);
	ssize_t bytes;

	if (fd < 0)
		return false;
	bytes = read(fd, name, sizeof(name) - 1);
	close(fd);
	return bytes > 0 && strncmp(name, "tsc\n", sizeof(name)) == 0;
}

static bool is_tsc_invariant(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
}

static bool may_use_tsc(void)
{
	return is_tsc_invariant() && kernel_trusts_tsc();
}

#else

static bool may_use_tsc(void)
{
	return false;
}

#endif

static void take(struct recorder_moment *moment)
{
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < LOOKS; i++) {
		const uint64_t before = recorder_ticks();
		const uint64_t monotonic_ns = recorder_monotonic_ns();
		const uint64_t realtime_ns = read_ns(CLOCK_REALTIME);
		const uint64_t after = recorder_ticks();

		if (after - before >= shortest)
			continue;
		shortest = after - before;
		/* Of the two clocks between, the first is read a third of the way. */
		moment->ticks = recorder_clock_is_tsc ? before + shortest / 3 : monotonic_ns;
		moment->monotonic_ns = monotonic_ns;
		moment->realtime_ns = realtime_ns;
	}
}

static uint64_t frequency(const struct recorder_moment *latest)
{
	const uint64_t ns = latest->monotonic_ns - first.monotonic_ns;

	if (!recorder_clock_is_tsc || ns == 0)
		return SECOND_NS;
	return (uint64_t) ((unsigned __int128) (latest->ticks - first.ticks) * SECOND_NS / ns);
}

/* The clock that shows `first.realtime_ns` at `first.ticks`. */
static void describe(struct recorder_clock *clock, const struct recorder_moment *latest)
{
	uint64_t past_s, past, second;

	clock->frequency = frequency(latest);
	past_s = first.ticks / clock->frequency;
	past = first.ticks % clock->frequency;
	second = (uint64_t) ((unsigned __int128) (first.realtime_ns % SECOND_NS) *
			     clock->frequency / SECOND_NS);
	clock->offset_s = first.realtime_ns / SECOND_NS - past_s;
	if (second < past) {
		clock->offset_s--;
		second += clock->frequency;
	}
	clock->offset = second - past;
}

static void look_again_after(const struct recorder_clock *clock, uint64_t ticks, uint64_t ns)
{
	atomic_store(&next_look,
		     ticks + (uint64_t) ((unsigned __int128) ns * clock->frequency / SECOND_NS));
}

void recorder_clock_begin(struct recorder_moment *moment, struct recorder_clock *clock)
{
	struct recorder_moment latest;

	recorder_clock_is_tsc = may_use_tsc();
	take(&first);
	latest = first;
	while (recorder_clock_is_tsc &&
	       recorder_monotonic_ns() - first.monotonic_ns < FIRST_LOOK_NS)
		;
	if (recorder_clock_is_tsc)
		take(&latest);
	describe(clock, &latest);
	look_again_after(clock, latest.ticks, SECOND_LOOK_NS);
	*moment = first;
}

void recorder_clock_begin_or_look(struct recorder_moment *moment, struct recorder_clock *clock)
{
	if (first.ticks == 0)
		recorder_clock_begin(moment, clock);
	else
		recorder_clock_look(moment, clock);
}

uint64_t recorder_clock_begun(void)
{
	return first.ticks;
}

bool recorder_clock_is_due(uint64_t ticks)
{
	return ticks >= atomic_load_explicit(&next_look, memory_order_relaxed);
}

void recorder_clock_look(struct recorder_moment *moment, struct recorder_clock *clock)
{
	take(moment);
	describe(clock, moment);
	look_again_after(clock, moment->ticks, moment->monotonic_ns - first.monotonic_ns);
}
