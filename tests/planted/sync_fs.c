/* SPDX-License-Identifier: MIT */
/*
 * A callback opens a FIFO and makes its loop wait until somebody opens the other end, 150 ms later.
 * `fixed` asks for a callback instead.
 */
#include <fcntl.h>

#include "planted.h"

#define LATE_MS 150

static bool faulty;
static uv_sem_t asked;

static void open_late(void *unused)
{
	int fd;

	(void) unused;
	uv_sem_wait(&asked);
	uv_sleep(LATE_MS);
	fd = open("fifo", O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_OK(close(fd));
}

static void on_open(uv_fs_t *request)
{
	uv_fs_t closes;

	CHECK(request->result >= 0);
	printf("opened\n");
	CHECK_OK(uv_fs_close(NULL, &closes, (uv_file) request->result, NULL));
	uv_fs_req_cleanup(&closes);
	uv_fs_req_cleanup(request);
}

static void on_timer(uv_timer_t *timer)
{
	static uv_fs_t request;

	uv_close((uv_handle_t *) timer, NULL);
	uv_sem_post(&asked);
	if (faulty) {
		uv_fs_open(NULL, &request, "fifo", O_RDONLY, 0, NULL); /* PLANTED */
		on_open(&request);
		return;
	}
	CHECK_OK(uv_fs_open(timer->loop, &request, "fifo", O_RDONLY, 0, on_open));
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t timer;
	uv_thread_t late;

	faulty = has_fault(argc, argv);
	enter_scratch_folder();
	CHECK_OK(mkfifo("fifo", 0600));
	CHECK_OK(uv_sem_init(&asked, 0));
	CHECK_OK(uv_thread_create(&late, open_late, NULL));
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_thread_join(&late));
	uv_sem_destroy(&asked);
	CHECK_OK(unlink("fifo"));
	leave_scratch_folder();
	return 0;
}
