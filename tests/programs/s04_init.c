/* SPDX-License-Identifier: MIT */
/* Async resources: init when they are made, before and after around their scopes, destroy at the
 * end. */
#include "embedder.h"

static resource_t first;
static resource_t second;

/* A resource may be made and end without a callback. */
static void straight(uv_loop_t *loop)
{
	(void) loop;
	make(&first, "Job");
	end(&first);
}

static void *say(void *text)
{
	puts(text);
	return NULL;
}

static void scope(uv_loop_t *loop)
{
	(void) loop;
	make(&first, "Job");
	CHECK(at_top_level());
	run_in(&first, say, "once");
	CHECK(at_top_level());
	run_in(&first, say, "again");
	end(&first);
}

static void *check_ids(void *resource)
{
	CHECK(ids_are_of(resource));
	return NULL;
}

static void *in_first(void *argument)
{
	(void) argument;
	CHECK(ids_are_of(&first));
	mark("InFirst");
	run_in(&second, check_ids, &second);
	CHECK(ids_are_of(&first));
	mark("InFirstAgain");
	return NULL;
}

/* Within a scope the ids are the resource's, and what is made there is triggered by it. */
static void nested(uv_loop_t *loop)
{
	(void) loop;
	make(&first, "First");
	make(&second, "Second");
	run_in(&first, in_first, NULL);
	CHECK(at_top_level());
	mark("AtTopLevel");
	end(&second);
	end(&first);
}

static void *deeper(void *argument)
{
	int *depth = argument;

	CHECK(ids_are_of(&first));
	if (--*depth > 0)
		run_in(&first, deeper, depth);
	return NULL;
}

/* A resource may run in its own scope. */
static void itself(uv_loop_t *loop)
{
	int depth = 3;

	(void) loop;
	make(&first, "Job");
	run_in(&first, deeper, &depth);
	end(&first);
	printf("depth %d\n", depth);
}

static void defer(void)
{
	make(&first, "Deferred");
}

static void run_deferred(void)
{
	run_in(&first, check_ids, &first);
	end(&first);
}

/* Made in one callback, run in the next: what lies between is no cause. */
static void deferred(uv_loop_t *loop)
{
	call_in_callback(loop, defer);
	call_in_callback(loop, run_deferred);
}

static void on_timer(uv_timer_t *timer)
{
	mark("InTimer");
	uv_close((uv_handle_t *) timer, NULL);
}

static void *run_loop(void *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(ids_are_of(&first));
	return NULL;
}

/* A scope in which the loop runs. */
static void runs_loop(uv_loop_t *loop)
{
	make(&first, "Job");
	run_in(&first, run_loop, loop);
	end(&first);
}

static void on_stat(uv_fs_t *req)
{
	uv_fs_req_cleanup(req);
	mark("InStat");
}

static void work(uv_work_t *req)
{
	(void) req;
}

static void entry(void *arg)
{
	(void) arg;
}

static void *make_of_libuv(void *loop)
{
	static uv_timer_t timer;
	static uv_fs_t stat;
	static uv_work_t req;
	uv_thread_t thread;

	CHECK_OK(uv_timer_init(loop, &timer));
	uv_close((uv_handle_t *) &timer, NULL);
	CHECK_OK(uv_fs_stat(loop, &stat, ".", on_stat));
	CHECK_OK(uv_queue_work(loop, &req, work, NULL));
	CHECK_OK(uv_thread_create(&thread, entry, NULL));
	CHECK_OK(uv_thread_join(&thread));
	return NULL;
}

/* libuv's own resources that are made in a scope are triggered by its resource. */
static void of_libuv(uv_loop_t *loop)
{
	make(&first, "Job");
	run_in(&first, make_of_libuv, loop);
	end(&first);
}

static const struct scene scenes[] = {
    {"straight", straight}, {"scope", scope},         {"nested", nested},     {"itself", itself},
    {"deferred", deferred}, {"runs_loop", runs_loop}, {"of_libuv", of_libuv},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
