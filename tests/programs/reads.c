/* SPDX-License-Identifier: MIT */
/* Callbacks that carry nothing, callbacks that give memory, terminals. */
#include "program.h"

#include <pty.h>

static uv_pipe_t left;
static uv_pipe_t right;

static void send_text(uv_pipe_t *pipe, const char *text)
{
	uv_buf_t buffer = uv_buf_init((char *) text, (unsigned int) strlen(text));

	CHECK_RESULT(uv_try_write((uv_stream_t *) pipe, &buffer, 1), (int) buffer.len);
}

static void close_pair(void)
{
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void give_four_bytes(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	static char memory[4];

	(void) handle;
	(void) suggested;
	*buffer = uv_buf_init(memory, sizeof memory);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) stream;
	(void) buffer;
	printf("read %d\n", (int) count);
	if (count == 0)
		close_pair();
}

/* The buffer is filled to the brim, so libuv reads again, and finds nothing. */
static void nothing_more(uv_loop_t *loop)
{
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_four_bytes, on_read));
	send_text(&right, "abcd");
}

static uv_udp_t udp;
static int datagrams;

static void on_recv(uv_udp_t *handle, ssize_t count, const uv_buf_t *buffer,
		    const struct sockaddr *from, unsigned int flags)
{
	(void) buffer;
	CHECK(flags == 0);
	if (from == NULL) {
		CHECK(count == 0);
		puts("no more datagrams");
		if (datagrams == 2)
			uv_close((uv_handle_t *) handle, NULL);
		return;
	}
	printf("datagram of %d\n", (int) count);
	datagrams++;
}

/* An empty datagram is one; that there is no other is none. */
static void datagram(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int bytes = sizeof address;
	char text[] = "abc";
	uv_buf_t buffer = uv_buf_init(text, 3);
	uv_buf_t empty = uv_buf_init(text, 0);

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_udp_getsockname(&udp, (struct sockaddr *) &address, &bytes));
	CHECK_OK(uv_udp_recv_start(&udp, give_buffer, on_recv));
	CHECK_RESULT(uv_udp_try_send(&udp, &buffer, 1, (struct sockaddr *) &address), 3);
	CHECK_RESULT(uv_udp_try_send(&udp, &empty, 1, (struct sockaddr *) &address), 0);
}

static uv_timer_t made_in_alloc;

static void on_timer(uv_timer_t *timer)
{
	puts("timer of the alloc callback");
	uv_close((uv_handle_t *) timer, NULL);
}

static void give_and_make(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	give_buffer(handle, suggested, buffer);
	CHECK_OK(uv_timer_init(handle->loop, &made_in_alloc));
	uv_timer_start(&made_in_alloc, on_timer, 0, 0);
}

static void on_one_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) stream;
	(void) buffer;
	printf("read %d\n", (int) count);
	close_pair();
}

/* The alloc callback is the program's code as well: it makes a timer. */
static void alloc_makes(uv_loop_t *loop)
{
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_and_make, on_one_read));
	send_text(&right, "abcd");
}

static void give_nothing(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	(void) handle;
	(void) suggested;
	*buffer = uv_buf_init(NULL, 0);
}

static void on_no_memory(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) stream;
	CHECK(buffer->base == NULL);
	CHECK_RESULT(count, UV_ENOBUFS);
	puts("no buffer");
	close_pair();
}

static void alloc_refuses(uv_loop_t *loop)
{
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_nothing, on_no_memory));
	send_text(&right, "abcd");
}

static uv_tty_t tty;
static uv_write_t write_request;

static void on_tty_write(uv_write_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("terminal written");
	uv_close((uv_handle_t *) &tty, NULL);
}

static void on_tty_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	uv_buf_t echo;

	CHECK(count > 0);
	printf("terminal read %.*s", (int) count, buffer->base);
	CHECK_OK(uv_read_stop(stream));
	echo = uv_buf_init(buffer->base, (unsigned int) count);
	CHECK_OK(uv_write(&write_request, stream, &echo, 1, on_tty_write));
}

static void terminal(uv_loop_t *loop)
{
	int ours;
	int theirs;

	CHECK(openpty(&ours, &theirs, NULL, NULL, NULL) == 0);
	CHECK(uv_guess_handle(theirs) == UV_TTY);
	CHECK_OK(uv_tty_init(loop, &tty, theirs, 1));
	CHECK_OK(uv_tty_set_mode(&tty, UV_TTY_MODE_NORMAL));
	CHECK_OK(uv_read_start((uv_stream_t *) &tty, give_buffer, on_tty_read));
	CHECK(write(ours, "typed\n", 6) == 6);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_tty_reset_mode());
	CHECK(close(ours) == 0);
}

static const struct scene scenes[] = {
    {"nothing_more", nothing_more},   {"datagram", datagram}, {"alloc_makes", alloc_makes},
    {"alloc_refuses", alloc_refuses}, {"terminal", terminal},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
