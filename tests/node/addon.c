/* SPDX-License-Identifier: MIT */
/*
 * An addon that calls the libuv inside node itself: run(done) uses a timer, a thread that wakes the
 * loop, work on the pool and a file system request, and then calls done(text).
 */
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static napi_env env;
static napi_ref done;
static uv_timer_t timer;
static uv_async_t async;
static uv_thread_t thread;
static uv_work_t work;
static uv_fs_t request;
static int ticks, squares, size, left = 4;

static void finish(void)
{
	napi_handle_scope scope;
	napi_value function, global, text;
	char line[100];

	if (--left > 0)
		return;
	snprintf(line, sizeof(line), "%d ticks, %d, a file: %s", ticks, squares,
		 size > 0 ? "yes" : "no");
	napi_open_handle_scope(env, &scope);
	napi_get_reference_value(env, done, &function);
	napi_get_global(env, &global);
	napi_create_string_utf8(env, line, NAPI_AUTO_LENGTH, &text);
	napi_make_callback(env, NULL, global, function, 1, &text, NULL);
	napi_close_handle_scope(env, scope);
}

void addon_closed(uv_handle_t *handle)
{
	(void) handle;
	finish();
}

void addon_tick(uv_timer_t *handle)
{
	if (++ticks == 3)
		uv_close((uv_handle_t *) handle, addon_closed);
}

void addon_woken(uv_async_t *handle)
{
	uv_thread_join(&thread);
	uv_close((uv_handle_t *) handle, addon_closed);
}

void addon_thread(void *data)
{
	uv_async_send(data);
}

void addon_work(uv_work_t *req)
{
	(void) req;
	for (int i = 1; i <= 10; i++)
		squares += i * i;
}

void addon_worked(uv_work_t *req, int status)
{
	(void) req;
	if (status != 0)
		abort();
	finish();
}

void addon_stat(uv_fs_t *req)
{
	size = (int) req->statbuf.st_size;
	uv_fs_req_cleanup(req);
	finish();
}

static napi_value run(napi_env from, napi_callback_info info)
{
	size_t count = 1;
	napi_value function;
	uv_loop_t *loop;

	env = from;
	napi_get_cb_info(env, info, &count, &function, NULL, NULL);
	napi_create_reference(env, function, 1, &done);
	napi_get_uv_event_loop(env, &loop);
	uv_timer_init(loop, &timer);
	uv_timer_start(&timer, addon_tick, 1, 1);
	uv_async_init(loop, &async, addon_woken);
	uv_thread_create(&thread, addon_thread, &async);
	uv_queue_work(loop, &work, addon_work, addon_worked);
	uv_fs_stat(loop, &request, "/proc/self/exe", addon_stat);
	return NULL;
}

NAPI_MODULE_INIT()
{
	napi_value function;

	napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, NULL, &function);
	napi_set_named_property(env, exports, "run", function);
	return exports;
}
