/* SPDX-License-Identifier: MIT */
/* uv_async_send from everywhere: who woke the loop? */
#include "program.h"

#include <pthread.h>
#include <signal.h>

static uv_async_t async;

static void on_async(uv_async_t *handle)
{
	puts("woken");
	uv_close((uv_handle_t *) handle, NULL);
}

static void same_thread(uv_loop_t *loop)
{
	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_async_send(&async));
}

static void on_timer(uv_timer_t *timer)
{
	CHECK_OK(uv_async_send(&async));
	uv_close((uv_handle_t *) timer, NULL);
}

static void from_callback(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
}

static void send_from_thread(void *arg)
{
	CHECK_OK(uv_async_send(arg));
}

static void other_thread(uv_loop_t *loop)
{
	uv_thread_t thread;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_thread_create(&thread, send_from_thread, &async));
	CHECK_OK(uv_thread_join(&thread));
}

static uv_loop_t other;

static void on_other_timer(uv_timer_t *timer)
{
	CHECK_OK(uv_async_send(&async));
	uv_close((uv_handle_t *) timer, NULL);
}

static void run_other_loop(void *arg)
{
	uv_timer_t timer;

	(void) arg;
	CHECK_OK(uv_loop_init(&other));
	CHECK_OK(uv_timer_init(&other, &timer));
	CHECK_OK(uv_timer_start(&timer, on_other_timer, 1, 0));
	CHECK_OK(uv_run(&other, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&other));
}

/* The sender is a callback of another loop, in another thread. */
static void other_loop(uv_loop_t *loop)
{
	uv_thread_t thread;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_thread_create(&thread, run_other_loop, NULL));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_thread_join(&thread));
}

static void send_from_work(uv_work_t *req)
{
	(void) req;
	CHECK_OK(uv_async_send(&async));
}

static void work(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_queue_work(loop, &req, send_from_work, NULL));
}

static void *send_from_plain_thread(void *arg)
{
	CHECK_OK(uv_async_send(arg));
	return NULL;
}

/* A thread that libuv has never seen. */
static void plain_thread(uv_loop_t *loop)
{
	pthread_t thread;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK(pthread_create(&thread, NULL, send_from_plain_thread, &async) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void send_from_handler(int number)
{
	int saved = errno;

	(void) number;
	errno = 77;
	uv_async_send(&async);
	if (errno != 77)
		_exit(1);
	errno = saved;
}

static void signal_handler(uv_loop_t *loop)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = send_from_handler;
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK(raise(SIGUSR1) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	action.sa_handler = SIG_DFL;
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

static void on_sending_timer(uv_timer_t *timer)
{
	CHECK_OK(uv_async_send(&async));
	CHECK_OK(uv_async_send(&async));
	uv_close((uv_handle_t *) timer, NULL);
}

/* Three sends, one wake-up: the first from main, the latest from the timer. */
static void coalesced(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_sending_timer, 0, 0));
	CHECK_OK(uv_async_send(&async));
}

static int times;

static void on_again(uv_async_t *handle)
{
	printf("woken %d\n", ++times);
	if (times < 3)
		CHECK_OK(uv_async_send(handle));
	else
		uv_close((uv_handle_t *) handle, NULL);
}

/* The handle wakes itself. */
static void itself(uv_loop_t *loop)
{
	CHECK_OK(uv_async_init(loop, &async, on_again));
	CHECK_OK(uv_async_send(&async));
}

static const struct scene scenes[] = {
    {"same_thread", same_thread},
    {"from_callback", from_callback},
    {"other_thread", other_thread},
    {"other_loop", other_loop},
    {"work", work},
    {"plain_thread", plain_thread},
    {"signal_handler", signal_handler},
    {"coalesced", coalesced},
    {"itself", itself},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
