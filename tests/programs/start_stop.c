/* SPDX-License-Identifier: MIT */
/* Handles of every kind that can be started and stopped, without a callback in between. */
#include "program.h"

#include <signal.h>

static void on_timer(uv_timer_t *handle)
{
	CHECK(handle == NULL);
}

static void on_idle(uv_idle_t *handle)
{
	CHECK(handle == NULL);
}

static void on_prepare(uv_prepare_t *handle)
{
	CHECK(handle == NULL);
}

static void on_check(uv_check_t *handle)
{
	CHECK(handle == NULL);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	CHECK(handle == NULL && status == 1 && events == 0);
}

static void on_signal(uv_signal_t *handle, int number)
{
	CHECK(handle == NULL && number == 0);
}

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	CHECK(handle == NULL && name == NULL && events == 0 && status == 1);
}

static void on_fs_poll(uv_fs_poll_t *handle, int status, const uv_stat_t *before,
		       const uv_stat_t *now)
{
	CHECK(handle == NULL && status == 1 && before == now);
}

static void on_read(uv_stream_t *handle, ssize_t count, const uv_buf_t *buffer)
{
	CHECK(handle == NULL && count == 0 && buffer == NULL);
}

static void on_recv(uv_udp_t *handle, ssize_t count, const uv_buf_t *buffer,
		    const struct sockaddr *from, unsigned int flags)
{
	CHECK(handle == NULL && count == 0 && buffer == NULL && from == NULL && flags == 1);
}

static void timer(uv_loop_t *loop)
{
	static uv_timer_t handle;

	CHECK_OK(uv_timer_init(loop, &handle));
	CHECK_OK(uv_timer_stop(&handle));
	CHECK_OK(uv_timer_start(&handle, on_timer, 1000, 0));
	CHECK_OK(uv_timer_again(&handle));
	CHECK_OK(uv_timer_start(&handle, on_timer, 1000, 1000));
	CHECK_OK(uv_timer_again(&handle));
	CHECK_OK(uv_timer_stop(&handle));
	CHECK_OK(uv_timer_stop(&handle));
	CHECK_OK(uv_timer_again(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

static void idle(uv_loop_t *loop)
{
	static uv_idle_t handle;

	CHECK_OK(uv_idle_init(loop, &handle));
	CHECK_OK(uv_idle_start(&handle, on_idle));
	CHECK_OK(uv_idle_start(&handle, on_idle));
	CHECK_OK(uv_idle_stop(&handle));
	CHECK_OK(uv_idle_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

static void prepare(uv_loop_t *loop)
{
	static uv_prepare_t handle;

	CHECK_OK(uv_prepare_init(loop, &handle));
	CHECK_OK(uv_prepare_start(&handle, on_prepare));
	CHECK_OK(uv_prepare_start(&handle, on_prepare));
	CHECK_OK(uv_prepare_stop(&handle));
	CHECK_OK(uv_prepare_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

static void check(uv_loop_t *loop)
{
	static uv_check_t handle;

	CHECK_OK(uv_check_init(loop, &handle));
	CHECK_OK(uv_check_start(&handle, on_check));
	CHECK_OK(uv_check_start(&handle, on_check));
	CHECK_OK(uv_check_stop(&handle));
	CHECK_OK(uv_check_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

/* uv_poll_start with no events is a stop. */
static void poll_events(uv_loop_t *loop)
{
	static uv_poll_t handle;
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(uv_poll_init(loop, &handle, ends[0]));
	CHECK_OK(uv_poll_start(&handle, 0, on_poll));
	CHECK_OK(uv_poll_start(&handle, UV_READABLE, on_poll));
	CHECK_OK(uv_poll_start(&handle, UV_READABLE | UV_DISCONNECT, on_poll));
	CHECK_OK(uv_poll_start(&handle, 0, NULL));
	CHECK(!uv_is_active((uv_handle_t *) &handle));
	CHECK_OK(uv_poll_start(&handle, UV_READABLE, on_poll));
	CHECK_OK(uv_poll_stop(&handle));
	CHECK_OK(uv_poll_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void signals(uv_loop_t *loop)
{
	static uv_signal_t handle;

	CHECK_OK(uv_signal_init(loop, &handle));
	CHECK_OK(uv_signal_stop(&handle));
	CHECK_OK(uv_signal_start(&handle, on_signal, SIGUSR1));
	CHECK_OK(uv_signal_stop(&handle));
	CHECK_OK(uv_signal_start_oneshot(&handle, on_signal, SIGUSR1));
	CHECK_OK(uv_signal_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

static void fs_event(uv_loop_t *loop)
{
	static uv_fs_event_t handle;

	CHECK_OK(uv_fs_event_init(loop, &handle));
	CHECK_OK(uv_fs_event_stop(&handle));
	CHECK_OK(uv_fs_event_start(&handle, on_event, "/", 0));
	CHECK_OK(uv_fs_event_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

static void fs_poll(uv_loop_t *loop)
{
	static uv_fs_poll_t handle;

	CHECK_OK(uv_fs_poll_init(loop, &handle));
	CHECK_OK(uv_fs_poll_stop(&handle));
	CHECK_OK(uv_fs_poll_start(&handle, on_fs_poll, "/", 1000));
	CHECK_OK(uv_fs_poll_start(&handle, on_fs_poll, "/", 1000));
	CHECK_OK(uv_fs_poll_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

static void reading(uv_loop_t *loop)
{
	static uv_pipe_t left;
	static uv_pipe_t right;

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_stop((uv_stream_t *) &left));
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_buffer, on_read));
	CHECK_RESULT(uv_read_start((uv_stream_t *) &left, give_buffer, on_read), UV_EALREADY);
	CHECK_OK(uv_read_stop((uv_stream_t *) &left));
	CHECK_OK(uv_read_stop((uv_stream_t *) &left));
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void udp_recv(uv_loop_t *loop)
{
	static uv_udp_t handle;

	CHECK_OK(uv_udp_init(loop, &handle));
	CHECK_OK(uv_udp_recv_stop(&handle));
	CHECK_OK(uv_udp_recv_start(&handle, give_buffer, on_recv));
	CHECK_OK(uv_udp_recv_stop(&handle));
	CHECK_OK(uv_udp_recv_stop(&handle));
	uv_close((uv_handle_t *) &handle, NULL);
}

static uv_timer_t armed;

static void on_armed(uv_timer_t *handle)
{
	puts("armed timer");
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_arming(uv_timer_t *handle)
{
	CHECK_OK(uv_timer_start(&armed, on_armed, 1, 0));
	uv_close((uv_handle_t *) handle, NULL);
}

/* Armed in another handle's callback: the arm says why a timer fires, the init does not. */
static void arm_elsewhere(uv_loop_t *loop)
{
	static uv_timer_t handle;

	CHECK_OK(uv_timer_init(loop, &armed));
	CHECK_OK(uv_timer_init(loop, &handle));
	CHECK_OK(uv_timer_start(&handle, on_arming, 1, 0));
}

static int ticks;

static void on_tick(uv_timer_t *handle)
{
	if (++ticks < 3)
		return;
	puts("three ticks");
	CHECK_OK(uv_timer_stop(handle));
	uv_close((uv_handle_t *) handle, NULL);
}

/* libuv stops and starts a repeating timer by itself: that is no arm of the program's. */
static void repeating(uv_loop_t *loop)
{
	static uv_timer_t handle;

	CHECK_OK(uv_timer_init(loop, &handle));
	CHECK_OK(uv_timer_start(&handle, on_tick, 1, 1));
}

static const struct scene scenes[] = {
    {"timer", timer},
    {"idle", idle},
    {"prepare", prepare},
    {"check", check},
    {"poll", poll_events},
    {"signal", signals},
    {"fs_event", fs_event},
    {"fs_poll", fs_poll},
    {"read", reading},
    {"udp_recv", udp_recv},
    {"arm_elsewhere", arm_elsewhere},
    {"repeating", repeating},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
