/* SPDX-License-Identifier: MIT */
/* A library whose constructor uses libuv: before main, and before most other constructors. */
#include "program.h"

int constructor_fired;

static uv_timer_t timer;
static uv_fs_t request;
static uv_thread_t thread;

static void on_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	uv_fs_req_cleanup(req);
	constructor_fired++;
}

static void on_timer(uv_timer_t *handle)
{
	constructor_fired++;
	CHECK_OK(uv_fs_stat(handle->loop, &request, ".", on_stat));
	uv_close((uv_handle_t *) handle, NULL);
}

static void enter(void *arg)
{
	++*(int *) arg;
}

__attribute__((constructor)) static void use_libuv(void)
{
	uv_loop_t loop;

	CHECK_OK(uv_loop_init(&loop));
	CHECK_OK(uv_timer_init(&loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&loop));
	CHECK_OK(uv_thread_create(&thread, enter, &constructor_fired));
	CHECK_OK(uv_thread_join(&thread));
}

/* After main, and after most other destructors. */
__attribute__((destructor)) static void use_libuv_again(void)
{
	uv_loop_t loop;

	constructor_fired = 0;
	CHECK_OK(uv_loop_init(&loop));
	CHECK_OK(uv_timer_init(&loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&loop));
	CHECK(constructor_fired == 2);
}
