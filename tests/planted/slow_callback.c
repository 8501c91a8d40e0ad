/* SPDX-License-Identifier: MIT */
/*
 * A timer's callback computes for 200 ms, while the loop has something else to do. It runs a nested
 * loop as well, which takes as long: that is no fault of the callback that waits there.
 */
#include "planted.h"

#define STEP_MS 200

static bool faulty;
static unsigned long sum;

static void compute(unsigned int ms)
{
	const uint64_t until = uv_hrtime() + ms * UINT64_C(1000000);

	while (uv_hrtime() < until) /* PLANTED */
		sum++;
}

static void on_compute(uv_timer_t *timer)
{
	compute(faulty ? STEP_MS : 1);
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_nested(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_waits(uv_timer_t *timer)
{
	uv_timer_t inner;
	uv_loop_t loop;

	CHECK_OK(uv_loop_init(&loop));
	CHECK_OK(uv_timer_init(&loop, &inner));
	CHECK_OK(uv_timer_start(&inner, on_nested, STEP_MS, 0));
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&loop));
	uv_close((uv_handle_t *) timer, NULL);
}

/* Who makes it, if it is made by a callback, is its trigger. */
static void on_begin(uv_timer_t *timer)
{
	static uv_timer_t computes;

	CHECK_OK(uv_timer_init(timer->loop, &computes)); /* MADE */
	CHECK_OK(uv_timer_start(&computes, on_compute, 1, 0));
	uv_close((uv_handle_t *) timer, NULL);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t begins, waits;

	faulty = has_fault(argc, argv);
	CHECK_OK(uv_timer_init(loop, &begins));
	CHECK_OK(uv_timer_start(&begins, on_begin, 1, 0));
	CHECK_OK(uv_timer_init(loop, &waits));
	CHECK_OK(uv_timer_start(&waits, on_waits, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("computed: %s\n", sum > 0 ? "yes" : "no");
	return 0;
}
