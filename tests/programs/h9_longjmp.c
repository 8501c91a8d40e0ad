/* SPDX-License-Identifier: MIT */
/* Canonical trace H9: longjmp out of a callback, to main, to an outer callback, and within one. */
#include "program.h"

#include <setjmp.h>

static jmp_buf target;
static uv_timer_t outer;
static uv_timer_t inner;
static uv_timer_t later;

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	puts("closed");
}

static void on_later(uv_timer_t *timer)
{
	puts("later timer");
	uv_close((uv_handle_t *) timer, on_close);
}

static void jumping(uv_timer_t *timer)
{
	(void) timer;
	puts("jumping");
	longjmp(target, 1);
}

/* uv_run comes first after the jump, so that what was left is known before the next timer is made.
 */
static void to_main(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, jumping, 1, 0));
	if (setjmp(target) == 0) {
		uv_run(loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	}
	CHECK_OK(uv_run(loop, UV_RUN_NOWAIT));
	puts("back in main");
	CHECK_OK(uv_timer_init(loop, &later));
	CHECK_OK(uv_timer_start(&later, on_later, 50, 0));
	uv_close((uv_handle_t *) &outer, on_close);
}

static void nesting(uv_timer_t *timer)
{
	CHECK_OK(uv_timer_init(timer->loop, &inner));
	CHECK_OK(uv_timer_start(&inner, jumping, 1, 0));
	uv_run(timer->loop, UV_RUN_DEFAULT);
	CHECK(!"uv_run must not return");
}

static void through_two(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, nesting, 1, 0));
	if (setjmp(target) == 0) {
		uv_run(loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	}
	CHECK_OK(uv_run(loop, UV_RUN_NOWAIT));
	puts("back in main");
	uv_close((uv_handle_t *) &inner, NULL);
	uv_close((uv_handle_t *) &outer, NULL);
}

static void landing(uv_timer_t *timer)
{
	CHECK_OK(uv_timer_init(timer->loop, &inner));
	CHECK_OK(uv_timer_start(&inner, jumping, 1, 0));
	if (setjmp(target) == 0) {
		uv_run(timer->loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	}
	puts("back in the outer callback");
	uv_close((uv_handle_t *) &inner, NULL);
	uv_close((uv_handle_t *) &outer, on_close);
}

static void to_outer_callback(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, landing, 1, 0));
}

static void jump_inside(uv_timer_t *timer)
{
	if (setjmp(target) == 0)
		longjmp(target, 1);
	puts("jumped inside");
	uv_close((uv_handle_t *) timer, on_close);
}

static void inside(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, jump_inside, 1, 0));
}

static const struct scene scenes[] = {
    {"to_main", to_main},
    {"through_two", through_two},
    {"to_outer_callback", to_outer_callback},
    {"inside", inside},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
