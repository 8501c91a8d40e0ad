/* SPDX-License-Identifier: MIT */
/*
 * Each tick makes a timer that reminds once. A timer that has fired must be closed, which is
 * forgotten: they get more and more, all of them from one line.
 */
#include "planted.h"

#define TICKS 200

static bool faulty;
static unsigned int ticks, reminded;

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_reminder(uv_timer_t *reminder)
{
	reminded++;
	if (!faulty)
		uv_close((uv_handle_t *) reminder, on_closed);
}

static void on_tick(uv_timer_t *ticker)
{
	uv_timer_t *reminder = malloc(sizeof(*reminder));

	CHECK(reminder != NULL);
	CHECK_OK(uv_timer_init(ticker->loop, reminder)); /* PLANTED */
	CHECK_OK(uv_timer_start(reminder, on_reminder, 0, 0));
	if (++ticks == TICKS)
		uv_close((uv_handle_t *) ticker, NULL);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t ticker;

	faulty = has_fault(argc, argv);
	CHECK_OK(uv_timer_init(loop, &ticker));
	CHECK_OK(uv_timer_start(&ticker, on_tick, 1, 1));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("%u reminders\n", reminded);
	return 0;
}
