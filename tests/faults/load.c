/* SPDX-License-Identifier: MIT */
/* Work of the kinds that there are: timers, wake-ups, the thread pool, files, handles that come and
 * go. */
#include "faults.h"

static void on_timer(uv_timer_t *timer);

/* The loop gets to what waits in it: libuv calls a timer that is due again in the same turn. */
static void on_async(uv_async_t *async)
{
	struct faults_load *load = async->data;

	faults_called();
	CHECK_OK(uv_timer_start(&load->timer, on_timer, 0, 0));
}

static void on_work(uv_work_t *work)
{
	(void) work;
	faults_called();
}

static void on_worked(uv_work_t *work, int status)
{
	struct faults_load *load = work->data;

	CHECK_OK(status);
	faults_called();
	load->works = false;
}

static void on_stat(uv_fs_t *stat)
{
	struct faults_load *load = stat->data;

	CHECK_OK(stat->result);
	faults_called();
	uv_fs_req_cleanup(stat);
	load->stats = false;
}

static void on_close(uv_handle_t *handle)
{
	struct faults_load *load = handle->data;

	faults_called();
	load->lives = false;
}

static void cause(struct faults_load *load)
{
	if (load->left % 8 == 0 && !load->lives) {
		load->lives = true;
		CHECK_OK(uv_idle_init(&load->loop, &load->short_lived));
		load->short_lived.data = load;
		uv_close((uv_handle_t *) &load->short_lived, on_close);
	}
	if (load->plain)
		return;
	if (load->left % 16 == 0 && !load->stats) {
		load->stats = true;
		load->stat.data = load;
		CHECK_OK(uv_fs_stat(&load->loop, &load->stat, "/", on_stat));
	}
	if (load->left % 32 == 0 && !load->works) {
		load->works = true;
		load->work.data = load;
		CHECK_OK(uv_queue_work(&load->loop, &load->work, on_work, on_worked));
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct faults_load *load = timer->data;
	void (*in_last)(void) = load->in_last;

	faults_called();
	if (--load->left > 0) {
		cause(load);
		if (load->left % 8 == 1)
			CHECK_OK(uv_async_send(&load->async));
		else
			CHECK_OK(uv_timer_start(timer, on_timer, 0, 0));
		return;
	}
	uv_unref((uv_handle_t *) &load->async);
	load->in_last = NULL;
	if (in_last != NULL)
		in_last();
}

void faults_open(struct faults_load *load)
{
	if (load->is_open)
		return;
	load->is_open = true;
	CHECK_OK(uv_loop_init(&load->loop));
	CHECK_OK(uv_timer_init(&load->loop, &load->timer));
	load->timer.data = load;
	CHECK_OK(uv_async_init(&load->loop, &load->async, on_async));
	load->async.data = load;
	uv_unref((uv_handle_t *) &load->async);
}

void faults_work(struct faults_load *load, unsigned long callbacks)
{
	load->left = callbacks;
	uv_ref((uv_handle_t *) &load->async);
	CHECK_OK(uv_timer_start(&load->timer, on_timer, 0, 0));
	CHECK_OK(uv_run(&load->loop, UV_RUN_DEFAULT));
}

static void on_end(uv_handle_t *handle)
{
	(void) handle;
	faults_called();
}

void faults_close(struct faults_load *load)
{
	uv_close((uv_handle_t *) &load->timer, on_end);
	uv_close((uv_handle_t *) &load->async, on_end);
	CHECK_OK(uv_run(&load->loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&load->loop));
	load->is_open = false;
}
