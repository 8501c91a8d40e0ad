/* SPDX-License-Identifier: MIT */
/*
 * Four pieces of work hold all threads of the pool, until a timer lets them go; files that are
 * asked for meanwhile wait. `fixed` leaves threads for them.
 */
#include "planted.h"

#define THREADS 4
#define HELD_MS 60
#define FILES   6

static unsigned int works;
static uv_sem_t begun, let_go;
static unsigned int done;

static void crunch(uv_work_t *request)
{
	(void) request;
	uv_sem_post(&begun);
	uv_sem_wait(&let_go);
}

static void on_crunched(uv_work_t *request, int status)
{
	(void) request;
	CHECK_OK(status);
	done++;
}

static void on_stat(uv_fs_t *request)
{
	CHECK_OK(request->result);
	uv_fs_req_cleanup(request);
	done++;
}

static void on_timer(uv_timer_t *timer)
{
	for (unsigned int i = 0; i < works; i++)
		uv_sem_post(&let_go);
	uv_close((uv_handle_t *) timer, NULL);
}

int main(int argc, char **argv)
{
	static uv_work_t crunches[THREADS];
	static uv_fs_t stats[FILES];
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t timer;

	works = has_fault(argc, argv) ? THREADS : 2;
	CHECK_OK(unsetenv("UV_THREADPOOL_SIZE"));
	CHECK_OK(uv_sem_init(&begun, 0));
	CHECK_OK(uv_sem_init(&let_go, 0));
	for (unsigned int i = 0; i < works; i++)
		CHECK_OK(uv_queue_work(loop, &crunches[i], crunch, on_crunched)); /* PLANTED */
	for (unsigned int i = 0; i < works; i++)
		uv_sem_wait(&begun);
	/* One after the other, where nothing is to wait. */
	for (unsigned int i = 0; i < FILES; i++) {
		CHECK_OK(uv_fs_stat(loop, &stats[i], "/", on_stat)); /* WAITS */
		while (works < THREADS && done <= i)
			CHECK(uv_run(loop, UV_RUN_ONCE) != 0);
	}
	uv_update_time(loop);
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, HELD_MS, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("%u files, all work done: %s\n", FILES, done == works + FILES ? "yes" : "no");
	return 0;
}
