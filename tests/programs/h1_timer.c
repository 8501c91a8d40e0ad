/* SPDX-License-Identifier: MIT */
/* Canonical trace H1: a timer that fires and is closed in its own callback. */
#include "program.h"

static int fired;

static void on_close(uv_handle_t *handle)
{
	CHECK(handle->type == UV_TIMER);
	puts("closed");
}

/* Ends in a call of libuv, which a compiler turns into a jump. */
static void on_timer(uv_timer_t *timer)
{
	puts("timer");
	uv_close((uv_handle_t *) timer, on_close);
}

static void on_third_close_timer(uv_timer_t *timer)
{
	printf("timer %d\n", ++fired);
	if (fired == 3)
		uv_close((uv_handle_t *) timer, on_close);
}

static void once(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
}

static void repeat(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_third_close_timer, 1, 1));
}

static const struct scene scenes[] = {
    {"once", once},
    {"repeat", repeat},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
