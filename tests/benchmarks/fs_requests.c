/* SPDX-License-Identifier: MIT */
/*
 * An operation: a file system request is submitted and its callback called.
 *
 * Only what the loop's thread does is timed, and the pool's only thread stands still meanwhile: it
 * is held at a gate while the requests are submitted, and has done them all when the loop runs. So
 * neither contention nor the scheduler is in the numbers.
 */
#include "benchmark.h"

#define REQUESTS 100

static uv_fs_t requests[REQUESTS];
static unsigned int done;

static uv_work_t gate, end;
static uv_sem_t at_gate, open_gate, at_end;
static int ended;

static void wait_at_gate(uv_work_t *work)
{
	(void) work;
	uv_sem_post(&at_gate);
	uv_sem_wait(&open_gate);
}

static void say_end(uv_work_t *work)
{
	(void) work;
	uv_sem_post(&at_end);
}

static void on_end(uv_work_t *work, int status)
{
	(void) work;
	(void) status;
	ended = 1;
}

static void on_stat(uv_fs_t *request)
{
	uv_fs_req_cleanup(request);
	done++;
}

static void setup(uv_loop_t *loop)
{
	(void) loop;
	CHECK(setenv("UV_THREADPOOL_SIZE", "1", 1) == 0);
	CHECK(uv_sem_init(&at_gate, 0) == 0);
	CHECK(uv_sem_init(&open_gate, 0) == 0);
	CHECK(uv_sem_init(&at_end, 0) == 0);
}

static void batch(uv_loop_t *loop)
{
	benchmark_pause();
	done = 0;
	ended = 0;
	uv_queue_work(loop, &gate, wait_at_gate, NULL);
	uv_sem_wait(&at_gate);
	benchmark_resume();

	for (int i = 0; i < REQUESTS; i++)
		uv_fs_fstat(loop, &requests[i], 0, on_stat);

	benchmark_pause();
	uv_queue_work(loop, &end, say_end, on_end);
	uv_sem_post(&open_gate);
	uv_sem_wait(&at_end);
	benchmark_resume();

	while (done < REQUESTS)
		uv_run(loop, UV_RUN_NOWAIT);

	benchmark_pause();
	while (!ended)
		uv_run(loop, UV_RUN_ONCE);
	benchmark_resume();
}

const struct benchmark benchmark = {REQUESTS, 20, setup, batch};
