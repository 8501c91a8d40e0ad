/* SPDX-License-Identifier: MIT */
/* uv_queue_work: what work makes happen, and what may be cancelled. */
#include "program.h"

static uv_sem_t began;
static uv_sem_t go_on;

static void hold(uv_work_t *req)
{
	(void) req;
	uv_sem_post(&began);
	uv_sem_wait(&go_on);
}

/* Holds the one thread of the pool until release_pool. */
static void hold_pool(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_sem_init(&began, 0));
	CHECK_OK(uv_sem_init(&go_on, 0));
	CHECK_OK(uv_queue_work(loop, &req, hold, NULL));
	uv_sem_wait(&began);
}

static void release_pool(uv_loop_t *loop)
{
	uv_sem_post(&go_on);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uv_sem_destroy(&began);
	uv_sem_destroy(&go_on);
}

static int done;

static void count(uv_work_t *req)
{
	(void) req;
	done++;
}

static void on_counted(uv_work_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
}

static void many(uv_loop_t *loop)
{
	static uv_work_t requests[20];

	for (size_t i = 0; i < COUNT(requests); i++)
		CHECK_OK(uv_queue_work(loop, &requests[i], count, on_counted));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("%d done\n", done);
}

static void on_cancelled_fs(uv_fs_t *req)
{
	CHECK_RESULT(req->result, UV_ECANCELED);
	puts("fs cancelled");
	uv_fs_req_cleanup(req);
}

static void on_cancelled_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	(void) req;
	CHECK(result == NULL);
	CHECK_RESULT(status, UV_EAI_CANCELED);
	puts("getaddrinfo cancelled");
}

static void on_cancelled_nameinfo(uv_getnameinfo_t *req, int status, const char *host,
				  const char *service)
{
	(void) req;
	(void) host;
	(void) service;
	CHECK_RESULT(status, UV_EAI_CANCELED);
	puts("getnameinfo cancelled");
}

static void on_cancelled_random(uv_random_t *req, int status, void *buffer, size_t bytes)
{
	(void) req;
	(void) buffer;
	(void) bytes;
	CHECK_RESULT(status, UV_ECANCELED);
	puts("random cancelled");
}

static void on_cancelled_work(uv_work_t *req, int status)
{
	(void) req;
	CHECK_RESULT(status, UV_ECANCELED);
	puts("work cancelled");
}

static void never(uv_work_t *req)
{
	CHECK(req == NULL);
}

/* One request of each family that can be cancelled; one at a time, to keep their order. */
static void cancel_each(uv_loop_t *loop)
{
	static uv_fs_t fs;
	static uv_getaddrinfo_t addrinfo;
	static uv_getnameinfo_t nameinfo;
	static uv_random_t random;
	static uv_work_t work;
	static uv_work_t silent;
	static char bytes[8];
	struct sockaddr_in address;

	hold_pool(loop);
	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	CHECK_OK(uv_fs_stat(loop, &fs, ".", on_cancelled_fs));
	CHECK_OK(uv_getaddrinfo(loop, &addrinfo, on_cancelled_addrinfo, "127.0.0.1", NULL, NULL));
	CHECK_OK(uv_getnameinfo(loop, &nameinfo, on_cancelled_nameinfo,
				(struct sockaddr *) &address, 0));
	CHECK_OK(uv_random(loop, &random, bytes, sizeof bytes, 0, on_cancelled_random));
	CHECK_OK(uv_queue_work(loop, &work, never, on_cancelled_work));
	CHECK_OK(uv_queue_work(loop, &silent, never, NULL));
	CHECK_OK(uv_cancel((uv_req_t *) &fs));
	CHECK_OK(uv_cancel((uv_req_t *) &addrinfo));
	CHECK_OK(uv_cancel((uv_req_t *) &nameinfo));
	CHECK_OK(uv_cancel((uv_req_t *) &random));
	CHECK_OK(uv_cancel((uv_req_t *) &work));
	CHECK_OK(uv_cancel((uv_req_t *) &silent));
	release_pool(loop);
}

static void on_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	CHECK_RESULT(uv_cancel((uv_req_t *) req), UV_EBUSY);
	puts("too late to cancel");
	uv_fs_req_cleanup(req);
}

static void on_held(uv_work_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("held work done");
}

/* uv_cancel that fails leaves no mark: the work runs, and its callback is as any. */
static void cancel_busy(uv_loop_t *loop)
{
	static uv_work_t req;
	static uv_fs_t fs;

	CHECK_OK(uv_sem_init(&began, 0));
	CHECK_OK(uv_sem_init(&go_on, 0));
	CHECK_OK(uv_queue_work(loop, &req, hold, on_held));
	uv_sem_wait(&began);
	CHECK_RESULT(uv_cancel((uv_req_t *) &req), UV_EBUSY);
	release_pool(loop);
	CHECK_OK(uv_fs_stat(loop, &fs, ".", on_stat));
}

static void on_wrong_kind(uv_write_t *req, int status)
{
	CHECK_OK(status);
	CHECK_RESULT(uv_cancel((uv_req_t *) req), UV_EINVAL);
	puts("a write cannot be cancelled");
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void cancel_wrong_kind(uv_loop_t *loop)
{
	static uv_pipe_t left;
	static uv_pipe_t right;
	static uv_write_t req;
	char byte[] = "x";
	uv_buf_t buffer = uv_buf_init(byte, 1);

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_write(&req, (uv_stream_t *) &left, &buffer, 1, on_wrong_kind));
	CHECK_RESULT(uv_cancel((uv_req_t *) &req), UV_EINVAL);
	uv_close((uv_handle_t *) &right, NULL);
}

static uv_thread_t pool_thread;

static void note_thread(uv_work_t *req)
{
	(void) req;
	pool_thread = uv_thread_self();
}

static void on_noted(uv_work_t *req, int status)
{
	uv_thread_t self = uv_thread_self();

	(void) req;
	CHECK_OK(status);
	CHECK(!uv_thread_equal(&pool_thread, &self));
	puts("after, on the loop's thread");
}

static void threads(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_queue_work(loop, &req, note_thread, on_noted));
}

static void on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

static void run_own_loop(uv_work_t *req)
{
	uv_loop_t own;
	uv_timer_t timer;

	(void) req;
	CHECK_OK(uv_loop_init(&own));
	CHECK_OK(uv_timer_init(&own, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own));
}

/* Work is code of the program as any other, and may have a loop. */
static void own_loop(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_queue_work(loop, &req, run_own_loop, on_counted));
}

static const struct scene scenes[] = {
    {"many", many},
    {"cancel_each", cancel_each},
    {"cancel_busy", cancel_busy},
    {"cancel_wrong_kind", cancel_wrong_kind},
    {"threads", threads},
    {"own_loop", own_loop},
};

int main(int argc, char **argv)
{
	setenv("UV_THREADPOOL_SIZE", "1", 1);
	return PLAY(scenes);
}
