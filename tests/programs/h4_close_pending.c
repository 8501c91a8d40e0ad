/* SPDX-License-Identifier: MIT */
/* Canonical trace H4: a handle is closed while it is connecting and has a shutdown queued. */
#include "program.h"

static uv_tcp_t tcp;
static uv_connect_t connect_request;
static uv_shutdown_t shutdown_request;

static void on_close(uv_handle_t *handle)
{
	CHECK(handle == (uv_handle_t *) &tcp);
	puts("closed");
}

static void on_connect(uv_connect_t *req, int status)
{
	CHECK(req == &connect_request);
	printf("connect: %s\n", uv_err_name(status));
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	CHECK(req == &shutdown_request);
	printf("shutdown: %s\n", uv_err_name(status));
}

static void close_pending(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_tcp_connect(&connect_request, &tcp, (struct sockaddr *) &address, on_connect));
	CHECK_OK(uv_shutdown(&shutdown_request, (uv_stream_t *) &tcp, on_shutdown));
	uv_close((uv_handle_t *) &tcp, on_close);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

static const struct scene scenes[] = {
    {"close_pending", close_pending},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
