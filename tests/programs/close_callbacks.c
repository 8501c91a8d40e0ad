/* SPDX-License-Identifier: MIT */
/* Close callbacks that free, fields that programs write, callbacks read back from a handle. */
#include "program.h"

#include <signal.h>

/* free itself is the callback: when it returns there is no handle. */
static void free_it(uv_loop_t *loop)
{
	uv_timer_t *timer = malloc(sizeof *timer);
	uv_tcp_t *tcp = malloc(sizeof *tcp);
	uv_signal_t *signal = malloc(sizeof *signal);
	uv_udp_t *udp = malloc(sizeof *udp);
	uv_fs_poll_t *poll = malloc(sizeof *poll);

	CHECK(timer != NULL && tcp != NULL && signal != NULL && udp != NULL && poll != NULL);
	CHECK_OK(uv_timer_init(loop, timer));
	CHECK_OK(uv_tcp_init(loop, tcp));
	CHECK_OK(uv_signal_init(loop, signal));
	CHECK_OK(uv_udp_init(loop, udp));
	CHECK_OK(uv_fs_poll_init(loop, poll));
	uv_close((uv_handle_t *) timer, (uv_close_cb) free);
	uv_close((uv_handle_t *) tcp, (uv_close_cb) free);
	uv_close((uv_handle_t *) signal, (uv_close_cb) free);
	uv_close((uv_handle_t *) udp, (uv_close_cb) free);
	uv_close((uv_handle_t *) poll, (uv_close_cb) free);
}

static void never_exit(uv_process_t *process, int64_t status, int signal)
{
	CHECK(process == NULL && status == 0 && signal == 0);
}

static void written_exit(uv_process_t *process, int64_t status, int signal)
{
	printf("written callback: status %d, signal %d\n", (int) status, signal);
	uv_close((uv_handle_t *) process, (uv_close_cb) free);
}

/* As Julia does. */
static void exit_cb_field(uv_loop_t *loop)
{
	uv_process_t *process = malloc(sizeof *process);

	CHECK(process != NULL);
	spawn_true(loop, process, never_exit);
	process->exit_cb = written_exit;
}

static uv_pipe_t left;
static uv_pipe_t right;

static void never_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	CHECK(stream == NULL && count == 0 && buffer == NULL);
}

static void written_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	CHECK(count == 1);
	puts("written callback");
	uv_close((uv_handle_t *) stream, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void send_byte(uv_pipe_t *pipe)
{
	char byte[] = "x";
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_RESULT(uv_try_write((uv_stream_t *) pipe, &buffer, 1), 1);
}

static void read_cb_field(uv_loop_t *loop)
{
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_buffer, never_read));
	left.read_cb = written_read;
	send_byte(&right);
}

static void never_async(uv_async_t *async)
{
	CHECK(async == NULL);
}

static void written_async(uv_async_t *async)
{
	puts("written callback");
	uv_close((uv_handle_t *) async, NULL);
}

static void async_cb_field(uv_loop_t *loop)
{
	static uv_async_t async;

	CHECK_OK(uv_async_init(loop, &async, never_async));
	async.async_cb = written_async;
	CHECK_OK(uv_async_send(&async));
}

static int fired;

static void on_timer(uv_timer_t *timer)
{
	printf("fired %d\n", ++fired);
	if (fired == 3)
		uv_close((uv_handle_t *) timer, NULL);
	else
		CHECK_OK(uv_timer_start(timer, timer->timer_cb, 1, 0));
}

/* The callback that is armed is the one that the handle itself holds. */
static void timer_again(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
}

static void on_idle(uv_idle_t *idle)
{
	puts("idle");
	uv_close((uv_handle_t *) idle, NULL);
}

static void on_prepare(uv_prepare_t *prepare)
{
	puts("prepare");
	uv_close((uv_handle_t *) prepare, NULL);
}

static void on_check(uv_check_t *check)
{
	puts("check");
	uv_close((uv_handle_t *) check, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
	CHECK(number == SIGUSR1);
	puts("signal");
	uv_close((uv_handle_t *) signal, NULL);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	CHECK(count == 1);
	puts("read");
	uv_close((uv_handle_t *) stream, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	CHECK_OK(status);
	CHECK(events == UV_WRITABLE);
	puts("poll");
	uv_close((uv_handle_t *) poll, NULL);
}

/* Stopped, and started with what the fields hold. */
static void others_again(uv_loop_t *loop)
{
	static uv_idle_t idle;
	static uv_prepare_t prepare;
	static uv_check_t check;
	static uv_signal_t signal;
	static uv_poll_t poll;
	uv_alloc_cb alloc_field;
	uv_read_cb read_field;
	int ends[2];

	CHECK_OK(uv_idle_init(loop, &idle));
	CHECK_OK(uv_idle_start(&idle, on_idle));
	CHECK_OK(uv_idle_stop(&idle));
	CHECK_OK(uv_idle_start(&idle, idle.idle_cb));
	CHECK_OK(uv_run(loop, UV_RUN_ONCE));
	CHECK_OK(uv_prepare_init(loop, &prepare));
	CHECK_OK(uv_prepare_start(&prepare, on_prepare));
	CHECK_OK(uv_prepare_stop(&prepare));
	CHECK_OK(uv_prepare_start(&prepare, prepare.prepare_cb));
	CHECK_OK(uv_run(loop, UV_RUN_NOWAIT));
	CHECK_OK(uv_check_init(loop, &check));
	CHECK_OK(uv_check_start(&check, on_check));
	CHECK_OK(uv_check_stop(&check));
	CHECK_OK(uv_check_start(&check, check.check_cb));
	CHECK_OK(uv_run(loop, UV_RUN_NOWAIT));
	CHECK_OK(uv_signal_init(loop, &signal));
	CHECK_OK(uv_signal_start(&signal, on_signal, SIGUSR1));
	CHECK_OK(uv_signal_start(&signal, signal.signal_cb, SIGUSR1));
	CHECK(raise(SIGUSR1) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(uv_poll_init(loop, &poll, ends[0]));
	CHECK_OK(uv_poll_start(&poll, UV_READABLE, on_poll));
	CHECK_OK(uv_poll_start(&poll, UV_WRITABLE, poll.poll_cb));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_buffer, on_read));
	alloc_field = left.alloc_cb;
	read_field = left.read_cb;
	CHECK_OK(uv_read_stop((uv_stream_t *) &left));
	CHECK_OK(uv_read_start((uv_stream_t *) &left, alloc_field, read_field));
	send_byte(&right);
}

static const struct scene scenes[] = {
    {"free", free_it},
    {"exit_cb_field", exit_cb_field},
    {"read_cb_field", read_cb_field},
    {"async_cb_field", async_cb_field},
    {"timer_again", timer_again},
    {"others_again", others_again},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
