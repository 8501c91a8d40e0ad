/* SPDX-License-Identifier: MIT */
/*
 * chain [COUNT]: a timer connects, the connection writes, and when that is done a row of COUNT
 * timers begins, each made by the one before it, which is closed then. The last one stays alive.
 */
#include "../programs/program.h"

static uv_tcp_t server, client, peer;
static uv_timer_t first;
static uv_connect_t connecting;
static uv_write_t writing;
static int left;

static void on_next(uv_timer_t *timer);

static void free_timer(uv_handle_t *timer)
{
	free(timer);
}

/* A frame of its own in the lines, but not on the stack. */
static inline __attribute__((always_inline)) void make_next(uv_loop_t *loop)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	CHECK(timer != NULL);
	CHECK_OK(uv_timer_init(loop, timer)); /* the next is made */
	CHECK_OK(uv_timer_start(timer, on_next, 0, 0));
}

static void on_next(uv_timer_t *timer)
{
	if (left-- <= 0)
		return;
	make_next(timer->loop); /* one more */
	uv_close((uv_handle_t *) timer, free_timer);
}

static void on_write(uv_write_t *request, int status)
{
	CHECK_OK(status);
	uv_close((uv_handle_t *) request->handle, NULL);
	uv_close((uv_handle_t *) &server, NULL);
	make_next(request->handle->loop); /* the row begins */
	puts("written");
}

static void on_connect(uv_connect_t *request, int status)
{
	uv_buf_t buffer = uv_buf_init("hello", 5);

	CHECK_OK(status);
	CHECK_OK(uv_write(&writing, request->handle, &buffer, 1, on_write)); /* the write is made */
}

static void on_connection(uv_stream_t *listening, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_tcp_init(listening->loop, &peer));
	CHECK_OK(uv_accept(listening, (uv_stream_t *) &peer));
	uv_close((uv_handle_t *) &peer, NULL);
}

static void on_first(uv_timer_t *timer)
{
	struct sockaddr_storage address;
	int length = sizeof(address);

	CHECK_OK(uv_tcp_getsockname(&server, (struct sockaddr *) &address, &length));
	CHECK_OK(uv_tcp_init(timer->loop, &client)); /* the client is made */
	CHECK_OK(uv_tcp_connect(&connecting, &client, (struct sockaddr *) &address,
				on_connect)); /* it connects */
	uv_close((uv_handle_t *) timer, NULL);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	struct sockaddr_in address;

	left = argc > 1 ? atoi(argv[1]) : 0;
	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_tcp_init(loop, &server));
	CHECK_OK(uv_tcp_bind(&server, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_listen((uv_stream_t *) &server, 1, on_connection));
	CHECK_OK(uv_timer_init(loop, &first));            /* the first is made */
	CHECK_OK(uv_timer_start(&first, on_first, 0, 0)); /* the first is armed */
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	puts("done");
	return 0;
}
