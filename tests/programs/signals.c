/* SPDX-License-Identifier: MIT */
/* Signal watchers, and signal handlers that interrupt whatever the program or libuv is doing. */
#include "program.h"

#include <signal.h>
#include <sys/time.h>

static int caught;

static void on_oneshot(uv_signal_t *handle, int number)
{
	CHECK(number == SIGUSR1);
	printf("caught %d\n", ++caught);
	if (caught == 2) {
		uv_close((uv_handle_t *) handle, NULL);
		return;
	}
}

/* Fires once; is started again; fires once more. */
static void oneshot(uv_loop_t *loop)
{
	static uv_signal_t handle;

	CHECK_OK(uv_signal_init(loop, &handle));
	CHECK_OK(uv_signal_start_oneshot(&handle, on_oneshot, SIGUSR1));
	CHECK(raise(SIGUSR1) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(!uv_is_active((uv_handle_t *) &handle));
	CHECK_OK(uv_signal_start_oneshot(&handle, on_oneshot, SIGUSR1));
	CHECK(raise(SIGUSR1) == 0);
}

static void on_repeated(uv_signal_t *handle, int number)
{
	CHECK(number == SIGUSR2);
	printf("caught %d\n", ++caught);
	if (caught < 3)
		CHECK(raise(SIGUSR2) == 0);
	else
		uv_close((uv_handle_t *) handle, NULL);
}

static void repeated(uv_loop_t *loop)
{
	static uv_signal_t handle;

	caught = 0;
	CHECK_OK(uv_signal_init(loop, &handle));
	CHECK_OK(uv_signal_start(&handle, on_repeated, SIGUSR2));
	CHECK(raise(SIGUSR2) == 0);
}

#define STORM 100
static uv_async_t storm_async;
static volatile sig_atomic_t strokes;

static void on_stroke(int number)
{
	int saved = errno;

	(void) number;
	strokes++;
	uv_async_send(&storm_async);
	errno = saved;
}

static void on_storm(uv_async_t *async)
{
	(void) async;
}

/* uv_async_send from a handler that comes in the middle of calls of libuv, on and off callbacks. */
static void storm(uv_loop_t *loop)
{
	struct itimerval every = {{0, 200}, {0, 200}};
	struct itimerval never = {{0, 0}, {0, 0}};
	struct sigaction action;
	uv_timer_t timer;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_stroke;
	action.sa_flags = SA_RESTART;
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK_OK(uv_async_init(loop, &storm_async, on_storm));
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	while (strokes < STORM) {
		CHECK_OK(uv_timer_init(loop, &timer));
		uv_close((uv_handle_t *) &timer, NULL);
		CHECK(uv_run(loop, UV_RUN_NOWAIT) != 0);
	}
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	action.sa_handler = SIG_DFL;
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	uv_close((uv_handle_t *) &storm_async, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	puts("storm over");
}

static const struct scene scenes[] = {
    {"oneshot", oneshot},
    {"repeated", repeated},
    {"storm", storm},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
