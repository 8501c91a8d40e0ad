/* SPDX-License-Identifier: MIT */
/*
 * A callback waits for an answer that never comes, and the loop for the callback, until somebody
 * kills the program: here an alarm.
 */
#include <sys/time.h>

#include "planted.h"

#define PATIENCE_US 400000

static bool faulty;
static int answers[2];

static void ask(void)
{
	const struct itimerval patience = {.it_value = {.tv_usec = PATIENCE_US}};
	char answer;

	if (faulty)
		CHECK_OK(setitimer(ITIMER_REAL, &patience, NULL));
	CHECK(read(answers[0], &answer, 1) == 1); /* PLANTED */
	printf("answered\n");
}

static void on_timer(uv_timer_t *timer)
{
	ask();
	uv_close((uv_handle_t *) timer, NULL);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t timer;

	faulty = has_fault(argc, argv);
	CHECK_OK(pipe(answers));
	if (!faulty)
		CHECK(write(answers[1], "y", 1) == 1);
	CHECK_OK(uv_timer_init(loop, &timer)); /* MADE */
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	return 0;
}
