/* SPDX-License-Identifier: MIT */
/* A program whose library uses libuv before main and after it. */
#include "program.h"

extern int constructor_fired;

static void on_timer(uv_timer_t *timer)
{
	puts("timer of main");
	uv_close((uv_handle_t *) timer, NULL);
}

static void after_constructor(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK(constructor_fired == 3);
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
}

static const struct scene scenes[] = {
    {"after_constructor", after_constructor},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
