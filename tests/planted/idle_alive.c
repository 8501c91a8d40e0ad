/* SPDX-License-Identifier: MIT */
/* An idle handle draws a spinner while there is work, and is not stopped when that is done. */
#include "planted.h"

static uv_idle_t spinner;
static unsigned long turns;
static bool faulty;

static void on_idle(uv_idle_t *idle)
{
	(void) idle;
	turns++;
}

static void on_done(uv_timer_t *work)
{
	printf("done\n");
	uv_close((uv_handle_t *) work, NULL);
	if (!faulty)
		uv_close((uv_handle_t *) &spinner, NULL);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t work, patience;

	faulty = has_fault(argc, argv);
	CHECK_OK(uv_timer_init(loop, &work));
	CHECK_OK(uv_timer_start(&work, on_done, 2, 0));
	CHECK_OK(uv_idle_init(loop, &spinner)); /* PLANTED */
	CHECK_OK(uv_idle_start(&spinner, on_idle));
	kill_unless_it_ends(loop, &patience, faulty);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("stopped\n");
	return 0;
}
