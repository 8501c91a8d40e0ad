/* SPDX-License-Identifier: MIT */
/* longjmp out of a scope: noticed when the next scope or callback begins, or the loop runs. */
#include "embedder.h"

#include <setjmp.h>

static jmp_buf back;
static resource_t outer;
static resource_t inner;

static void *jump(void *argument)
{
	(void) argument;
	CHECK(ids_are_of(&inner));
	longjmp(back, 1);
}

/* From a frame of its own, so that what is left lies below whatever comes next. */
__attribute__((noinline)) static void run_and_jump(void)
{
	volatile char room[64];

	room[0] = 0;
	run_in(&inner, jump, NULL);
	room[1] = room[0];
}

static void *check_ids(void *resource)
{
	CHECK(ids_are_of(resource));
	return resource;
}

static void to_caller(uv_loop_t *loop)
{
	(void) loop;
	make(&outer, "Other");
	make(&inner, "Job");
	if (setjmp(back) == 0)
		run_and_jump();
	run_in(&outer, check_ids, &outer);
	CHECK(at_top_level());
	mark("Behind");
	end(&inner);
	end(&outer);
}

static void *catching(void *argument)
{
	if (setjmp(back) == 0)
		run_and_jump();
	run_in(&inner, check_ids, &inner);
	CHECK(ids_are_of(&outer));
	return argument;
}

/* The outer scope stays open. */
static void to_outer_scope(uv_loop_t *loop)
{
	(void) loop;
	make(&outer, "Outer");
	make(&inner, "Inner");
	run_in(&outer, catching, NULL);
	end(&inner);
	end(&outer);
}

static void on_timer(uv_timer_t *timer)
{
	run_in(&inner, jump, timer);
}

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	mark("InClose");
}

/* The scope is in a callback, and both are left. */
static void through_callback(uv_loop_t *loop)
{
	static uv_timer_t timer;

	make(&inner, "Job");
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	if (setjmp(back) == 0)
		uv_run(loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *) &timer, on_close);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(at_top_level());
	end(&inner);
}

static const struct scene scenes[] = {
    {"to_caller", to_caller},
    {"to_outer_scope", to_outer_scope},
    {"through_callback", through_callback},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
