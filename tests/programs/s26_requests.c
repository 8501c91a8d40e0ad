/* SPDX-License-Identifier: MIT */
/*
 * Rule S26: what the callbacks of requests and streams see. A request captures the stores when it
 * is submitted, a stream when it listens and when it is read from.
 */
#include "stores.h"

#include <fcntl.h>

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct store a = {"a", 0};
static struct store b = {"b", 0};
static struct store c = {"c", 0};
static struct store d = {"d", 0};

static void *run(struct store *store, void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(&storage, store, function, argument);
}

/* Three file system requests, each made in the callback of the one before. */
static uv_fs_t fs_request;

static void on_closed_sees_a(uv_fs_t *request)
{
	CHECK_OK(request->result);
	puts("fs: closed");
	SEES(&storage, &a);
	uv_fs_req_cleanup(request);
}

static void on_stat_sees_a(uv_fs_t *request)
{
	uv_file file = (uv_file) (intptr_t) request->data;

	CHECK_OK(request->result);
	puts("fs: asked");
	SEES(&storage, &a);
	uv_fs_req_cleanup(request);
	CHECK_OK(uv_fs_close(request->loop, request, file, on_closed_sees_a));
}

static void on_open_sees_a(uv_fs_t *request)
{
	CHECK(request->result >= 0);
	puts("fs: open");
	SEES(&storage, &a);
	uv_fs_req_cleanup(request);
	request->data = (void *) (intptr_t) request->result;
	CHECK_OK(uv_fs_fstat(request->loop, request, (uv_file) (intptr_t) request->data,
			     on_stat_sees_a));
}

static void *open_file(void *loop)
{
	CHECK_OK(uv_fs_open(loop, &fs_request, ".", O_RDONLY, 0, on_open_sees_a));
	return loop;
}

/* A synchronous request has no callback, and changes nothing. */
static void *stat_synchronously(void *loop)
{
	uv_fs_t request;

	CHECK_OK(uv_fs_stat(loop, &request, ".", NULL));
	uv_fs_req_cleanup(&request);
	HAS(&storage, &b);
	return loop;
}

static void files(uv_loop_t *loop)
{
	run(&a, open_file, loop);
	run(&b, stat_synchronously, loop);
}

/* The pool thread sees the store too; what it enters there stays there. */
static void work_sees_a(uv_work_t *request)
{
	(void) request;
	SEES(&storage, &a);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &b));
	HAS(&storage, &b);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, NULL));
	HAS(&storage, NULL);
}

static void after_work_sees_a(uv_work_t *request, int status)
{
	(void) request;
	CHECK_OK(status);
	puts("work: done");
	SEES(&storage, &a);
}

/* The next work on the same thread of the pool has nothing of it. */
static void work_sees_nothing(uv_work_t *request)
{
	(void) request;
	SEES(&storage, NULL);
}

static void *queue_work(void *loop)
{
	static uv_work_t requests[8];

	for (int i = 0; i < 8; i++)
		CHECK_OK(uv_queue_work(loop, &requests[i], work_sees_a, after_work_sees_a));
	return loop;
}

static void work(uv_loop_t *loop)
{
	static uv_work_t requests[8];

	run(&a, queue_work, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	for (int i = 0; i < 8; i++)
		CHECK_OK(uv_queue_work(loop, &requests[i], work_sees_nothing, NULL));
}

/* A request that is cancelled calls back too. Work that waits keeps the pool from beginning it. */
static uv_sem_t go_on;

static void work_waits(uv_work_t *request)
{
	(void) request;
	uv_sem_wait(&go_on);
}

static void work_never(uv_work_t *request)
{
	(void) request;
	CHECK(!"cancelled work must not begin");
}

static void on_cancelled_sees_a(uv_work_t *request, int status)
{
	(void) request;
	CHECK_RESULT(status, UV_ECANCELED);
	puts("work: cancelled");
	SEES(&storage, &a);
}

static void *queue_and_cancel(void *loop)
{
	static uv_work_t request;

	CHECK_OK(uv_queue_work(loop, &request, work_never, on_cancelled_sees_a));
	CHECK_OK(uv_cancel((uv_req_t *) &request));
	return loop;
}

static void cancelled(uv_loop_t *loop)
{
	static uv_work_t waiting[64];
	const char *size = getenv("UV_THREADPOOL_SIZE");
	int threads = size == NULL ? 4 : atoi(size);

	CHECK(threads > 0 && threads <= 64);
	CHECK_OK(uv_sem_init(&go_on, 0));
	for (int i = 0; i < threads; i++)
		CHECK_OK(uv_queue_work(loop, &waiting[i], work_waits, NULL));
	run(&a, queue_and_cancel, loop);
	for (int i = 0; i < threads; i++)
		uv_sem_post(&go_on);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uv_sem_destroy(&go_on);
}

/* Names and random bytes. */
static void on_address_sees_a(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
	(void) request;
	CHECK_OK(status);
	puts("address");
	SEES(&storage, &a);
	uv_freeaddrinfo(found);
}

static void on_name_sees_a(uv_getnameinfo_t *request, int status, const char *host,
			   const char *service)
{
	(void) request;
	(void) host;
	(void) service;
	CHECK_OK(status);
	puts("name");
	SEES(&storage, &a);
}

static void on_random_sees_a(uv_random_t *request, int status, void *bytes, size_t count)
{
	(void) request;
	(void) bytes;
	CHECK_OK(status);
	printf("%d random bytes\n", (int) count);
	SEES(&storage, &a);
}

static void *ask_address(void *loop)
{
	static uv_getaddrinfo_t request;
	struct addrinfo hints;

	memset(&hints, 0, sizeof hints);
	hints.ai_flags = AI_NUMERICHOST;
	CHECK_OK(uv_getaddrinfo(loop, &request, on_address_sees_a, "127.0.0.1", NULL, &hints));
	return loop;
}

static void *ask_name(void *loop)
{
	static uv_getnameinfo_t request;
	static struct sockaddr_in address;

	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	CHECK_OK(uv_getnameinfo(loop, &request, on_name_sees_a, (struct sockaddr *) &address,
				NI_NUMERICHOST | NI_NUMERICSERV));
	return loop;
}

static void *ask_random(void *loop)
{
	static uv_random_t request;
	static char bytes[16];

	CHECK_OK(uv_random(loop, &request, bytes, sizeof bytes, 0, on_random_sees_a));
	return loop;
}

/* One after the other, so that their order is that of the calls. */
static void names(uv_loop_t *loop)
{
	run(&a, ask_address, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	run(&a, ask_name, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	run(&a, ask_random, loop);
}

/*
 * A stream: the server listens for a, the client connects and writes for b; each end reads for
 * whom it asks to. A second read_start asks anew.
 */
static uv_tcp_t server, accepted, client;
static struct sockaddr_in server_address;
static uv_write_t write_request;
static uv_shutdown_t shutdown_request;

static void on_closed_stream(uv_handle_t *handle)
{
	if (handle == (uv_handle_t *) &accepted)
		SEES(&storage, &d);
	else
		SEES(&storage, handle == (uv_handle_t *) &server ? &a : &b);
	puts("tcp: closed");
}

static void on_shutdown_sees_c(uv_shutdown_t *request, int status)
{
	(void) request;
	CHECK_OK(status);
	SEES(&storage, &c);
}

static void *shut_down(void *stream)
{
	CHECK_OK(uv_shutdown(&shutdown_request, stream, on_shutdown_sees_c));
	return stream;
}

static void on_written_sees_b(uv_write_t *request, int status)
{
	CHECK_OK(status);
	SEES(&storage, &b);
	run(&c, shut_down, request->handle);
}

static void on_second_read_sees_d(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	SEES(&storage, &d);
	if (count == 0)
		return;
	CHECK_RESULT(count, UV_EOF);
	puts("tcp: end");
	uv_close((uv_handle_t *) stream, on_closed_stream);
	uv_close((uv_handle_t *) &server, on_closed_stream);
	uv_close((uv_handle_t *) &client, on_closed_stream);
}

static void *read_for_d(void *stream)
{
	CHECK_OK(uv_read_stop(stream));
	CHECK_OK(uv_read_start(stream, give_buffer, on_second_read_sees_d));
	return stream;
}

static void on_first_read_sees_c(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	SEES(&storage, &c);
	if (count == 0)
		return;
	printf("tcp: %d bytes\n", (int) count);
	run(&d, read_for_d, stream);
	SEES(&storage, &c);
}

static void *read_for_c(void *stream)
{
	CHECK_OK(uv_read_start(stream, give_buffer, on_first_read_sees_c));
	return stream;
}

static void on_connection_sees_a(uv_stream_t *stream, int status)
{
	CHECK_OK(status);
	puts("tcp: connection");
	SEES(&storage, &a);
	CHECK_OK(uv_tcp_init(stream->loop, &accepted));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &accepted));
	run(&c, read_for_c, &accepted);
	SEES(&storage, &a);
}

static void on_connected_sees_b(uv_connect_t *request, int status)
{
	uv_buf_t buffer = uv_buf_init((char *) "hello", 5);

	CHECK_OK(status);
	SEES(&storage, &b);
	CHECK_OK(uv_write(&write_request, request->handle, &buffer, 1, on_written_sees_b));
}

static void *listen_for_a(void *loop)
{
	listen_on_loopback(loop, &server, &server_address, on_connection_sees_a);
	return loop;
}

static void *connect_for_b(void *loop)
{
	static uv_connect_t request;

	CHECK_OK(uv_tcp_init(loop, &client));
	CHECK_OK(uv_tcp_connect(&request, &client, (struct sockaddr *) &server_address,
				on_connected_sees_b));
	return loop;
}

static void tcp(uv_loop_t *loop)
{
	run(&a, listen_for_a, loop);
	run(&b, connect_for_b, loop);
}

/* Datagrams: the sender's callback for a, the receiver's for b. */
static uv_udp_t sender, receiver;

static void on_sent_sees_a(uv_udp_send_t *request, int status)
{
	(void) request;
	CHECK_OK(status);
	SEES(&storage, &a);
}

static void on_datagram_sees_b(uv_udp_t *handle, ssize_t count, const uv_buf_t *buffer,
			       const struct sockaddr *from, unsigned int flags)
{
	(void) buffer;
	(void) flags;
	SEES(&storage, &b);
	if (from == NULL)
		return;
	printf("udp: %d bytes\n", (int) count);
	uv_close((uv_handle_t *) handle, NULL);
	uv_close((uv_handle_t *) &sender, NULL);
}

static void *receive(void *loop)
{
	struct sockaddr_in address;

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_udp_init(loop, &receiver));
	CHECK_OK(uv_udp_bind(&receiver, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_udp_recv_start(&receiver, give_buffer, on_datagram_sees_b));
	return loop;
}

static void *send_datagram(void *loop)
{
	static uv_udp_send_t request;
	struct sockaddr_in address;
	int bytes = sizeof address;
	uv_buf_t buffer = uv_buf_init((char *) "hello", 5);

	CHECK_OK(uv_udp_getsockname(&receiver, (struct sockaddr *) &address, &bytes));
	CHECK_OK(uv_udp_init(loop, &sender));
	CHECK_OK(uv_udp_send(&request, &sender, &buffer, 1, (struct sockaddr *) &address,
			     on_sent_sees_a));
	return loop;
}

static void udp(uv_loop_t *loop)
{
	run(&b, receive, loop);
	run(&a, send_datagram, loop);
}

/* A pipe that fails to connect, and one that is a pair. */
static uv_pipe_t pipes[3];

static void on_refused_sees_a(uv_connect_t *request, int status)
{
	CHECK_RESULT(status, UV_ENOENT);
	puts("pipe: not there");
	SEES(&storage, &a);
	uv_close((uv_handle_t *) request->handle, NULL);
}

static void *connect_to_nothing(void *loop)
{
	static uv_connect_t request;

	CHECK_OK(uv_pipe_init(loop, &pipes[2], 0));
	uv_pipe_connect(&request, &pipes[2], "no-such-socket", on_refused_sees_a);
	return loop;
}

static void on_pipe_read_sees_b(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	(void) buffer;
	SEES(&storage, &b);
	if (count == 0)
		return;
	printf("pipe: %d bytes\n", (int) count);
	uv_close((uv_handle_t *) stream, NULL);
	uv_close((uv_handle_t *) &pipes[0], NULL);
}

static void *read_pipe(void *stream)
{
	CHECK_OK(uv_read_start(stream, give_buffer, on_pipe_read_sees_b));
	return stream;
}

static void on_pipe_written_sees_a(uv_write_t *request, int status)
{
	(void) request;
	CHECK_OK(status);
	SEES(&storage, &a);
}

static void *write_pipe(void *stream)
{
	uv_buf_t buffer = uv_buf_init((char *) "hello", 5);

	CHECK_OK(uv_write(&write_request, stream, &buffer, 1, on_pipe_written_sees_a));
	return stream;
}

static void pipe_streams(uv_loop_t *loop)
{
	run(&a, connect_to_nothing, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	open_pipe_pair(loop, &pipes[0], &pipes[1], 0);
	run(&b, read_pipe, &pipes[1]);
	run(&a, write_pipe, &pipes[0]);
}

static const struct scene scenes[] = {
    {"files", files}, {"work", work}, {"cancelled", cancelled}, {"names", names},
    {"tcp", tcp},     {"udp", udp},   {"pipe", pipe_streams},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
