/* SPDX-License-Identifier: MIT */
/* Callbacks that are read out of a handle or of a pending request, and given to another one. */
#include "program.h"

static uv_timer_t timers[2];
static uv_async_t asyncs[2];
static uv_pipe_t pipes[2], writer;
static uv_fs_t stats[2];
static uv_write_t writes[2];
static uv_work_t works[2];
static int calls; /* of callbacks, and bytes that were read */

static void close_it(uv_handle_t *handle)
{
	uv_close(handle, NULL);
}

static void on_timer(uv_timer_t *timer)
{
	printf("timer %d\n", (int) (timer - timers));
	close_it((uv_handle_t *) timer);
}

static void timer(uv_loop_t *loop)
{
	for (int i = 0; i < 2; i++)
		CHECK_OK(uv_timer_init(loop, &timers[i]));
	CHECK_OK(uv_timer_start(&timers[0], on_timer, 1, 0));
	CHECK_OK(uv_timer_start(&timers[1], timers[0].timer_cb, 1, 0));
}

static void on_async(uv_async_t *async)
{
	close_it((uv_handle_t *) async);
	calls++;
}

static void async(uv_loop_t *loop)
{
	CHECK_OK(uv_async_init(loop, &asyncs[0], on_async));
	CHECK_OK(uv_async_init(loop, &asyncs[1], asyncs[0].async_cb));
	CHECK_OK(uv_async_send(&asyncs[0]));
	CHECK_OK(uv_async_send(&asyncs[1]));
}

static void on_stat(uv_fs_t *stat)
{
	CHECK(stat->result == 0);
	uv_fs_req_cleanup(stat);
	calls++;
}

static void fs(uv_loop_t *loop)
{
	CHECK_OK(uv_fs_stat(loop, &stats[0], ".", on_stat));
	CHECK_OK(uv_fs_stat(loop, &stats[1], ".", stats[0].cb));
}

static void do_work(uv_work_t *work)
{
	work->data = work;
}

static void on_work(uv_work_t *work, int status)
{
	CHECK(status == 0 && work->data == work);
	calls++;
}

static void work(uv_loop_t *loop)
{
	CHECK_OK(uv_queue_work(loop, &works[0], do_work, on_work));
	CHECK_OK(uv_queue_work(loop, &works[1], works[0].work_cb, works[0].after_work_cb));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char bytes[2][64];

	(void) suggested;
	*buf = uv_buf_init(bytes[(uv_pipe_t *) handle - pipes], sizeof(bytes[0]));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	(void) buf;
	if (nread < 0)
		close_it((uv_handle_t *) stream);
	else
		calls += (int) nread;
}

static void on_write(uv_write_t *write, int status)
{
	CHECK(status == 0);
	calls++;
	if (write == &writes[1])
		close_it((uv_handle_t *) &writer);
}

/* The first pipe has nothing to read. */
static void stream(uv_loop_t *loop)
{
	uv_buf_t buf = uv_buf_init("x", 1);
	int fds[2], others[2];

	CHECK_OK(uv_pipe(fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE));
	CHECK_OK(uv_pipe(others, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE));
	for (int i = 0; i < 2; i++) {
		CHECK_OK(uv_pipe_init(loop, &pipes[i], 0));
		CHECK_OK(uv_pipe_open(&pipes[i], i == 0 ? others[0] : fds[0]));
	}
	CHECK_OK(uv_pipe_init(loop, &writer, 0));
	CHECK_OK(uv_pipe_open(&writer, fds[1]));
	CHECK_OK(close(others[1]));
	CHECK_OK(uv_read_start((uv_stream_t *) &pipes[0], on_alloc, on_read));
	CHECK_OK(uv_read_start((uv_stream_t *) &pipes[1], on_alloc, pipes[0].read_cb));
	CHECK_OK(uv_write(&writes[0], (uv_stream_t *) &writer, &buf, 1, on_write));
	CHECK_OK(uv_write(&writes[1], (uv_stream_t *) &writer, &buf, 1, writes[0].cb));
}

static const struct scene scenes[] = {
    {"timer", timer}, {"async", async}, {"fs", fs}, {"work", work}, {"stream", stream},
};

int main(int argc, char **argv)
{
	int status = PLAY(scenes);

	printf("%d times\n", calls);
	return status;
}
