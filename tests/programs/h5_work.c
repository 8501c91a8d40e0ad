/* SPDX-License-Identifier: MIT */
/* Canonical trace H5: work on the thread pool, and work that is cancelled before it began. */
#include "program.h"

static uv_sem_t began;
static uv_sem_t go_on;
static int worked;

static void do_work(uv_work_t *req)
{
	(void) req;
	worked++;
}

static void do_blocking_work(uv_work_t *req)
{
	(void) req;
	uv_sem_post(&began);
	uv_sem_wait(&go_on);
}

static void on_worked(uv_work_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("work done");
}

static void on_cancelled(uv_work_t *req, int status)
{
	(void) req;
	CHECK_RESULT(status, UV_ECANCELED);
	puts("work cancelled");
}

static void work(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_queue_work(loop, &req, do_work, on_worked));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(worked == 1);
}

/* The pool has one thread: while it is held, the second request stays in the queue. */
static void cancel(uv_loop_t *loop)
{
	static uv_work_t held;
	static uv_work_t queued;

	CHECK_OK(uv_sem_init(&began, 0));
	CHECK_OK(uv_sem_init(&go_on, 0));
	CHECK_OK(uv_queue_work(loop, &held, do_blocking_work, NULL));
	uv_sem_wait(&began);
	CHECK_OK(uv_queue_work(loop, &queued, do_work, on_cancelled));
	CHECK_OK(uv_cancel((uv_req_t *) &queued));
	CHECK_RESULT(uv_cancel((uv_req_t *) &held), UV_EBUSY);
	worked = 0;
	uv_sem_post(&go_on);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(worked == 0);
	uv_sem_destroy(&began);
	uv_sem_destroy(&go_on);
}

static const struct scene scenes[] = {
    {"work", work},
    {"cancel", cancel},
};

int main(int argc, char **argv)
{
	setenv("UV_THREADPOOL_SIZE", "1", 1);
	return PLAY(scenes);
}
