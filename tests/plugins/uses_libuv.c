/* SPDX-License-Identifier: MIT */
/*
 * A plugin that is a libuv program itself: every before hook runs a loop of its own to its end, and
 * a thread of its own runs another one for as long as the process lives.
 *
 * The report says how many loops were run and which events the plugin saw of its own resources:
 * none, of those that its hooks made.
 */
#include <pthread.h>
#include <uv.h>

#include "report.h"

static unsigned long loops;
static unsigned long own_events;
static unsigned long ticks;
static __thread void *own_loop;

static void on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_stat(uv_fs_t *request)
{
	uv_fs_req_cleanup(request);
}

static void on_work(uv_work_t *request)
{
	(void) request;
}

static void on_work_done(uv_work_t *request, int status)
{
	(void) request;
	(void) status;
}

static void on_before(const struct uvhooks_event *event, void *data)
{
	uv_loop_t loop;
	uv_timer_t timer;
	uv_fs_t stat;
	uv_work_t work;

	(void) event;
	(void) data;
	if (uv_loop_init(&loop) != 0)
		return;
	own_loop = &loop;
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 0, 0);
	uv_fs_stat(&loop, &stat, "/", on_stat);
	uv_queue_work(&loop, &work, on_work, on_work_done);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) == 0)
		__atomic_add_fetch(&loops, 1, __ATOMIC_RELAXED);
	own_loop = NULL;
}

static void on_any(const struct uvhooks_event *event, void *data)
{
	(void) data;
	if (event->loop != NULL && event->loop == own_loop)
		__atomic_add_fetch(&own_events, 1, __ATOMIC_RELAXED);
}

static void on_tick(uv_timer_t *timer)
{
	(void) timer;
	__atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED);
}

static void *run_thread(void *data)
{
	static uv_loop_t loop;
	static uv_timer_t timer;

	(void) data;
	uv_loop_init(&loop);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_tick, 0, 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	return NULL;
}

static void at_end(void)
{
	REPORT("loops %s\n", loops > 0 ? "run" : "none");
	REPORT("own events %lu\n", own_events);
}

static int uses_libuv_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = on_any,
	    .before = on_before,
	    .after = on_any,
	    .destroy = on_any,
	    .start = on_any,
	    .work_begin = on_any,
	};
	pthread_t thread;

	if (args->dry_run)
		return 0;
	if (report_open(args) != 0)
		return -1;
	if (pthread_create(&thread, NULL, run_thread, NULL) != 0)
		return uvhooks_plugin_error(args, "no thread");
	atexit(at_end);
	return hook(args, &callbacks, NULL);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "uses_libuv",
    .summary = "runs loops of its own",
    .init = uses_libuv_init,
};
