/* SPDX-License-Identifier: MIT */
/* Handles that are closed while requests on them wait: these end first, with UV_ECANCELED. */
#include "program.h"

static void on_close(uv_handle_t *handle)
{
	printf("%s closed\n", uv_handle_type_name(handle->type));
}

static int writes_ended;

static void on_write(uv_write_t *req, int status)
{
	(void) req;
	printf("write %d: %s\n", ++writes_ended, status < 0 ? uv_err_name(status) : "ok");
}

static char block[1 << 20];
static uv_pipe_t left;
static uv_pipe_t right;

/* More than the socket takes, then more behind it. */
static void write_queue(uv_loop_t *loop)
{
	static uv_write_t big;
	static uv_write_t behind;
	uv_buf_t buffer = uv_buf_init(block, sizeof block);

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_write(&big, (uv_stream_t *) &left, &buffer, 1, on_write));
	CHECK_OK(uv_write(&behind, (uv_stream_t *) &left, &buffer, 1, on_write));
	uv_close((uv_handle_t *) &left, on_close);
	uv_close((uv_handle_t *) &right, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(writes_ended == 2);
}

static void on_connect(uv_connect_t *req, int status)
{
	(void) req;
	printf("connect: %s\n", uv_err_name(status));
}

static void on_early_write(uv_write_t *req, int status)
{
	(void) req;
	printf("write: %s\n", uv_err_name(status));
}

/* A write on a stream that is still connecting. */
static void connect_and_write(uv_loop_t *loop)
{
	static uv_tcp_t tcp;
	static uv_connect_t connect_request;
	static uv_write_t write_request;
	uv_buf_t buffer = uv_buf_init(block, 4);
	struct sockaddr_in address;
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_tcp_connect(&connect_request, &tcp, (struct sockaddr *) &address, on_connect));
	CHECK_OK(uv_write(&write_request, (uv_stream_t *) &tcp, &buffer, 1, on_early_write));
	uv_close((uv_handle_t *) &tcp, on_close);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

static int sends_ended;

static void on_send(uv_udp_send_t *req, int status)
{
	(void) req;
	CHECK(status == 0 || status == UV_ECANCELED);
	sends_ended++;
}

/* A datagram is sent at once, yet its callback waits for the loop; here, for the closing handle. */
static void udp_send(uv_loop_t *loop)
{
	static uv_udp_t udp;
	static uv_udp_send_t requests[2];
	uv_buf_t buffer = uv_buf_init(block, 4);
	struct sockaddr_in address;
	int bytes = sizeof address;

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_udp_getsockname(&udp, (struct sockaddr *) &address, &bytes));
	CHECK_OK(
	    uv_udp_send(&requests[0], &udp, &buffer, 1, (struct sockaddr *) &address, on_send));
	CHECK_OK(
	    uv_udp_send(&requests[1], &udp, &buffer, 1, (struct sockaddr *) &address, on_send));
	uv_close((uv_handle_t *) &udp, on_close);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(sends_ended == 2);
}

static void on_named_close(uv_handle_t *handle)
{
	puts((const char *) handle->data);
}

/* Close callbacks of one turn of the loop come last in, first out. */
static void order(uv_loop_t *loop)
{
	static uv_timer_t timers[3];
	static char names[3][2] = {"a", "b", "c"};

	for (int i = 0; i < 3; i++) {
		CHECK_OK(uv_timer_init(loop, &timers[i]));
		timers[i].data = names[i];
		uv_close((uv_handle_t *) &timers[i], on_named_close);
	}
}

static void on_tick(uv_timer_t *timer)
{
	(void) timer;
	CHECK(!"a closed timer does not fire");
}

/* Active handles of the kinds that have a callback to come. */
static void active(uv_loop_t *loop)
{
	static uv_timer_t timer;
	static uv_async_t async;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_tick, 0, 1));
	CHECK_OK(uv_async_init(loop, &async, NULL));
	CHECK_OK(uv_async_send(&async));
	uv_close((uv_handle_t *) &timer, on_close);
	uv_close((uv_handle_t *) &async, on_close);
}

static void on_reset(uv_handle_t *handle)
{
	(void) handle;
	puts("reset");
}

static void on_connect_then_reset(uv_connect_t *req, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_tcp_close_reset((uv_tcp_t *) req->handle, on_reset));
}

static void close_reset(uv_loop_t *loop)
{
	static uv_tcp_t tcp;
	static uv_connect_t req;
	struct sockaddr_in address;
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_tcp_connect(&req, &tcp, (struct sockaddr *) &address, on_connect_then_reset));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	CHECK_OK(status);
	puts("shut down");
	uv_close((uv_handle_t *) req->handle, on_close);
}

static void on_connect_then_shutdown(uv_connect_t *req, int status)
{
	static uv_shutdown_t shutdown_request;

	CHECK_OK(status);
	CHECK_OK(uv_shutdown(&shutdown_request, req->handle, on_shutdown));
	CHECK_RESULT(uv_tcp_close_reset((uv_tcp_t *) req->handle, on_reset), UV_EINVAL);
}

/* Refused while a shutdown is under way: the handle lives on. */
static void close_reset_refused(uv_loop_t *loop)
{
	static uv_tcp_t tcp;
	static uv_connect_t req;
	struct sockaddr_in address;
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(
	    uv_tcp_connect(&req, &tcp, (struct sockaddr *) &address, on_connect_then_shutdown));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

static const struct scene scenes[] = {
    {"write_queue", write_queue},
    {"connect_and_write", connect_and_write},
    {"udp_send", udp_send},
    {"order", order},
    {"active", active},
    {"close_reset", close_reset},
    {"close_reset_refused", close_reset_refused},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
