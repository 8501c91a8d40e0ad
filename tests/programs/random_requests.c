/* SPDX-License-Identifier: MIT */
/* The part of random_program that submits requests, and calls what makes no resource. */
#include "random_world.h"

#include <fcntl.h>
#include <pthread.h>

static struct request_slot *request_of(const void *req)
{
	return (struct request_slot *) ((char *) req - offsetof(struct request_slot, u));
}

/* The request has ended: its memory is the program's again, and may at once be a new request. */
static void request_ended(struct world *world, void *req)
{
	struct request_slot *slot = request_of(req);

	CHECK(slot->state == SLOT_LIVE);
	slot->state = SLOT_FREE;
	if (pick(world, 2) == 0)
		memset(&slot->u, (int) pick(world, 256), sizeof slot->u);
	maybe_act(world);
}

static void on_fs(uv_fs_t *req)
{
	struct world *world = world_of(req->loop);

	uv_fs_req_cleanup(req);
	request_ended(world, req);
}

/* A descriptor that was opened is closed with the same request. */
static void on_open(uv_fs_t *req)
{
	struct world *world = world_of(req->loop);
	int fd = (int) req->result;

	uv_fs_req_cleanup(req);
	if (fd >= 0)
		CHECK_OK(uv_fs_close(&world->loop, req, fd, on_fs));
	else
		request_ended(world, req);
}

static void on_work(uv_work_t *req, int status)
{
	CHECK(status == 0 || status == UV_ECANCELED);
	request_ended(world_of(req->loop), req);
}

static void do_work(uv_work_t *req)
{
	uv_fs_t fs;

	(void) req;
	CHECK_OK(uv_fs_stat(NULL, &fs, ".", NULL));
	uv_fs_req_cleanup(&fs);
}

static void on_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	CHECK(status == 0 || status == UV_EAI_CANCELED);
	uv_freeaddrinfo(result);
	request_ended(world_of(req->loop), req);
}

static void on_nameinfo(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
	CHECK((status == 0 && host != service) || status == UV_EAI_CANCELED);
	request_ended(world_of(req->loop), req);
}

static void on_random(uv_random_t *req, int status, void *buffer, size_t bytes)
{
	CHECK(status == 0 || status == UV_ECANCELED);
	CHECK(buffer == request_of(req)->bytes && bytes == sizeof request_of(req)->bytes);
	request_ended(world_of(req->loop), req);
}

static void on_write(uv_write_t *req, int status)
{
	CHECK(status <= 0);
	request_ended(world_of(req->handle->loop), req);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	CHECK(status <= 0);
	request_ended(world_of(req->handle->loop), req);
}

static void on_connect(uv_connect_t *req, int status)
{
	CHECK(status <= 0);
	request_ended(world_of(req->handle->loop), req);
}

static void on_send(uv_udp_send_t *req, int status)
{
	CHECK(status <= 0);
	request_ended(world_of(req->handle->loop), req);
}

static struct request_slot *free_request(struct world *world)
{
	unsigned int first = pick(world, REQUESTS);

	for (unsigned int i = 0; i < REQUESTS; i++) {
		struct request_slot *slot = &world->requests[(first + i) % REQUESTS];

		if (slot->state == SLOT_FREE)
			return slot;
	}
	return NULL;
}

static int submit_fs(struct world *world, uv_fs_t *req)
{
	uv_loop_t *loop = &world->loop;

	switch (pick(world, 8)) {
	case 0:
		return uv_fs_open(loop, req, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600, on_open);
	case 1:
		return uv_fs_unlink(loop, req, "file", on_fs);
	case 2:
		return uv_fs_stat(loop, req, ".", on_fs);
	case 3:
		return uv_fs_scandir(loop, req, ".", 0, on_fs);
	case 4:
		return uv_fs_realpath(loop, req, ".", on_fs);
	case 5:
		return uv_fs_copyfile(loop, req, "file", "file", 0, on_fs);
	case 6:
		return uv_fs_access(loop, req, "missing", 0, on_fs);
	default:
		return uv_fs_statfs(loop, req, ".", on_fs);
	}
}

static int submit_dns(struct world *world, struct request_slot *slot)
{
	struct sockaddr_in address;
	struct addrinfo hints;

	if (pick(world, 2)) {
		memset(&hints, 0, sizeof hints);
		hints.ai_family = AF_INET;
		hints.ai_flags = AI_NUMERICHOST;
		return uv_getaddrinfo(&world->loop, &slot->u.addrinfo, on_addrinfo, "127.0.0.1",
				      NULL, &hints);
	}
	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	return uv_getnameinfo(&world->loop, &slot->u.nameinfo, on_nameinfo,
			      (struct sockaddr *) &address, NI_NUMERICHOST | NI_NUMERICSERV);
}

/* What goes to the thread pool. */
void submit_request(struct world *world)
{
	struct request_slot *slot = free_request(world);

	if (slot == NULL)
		return;
	slot->state = SLOT_LIVE;
	slot->can_cancel = true;
	switch (pick(world, 5)) {
	case 0:
	case 1:
		CHECK_OK(submit_fs(world, &slot->u.fs));
		break;
	case 2:
		CHECK_OK(submit_dns(world, slot));
		break;
	case 3:
		CHECK_OK(uv_random(&world->loop, &slot->u.random, slot->bytes, sizeof slot->bytes,
				   0, on_random));
		break;
	default:
		if (pick(world, 10) == 0) {
			slot->state = SLOT_CLOSING;
			slot->can_cancel = false;
			CHECK_OK(uv_queue_work(&world->loop, &slot->u.work, do_work, NULL));
			break;
		}
		CHECK_OK(uv_queue_work(&world->loop, &slot->u.work, do_work, on_work));
	}
}

void cancel_request(struct world *world)
{
	struct request_slot *slot = &world->requests[pick(world, REQUESTS)];
	int result;

	if (slot->state != SLOT_LIVE)
		return;
	result = uv_cancel(&slot->u.req);
	CHECK(result == 0 || result == UV_EBUSY || !slot->can_cancel);
}

static int write_some(struct world *world, uv_stream_t *stream, struct request_slot *slot)
{
	static char text[2000];
	uv_buf_t buffer = uv_buf_init(text, 1 + pick(world, sizeof text));

	if (pick(world, 10) != 0)
		return uv_write(&slot->u.write, stream, &buffer, 1, on_write);
	slot->state = SLOT_CLOSING;
	return uv_write(&slot->u.write, stream, &buffer, 1, NULL);
}

static int connect_tcp(struct world *world, uv_tcp_t *tcp, struct request_slot *slot)
{
	const struct sockaddr_in *address = pick(world, 3) ? &world->listening : &world->refusing;

	return uv_tcp_connect(&slot->u.connect, tcp, (const struct sockaddr *) address, on_connect);
}

/* Fails in its callback; the handle can do no more. */
static int connect_pipe(struct handle_slot *handle, struct request_slot *slot)
{
	handle->ended = true;
	uv_pipe_connect(&slot->u.connect, &handle->u.pipe, "no-such-pipe", on_connect);
	return 0;
}

static int send_datagram(struct world *world, uv_udp_t *udp, struct request_slot *slot)
{
	struct sockaddr_in address;
	int bytes = sizeof address;
	static char text[] = "datagram"; /* it may be sent later */
	uv_buf_t buffer = uv_buf_init(text, pick(world, sizeof text));

	CHECK_OK(uv_udp_getsockname(udp, (struct sockaddr *) &address, &bytes));
	return uv_udp_send(&slot->u.send, udp, &buffer, 1, (struct sockaddr *) &address, on_send);
}

/* What works on a handle; it may fail, and then there is no request. */
void use_stream(struct world *world)
{
	static const enum handle_kind kinds[] = {KIND_PIPE, KIND_PIPE, KIND_TCP, KIND_UDP};
	struct handle_slot *handle = any_handle(world, kinds[pick(world, COUNT(kinds))]);
	struct request_slot *slot = free_request(world);
	int result;

	if (handle == NULL || slot == NULL)
		return;
	slot->state = SLOT_LIVE;
	slot->can_cancel = false;
	if (handle->kind == KIND_UDP)
		result = send_datagram(world, &handle->u.udp, slot);
	else if (handle->kind == KIND_PIPE && handle->fd < 0)
		result = connect_pipe(handle, slot);
	else if (handle->kind == KIND_TCP && pick(world, 2))
		result = connect_tcp(world, &handle->u.tcp, slot);
	else if (pick(world, 8) == 0)
		result = uv_shutdown(&slot->u.shutdown, &handle->u.stream, on_shutdown);
	else
		result = write_some(world, &handle->u.stream, slot);
	if (result != 0)
		slot->state = SLOT_FREE;
}

static void never_fs(uv_fs_t *req)
{
	CHECK(req == NULL);
}

static void never_timer(uv_timer_t *timer)
{
	CHECK(timer == NULL);
}

void fail_call(struct world *world)
{
	uv_loop_t *loop = &world->loop;
	struct handle_slot *slot = any_handle(world, KIND_TIMER);
	union {
		uv_tcp_t tcp;
		uv_udp_t udp;
		uv_poll_t poll;
		uv_fs_t fs;
		uv_work_t work;
	} unused;

	switch (pick(world, 7)) {
	case 0:
		CHECK_RESULT(uv_tcp_init_ex(loop, &unused.tcp, 12345), UV_EINVAL);
		break;
	case 1:
		CHECK_RESULT(uv_udp_init_ex(loop, &unused.udp, 12345), UV_EINVAL);
		break;
	case 2:
		CHECK_RESULT(uv_poll_init(loop, &unused.poll, -1), UV_EBADF);
		break;
	case 3:
		CHECK_RESULT(uv_fs_read(loop, &unused.fs, 0, NULL, 0, 0, never_fs), UV_EINVAL);
		break;
	case 4:
		CHECK_RESULT(uv_queue_work(loop, &unused.work, NULL, NULL), UV_EINVAL);
		break;
	case 5:
		if (any_handle(world, KIND_COUNT) != NULL)
			CHECK_RESULT(uv_loop_close(loop), UV_EBUSY);
		break;
	default:
		if (slot != NULL)
			CHECK_RESULT(uv_timer_start(&slot->u.timer, NULL, 1, 0), UV_EINVAL);
		for (size_t i = 0; i < HANDLES; i++)
			if (world->handles[i].state == SLOT_CLOSING &&
			    world->handles[i].kind == KIND_TIMER && !world->handles[i].silent)
				CHECK_RESULT(
				    uv_timer_start(&world->handles[i].u.timer, never_timer, 1, 0),
				    UV_EINVAL);
	}
}

void call_synchronously(struct world *world)
{
	uv_fs_t fs;
	char bytes[8];

	CHECK_OK(uv_fs_stat(pick(world, 2) ? &world->loop : NULL, &fs, ".", NULL));
	uv_fs_req_cleanup(&fs);
	CHECK_OK(uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL));
}

struct errand {
	uint64_t seed;
	uv_async_t *async; /* to be woken; it lives as long as the thread, since it is waited for */
};

static void run_errand(void *arg)
{
	struct errand *errand = arg;
	struct world *world;

	if (errand->async != NULL)
		CHECK_OK(uv_async_send(errand->async));
	if (errand->seed % 3 != 0) {
		world = malloc(sizeof *world);
		CHECK(world != NULL);
		play_world(world, errand->seed, 30, 1);
		free(world);
	}
	free(errand);
}

static void *run_errand_plainly(void *arg)
{
	run_errand(arg);
	return NULL;
}

/* Waited for at once if it wakes a handle of this world; else at the world's end. */
void start_thread(struct world *world)
{
	struct handle_slot *slot = any_handle(world, KIND_ASYNC);
	struct errand *errand;
	uv_thread_t thread;

	if (world->depth > 0)
		return;
	errand = malloc(sizeof *errand);
	CHECK(errand != NULL);
	errand->seed = pick(world, 1000000);
	errand->async = NULL;
	if (world->thread_count < COUNT(world->threads) && pick(world, 2)) {
		CHECK_OK(
		    uv_thread_create(&world->threads[world->thread_count++], run_errand, errand));
		return;
	}
	errand->async = slot == NULL ? NULL : &slot->u.async;
	if (pick(world, 3) == 0)
		CHECK(pthread_create(&thread, NULL, run_errand_plainly, errand) == 0);
	else
		CHECK_OK(uv_thread_create(&thread, run_errand, errand));
	CHECK_OK(uv_thread_join(&thread));
}

/* A world inside a callback of this one. */
void second_loop(struct world *world)
{
	struct world *second;

	if (world->depth > 1)
		return;
	second = malloc(sizeof *second);
	CHECK(second != NULL);
	play_world(second, pick(world, 1000000), 8, 2);
	free(second);
}
