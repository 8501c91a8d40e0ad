/* SPDX-License-Identifier: MIT */
/* Memory that is a second handle, or a second loop: after the first has ended, and although it has
 * not. */
#include "program.h"

static union {
	uv_timer_t timer;
	uv_idle_t idle;
	uv_tcp_t tcp;
	uv_fs_t fs;
	uv_write_t write;
} memory;

static void on_second_timer(uv_timer_t *timer)
{
	puts("second timer");
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_first_close(uv_handle_t *handle)
{
	puts("first closed");
	CHECK_OK(uv_timer_init(handle->loop, &memory.timer));
	CHECK_OK(uv_timer_start(&memory.timer, on_second_timer, 1, 0));
}

static void on_first_close_wiped(uv_handle_t *handle)
{
	uv_loop_t *loop = handle->loop;

	puts("first closed");
	memset(&memory, 0, sizeof memory);
	CHECK_OK(uv_timer_init(loop, &memory.timer));
	CHECK_OK(uv_timer_start(&memory.timer, on_second_timer, 1, 0));
}

/* A new handle in the close callback of the old one. */
static void in_close(uv_loop_t *loop)
{
	CHECK_OK(uv_idle_init(loop, &memory.idle));
	uv_close((uv_handle_t *) &memory.idle, on_first_close);
}

static void in_close_wiped(uv_loop_t *loop)
{
	CHECK_OK(uv_idle_init(loop, &memory.idle));
	uv_close((uv_handle_t *) &memory.idle, on_first_close_wiped);
}

/* A second loop, with a live handle. The first one is used before, so that it is the first. */
static uv_loop_t *lost_loop(uv_loop_t *loop)
{
	uv_loop_t *lost = malloc(sizeof *lost);

	CHECK(lost != NULL);
	CHECK_OK(uv_run(loop, UV_RUN_NOWAIT));
	CHECK_OK(uv_loop_init(lost));
	CHECK_OK(uv_timer_init(lost, &memory.timer));
	CHECK_OK(uv_timer_start(&memory.timer, on_second_timer, 1, 0));
	return lost;
}

/* The loop of the first handle is forgotten, closed handles or not, and its memory is gone. */
static void live(uv_loop_t *loop)
{
	uv_loop_t *lost = lost_loop(loop);

	CHECK_OK(uv_timer_init(loop, &memory.timer));
	CHECK_OK(uv_timer_start(&memory.timer, on_second_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	free(lost);
}

static void live_wiped(uv_loop_t *loop)
{
	uv_loop_t *lost = lost_loop(loop);

	memset(&memory, 0, sizeof memory);
	CHECK_OK(uv_timer_init(loop, &memory.timer));
	CHECK_OK(uv_timer_start(&memory.timer, on_second_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	free(lost);
}

static void live_other_type(uv_loop_t *loop)
{
	uv_loop_t *lost = lost_loop(loop);

	CHECK_OK(uv_tcp_init(loop, &memory.tcp));
	uv_close((uv_handle_t *) &memory.tcp, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	free(lost);
}

static void on_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	uv_fs_req_cleanup(req);
	puts("stat");
}

/* What was a handle is a request. */
static void handle_then_request(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &memory.timer));
	uv_close((uv_handle_t *) &memory.timer, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_fs_stat(loop, &memory.fs, ".", on_stat));
}

static uv_timer_t original;

/* Memory that was copied from a live handle, or is full of ones, is not that handle. */
static void copied(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &original));
	memory.timer = original;
	CHECK_OK(uv_timer_init(loop, &memory.timer));
	CHECK_OK(uv_timer_start(&memory.timer, on_second_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	memset(&memory, 0xff, sizeof memory);
	CHECK_OK(uv_idle_init(loop, &memory.idle));
	uv_close((uv_handle_t *) &memory.idle, NULL);
	uv_close((uv_handle_t *) &original, NULL);
}

/* A loop whose memory is made a loop again, with a timer of the first one left behind. */
static void loop_again(uv_loop_t *loop)
{
	static uv_loop_t again;
	static uv_timer_t timers[2];

	CHECK_OK(uv_run(loop, UV_RUN_NOWAIT));
	CHECK_OK(uv_loop_init(&again));
	CHECK_OK(uv_timer_init(&again, &timers[0]));
	CHECK_RESULT(uv_loop_close(&again), UV_EBUSY);
	CHECK_OK(uv_loop_init(&again));
	CHECK_OK(uv_timer_init(&again, &timers[1]));
	CHECK_OK(uv_timer_start(&timers[1], on_second_timer, 1, 0));
	CHECK_OK(uv_run(&again, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&again));
}

static const struct scene scenes[] = {
    {"in_close", in_close},
    {"in_close_wiped", in_close_wiped},
    {"live", live},
    {"live_wiped", live_wiped},
    {"live_other_type", live_other_type},
    {"handle_then_request", handle_then_request},
    {"copied", copied},
    {"loop_again", loop_again},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
