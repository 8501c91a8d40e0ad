/* SPDX-License-Identifier: MIT */
/*
 * Servers with several connections, whose work wanders: from a read to a timer, to the pool, to
 * another thread, to a forked child. The peers are plain sockets, so that all resources are the
 * servers'. For context.bats, which asks for whom everything was done.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "program.h"

#define PEERS      4
#define TURNS      2
#define LOOPS      4
#define SEQUENTIAL 50

struct connection {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_work_t work;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct service *service;
	char byte;
	int turns;
	int open_handles;
};

/* A server on a loop of its own, and the thread of its peers. */
struct service {
	uv_tcp_t server;
	struct sockaddr_in address;
	int total;    /* connections, after which it closes */
	int expected; /* of them, still */
	int answers;
	pthread_t peers;
};

static void *talk(void *data)
{
	const struct service *service = data;
	int sockets[PEERS];
	char byte;

	for (int i = 0; i < PEERS; i++)
		sockets[i] = plain_client(&service->address);
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i < PEERS; i++)
			CHECK(write(sockets[i], &"abcd"[i], 1) == 1);
		for (int i = 0; i < PEERS; i++)
			CHECK(read(sockets[i], &byte, 1) == 1 && byte == 'A' + i);
	}
	for (int i = 0; i < PEERS; i++) {
		CHECK(read(sockets[i], &byte, 1) == 0);
		CHECK(close(sockets[i]) == 0);
	}
	return NULL;
}

static void *come_and_go(void *data)
{
	const struct service *service = data;
	char byte;

	for (int i = 0; i < service->total; i++) {
		int peer = plain_client(&service->address);

		CHECK(write(peer, "a", 1) == 1);
		CHECK(read(peer, &byte, 1) == 1 && byte == 'A');
		CHECK(shutdown(peer, SHUT_WR) == 0);
		CHECK(read(peer, &byte, 1) == 0);
		CHECK(close(peer) == 0);
	}
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;

	if (--connection->open_handles == 0)
		free(connection);
}

static void end(struct connection *connection)
{
	struct service *service = connection->service;

	uv_close((uv_handle_t *) &connection->tcp, on_closed);
	uv_close((uv_handle_t *) &connection->timer, on_closed);
	if (--service->expected == 0)
		uv_close((uv_handle_t *) &service->server, NULL);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct connection *connection = req->handle->data;

	CHECK_OK(status);
	CHECK(connection->turns == TURNS);
}

static void on_written(uv_write_t *req, int status)
{
	struct connection *connection = req->handle->data;

	CHECK_OK(status);
	connection->service->answers++;
	if (connection->turns == TURNS)
		CHECK_OK(uv_shutdown(&connection->shutdown, req->handle, on_shutdown));
}

static void work(uv_work_t *req)
{
	struct connection *connection = req->data;

	connection->byte = (char) (connection->byte - 'a' + 'A');
}

static void on_worked(uv_work_t *req, int status)
{
	struct connection *connection = req->data;
	uv_buf_t buffer = uv_buf_init(&connection->byte, 1);

	CHECK_OK(status);
	CHECK_OK(
	    uv_write(&connection->write, (uv_stream_t *) &connection->tcp, &buffer, 1, on_written));
}

static void on_timer(uv_timer_t *timer)
{
	struct connection *connection = timer->data;

	connection->work.data = connection;
	CHECK_OK(uv_queue_work(timer->loop, &connection->work, work, on_worked));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct connection *connection = stream->data;

	if (count == 0)
		return;
	if (count == UV_EOF) {
		end(connection);
		return;
	}
	CHECK(count == 1);
	connection->byte = buffer->base[0];
	if (connection->turns++ == 0) {
		CHECK_OK(uv_timer_init(stream->loop, &connection->timer));
		connection->timer.data = connection;
		connection->open_handles++;
	}
	CHECK_OK(uv_timer_start(&connection->timer, on_timer, 1, 0));
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct connection *connection = calloc(1, sizeof *connection);

	CHECK_OK(status);
	CHECK(connection != NULL);
	connection->service = stream->data;
	connection->tcp.data = connection;
	connection->open_handles = 1;
	CHECK_OK(uv_tcp_init(stream->loop, &connection->tcp));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &connection->tcp));
	CHECK_OK(uv_read_start((uv_stream_t *) &connection->tcp, give_buffer, on_read));
}

static void start(struct service *service, uv_loop_t *loop, int expected, void *(*peers)(void *) )
{
	listen_on_loopback(loop, &service->server, &service->address, on_connection);
	service->server.data = service;
	service->total = expected;
	service->expected = expected;
	service->answers = 0;
	CHECK(pthread_create(&service->peers, NULL, peers, service) == 0);
}

static void stop(struct service *service)
{
	CHECK(pthread_join(service->peers, NULL) == 0);
	CHECK(service->expected == 0);
}

static void several(uv_loop_t *loop)
{
	struct service service;

	start(&service, loop, PEERS, talk);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	stop(&service);
	printf("%d answers\n", service.answers);
}

static void sequential(uv_loop_t *loop)
{
	const char *count = getenv("CONNECTIONS");
	struct service service;

	start(&service, loop, count != NULL ? atoi(count) : SEQUENTIAL, come_and_go);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	stop(&service);
	printf("as many answers as connections: %s\n",
	       service.answers == service.total ? "yes" : "no");
}

struct loop_thread {
	uv_loop_t loop;
	struct service service;
	pthread_t thread;
};

static void *run_loop(void *data)
{
	struct loop_thread *self = data;

	start(&self->service, &self->loop, PEERS, talk);
	CHECK_OK(uv_run(&self->loop, UV_RUN_DEFAULT));
	stop(&self->service);
	return NULL;
}

/* The loops are made before and closed after all of it: no number of a descriptor comes twice. */
static void loops(uv_loop_t *loop)
{
	static struct loop_thread threads[LOOPS];

	(void) loop;
	for (int i = 0; i < LOOPS; i++)
		CHECK_OK(uv_loop_init(&threads[i].loop));
	for (int i = 0; i < LOOPS; i++)
		CHECK(pthread_create(&threads[i].thread, NULL, run_loop, &threads[i]) == 0);
	for (int i = 0; i < LOOPS; i++)
		CHECK(pthread_join(threads[i].thread, NULL) == 0);
	for (int i = 0; i < LOOPS; i++) {
		CHECK_OK(uv_loop_close(&threads[i].loop));
		printf("loop %d: %d answers\n", i, threads[i].service.answers);
	}
}

static uv_tcp_t server;
static uv_tcp_t accepted[2];
static uv_timer_t timer;
static uv_async_t async;
static uv_thread_t thread;
static int accepted_count;

static void send_async(void *data)
{
	CHECK_OK(uv_async_send(data));
}

static void on_later(uv_timer_t *handle)
{
	puts("later");
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_async(uv_async_t *handle)
{
	CHECK_OK(uv_timer_init(handle->loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_later, 0, 0));
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_wake_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	if (count == 0)
		return;
	CHECK(count == 1);
	CHECK_OK(uv_thread_create(&thread, send_async, &async));
	CHECK_OK(uv_thread_join(&thread));
	uv_close((uv_handle_t *) stream, NULL);
	uv_close((uv_handle_t *) &server, NULL);
}

static void on_wake_connection(uv_stream_t *stream, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_tcp_init(stream->loop, &accepted[0]));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &accepted[0]));
	CHECK_OK(uv_read_start((uv_stream_t *) &accepted[0], give_buffer, on_wake_read));
}

/* A connection that has a thread wake an uv_async_t which was there before. */
static void wake(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int peer;

	CHECK_OK(uv_async_init(loop, &async, on_async));
	listen_on_loopback(loop, &server, &address, on_wake_connection);
	peer = plain_client(&address);
	CHECK(write(peer, "x", 1) == 1);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(peer) == 0);
}

static void accept_next(void)
{
	uv_tcp_t *tcp = &accepted[accepted_count++];

	CHECK_OK(uv_tcp_init(server.loop, tcp));
	CHECK_OK(uv_accept((uv_stream_t *) &server, (uv_stream_t *) tcp));
	uv_close((uv_handle_t *) tcp, NULL);
}

static void on_accept_time(uv_timer_t *handle)
{
	accept_next();
	puts("accepted later");
	uv_close((uv_handle_t *) handle, NULL);
	uv_close((uv_handle_t *) &server, NULL);
}

static void on_late_connection(uv_stream_t *stream, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_timer_init(stream->loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_accept_time, 0, 0));
}

/* A server that accepts in a timer which its callback has started. */
static void late(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int peer;

	accepted_count = 0;
	listen_on_loopback(loop, &server, &address, on_late_connection);
	peer = plain_client(&address);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(peer) == 0);
}

static uv_udp_t udp;
static uv_udp_send_t sends[3];
static char sent_bytes[3];
static int received;

static void on_sent(uv_udp_send_t *req, int status)
{
	CHECK_OK(status);
	if (req == &sends[2])
		uv_close((uv_handle_t *) &udp, NULL);
}

static void on_datagram(uv_udp_t *handle, ssize_t count, const uv_buf_t *buffer,
			const struct sockaddr *from, unsigned int flags)
{
	uv_buf_t answer = uv_buf_init(&sent_bytes[received], 1);

	(void) flags;
	if (from == NULL)
		return;
	CHECK(count == 1);
	sent_bytes[received] = buffer->base[0];
	CHECK_OK(uv_udp_send(&sends[received++], handle, &answer, 1, from, on_sent));
}

static void datagrams(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int bytes = sizeof address, peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char byte;

	received = 0;
	CHECK(peer >= 0);
	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_udp_getsockname(&udp, (struct sockaddr *) &address, &bytes));
	CHECK_OK(uv_udp_recv_start(&udp, give_buffer, on_datagram));
	CHECK(connect(peer, (struct sockaddr *) &address, sizeof address) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(write(peer, &"xyz"[i], 1) == 1);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	for (int i = 0; i < 3; i++)
		CHECK(read(peer, &byte, 1) == 1 && byte == "xyz"[i]);
	CHECK(close(peer) == 0);
	puts("three datagrams");
}

static void on_fork_end(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	if (count == 0)
		return;
	CHECK(count == UV_EOF);
	uv_close((uv_handle_t *) stream, NULL);
	uv_close((uv_handle_t *) &server, NULL);
}

/* Both processes go on with the connection, the child first. */
static void on_fork_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	pid_t child;
	int status;

	(void) buffer;
	if (count == 0)
		return;
	CHECK(count == 1);
	CHECK_OK(uv_read_stop(stream));
	child = fork();
	CHECK(child >= 0);
	if (child > 0) {
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		CHECK_OK(uv_read_start(stream, give_buffer, on_fork_end));
		return;
	}
	CHECK_OK(uv_loop_fork(stream->loop));
	CHECK_OK(uv_timer_init(stream->loop, &timer));
	uv_close((uv_handle_t *) &timer, NULL);
	uv_close((uv_handle_t *) stream, NULL);
	puts("child");
	fflush(stdout);
	_exit(0);
}

static void on_fork_connection(uv_stream_t *stream, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_tcp_init(stream->loop, &accepted[0]));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &accepted[0]));
	CHECK_OK(uv_read_start((uv_stream_t *) &accepted[0], give_buffer, on_fork_read));
}

static void forks(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int peer;

	listen_on_loopback(loop, &server, &address, on_fork_connection);
	peer = plain_client(&address);
	CHECK(write(peer, "x", 1) == 1);
	CHECK(shutdown(peer, SHUT_WR) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(peer) == 0);
	puts("parent");
}

static const struct scene scenes[] = {
    {"several", several}, {"sequential", sequential}, {"loops", loops}, {"wake", wake},
    {"late", late},       {"datagrams", datagrams},   {"forks", forks},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
