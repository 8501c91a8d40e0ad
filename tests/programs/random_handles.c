/* SPDX-License-Identifier: MIT */
/* The part of random_program that makes, starts, stops and closes handles. */
#include "random_world.h"

#include <signal.h>
#include <sys/eventfd.h>

struct handle_slot *any_handle(struct world *world, enum handle_kind kind)
{
	unsigned int first = pick(world, HANDLES);

	for (unsigned int i = 0; i < HANDLES; i++) {
		struct handle_slot *slot = &world->handles[(first + i) % HANDLES];

		if (slot->state == SLOT_LIVE && !slot->ended &&
		    (kind == KIND_COUNT || slot->kind == kind))
			return slot;
	}
	return NULL;
}

static struct handle_slot *slot_of(const void *handle)
{
	return (struct handle_slot *) ((char *) handle - offsetof(struct handle_slot, u));
}

static void on_close(uv_handle_t *handle)
{
	struct handle_slot *slot = slot_of(handle);
	struct world *world = world_of(handle->loop);

	CHECK(slot->state == SLOT_CLOSING);
	if (slot->fd >= 0)
		CHECK(close(slot->fd) == 0);
	slot->state = SLOT_FREE;
	if (pick(world, 3) == 0)
		memset(&slot->u, (int) pick(world, 256), sizeof slot->u);
	maybe_act(world);
}

static void close_slot(struct world *world, struct handle_slot *slot)
{
	slot->state = SLOT_CLOSING;
	slot->silent = pick(world, 8) == 0;
	if (slot->kind == KIND_TCP && !slot->ended && pick(world, 4) == 0 &&
	    uv_tcp_close_reset(&slot->u.tcp, slot->silent ? NULL : on_close) == 0)
		return;
	uv_close(&slot->u.handle, slot->silent ? NULL : on_close);
}

static void run_nested(struct world *world)
{
	if (world->nesting == 3 || world->ending)
		return;
	world->nesting++;
	uv_run(&world->loop, UV_RUN_NOWAIT);
	world->nesting--;
}

void nest_run(struct world *world)
{
	if (world->may_nest)
		run_nested(world);
}

static void on_timer(uv_timer_t *timer)
{
	struct world *world = world_of(timer->loop);

	maybe_act(world);
	if (pick(world, 4) == 0)
		run_nested(world);
}

static void on_other_timer(uv_timer_t *timer)
{
	maybe_act(world_of(timer->loop));
}

static void on_idle(uv_idle_t *idle)
{
	struct world *world = world_of(idle->loop);

	maybe_act(world);
	if (slot_of(idle)->state == SLOT_LIVE && pick(world, 3) == 0)
		uv_idle_stop(idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
	maybe_act(world_of(prepare->loop));
}

static void on_check(uv_check_t *check)
{
	maybe_act(world_of(check->loop));
}

static void on_async(uv_async_t *async)
{
	maybe_act(world_of(async->loop));
}

static void on_signal(uv_signal_t *signal, int number)
{
	CHECK(number == SIGWINCH || number == SIGURG);
	maybe_act(world_of(signal->loop));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct world *world = world_of(poll->loop);

	CHECK(status == 0 && events != 0);
	maybe_act(world);
	if (slot_of(poll)->state == SLOT_LIVE)
		uv_poll_stop(poll);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
	CHECK(status == 0 && (name != NULL || events != 0));
	maybe_act(world_of(event->loop));
}

static void on_change(uv_fs_poll_t *poll, int status, const uv_stat_t *before, const uv_stat_t *now)
{
	CHECK(status <= 0 && before != now);
	maybe_act(world_of(poll->loop));
}

static void on_recv(uv_udp_t *udp, ssize_t count, const uv_buf_t *buffer,
		    const struct sockaddr *from, unsigned int flags)
{
	CHECK(buffer != NULL && (flags == 0 || count != 0 || from == NULL));
	maybe_act(world_of(udp->loop));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	CHECK(buffer != NULL);
	maybe_act(world_of(stream->loop));
	if (count < 0 && slot_of(stream)->state == SLOT_LIVE)
		CHECK_OK(uv_read_stop(stream));
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	CHECK(status == 0 && (signal == 0 || signal == SIGTERM));
	maybe_act(world_of(process->loop));
}

static struct handle_slot *free_handle(struct world *world)
{
	unsigned int first = pick(world, HANDLES);

	for (unsigned int i = 0; i < HANDLES; i++) {
		struct handle_slot *slot = &world->handles[(first + i) % HANDLES];

		if (slot->state != SLOT_FREE)
			continue;
		slot->fd = -1;
		slot->ended = false;
		slot->state = SLOT_LIVE;
		return slot;
	}
	return NULL;
}

/* What is not accepted waits, and the server with it. */
static void on_connection(uv_stream_t *server, int status)
{
	struct world *world = world_of(server->loop);
	struct handle_slot *slot = status == 0 ? free_handle(world) : NULL;

	if (slot != NULL) {
		slot->kind = KIND_TCP;
		CHECK_OK(uv_tcp_init(&world->loop, &slot->u.tcp));
		CHECK_OK(uv_accept(server, &slot->u.stream));
	}
	maybe_act(world);
}

static int make_server(struct world *world, struct handle_slot *slot)
{
	listen_on_loopback(&world->loop, &slot->u.tcp, &slot->address, on_connection);
	return 0;
}

static int spawn(struct world *world, struct handle_slot *slot)
{
	char *args[] = {(char *) "true", NULL};
	uv_process_options_t options;

	memset(&options, 0, sizeof options);
	options.file = pick(world, 3) == 0 ? "/no/such/program" : "/bin/true";
	options.args = args;
	options.exit_cb = pick(world, 4) == 0 ? NULL : on_exit_of_child;
	if (uv_spawn(&world->loop, &slot->u.process, &options) == 0)
		return 0;
	slot->ended = true; /* yet it must be closed */
	return 0;
}

/* Connected, or still to be. */
static int make_pipe(struct world *world, struct handle_slot *slot)
{
	int ends[2];
	int result = uv_pipe_init(&world->loop, &slot->u.pipe, (int) pick(world, 2));

	if (pick(world, 4) == 0)
		return result;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	slot->fd = ends[1];
	return result != 0 ? result : uv_pipe_open(&slot->u.pipe, ends[0]);
}

/* Readable and writable at any time. */
static int make_poll(struct world *world, struct handle_slot *slot)
{
	slot->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(slot->fd >= 0);
	return uv_poll_init(&world->loop, &slot->u.poll, slot->fd);
}

static int make_udp(struct world *world, struct handle_slot *slot)
{
	struct sockaddr_in address;
	int result = pick(world, 2) ? uv_udp_init(&world->loop, &slot->u.udp)
				    : uv_udp_init_ex(&world->loop, &slot->u.udp, AF_INET);

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	return result != 0 ? result : uv_udp_bind(&slot->u.udp, (struct sockaddr *) &address, 0);
}

static int init_slot(struct world *world, struct handle_slot *slot)
{
	uv_loop_t *loop = &world->loop;

	switch (slot->kind) {
	case KIND_TIMER:
		return uv_timer_init(loop, &slot->u.timer);
	case KIND_IDLE:
		return uv_idle_init(loop, &slot->u.idle);
	case KIND_PREPARE:
		return uv_prepare_init(loop, &slot->u.prepare);
	case KIND_CHECK:
		return uv_check_init(loop, &slot->u.check);
	case KIND_ASYNC:
		return uv_async_init(loop, &slot->u.async, pick(world, 6) == 0 ? NULL : on_async);
	case KIND_SIGNAL:
		return uv_signal_init(loop, &slot->u.signal);
	case KIND_FS_EVENT:
		return uv_fs_event_init(loop, &slot->u.event);
	case KIND_FS_POLL:
		return uv_fs_poll_init(loop, &slot->u.fs_poll);
	case KIND_UDP:
		return make_udp(world, slot);
	case KIND_TCP:
		return uv_tcp_init(loop, &slot->u.tcp);
	case KIND_SERVER:
		return make_server(world, slot);
	case KIND_PROCESS:
		return spawn(world, slot);
	case KIND_PIPE:
		return make_pipe(world, slot);
	default:
		return make_poll(world, slot);
	}
}

void make_handle(struct world *world)
{
	struct handle_slot *slot = free_handle(world);

	if (slot == NULL) {
		close_handle(world);
		return;
	}
	slot->kind = pick(world, KIND_COUNT);
	if (slot->kind == KIND_PROCESS && pick(world, 4) != 0)
		slot->kind = KIND_TIMER; /* processes are dear */
	CHECK_OK(init_slot(world, slot));
}

static void start_timer(struct world *world, uv_timer_t *timer)
{
	uint64_t repeat = pick(world, 3) == 0 ? 1 + pick(world, 3) : 0;

	switch (pick(world, 4)) {
	case 0:
		CHECK(uv_timer_again(timer) == 0 || timer->timer_cb == NULL);
		break;
	case 1:
		if (timer->timer_cb != NULL) {
			CHECK_OK(uv_timer_start(timer, timer->timer_cb, pick(world, 3), repeat));
			break;
		}
		/* fall through */
	case 2:
		CHECK_OK(uv_timer_start(timer, on_other_timer, pick(world, 3), repeat));
		break;
	default:
		CHECK_OK(uv_timer_start(timer, on_timer, pick(world, 3), repeat));
	}
}

static void start_signal(struct world *world, uv_signal_t *signal)
{
	int number = pick(world, 2) ? SIGWINCH : SIGURG;

	if (pick(world, 2))
		CHECK_OK(uv_signal_start(signal, on_signal, number));
	else
		CHECK_OK(uv_signal_start_oneshot(signal, on_signal, number));
	CHECK(raise(number) == 0);
}

/* A plain client comes and goes; it does not wait for the server, whose queue may be full. */
static void knock(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	CHECK(connect(fd, (const struct sockaddr *) address, sizeof *address) == 0 ||
	      errno == EINPROGRESS);
	CHECK(close(fd) == 0);
}

static void start_slot(struct world *world, struct handle_slot *slot)
{
	int result;

	switch (slot->kind) {
	case KIND_TIMER:
		start_timer(world, &slot->u.timer);
		break;
	case KIND_IDLE:
		CHECK_OK(uv_idle_start(&slot->u.idle, on_idle));
		break;
	case KIND_PREPARE:
		CHECK_OK(uv_prepare_start(&slot->u.prepare, on_prepare));
		break;
	case KIND_CHECK:
		CHECK_OK(uv_check_start(&slot->u.check, on_check));
		break;
	case KIND_ASYNC:
		CHECK_OK(uv_async_send(&slot->u.async));
		break;
	case KIND_SIGNAL:
		start_signal(world, &slot->u.signal);
		break;
	case KIND_POLL:
		result = (int) pick(world, 4); /* none, readable, writable, both */
		CHECK_OK(uv_poll_start(&slot->u.poll, result, on_poll));
		break;
	case KIND_FS_EVENT:
		result = uv_fs_event_start(&slot->u.event, on_event, ".", 0);
		CHECK(result == 0 || result == UV_EINVAL);
		break;
	case KIND_FS_POLL:
		CHECK_OK(uv_fs_poll_start(&slot->u.fs_poll, on_change, ".", 1 + pick(world, 3)));
		break;
	case KIND_UDP:
		result = uv_udp_recv_start(&slot->u.udp, give_buffer, on_recv);
		CHECK(result == 0 || result == UV_EALREADY);
		break;
	case KIND_PIPE:
	case KIND_TCP:
		result = uv_read_start(&slot->u.stream, give_buffer, on_read);
		CHECK(result == 0 || result == UV_EALREADY || result == UV_ENOTCONN);
		if (slot->fd >= 0 && pick(world, 2))
			CHECK(write(slot->fd, "some text", 9) <= 9);
		break;
	case KIND_SERVER:
		knock(&slot->address);
		break;
	default:
		break;
	}
}

void start_handle(struct world *world)
{
	struct handle_slot *slot = any_handle(world, KIND_COUNT);

	if (slot != NULL)
		start_slot(world, slot);
}

void stop_handle(struct world *world)
{
	struct handle_slot *slot = any_handle(world, KIND_COUNT);

	if (slot == NULL)
		return;
	switch (slot->kind) {
	case KIND_TIMER:
		CHECK_OK(uv_timer_stop(&slot->u.timer));
		break;
	case KIND_IDLE:
		CHECK_OK(uv_idle_stop(&slot->u.idle));
		break;
	case KIND_PREPARE:
		CHECK_OK(uv_prepare_stop(&slot->u.prepare));
		break;
	case KIND_CHECK:
		CHECK_OK(uv_check_stop(&slot->u.check));
		break;
	case KIND_SIGNAL:
		CHECK_OK(uv_signal_stop(&slot->u.signal));
		break;
	case KIND_POLL:
		CHECK_OK(uv_poll_stop(&slot->u.poll));
		break;
	case KIND_FS_EVENT:
		CHECK_OK(uv_fs_event_stop(&slot->u.event));
		break;
	case KIND_FS_POLL:
		/* libuv 1.44 asserts when one is stopped and started again at the wrong moment. */
		CHECK_OK(uv_fs_poll_stop(&slot->u.fs_poll));
		slot->ended = true;
		break;
	case KIND_UDP:
		CHECK_OK(uv_udp_recv_stop(&slot->u.udp));
		break;
	case KIND_PIPE:
	case KIND_TCP:
		CHECK_OK(uv_read_stop(&slot->u.stream));
		break;
	default:
		break;
	}
}

void close_handle(struct world *world)
{
	unsigned int first = pick(world, HANDLES);

	for (unsigned int i = 0; i < HANDLES; i++) {
		struct handle_slot *slot = &world->handles[(first + i) % HANDLES];

		if (slot->state == SLOT_LIVE) {
			close_slot(world, slot);
			return;
		}
	}
}

void send_wakeup(struct world *world)
{
	struct handle_slot *slot = any_handle(world, KIND_ASYNC);

	if (slot != NULL)
		CHECK_OK(uv_async_send(&slot->u.async));
}

static void on_walk(uv_handle_t *handle, void *arg)
{
	struct world *world = arg;

	CHECK(world_of(handle->loop) == world);
	CHECK(slot_of(handle) >= world->handles && slot_of(handle) < world->handles + HANDLES);
	if (pick(world, 8) == 0)
		act(world);
}

void walk_handles(struct world *world)
{
	bool may_nest = world->may_nest;

	world->may_nest = false;
	uv_walk(&world->loop, on_walk, world);
	world->may_nest = may_nest;
}

static void on_closing_walk(uv_handle_t *handle, void *arg)
{
	if (!uv_is_closing(handle))
		close_slot(arg, slot_of(handle));
}

void begin_world(struct world *world, uint64_t seed, int count, int depth)
{
	memset(world, 0, sizeof *world);
	world->random = seed * 2 + 1;
	world->left = count;
	world->depth = depth;
	CHECK_OK(uv_loop_init(&world->loop));
	world->loop.data = world;
	world->listener = plain_listener(&world->listening);
	world->refuser = plain_listener(&world->refusing);
	CHECK(shutdown(world->refuser, SHUT_RDWR) == 0);
}

/* Closes what is left, waits for what is under way, and gives the loop back. */
void end_world(struct world *world)
{
	world->ending = true;
	uv_walk(&world->loop, on_closing_walk, world);
	CHECK_OK(uv_run(&world->loop, UV_RUN_DEFAULT));
	for (size_t i = 0; i < HANDLES; i++) {
		struct handle_slot *slot = &world->handles[i];

		CHECK(slot->state == SLOT_FREE || (slot->state == SLOT_CLOSING && slot->silent));
		if (slot->state == SLOT_CLOSING && slot->fd >= 0)
			CHECK(close(slot->fd) == 0);
	}
	for (size_t i = 0; i < REQUESTS; i++)
		CHECK(world->requests[i].state != SLOT_LIVE);
	CHECK_OK(uv_loop_close(&world->loop));
	CHECK(close(world->listener) == 0 && close(world->refuser) == 0);
	for (size_t i = 0; i < world->thread_count; i++)
		CHECK_OK(uv_thread_join(&world->threads[i]));
}
