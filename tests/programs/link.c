/* SPDX-License-Identifier: MIT */
/* Handles that are tied to others: accepted from a server, sent and received over a pipe; servers.
 */
#include "program.h"

static uv_tcp_t tcp_server;
static uv_tcp_t tcp_client;

static void on_tcp(uv_stream_t *server, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_accept(server, (uv_stream_t *) &tcp_client));
	puts("accepted");
	uv_close((uv_handle_t *) &tcp_client, NULL);
	uv_close((uv_handle_t *) server, NULL);
}

/* The client was made before: only the link says where it belongs. */
static void accept_tcp(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int peer;

	CHECK_OK(uv_tcp_init(loop, &tcp_client));
	listen_on_loopback(loop, &tcp_server, &address, on_tcp);
	peer = plain_client(&address);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(peer) == 0);
}

static uv_pipe_t pipe_server;
static uv_pipe_t pipe_accepted;
static uv_pipe_t pipe_client;

static void on_pipe(uv_stream_t *server, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_pipe_init(server->loop, &pipe_accepted, 0));
	CHECK_OK(uv_accept(server, (uv_stream_t *) &pipe_accepted));
	puts("accepted");
	uv_close((uv_handle_t *) &pipe_accepted, NULL);
	uv_close((uv_handle_t *) server, NULL);
}

static void on_pipe_connected(uv_connect_t *req, int status)
{
	CHECK_OK(status);
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void accept_pipe(uv_loop_t *loop)
{
	static uv_connect_t req;

	CHECK_OK(uv_pipe_init(loop, &pipe_server, 0));
	CHECK_OK(uv_pipe_bind(&pipe_server, "socket"));
	CHECK_OK(uv_listen((uv_stream_t *) &pipe_server, 16, on_pipe));
	CHECK_OK(uv_pipe_init(loop, &pipe_client, 0));
	uv_pipe_connect(&req, &pipe_client, "socket", on_pipe_connected);
}

static uv_pipe_t left;
static uv_pipe_t right;
static uv_tcp_t received;
static uv_write_t write_request;
static uv_tcp_t sent;

static void on_message(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	CHECK(count == 1);
	CHECK(uv_pipe_pending_count((uv_pipe_t *) stream) == 1);
	CHECK(uv_pipe_pending_type((uv_pipe_t *) stream) == UV_TCP);
	CHECK_OK(uv_tcp_init(stream->loop, &received));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &received));
	puts("received a handle");
	uv_close((uv_handle_t *) &received, NULL);
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void on_sent(uv_write_t *req, int status)
{
	CHECK(req == &write_request);
	CHECK_OK(status);
	puts("sent a handle");
	uv_close((uv_handle_t *) &sent, NULL);
}

static void write2(uv_loop_t *loop)
{
	struct sockaddr_in address;
	char byte[] = "x";
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_tcp_init(loop, &sent));
	CHECK_OK(uv_tcp_bind(&sent, (struct sockaddr *) &address, 0));
	open_pipe_pair(loop, &left, &right, 1);
	CHECK_OK(uv_write2(&write_request, (uv_stream_t *) &left, &buffer, 1, (uv_stream_t *) &sent,
			   on_sent));
	CHECK_OK(uv_read_start((uv_stream_t *) &right, give_buffer, on_message));
}

static void never_connected(uv_stream_t *server, int status)
{
	CHECK(server == NULL && status == 1);
}

/* A handle becomes a server once, however often it listens. */
static void servers(uv_loop_t *loop)
{
	struct sockaddr_in address;

	listen_on_loopback(loop, &tcp_server, &address, never_connected);
	CHECK_OK(uv_listen((uv_stream_t *) &tcp_server, 16, never_connected));
	CHECK_OK(uv_pipe_init(loop, &pipe_server, 0));
	CHECK_OK(uv_pipe_bind(&pipe_server, "socket"));
	CHECK_OK(uv_listen((uv_stream_t *) &pipe_server, 16, never_connected));
	uv_close((uv_handle_t *) &tcp_server, NULL);
	uv_close((uv_handle_t *) &pipe_server, NULL);
}

static const struct scene scenes[] = {
    {"accept_tcp", accept_tcp},
    {"accept_pipe", accept_pipe},
    {"write2", write2},
    {"servers", servers},
};

int main(int argc, char **argv)
{
	return PLAY_IN_SCRATCH_FOLDER(scenes);
}
