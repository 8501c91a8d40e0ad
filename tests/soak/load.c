/* SPDX-License-Identifier: MIT */
/*
 *	load PORT HELD AT_ONCE
 *
 * Connections to an echo server that come and go. HELD of them are made first and stay. Then, for
 * each line "N" on stdin, N more are made, AT_ONCE at a time, and when the last of them is closed
 * "N" is printed; and once at the start, when those that stay are there. The end of stdin is the
 * end.
 *
 * A connection sends one message, whose first letter says what becomes of it: (e)choed, then the
 * client resets it; (c)losed by the server behind the echo; (d): as (e), but the server asks the
 * thread pool for something before it answers. None of them leaves a port behind in TIME_WAIT, so
 * that there are ports enough.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../benchmarks/check.h"

#define MESSAGE  64
#define MOST     1000
#define CLOSES   4  /* every so many is closed by the server */
#define LOOKS_UP 16 /* every so many has the server look up something */

struct connection {
	uv_tcp_t tcp;
	uv_connect_t connect;
	char bytes[MESSAGE];
	size_t have;
	char kind;
	bool held;
};

static struct connection connections[2 * MOST];
static struct sockaddr_in address;
static unsigned long number; /* of connections, ever */
static unsigned long wanted, begun, ended, at_once, held, waiting;
static char line[32];

static void begin(struct connection *connection);

static void say(unsigned long count)
{
	printf("%lu\n", count);
	fflush(stdout);
}

static void on_close(uv_handle_t *handle)
{
	ended++;
	if (begun < wanted)
		begin((struct connection *) handle);
	else if (ended == wanted)
		say(wanted);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *connection = (struct connection *) handle;

	(void) suggested;
	/* Behind the echo nothing comes, but libuv wants room for it. */
	*buf = uv_buf_init(connection->bytes + connection->have % MESSAGE,
			   (unsigned int) (MESSAGE - connection->have % MESSAGE));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct connection *connection = (struct connection *) stream;

	(void) buf;
	if (nread > 0)
		connection->have += (size_t) nread;
	CHECK(nread >= 0 || (nread == UV_EOF && connection->kind == 'c'));
	CHECK(connection->have <= MESSAGE);
	if (connection->have < MESSAGE || (connection->kind == 'c' && nread >= 0))
		return;
	if (!connection->held)
		CHECK(uv_tcp_close_reset(&connection->tcp, on_close) == 0);
	else if (--waiting == 0)
		say(held);
}

static void on_connect(uv_connect_t *connect, int status)
{
	struct connection *connection = (struct connection *) connect->handle;
	uv_buf_t buf = uv_buf_init(connection->bytes, MESSAGE);

	CHECK(status == 0);
	CHECK(uv_read_start(connect->handle, on_alloc, on_read) == 0);
	memset(connection->bytes, connection->kind, MESSAGE);
	CHECK(uv_try_write(connect->handle, &buf, 1) == MESSAGE);
}

static void begin(struct connection *connection)
{
	number++;
	begun += !connection->held;
	connection->have = 0;
	connection->kind = connection->held         ? 'e'
			   : number % CLOSES == 0   ? 'c'
			   : number % LOOKS_UP == 1 ? 'd'
						    : 'e';
	CHECK(uv_tcp_init(uv_default_loop(), &connection->tcp) == 0);
	CHECK(uv_tcp_connect(&connection->connect, &connection->tcp,
			     (const struct sockaddr *) &address, on_connect) == 0);
}

static unsigned long natural(const char *text, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	CHECK(*text != '\0' && (*end == '\0' || *end == '\n') && value > 0 && value <= most);
	return value;
}

static void on_line_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void) handle;
	(void) suggested;
	memset(line, 0, sizeof(line));
	*buf = uv_buf_init(line, sizeof(line) - 1);
}

static void on_line(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	(void) buf;
	if (nread == UV_EOF) {
		uv_stop(stream->loop);
		return;
	}
	CHECK(nread > 0 && ended == wanted);
	wanted = natural(line, 100000000);
	begun = ended = 0;
	for (unsigned long i = 0; i < at_once && begun < wanted; i++)
		begin(&connections[held + i]);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_pipe_t input;

	CHECK(argc == 4 && loop != NULL);
	CHECK(uv_ip4_addr("127.0.0.1", (int) natural(argv[1], 65535), &address) == 0);
	held = waiting = natural(argv[2], MOST);
	at_once = natural(argv[3], MOST);
	CHECK(uv_pipe_init(loop, &input, 0) == 0 && uv_pipe_open(&input, 0) == 0);
	CHECK(uv_read_start((uv_stream_t *) &input, on_line_alloc, on_line) == 0);
	for (unsigned long i = 0; i < held; i++) {
		connections[i].held = true;
		begin(&connections[i]);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	return 0;
}
