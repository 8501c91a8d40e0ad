/* SPDX-License-Identifier: MIT */
/*
 * A module that uses libuv, for programs that load it late: linked with the shared libuv, or with a
 * private copy of the static one, whose names it exports as a careless module does.
 */
#include "program.h"

/* Plays everything below; prints what happens. */
__attribute__((visibility("default"))) void module_play(void);

/* The default loop as the module sees it. */
__attribute__((visibility("default"))) uv_loop_t *module_default_loop(void);

static uv_async_t async;
static uv_timer_t timer;
static uv_fs_t request;
static uv_work_t work;

static void on_async(uv_async_t *handle)
{
	puts("module: woken");
	uv_close((uv_handle_t *) handle, NULL);
}

static void do_work(uv_work_t *req)
{
	(void) req;
	CHECK_OK(uv_async_send(&async));
}

static void on_worked(uv_work_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
}

static void on_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	puts("module: stat");
	uv_fs_req_cleanup(req);
	CHECK_OK(uv_queue_work(req->loop, &work, do_work, on_worked));
}

static void on_timer(uv_timer_t *handle)
{
	puts("module: timer");
	uv_close((uv_handle_t *) handle, NULL);
	CHECK_OK(uv_fs_stat(handle->loop, &request, ".", on_stat));
}

static void run_loop(uv_loop_t *loop)
{
	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

void module_play(void)
{
	uv_loop_t own;

	CHECK_OK(uv_loop_init(&own));
	CHECK(uv_is_active((uv_handle_t *) &timer) == 0);
	run_loop(&own);
	CHECK_OK(uv_loop_close(&own));
	run_loop(uv_default_loop());
	CHECK_OK(uv_loop_close(uv_default_loop()));
}

uv_loop_t *module_default_loop(void)
{
	return uv_default_loop();
}
