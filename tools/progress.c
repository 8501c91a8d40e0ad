/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS INT64_C(500000000) /* before the bar is shown */
#define PAUSE_NS    INT64_C(100000000) /* between two drawings */
#define CHECK_NS    INT64_C(10000000)  /* so often is the clock looked at, about */
#define SKIP_MAX    65536
#define BAR_COLUMNS 30

static int64_t begun_ns; /* 0: there is no work */
static int64_t drawn_ns; /* 0: not drawn since the work began */
static int64_t checked_ns;
static unsigned int skip = 1; /* calls between two looks at the clock */
static unsigned int left;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool is_shown(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDERR_FILENO) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

/* "12 s left", once enough is done to tell. */
static void print_time_left(double done, int64_t passed_ns)
{
	double left_s = (double) passed_ns / 1e9 * (1 - done) / done;

	if (done < 0.01 || left_s > 360000)
		return;
	if (left_s >= 90)
		fprintf(stderr, ", %.0f min left", left_s / 60);
	else
		fprintf(stderr, ", %.0f s left", left_s);
}

static void draw(const char *what, double done, int64_t passed_ns)
{
	char bar[BAR_COLUMNS + 1];
	size_t full = (size_t) (done * BAR_COLUMNS);

	memset(bar, ' ', BAR_COLUMNS);
	memset(bar, '=', full);
	if (full < BAR_COLUMNS)
		bar[full] = '>';
	bar[BAR_COLUMNS] = '\0';
	fprintf(stderr, "\r%s [%s] %3.0f %%", what, bar, done * 100);
	print_time_left(done, passed_ns);
	fputs("\033[K", stderr);
	fflush(stderr);
}

/* How many calls may pass unseen depends on how fast they come. */
static void adapt(int64_t now)
{
	if (now - checked_ns < CHECK_NS && skip < SKIP_MAX)
		skip *= 2;
	else if (now - checked_ns > 2 * CHECK_NS && skip > 1)
		skip /= 2;
	checked_ns = now;
	left = skip;
}

void uvh_progress(const char *what, double done)
{
	int64_t now;

	if (left > 0) {
		left--;
		return;
	}
	now = now_ns();
	if (begun_ns == 0)
		begun_ns = checked_ns = now;
	adapt(now);
	if (now - begun_ns < PATIENCE_NS || now - drawn_ns < PAUSE_NS || !is_shown())
		return;
	drawn_ns = now;
	draw(what, !(done > 0) ? 0 : done > 1 ? 1 : done, now - begun_ns);
}

void uvh_progress_end(void)
{
	if (drawn_ns != 0) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	begun_ns = drawn_ns = 0;
	skip = 1;
	left = 0;
}
