/* SPDX-License-Identifier: MIT */
/* Canonical trace H7: calls that fail make no resource, but for uv_spawn, whose handle must be
 * closed. */
#include "program.h"

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	puts("closed");
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("shut down");
}

static void never_on_write(uv_write_t *req, int status)
{
	(void) req;
	CHECK(status == 0 && !"a failed uv_write has no callback");
}

/* uv_write after uv_shutdown. */
static void write_epipe(uv_loop_t *loop)
{
	static uv_pipe_t left;
	static uv_pipe_t right;
	static uv_shutdown_t shutdown_request;
	static uv_write_t write_request;
	char text[] = "lost";
	uv_buf_t buffer = uv_buf_init(text, 4);

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_shutdown(&shutdown_request, (uv_stream_t *) &left, on_shutdown));
	CHECK_RESULT(uv_write(&write_request, (uv_stream_t *) &left, &buffer, 1, never_on_write),
		     UV_EPIPE);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void tcp_init_ex(uv_loop_t *loop)
{
	static uv_tcp_t tcp;

	CHECK_RESULT(uv_tcp_init_ex(loop, &tcp, 12345), UV_EINVAL);
}

static void never_on_exit(uv_process_t *process, int64_t status, int signal)
{
	(void) process;
	(void) status;
	CHECK(signal == 0 && !"a process that did not start cannot end");
}

static void spawn_enoent(uv_loop_t *loop)
{
	static uv_process_t process;
	char *args[] = {(char *) "no-such-program", NULL};
	uv_process_options_t options;

	memset(&options, 0, sizeof options);
	options.file = "/no/such/program";
	options.args = args;
	options.exit_cb = never_on_exit;
	CHECK_RESULT(uv_spawn(loop, &process, &options), UV_ENOENT);
	CHECK_RESULT(uv_loop_close(loop), UV_EBUSY);
	uv_close((uv_handle_t *) &process, on_close);
}

static const struct scene scenes[] = {
    {"write_epipe", write_epipe},
    {"tcp_init_ex", tcp_init_ex},
    {"spawn_enoent", spawn_enoent},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
