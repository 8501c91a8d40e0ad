/* SPDX-License-Identifier: MIT */
/*
 * A program that somebody looks into while it waits: it says "ready", and ends with the next line
 * on its standard input, or at once if that is no pipe. With an argument it has a timer that comes
 * again and again; after the first line and a callback of the timer it says "going on", makes more,
 * and waits for a second line.
 */
#include "program.h"

static uv_timer_t timer;
static uv_pipe_t input;
static int lines, wanted = 1;
static bool went_on;
static uv_fs_t request;
static char buffer[64];

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void) handle;
	(void) suggested;
	*buf = uv_buf_init(buffer, sizeof(buffer));
}

static void end(void)
{
	if (wanted > 1)
		uv_close((uv_handle_t *) &timer, NULL);
	uv_close((uv_handle_t *) &input, NULL);
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buf)
{
	(void) stream;
	for (ssize_t i = 0; i < bytes; i++)
		lines += buf->base[i] == '\n';
	if (bytes < 0)
		lines = wanted;
	if (lines >= wanted)
		end();
}

static void on_stat(uv_fs_t *req)
{
	CHECK_OK(req->result);
	uv_fs_req_cleanup(req);
	puts("going on");
	fflush(stdout);
}

static void on_timer(uv_timer_t *handle)
{
	if (lines == 0 || went_on)
		return;
	went_on = true;
	CHECK_OK(uv_fs_stat(handle->loop, &request, "/", on_stat));
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();

	(void) argv;
	CHECK_OK(uv_pipe_init(loop, &input, 0));
	if (argc > 1) {
		wanted = 2;
		CHECK_OK(uv_timer_init(loop, &timer));
		CHECK_OK(uv_timer_start(&timer, on_timer, 1, 1));
	}
	if (uv_guess_handle(0) == UV_NAMED_PIPE) {
		CHECK_OK(uv_pipe_open(&input, 0));
		CHECK_OK(uv_read_start((uv_stream_t *) &input, on_alloc, on_read));
	} else {
		end();
	}
	puts("ready");
	fflush(stdout);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(loop));
	return 0;
}
