/* SPDX-License-Identifier: MIT */
/* An operation: a client writes a message to a server in the same loop, and reads it back. */
#include <string.h>

#include "benchmark.h"

#define CLIENTS 10
#define MESSAGE 64

struct peer {
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	char bytes[2 * MESSAGE]; /* more than ever comes: a full one would make libuv read on */
	size_t have;
	int writing;
};

static uv_tcp_t listener;
static struct peer clients[CLIENTS], servers[CLIENTS];
static unsigned int connected, accepted, echoed;

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer *peer = (struct peer *) handle;

	(void) suggested;
	*buf = uv_buf_init(peer->bytes + peer->have, (unsigned int) (2 * MESSAGE - peer->have));
}

static void on_write(uv_write_t *write, int status)
{
	struct peer *peer = write->data;

	CHECK(status == 0);
	peer->writing = 0;
}

static void send_message(struct peer *peer)
{
	uv_buf_t buf = uv_buf_init(peer->bytes, MESSAGE);

	peer->have = 0;
	peer->writing = 1;
	peer->write.data = peer;
	CHECK(uv_write(&peer->write, (uv_stream_t *) &peer->tcp, &buf, 1, on_write) == 0);
}

static void on_client_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct peer *peer = (struct peer *) stream;

	(void) buf;
	CHECK(nread >= 0);
	peer->have += (size_t) nread;
	if (peer->have == MESSAGE)
		echoed++;
}

static void on_server_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct peer *peer = (struct peer *) stream;

	(void) buf;
	CHECK(nread >= 0);
	peer->have += (size_t) nread;
	if (peer->have == MESSAGE)
		send_message(peer);
}

static void on_connect(uv_connect_t *connect, int status)
{
	CHECK(status == 0);
	CHECK(uv_read_start(connect->handle, on_alloc, on_client_read) == 0);
	connected++;
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct peer *peer = &servers[accepted++];

	CHECK(status == 0);
	CHECK(uv_tcp_init(stream->loop, &peer->tcp) == 0);
	CHECK(uv_accept(stream, (uv_stream_t *) &peer->tcp) == 0);
	CHECK(uv_tcp_nodelay(&peer->tcp, 1) == 0);
	CHECK(uv_read_start((uv_stream_t *) &peer->tcp, on_alloc, on_server_read) == 0);
}

static void setup(uv_loop_t *loop)
{
	struct sockaddr_storage address;
	int length = sizeof(address);

	CHECK(uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *) &address) == 0);
	CHECK(uv_tcp_init(loop, &listener) == 0);
	CHECK(uv_tcp_bind(&listener, (struct sockaddr *) &address, 0) == 0);
	CHECK(uv_listen((uv_stream_t *) &listener, CLIENTS, on_connection) == 0);
	CHECK(uv_tcp_getsockname(&listener, (struct sockaddr *) &address, &length) == 0);
	for (int i = 0; i < CLIENTS; i++) {
		memset(clients[i].bytes, 'x', MESSAGE);
		CHECK(uv_tcp_init(loop, &clients[i].tcp) == 0);
		CHECK(uv_tcp_nodelay(&clients[i].tcp, 1) == 0);
		CHECK(uv_tcp_connect(&clients[i].connect, &clients[i].tcp,
				     (struct sockaddr *) &address, on_connect) == 0);
	}
	while (connected < CLIENTS || accepted < CLIENTS)
		uv_run(loop, UV_RUN_ONCE);
}

static void batch(uv_loop_t *loop)
{
	echoed = 0;
	for (int i = 0; i < CLIENTS; i++) {
		/* A request is the client's again once its callback has been called. */
		while (clients[i].writing)
			uv_run(loop, UV_RUN_ONCE);
		send_message(&clients[i]);
	}
	while (echoed < CLIENTS)
		uv_run(loop, UV_RUN_ONCE);
}

const struct benchmark benchmark = {CLIENTS, 20, setup, batch};
