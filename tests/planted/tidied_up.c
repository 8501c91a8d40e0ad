/* SPDX-License-Identifier: MIT */
/*
 * Each tick makes a timer that is never closed, and when the program ends it closes all that its
 * loop has: so nothing is left, but it has grown all the time.
 */
#include "planted.h"

#define TICKS 60

static bool faulty;
static unsigned int ticks;

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_timeout(uv_timer_t *timeout)
{
	if (!faulty)
		uv_close((uv_handle_t *) timeout, on_closed);
}

static void on_tick(uv_timer_t *ticker)
{
	uv_timer_t *timeout = malloc(sizeof(*timeout));

	CHECK(timeout != NULL);
	CHECK_OK(uv_timer_init(ticker->loop, timeout)); /* PLANTED */
	CHECK_OK(uv_timer_start(timeout, on_timeout, 0, 0));
	if (++ticks == TICKS)
		uv_timer_stop(ticker);
}

static void close_handle(uv_handle_t *handle, void *ticker)
{
	uv_close(handle, handle == ticker ? NULL : on_closed);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t ticker;

	faulty = has_fault(argc, argv);
	CHECK_OK(uv_timer_init(loop, &ticker));
	CHECK_OK(uv_timer_start(&ticker, on_tick, 4, 4));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uv_walk(loop, close_handle, &ticker);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(loop));
	printf("%u ticks\n", ticks);
	return 0;
}
