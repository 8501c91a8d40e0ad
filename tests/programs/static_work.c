/* SPDX-License-Identifier: MIT */
/*
 * A program that has libuv inside, and whose first call is for the thread pool: so the linker puts
 * libuv's functions of the pool right behind the program's own, which nobody else can call either.
 */
#include "program.h"

static uv_timer_t timer;

static void work(uv_work_t *req)
{
	(void) req;
}

static void on_timer(uv_timer_t *handle)
{
	uv_close((uv_handle_t *) handle, NULL);
}

/* The last of the program's code. */
static void on_work(uv_work_t *req, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_timer_init(req->loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	puts("worked");
}

static void pool(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_queue_work(loop, &req, work, on_work));
}

static const struct scene scenes[] = {
    {"pool", pool},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
