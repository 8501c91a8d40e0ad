/* SPDX-License-Identifier: MIT */
/*
 * Does random things with libuv that are the same for a seed each time, down to the order of the
 * events:
 *
 *	steady_program [SEED [OPERATIONS]]
 *
 * So it stands still wherever chance could come in. It has a clock of its own, which libuv asks and
 * which ticks between two turns of the loop. The pool has one thread, which does what was submitted
 * while the program waits, and nothing meanwhile. Nobody waits in epoll.
 */
#include "../programs/program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#define HANDLES  24
#define REQUESTS 16

struct world {
	uv_loop_t *loop;
	uint64_t random;
	int left, depth;
	bool nested, ending;

	struct slot {
		union {
			uv_handle_t handle;
			uv_stream_t stream;
			uv_timer_t timer;
			uv_idle_t idle;
			uv_prepare_t prepare;
			uv_check_t check;
			uv_async_t async;
			uv_pipe_t pipe;
			uv_udp_t udp;
			uv_signal_t signal;
			uv_poll_t poll;
		};
		bool alive, closing;
		int fds[2];
	} slots[HANDLES];

	struct request {
		union {
			uv_fs_t fs;
			uv_work_t work;
			uv_write_t write;
			uv_shutdown_t shutdown;
			uv_udp_send_t send;
			uv_random_t random;
		};
		char memory[8];
		bool alive;
	} requests[REQUESTS];

	/* See `turn`: of these pieces of work one keeps the pool's thread busy. */
	uv_work_t holders[2];
	unsigned int turns;
	uv_sem_t begun, go_on;
};

static uint64_t now_ns = UINT64_C(1) << 40;

/* The program's comes before libc's, for libuv inside and outside alike. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *time)
{
	(void) clock;
	time->tv_sec = (time_t) (now_ns / 1000000000);
	time->tv_nsec = (long) (now_ns % 1000000000);
	return 0;
}

static unsigned int pick(struct world *world, unsigned int count)
{
	world->random =
	    world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int) (world->random >> 33) % count;
}

static void act(struct world *world);

static void maybe_act(struct world *world)
{
	if (world->nested || world->ending)
		return;
	for (unsigned int times = pick(world, 4); times > 1; times--)
		act(world);
}

static struct world *world_of(const void *handle)
{
	return ((const uv_handle_t *) handle)->loop->data;
}

static struct slot *slot_of(void *handle)
{
	return handle;
}

static void on_close(uv_handle_t *handle)
{
	struct world *world = world_of(handle);
	struct slot *slot = slot_of(handle);

	slot->alive = false;
	slot->closing = false;
	for (int i = 0; i < 2; i++)
		if (slot->fds[i] >= 0)
			CHECK(close(slot->fds[i]) == 0);
	maybe_act(world);
}

static void close_one(struct world *world, struct slot *slot)
{
	if (!slot->alive || slot->closing)
		return;
	slot->closing = true;
	/* Without a callback its memory is not used again. */
	uv_close(&slot->handle, slot->fds[1] < 0 && pick(world, 8) == 0 ? NULL : on_close);
}

#define ON_TURN(name, type)                                                                        \
	static void name(type *handle)                                                             \
	{                                                                                          \
		maybe_act(world_of(handle));                                                       \
	}
ON_TURN(on_timer, uv_timer_t)
ON_TURN(on_idle, uv_idle_t)
ON_TURN(on_prepare, uv_prepare_t)
ON_TURN(on_check, uv_check_t)
ON_TURN(on_async, uv_async_t)

/* The last call of each of these is one of libuv: a compiler may make it a jump. */
static void on_timer_stopping(uv_timer_t *timer)
{
	uv_timer_stop(timer);
}

static void on_idle_closing(uv_idle_t *idle)
{
	slot_of(idle)->closing = true;
	uv_close((uv_handle_t *) idle, on_close);
}

static void on_signal(uv_signal_t *signal, int number)
{
	(void) number;
	maybe_act(world_of(signal));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	char bytes[64];

	(void) status;
	(void) events;
	if (read(slot_of(poll)->fds[0], bytes, sizeof bytes) < 0)
		CHECK(errno == EAGAIN);
	maybe_act(world_of(poll));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	if (count < 0)
		uv_read_stop(stream);
	maybe_act(world_of(stream));
}

static void on_recv(uv_udp_t *udp, ssize_t count, const uv_buf_t *buffer,
		    const struct sockaddr *from, unsigned int flags)
{
	(void) count;
	(void) buffer;
	(void) from;
	(void) flags;
	maybe_act(world_of(udp));
}

static void make_handle(struct world *world)
{
	struct slot *slot = &world->slots[pick(world, HANDLES)];
	struct sockaddr_in address;
	int result = 0;

	if (slot->alive)
		return;
	slot->fds[0] = slot->fds[1] = -1;
	switch (pick(world, 9)) {
	case 0:
		result = uv_timer_init(world->loop, &slot->timer);
		break;
	case 1:
		result = uv_idle_init(world->loop, &slot->idle);
		break;
	case 2:
		result = uv_prepare_init(world->loop, &slot->prepare);
		break;
	case 3:
		result = uv_check_init(world->loop, &slot->check);
		break;
	case 4:
		result = uv_async_init(world->loop, &slot->async, on_async);
		break;
	case 5:
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, slot->fds) == 0);
		CHECK_OK(uv_pipe_init(world->loop, &slot->pipe, 0));
		result = uv_pipe_open(&slot->pipe, slot->fds[0]);
		slot->fds[0] = -1;
		break;
	case 6:
		CHECK_OK(uv_udp_init(world->loop, &slot->udp));
		CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
		result = uv_udp_bind(&slot->udp, (struct sockaddr *) &address, 0);
		break;
	case 7:
		result = uv_signal_init(world->loop, &slot->signal);
		break;
	default:
		CHECK(pipe2(slot->fds, O_NONBLOCK | O_CLOEXEC) == 0);
		result = uv_poll_init(world->loop, &slot->poll, slot->fds[0]);
	}
	CHECK_OK(result);
	slot->alive = true;
}

static struct slot *any_handle(struct world *world)
{
	struct slot *slot = &world->slots[pick(world, HANDLES)];

	return slot->alive && !slot->closing ? slot : NULL;
}

static void start_handle(struct world *world)
{
	struct slot *slot = any_handle(world);
	unsigned int again;

	if (slot == NULL)
		return;
	switch (slot->handle.type) {
	case UV_TIMER:
		again = pick(world, 3);
		if (pick(world, 4) == 0)
			uv_timer_start(&slot->timer, on_timer_stopping, 1, again);
		else
			uv_timer_start(&slot->timer, on_timer, pick(world, 4), again);
		if (pick(world, 4) == 0)
			uv_timer_again(&slot->timer);
		break;
	case UV_IDLE:
		uv_idle_start(&slot->idle, pick(world, 4) == 0 ? on_idle_closing : on_idle);
		break;
	case UV_PREPARE:
		uv_prepare_start(&slot->prepare, on_prepare);
		break;
	case UV_CHECK:
		uv_check_start(&slot->check, on_check);
		break;
	case UV_ASYNC:
		uv_async_send(&slot->async);
		break;
	case UV_NAMED_PIPE:
		if (uv_is_readable(&slot->stream))
			uv_read_start(&slot->stream, give_buffer, on_read);
		break;
	case UV_UDP:
		uv_udp_recv_start(&slot->udp, give_buffer, on_recv);
		break;
	case UV_SIGNAL:
		uv_signal_start(&slot->signal, on_signal, pick(world, 2) ? SIGUSR1 : SIGUSR2);
		break;
	default:
		uv_poll_start(&slot->poll, UV_READABLE, on_poll);
	}
}

static void stop_handle(struct world *world)
{
	struct slot *slot = any_handle(world);

	if (slot == NULL)
		return;
	switch (slot->handle.type) {
	case UV_TIMER:
		uv_timer_stop(&slot->timer);
		break;
	case UV_IDLE:
		uv_idle_stop(&slot->idle);
		break;
	case UV_PREPARE:
		uv_prepare_stop(&slot->prepare);
		break;
	case UV_CHECK:
		uv_check_stop(&slot->check);
		break;
	case UV_NAMED_PIPE:
		uv_read_stop(&slot->stream);
		break;
	case UV_UDP:
		uv_udp_recv_stop(&slot->udp);
		break;
	case UV_SIGNAL:
		uv_signal_stop(&slot->signal);
		break;
	case UV_POLL:
		uv_poll_stop(&slot->poll);
		break;
	default:
		break;
	}
}

static void close_handle(struct world *world)
{
	struct slot *slot = any_handle(world);

	if (slot != NULL)
		close_one(world, slot);
}

static struct request *any_request(struct world *world)
{
	struct request *request = &world->requests[pick(world, REQUESTS)];

	return request->alive ? NULL : request;
}

static void end_request(struct world *world, void *request)
{
	((struct request *) request)->alive = false;
	maybe_act(world);
}

static void on_fs(uv_fs_t *request)
{
	struct world *world = request->loop->data;

	uv_fs_req_cleanup(request);
	end_request(world, request);
}

static void work(uv_work_t *request)
{
	(void) request;
}

static void after_work(uv_work_t *request, int status)
{
	(void) status;
	end_request(request->loop->data, request);
}

static void on_random(uv_random_t *request, int status, void *buffer, size_t bytes)
{
	(void) status;
	(void) buffer;
	(void) bytes;
	end_request(request->loop->data, request);
}

static void on_write(uv_write_t *request, int status)
{
	(void) status;
	end_request(world_of(request->handle), request);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
	(void) status;
	end_request(world_of(request->handle), request);
}

static void on_send(uv_udp_send_t *request, int status)
{
	(void) status;
	end_request(world_of(request->handle), request);
}

static void submit_to_pool(struct world *world)
{
	struct request *request = any_request(world);
	int result;

	/* The thread of the pool is held by the outer world. */
	if (request == NULL || world->depth > 0)
		return;
	switch (pick(world, 6)) {
	case 0:
		result = uv_fs_stat(world->loop, &request->fs, ".", on_fs);
		break;
	case 1:
		result = uv_fs_open(world->loop, &request->fs, "no-such-file", O_RDONLY, 0, on_fs);
		break;
	case 2:
		result = uv_fs_scandir(world->loop, &request->fs, ".", 0, on_fs);
		break;
	case 3:
		result = uv_random(world->loop, &request->random, request->memory,
				   sizeof request->memory, 0, on_random);
		break;
	default:
		result = uv_queue_work(world->loop, &request->work, work, after_work);
		if (pick(world, 3) == 0)
			uv_cancel((uv_req_t *) &request->work);
	}
	CHECK_OK(result);
	request->alive = true;
}

static void use_stream(struct world *world)
{
	struct slot *slot = any_handle(world);
	struct request *request = any_request(world);
	uv_buf_t buffer = uv_buf_init("hello", 5);
	struct sockaddr_in address;
	int bytes = sizeof address;

	if (slot == NULL || request == NULL)
		return;
	switch (slot->handle.type) {
	case UV_NAMED_PIPE:
		switch (pick(world, 4)) {
		case 0:
			CHECK(write(slot->fds[1], "word", 4) == 4 || errno == EAGAIN);
			break;
		case 1:
			uv_try_write(&slot->stream, &buffer, 1);
			break;
		case 2:
			request->alive =
			    uv_shutdown(&request->shutdown, &slot->stream, on_shutdown) == 0;
			break;
		default:
			request->alive =
			    uv_write(&request->write, &slot->stream, &buffer, 1, on_write) == 0;
		}
		break;
	case UV_UDP:
		CHECK_OK(uv_udp_getsockname(&slot->udp, (struct sockaddr *) &address, &bytes));
		request->alive = uv_udp_send(&request->send, &slot->udp, &buffer, 1,
					     (struct sockaddr *) &address, on_send) == 0;
		break;
	case UV_POLL:
		CHECK(write(slot->fds[1], "word", 4) == 4);
		break;
	case UV_SIGNAL:
		if (uv_is_active(&slot->handle))
			CHECK(raise(slot->signal.signum) == 0);
		break;
	default:
		break;
	}
}

static void on_walk(uv_handle_t *handle, void *data)
{
	struct world *world = data;

	if (pick(world, 8) == 0 && handle->type == UV_TIMER && !uv_is_closing(handle))
		uv_timer_start((uv_timer_t *) handle, on_timer, 1, 0);
	else if (pick(world, 16) == 0)
		close_one(world, slot_of(handle));
}

static void walk(struct world *world)
{
	uv_walk(world->loop, on_walk, world);
}

static void play(uint64_t seed, int count, int depth);

static void on_thread(void *data)
{
	const struct world *world = data;

	play(world->random, 30, world->depth + 1);
}

/* The creator waits for it, so that no two of them run at once. */
static void start_thread(struct world *world)
{
	uv_thread_t thread;

	if (world->depth > 0 || pick(world, 8) != 0)
		return;
	CHECK_OK(uv_thread_create(&thread, on_thread, world));
	CHECK_OK(uv_thread_join(&thread));
}

static void second_loop(struct world *world)
{
	if (world->depth == 0 && pick(world, 8) == 0)
		play(world->random, 30, 1);
}

static void fail(struct world *world)
{
	uv_fs_t request;
	uv_tcp_t tcp;

	CHECK_RESULT(uv_fs_stat(NULL, &request, "no-such-file", NULL), UV_ENOENT);
	uv_fs_req_cleanup(&request);
	CHECK_RESULT(uv_tcp_init_ex(world->loop, &tcp, 12345), UV_EINVAL);
}

static void nest(struct world *world)
{
	if (world->nested || pick(world, 4) != 0)
		return;
	world->nested = true;
	uv_run(world->loop, UV_RUN_NOWAIT);
	world->nested = false;
}

static void (*const operations[])(struct world *world) = {
    make_handle,    make_handle,    make_handle, make_handle,  start_handle, start_handle,
    start_handle,   start_handle,   stop_handle, close_handle, close_handle, submit_to_pool,
    submit_to_pool, submit_to_pool, use_stream,  use_stream,   use_stream,   walk,
    start_thread,   second_loop,    fail,        nest,
};

static void act(struct world *world)
{
	if (world->left <= 0)
		return;
	world->left--;
	operations[pick(world, COUNT(operations))](world);
}

static void hold(uv_work_t *request)
{
	struct world *world = request->data;

	uv_sem_post(&world->begun);
	uv_sem_wait(&world->go_on);
}

static void after_hold(uv_work_t *request, int status)
{
	CHECK_OK(status);
	request->data = NULL;
}

/* The pool's thread begins to wait as soon as it has done all that was submitted before. */
static void hold_pool(struct world *world)
{
	uv_work_t *holder = &world->holders[world->turns++ % 2];

	CHECK(holder->data == NULL);
	holder->data = world;
	CHECK_OK(uv_queue_work(world->loop, holder, hold, after_hold));
	if (world->turns > 1)
		uv_sem_post(&world->go_on);
	uv_sem_wait(&world->begun);
}

static void turn(struct world *world)
{
	if (world->depth == 0)
		hold_pool(world);
	now_ns += 1000000;
	uv_run(world->loop, UV_RUN_NOWAIT);
}

static void play(uint64_t seed, int count, int depth)
{
	struct world *world = calloc(1, sizeof *world);
	uv_loop_t loop;

	CHECK(world != NULL);
	CHECK_OK(uv_loop_init(&loop));
	loop.data = world;
	world->loop = &loop;
	world->random = seed;
	world->left = count;
	world->depth = depth;
	CHECK_OK(uv_sem_init(&world->begun, 0));
	CHECK_OK(uv_sem_init(&world->go_on, 0));
	turn(world);
	while (world->left > 0) {
		act(world);
		if (pick(world, 3) == 0)
			turn(world);
	}
	world->ending = true;
	for (int i = 0; i < HANDLES; i++)
		close_one(world, &world->slots[i]);
	turn(world);
	uv_sem_post(&world->go_on);
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&loop));
	uv_sem_destroy(&world->begun);
	uv_sem_destroy(&world->go_on);
	free(world);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	int count = argc > 2 ? atoi(argv[2]) : 400;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	signal(SIGPIPE, SIG_IGN);
	setenv("UV_THREADPOOL_SIZE", "1", 1);
	play(seed, count, 0);
	printf("seed %llu: %d operations, all ended\n", (unsigned long long) seed, count);
	report_counters();
	return 0;
}
