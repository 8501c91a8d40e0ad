/* SPDX-License-Identifier: MIT */
/*
 * A server for one visitor, that goes on listening when he has left. A handler of SIGUSR1 that is
 * not referenced, and an async handle that is not either, are there as long as the program.
 */
#include "planted.h"

static uv_tcp_t server, visitor;
static bool faulty;

static void on_signal(uv_signal_t *handle, int number)
{
	(void) handle;
	(void) number;
}

static void on_wakeup(uv_async_t *async)
{
	(void) async;
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
	(void) buffer;
	printf("the visitor says: %s\n", bytes < 0 ? uv_err_name((int) bytes) : "something");
	uv_close((uv_handle_t *) stream, NULL);
	if (!faulty)
		uv_close((uv_handle_t *) &server, NULL);
}

static void on_connection(uv_stream_t *stream, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_tcp_init(stream->loop, &visitor));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &visitor));
	CHECK_OK(uv_read_start((uv_stream_t *) &visitor, give_buffer, on_read));
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	struct sockaddr_in address;
	int bytes = sizeof(address);
	uv_timer_t patience;
	uv_signal_t signals;
	uv_async_t async;

	faulty = has_fault(argc, argv);
	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_tcp_init(loop, &server)); /* PLANTED */
	CHECK_OK(uv_tcp_bind(&server, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_tcp_getsockname(&server, (struct sockaddr *) &address, &bytes));
	CHECK_OK(uv_listen((uv_stream_t *) &server, 16, on_connection));
	CHECK_OK(uv_signal_init(loop, &signals));
	CHECK_OK(uv_signal_start(&signals, on_signal, SIGUSR1));
	uv_unref((uv_handle_t *) &signals);
	CHECK_OK(uv_async_init(loop, &async, on_wakeup));
	uv_unref((uv_handle_t *) &async);
	kill_unless_it_ends(loop, &patience, faulty);
	CHECK(close(plain_client(&address)) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("closed\n");
	return 0;
}
