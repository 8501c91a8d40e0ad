/* SPDX-License-Identifier: MIT */
/*
 *	echo_load PORT CONNECTIONS
 *
 * Sends messages to an echo server on the loopback, the next when the one before has come back, on
 * all connections at once, until it is ended: who measures counts what the network carries.
 */
#include <stdint.h>
#include <stdlib.h>
#include <uv.h>

#include "check.h"

#define MESSAGE     64
#define CONNECTIONS 1000

struct connection {
	uv_tcp_t tcp;
	uv_connect_t connect;
	char bytes[2 * MESSAGE]; /* more than ever comes: a full one would make libuv read on */
	size_t have;
};

static struct connection connections[CONNECTIONS];

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *connection = (struct connection *) handle;

	(void) suggested;
	*buf = uv_buf_init(connection->bytes + connection->have,
			   (unsigned int) (sizeof(connection->bytes) - connection->have));
}

static void send_message(struct connection *connection)
{
	uv_buf_t buf = uv_buf_init(connection->bytes, MESSAGE);

	connection->have = 0;
	CHECK(uv_try_write((uv_stream_t *) &connection->tcp, &buf, 1) == MESSAGE);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct connection *connection = (struct connection *) stream;

	(void) buf;
	CHECK(nread >= 0);
	connection->have += (size_t) nread;
	if (connection->have < MESSAGE)
		return;
	send_message(connection);
}

static void on_connect(uv_connect_t *connect, int status)
{
	CHECK(status == 0);
	CHECK(uv_read_start(connect->handle, on_alloc, on_read) == 0);
	send_message((struct connection *) connect->handle);
}

static uint64_t number(const char *text, uint64_t most)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	CHECK(*text != '\0' && *end == '\0' && value > 0 && value <= most);
	return value;
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	struct sockaddr_in address;
	uint64_t count;

	CHECK(argc == 3 && loop != NULL);
	CHECK(uv_ip4_addr("127.0.0.1", (int) number(argv[1], 65535), &address) == 0);
	count = number(argv[2], CONNECTIONS);
	for (uint64_t i = 0; i < count; i++) {
		CHECK(uv_tcp_init(loop, &connections[i].tcp) == 0);
		CHECK(uv_tcp_nodelay(&connections[i].tcp, 1) == 0);
		CHECK(uv_tcp_connect(&connections[i].connect, &connections[i].tcp,
				     (const struct sockaddr *) &address, on_connect) == 0);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	return 0;
}
