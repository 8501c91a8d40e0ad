/* SPDX-License-Identifier: MIT */
/*
 * Triggers: the one that is named, else that of the default trigger scope, else what the call works
 * on or what runs.
 */
#include "embedder.h"

#include <pthread.h>

static resource_t cause;
static resource_t other;
static resource_t job;

static void *scope(resource_t *trigger, void *(*function)(void *), void *argument)
{
	return uvhooks_default_trigger_async_id_scope(trigger->async_id, function, argument);
}

static void *check_ids(void *resource)
{
	CHECK(ids_are_of(resource));
	return NULL;
}

static void named(uv_loop_t *loop)
{
	(void) loop;
	make(&cause, "Cause");
	make_triggered(&job, "Named", cause.async_id);
	CHECK(job.trigger_async_id == cause.async_id);
	run_in(&job, check_ids, &job);
	end(&job);
	end(&cause);
}

static void *make_unnamed(void *argument)
{
	(void) argument;
	make_triggered(&job, "Zero", 0);
	end(&job);
	make_triggered(&job, "Unset", UVHOOKS_ID_UNSET);
	end(&job);
	return NULL;
}

/* 0 and UNSET name nothing: at top level, in a scope and in a trigger scope. */
static void unnamed(uv_loop_t *loop)
{
	(void) loop;
	make(&cause, "Cause");
	make_unnamed(NULL);
	run_in(&cause, make_unnamed, NULL);
	scope(&cause, make_unnamed, NULL);
	end(&cause);
}

/* As in Node any number will do, also one that no resource has, or has any more. */
static void unknown(uv_loop_t *loop)
{
	(void) loop;
	make(&cause, "Cause");
	end(&cause);
	make_triggered(&job, "OfEnded", cause.async_id);
	end(&job);
	make_triggered(&job, "OfNothing", 4711);
	end(&job);
}

static void *make_marked(void *type)
{
	mark(type);
	return type;
}

static void *make_around(void *argument)
{
	(void) argument;
	mark("OfCause");
	CHECK(scope(&other, make_marked, "OfOther") != NULL);
	mark("OfCauseAgain");
	make_triggered(&job, "OfOtherByName", other.async_id);
	end(&job);
	/* These two are just calls. */
	CHECK(uvhooks_default_trigger_async_id_scope(0, make_marked, "OfCauseInZero") != NULL);
	CHECK(uvhooks_default_trigger_async_id_scope(UVHOOKS_ID_UNSET, make_marked,
						     "OfCauseInUnset") != NULL);
	CHECK(at_top_level());
	return &job;
}

static void nested(uv_loop_t *loop)
{
	(void) loop;
	make(&cause, "Cause");
	make(&other, "Other");
	CHECK(scope(&cause, make_around, NULL) == &job);
	mark("OfNothing");
	end(&other);
	end(&cause);
}

static void *make_inside(void *argument)
{
	(void) argument;
	CHECK(ids_are_of(&job));
	mark("Inside");
	scope(&other, make_marked, "InsideOfOther");
	mark("InsideAgain");
	return NULL;
}

static void *run_job(void *argument)
{
	run_in(&job, make_inside, NULL);
	return argument;
}

/* A trigger scope reaches into an async scope that it calls, and one in there ends there. */
static void async_scopes(uv_loop_t *loop)
{
	(void) loop;
	make(&cause, "Cause");
	make(&other, "Other");
	make(&job, "Job");
	scope(&cause, run_job, NULL);
	run_job(NULL);
	end(&job);
	end(&other);
	end(&cause);
}

static void on_timer(uv_timer_t *timer)
{
	mark("InTimer");
	uv_close((uv_handle_t *) timer, NULL);
}

static void on_stat(uv_fs_t *req)
{
	uv_fs_req_cleanup(req);
	mark("InStat");
}

static void on_write(uv_write_t *req, int status)
{
	CHECK_OK(status);
	mark("InWrite");
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void on_work(uv_work_t *req)
{
	(void) req;
}

static void entry(void *arg)
{
	(void) arg;
	mark("InThread");
}

static uv_pipe_t pipes[2];

static void *make_of_libuv(void *loop)
{
	static uv_timer_t timer;
	static uv_fs_t stat;
	static uv_write_t write;
	static uv_work_t work;
	uv_buf_t buffer = uv_buf_init("x", 1);
	uv_thread_t thread;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	CHECK_OK(uv_fs_stat(loop, &stat, ".", on_stat));
	CHECK_OK(uv_write(&write, (uv_stream_t *) &pipes[0], &buffer, 1, on_write));
	CHECK_OK(uv_queue_work(loop, &work, on_work, NULL));
	CHECK_OK(uv_thread_create(&thread, entry, NULL));
	CHECK_OK(uv_thread_join(&thread));
	return NULL;
}

/* libuv's handles and requests too, a write to a handle among them; what they call back is theirs.
 */
static void of_libuv(uv_loop_t *loop)
{
	make(&cause, "Cause");
	open_pipe_pair(loop, &pipes[0], &pipes[1], 0);
	scope(&cause, make_of_libuv, loop);
	uv_close((uv_handle_t *) &pipes[1], NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	end(&cause);
}

/* The same without the scope, for comparison. */
static void of_libuv_without(uv_loop_t *loop)
{
	open_pipe_pair(loop, &pipes[0], &pipes[1], 0);
	make_of_libuv(loop);
	uv_close((uv_handle_t *) &pipes[1], NULL);
}

static void call_scope(void)
{
	mark("BeforeScope");
	scope(&cause, make_marked, "OfCause");
	mark("BehindScope");
}

static void in_callback(uv_loop_t *loop)
{
	make(&cause, "Cause");
	call_in_callback(loop, call_scope);
	end(&cause);
}

static void *run_loop(void *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	mark("BehindRun");
	return NULL;
}

/* What libuv calls is caused by what libuv says, and the scope holds again when uv_run returns. */
static void loop_inside(uv_loop_t *loop)
{
	make(&cause, "Cause");
	scope(&cause, run_loop, loop);
	end(&cause);
}

static void *make_in_thread(void *argument)
{
	mark("InPlainThread");
	return argument;
}

static void *start_thread(void *argument)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, make_in_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	return argument;
}

/* The scope is this thread's alone. */
static void other_thread(uv_loop_t *loop)
{
	(void) loop;
	make(&cause, "Cause");
	scope(&cause, start_thread, NULL);
	end(&cause);
}

static const struct scene scenes[] = {
    {"named", named},
    {"unnamed", unnamed},
    {"unknown", unknown},
    {"nested", nested},
    {"async_scopes", async_scopes},
    {"of_libuv", of_libuv},
    {"of_libuv_without", of_libuv_without},
    {"in_callback", in_callback},
    {"loop_inside", loop_inside},
    {"other_thread", other_thread},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
