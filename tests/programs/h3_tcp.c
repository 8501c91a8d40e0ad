/* SPDX-License-Identifier: MIT */
/*
 * Canonical trace H3: a server accepts, reads, and writes back what it read. The peer is a plain
 * socket, so that the server's resources are the only ones.
 */
#include "program.h"

static uv_tcp_t server;
static uv_tcp_t client;
static uv_write_t write_request;
static int peer;

static void on_close(uv_handle_t *handle)
{
	puts(handle == (uv_handle_t *) &server ? "server closed" : "client closed");
}

static void on_write(uv_write_t *req, int status)
{
	CHECK(req == &write_request);
	CHECK_OK(status);
	puts("written");
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	uv_buf_t echo;

	if (count == UV_EOF) {
		puts("end of file");
		uv_close((uv_handle_t *) stream, on_close);
		uv_close((uv_handle_t *) &server, on_close);
		return;
	}
	printf("read %.*s\n", (int) count, buffer->base);
	echo = uv_buf_init(buffer->base, (unsigned int) count);
	uv_write(&write_request, stream, &echo, 1, on_write);
}

static void on_connection(uv_stream_t *stream, int status)
{
	CHECK_OK(status);
	puts("connection");
	CHECK_OK(uv_tcp_init(stream->loop, &client));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &client));
	uv_read_start((uv_stream_t *) &client, give_buffer, on_read);
}

static void echo_once(uv_loop_t *loop)
{
	struct sockaddr_in address;
	char back[5] = "";

	listen_on_loopback(loop, &server, &address, on_connection);
	peer = plain_client(&address);
	CHECK(write(peer, "ping", 4) == 4);
	CHECK(shutdown(peer, SHUT_WR) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(read(peer, back, 4) == 4 && strcmp(back, "ping") == 0);
	CHECK(close(peer) == 0);
}

static const struct scene scenes[] = {
    {"echo", echo_once},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
