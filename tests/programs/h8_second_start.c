/* SPDX-License-Identifier: MIT */
/*
 * Canonical trace H8: a handle that is started a second time with another callback. Some kinds of
 * handle keep the first callback, some take the second, and some refuse.
 */
#include "program.h"

#include <fcntl.h>
#include <signal.h>

/* Two callbacks for each kind: they differ in what they print. */
#define TWO_CALLBACKS(kind)                                                                        \
	static void first_##kind(uv_##kind##_t *handle)                                            \
	{                                                                                          \
		puts("first");                                                                     \
		uv_close((uv_handle_t *) handle, NULL);                                            \
	}                                                                                          \
	static void second_##kind(uv_##kind##_t *handle)                                           \
	{                                                                                          \
		puts("second");                                                                    \
		uv_close((uv_handle_t *) handle, NULL);                                            \
	}

TWO_CALLBACKS(idle)
TWO_CALLBACKS(prepare)
TWO_CALLBACKS(check)
TWO_CALLBACKS(timer)

static void idle(uv_loop_t *loop)
{
	static uv_idle_t handle;

	CHECK_OK(uv_idle_init(loop, &handle));
	CHECK_OK(uv_idle_start(&handle, first_idle));
	CHECK_OK(uv_idle_start(&handle, second_idle));
	CHECK_OK(uv_idle_start(&handle, NULL));
}

/* A loop with only a prepare or a check handle would wait for ever: a timer keeps it turning. */
static uv_timer_t ticker;

static void on_tick(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

static void tick(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &ticker));
	CHECK_OK(uv_timer_start(&ticker, on_tick, 1, 0));
}

static void prepare(uv_loop_t *loop)
{
	static uv_prepare_t handle;

	CHECK_OK(uv_prepare_init(loop, &handle));
	CHECK_OK(uv_prepare_start(&handle, first_prepare));
	CHECK_OK(uv_prepare_start(&handle, second_prepare));
	tick(loop);
}

static void check(uv_loop_t *loop)
{
	static uv_check_t handle;

	CHECK_OK(uv_check_init(loop, &handle));
	CHECK_OK(uv_check_start(&handle, first_check));
	CHECK_OK(uv_check_start(&handle, second_check));
	tick(loop);
}

static void timer(uv_loop_t *loop)
{
	static uv_timer_t handle;

	CHECK_OK(uv_timer_init(loop, &handle));
	CHECK_OK(uv_timer_start(&handle, first_timer, 1, 0));
	CHECK_OK(uv_timer_start(&handle, second_timer, 1, 0));
	CHECK_RESULT(uv_timer_start(&handle, NULL, 1, 0), UV_EINVAL);
}

static void first_signal(uv_signal_t *handle, int number)
{
	CHECK(number == SIGUSR1);
	puts("first");
	uv_close((uv_handle_t *) handle, NULL);
}

static void second_signal(uv_signal_t *handle, int number)
{
	CHECK(number == SIGUSR1 || number == SIGUSR2);
	puts(number == SIGUSR1 ? "second" : "second, of the other signal");
	uv_close((uv_handle_t *) handle, NULL);
}

static void signal_same(uv_loop_t *loop)
{
	static uv_signal_t handle;

	CHECK_OK(uv_signal_init(loop, &handle));
	CHECK_OK(uv_signal_start(&handle, first_signal, SIGUSR1));
	CHECK_OK(uv_signal_start(&handle, second_signal, SIGUSR1));
	CHECK(raise(SIGUSR1) == 0);
}

static void signal_other(uv_loop_t *loop)
{
	static uv_signal_t handle;

	CHECK_OK(uv_signal_init(loop, &handle));
	CHECK_OK(uv_signal_start(&handle, first_signal, SIGUSR1));
	CHECK_OK(uv_signal_start_oneshot(&handle, second_signal, SIGUSR2));
	CHECK(raise(SIGUSR2) == 0);
}

static uv_pipe_t left;
static uv_pipe_t right;

static void first_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	CHECK(count == 1);
	puts("first");
	uv_close((uv_handle_t *) stream, NULL);
}

static void second_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	CHECK(count == 1);
	puts("second");
	uv_close((uv_handle_t *) stream, NULL);
}

static void send_byte(uv_pipe_t *pipe)
{
	char byte[] = "x";
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_RESULT(uv_try_write((uv_stream_t *) pipe, &buffer, 1), 1);
}

static void read_twice(uv_loop_t *loop)
{
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_buffer, first_read));
	CHECK_RESULT(uv_read_start((uv_stream_t *) &left, give_buffer, second_read), UV_EALREADY);
	send_byte(&right);
	uv_close((uv_handle_t *) &right, NULL);
}

static void read_again(uv_loop_t *loop)
{
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_buffer, first_read));
	CHECK_OK(uv_read_stop((uv_stream_t *) &left));
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_buffer, second_read));
	send_byte(&right);
	uv_close((uv_handle_t *) &right, NULL);
}

static void udp_message(uv_udp_t *handle, ssize_t count, const struct sockaddr *from,
			const char *name)
{
	if (count == 0 && from == NULL)
		return;
	CHECK(count == 1);
	puts(name);
	uv_close((uv_handle_t *) handle, NULL);
}

static void first_recv(uv_udp_t *handle, ssize_t count, const uv_buf_t *buffer,
		       const struct sockaddr *from, unsigned int flags)
{
	(void) buffer;
	(void) flags;
	udp_message(handle, count, from, "first");
}

static void second_recv(uv_udp_t *handle, ssize_t count, const uv_buf_t *buffer,
			const struct sockaddr *from, unsigned int flags)
{
	(void) buffer;
	(void) flags;
	udp_message(handle, count, from, "second");
}

static void udp_recv(uv_loop_t *loop)
{
	static uv_udp_t udp;
	struct sockaddr_in address;
	int bytes = sizeof address;
	char byte[] = "x";
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_udp_getsockname(&udp, (struct sockaddr *) &address, &bytes));
	CHECK_OK(uv_udp_recv_start(&udp, give_buffer, first_recv));
	CHECK_RESULT(uv_udp_recv_start(&udp, give_buffer, second_recv), UV_EALREADY);
	CHECK_RESULT(uv_udp_try_send(&udp, &buffer, 1, (struct sockaddr *) &address), 1);
}

static void first_poll(uv_poll_t *handle, int status, int events)
{
	CHECK_OK(status);
	CHECK(events == UV_WRITABLE);
	puts("first");
	uv_close((uv_handle_t *) handle, NULL);
}

static void second_poll(uv_poll_t *handle, int status, int events)
{
	CHECK_OK(status);
	CHECK(events == UV_WRITABLE);
	puts("second");
	uv_close((uv_handle_t *) handle, NULL);
}

static void poll_twice(uv_loop_t *loop)
{
	static uv_poll_t handle;
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(uv_poll_init_socket(loop, &handle, ends[0]));
	CHECK_OK(uv_poll_start(&handle, UV_READABLE, first_poll));
	CHECK_OK(uv_poll_start(&handle, UV_WRITABLE, second_poll));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static uv_tcp_t server;
static uv_tcp_t accepted;

static void take_connection(uv_stream_t *stream, int status, const char *name)
{
	CHECK_OK(status);
	puts(name);
	CHECK_OK(uv_tcp_init(stream->loop, &accepted));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &accepted));
	uv_close((uv_handle_t *) &accepted, NULL);
	uv_close((uv_handle_t *) stream, NULL);
}

static void first_connection(uv_stream_t *stream, int status)
{
	take_connection(stream, status, "first");
}

static void second_connection(uv_stream_t *stream, int status)
{
	take_connection(stream, status, "second");
}

static void listen_twice(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int peer;

	listen_on_loopback(loop, &server, &address, first_connection);
	CHECK_OK(uv_listen((uv_stream_t *) &server, 16, second_connection));
	peer = plain_client(&address);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(peer) == 0);
}

static void first_change(uv_fs_poll_t *handle, int status, const uv_stat_t *before,
			 const uv_stat_t *now)
{
	(void) before;
	(void) now;
	CHECK_RESULT(status, UV_ENOENT);
	puts("first");
	uv_close((uv_handle_t *) handle, NULL);
}

static void second_change(uv_fs_poll_t *handle, int status, const uv_stat_t *before,
			  const uv_stat_t *now)
{
	(void) before;
	(void) now;
	CHECK_RESULT(status, UV_ENOENT);
	puts("second");
	uv_close((uv_handle_t *) handle, NULL);
}

static void fs_poll(uv_loop_t *loop)
{
	static uv_fs_poll_t handle;

	CHECK_OK(uv_fs_poll_init(loop, &handle));
	CHECK_OK(uv_fs_poll_start(&handle, first_change, "missing", 1000));
	CHECK_OK(uv_fs_poll_start(&handle, second_change, "missing", 1000));
}

static void first_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	CHECK_OK(status);
	CHECK(events == UV_RENAME && strcmp(name, "appears") == 0);
	puts("first");
	uv_close((uv_handle_t *) handle, NULL);
}

static void second_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	CHECK_OK(status);
	CHECK(events == UV_RENAME && strcmp(name, "appears") == 0);
	puts("second");
	uv_close((uv_handle_t *) handle, NULL);
}

static void fs_event(uv_loop_t *loop)
{
	static uv_fs_event_t handle;

	CHECK_OK(uv_fs_event_init(loop, &handle));
	CHECK_OK(uv_fs_event_start(&handle, first_event, ".", 0));
	CHECK_RESULT(uv_fs_event_start(&handle, second_event, ".", 0), UV_EINVAL);
	CHECK(mkdir("appears", 0700) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(rmdir("appears") == 0);
}

static const struct scene scenes[] = {
    {"idle", idle},
    {"prepare", prepare},
    {"check", check},
    {"timer", timer},
    {"signal_same", signal_same},
    {"signal_other", signal_other},
    {"read_twice", read_twice},
    {"read_again", read_again},
    {"udp_recv", udp_recv},
    {"poll", poll_twice},
    {"listen", listen_twice},
    {"fs_poll", fs_poll},
    {"fs_event", fs_event},
};

int main(int argc, char **argv)
{
	return PLAY_IN_SCRATCH_FOLDER(scenes);
}
