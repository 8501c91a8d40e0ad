/* SPDX-License-Identifier: MIT */
/* A timer that is stopped in time, but never closed: so its loop cannot be closed. */
#include "planted.h"

static void on_timeout(uv_timer_t *timeout)
{
	(void) timeout;
	printf("timeout\n");
}

static void on_answer(uv_timer_t *answer)
{
	CHECK_OK(uv_timer_stop(answer->data));
	uv_close((uv_handle_t *) answer, NULL);
}

int main(int argc, char **argv)
{
	bool faulty = has_fault(argc, argv);
	uv_timer_t answer, timeout;
	uv_loop_t loop;

	CHECK_OK(uv_loop_init(&loop));
	CHECK_OK(uv_timer_init(&loop, &answer));
	CHECK_OK(uv_timer_init(&loop, &timeout)); /* PLANTED */
	answer.data = &timeout;
	CHECK_OK(uv_timer_start(&answer, on_answer, 1, 0));
	CHECK_OK(uv_timer_start(&timeout, on_timeout, 10000, 0));
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	if (!faulty)
		uv_close((uv_handle_t *) &timeout, NULL);
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	printf("uv_loop_close: %s\n", uv_loop_close(&loop) == UV_EBUSY ? "UV_EBUSY" : "done");
	return 0;
}
