/* SPDX-License-Identifier: MIT */
/* Ten questions at once, each with a timeout that is stopped by the answer, and then forgotten. */
#include "planted.h"

#define QUESTIONS 10

static uv_timer_t timeouts[QUESTIONS], answer;

static void on_timeout(uv_timer_t *timeout)
{
	(void) timeout;
	printf("timeout\n");
}

static void on_answer(uv_timer_t *timer)
{
	bool *faulty = timer->data;

	for (unsigned int i = 0; i < QUESTIONS; i++) {
		CHECK_OK(uv_timer_stop(&timeouts[i]));
		if (!*faulty)
			uv_close((uv_handle_t *) &timeouts[i], NULL);
	}
	uv_close((uv_handle_t *) timer, NULL);
}

int main(int argc, char **argv)
{
	bool faulty = has_fault(argc, argv);
	uv_loop_t *loop = uv_default_loop();

	for (unsigned int i = 0; i < QUESTIONS; i++) {
		CHECK_OK(uv_timer_init(loop, &timeouts[i])); /* PLANTED */
		CHECK_OK(uv_timer_start(&timeouts[i], on_timeout, 10000, 0));
	}
	CHECK_OK(uv_timer_init(loop, &answer));
	answer.data = &faulty;
	CHECK_OK(uv_timer_start(&answer, on_answer, 20, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("%d answers\n", QUESTIONS);
	return 0;
}
