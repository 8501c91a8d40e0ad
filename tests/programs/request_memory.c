/* SPDX-License-Identifier: MIT */
/*
 * The memory of a request in its own callback: submitted again, or overwritten and freed. Nothing
 * may look at it after the callback was called.
 */
#include "program.h"

static char byte[] = "x";

/* What a program may do with a request that has ended. */
static void poison_and_free(void *req, size_t bytes)
{
	memset(req, 0xa5, bytes);
	free(req);
}

static void *allocate(size_t bytes)
{
	void *memory = malloc(bytes);

	CHECK(memory != NULL);
	memset(memory, 0x5a, bytes);
	return memory;
}

static void on_second_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	uv_fs_req_cleanup(req);
	puts("second");
}

static void on_first_open(uv_fs_t *req)
{
	CHECK_RESULT(req->result, UV_ENOENT);
	uv_fs_req_cleanup(req);
	puts("first");
	CHECK_OK(uv_fs_stat(req->loop, req, ".", on_second_stat));
}

static void fs_reuse(uv_loop_t *loop)
{
	static uv_fs_t req;

	CHECK_OK(uv_fs_open(loop, &req, "/no/such/file", 0, 0, on_first_open));
}

static void on_freed_fs(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	uv_fs_req_cleanup(req);
	poison_and_free(req, sizeof *req);
	puts("freed");
}

static void fs_free(uv_loop_t *loop)
{
	CHECK_OK(uv_fs_stat(loop, allocate(sizeof(uv_fs_t)), ".", on_freed_fs));
}

static void no_work(uv_work_t *req)
{
	(void) req;
}

static void on_second_work(uv_work_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("second");
}

static void on_first_work(uv_work_t *req, int status)
{
	CHECK_OK(status);
	puts("first");
	CHECK_OK(uv_queue_work(req->loop, req, no_work, on_second_work));
}

static void work_reuse(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_queue_work(loop, &req, no_work, on_first_work));
}

static void on_freed_work(uv_work_t *req, int status)
{
	CHECK_OK(status);
	poison_and_free(req, sizeof *req);
	puts("freed");
}

static void work_free(uv_loop_t *loop)
{
	CHECK_OK(uv_queue_work(loop, allocate(sizeof(uv_work_t)), no_work, on_freed_work));
}

static uv_pipe_t left;
static uv_pipe_t right;

static void close_pair(void)
{
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void on_second_write(uv_write_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("second");
	close_pair();
}

static void on_first_write(uv_write_t *req, int status)
{
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(status);
	puts("first");
	CHECK_OK(uv_write(req, req->handle, &buffer, 1, on_second_write));
}

static void write_reuse(uv_loop_t *loop)
{
	static uv_write_t req;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_write(&req, (uv_stream_t *) &left, &buffer, 1, on_first_write));
}

static void on_freed_shutdown(uv_shutdown_t *req, int status)
{
	CHECK_OK(status);
	poison_and_free(req, sizeof *req);
	puts("shutdown freed");
	close_pair();
}

static void on_freed_write(uv_write_t *req, int status)
{
	CHECK_OK(status);
	poison_and_free(req, sizeof *req);
	puts("write freed");
}

static void write_free(uv_loop_t *loop)
{
	uv_buf_t buffer = uv_buf_init(byte, 1);
	uv_stream_t *stream = (uv_stream_t *) &left;

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_write(allocate(sizeof(uv_write_t)), stream, &buffer, 1, on_freed_write));
	CHECK_OK(uv_shutdown(allocate(sizeof(uv_shutdown_t)), stream, on_freed_shutdown));
}

static uv_udp_t udp;
static struct sockaddr_in udp_address;

static void open_udp(uv_loop_t *loop)
{
	int bytes = sizeof udp_address;

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &udp_address));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &udp_address, 0));
	CHECK_OK(uv_udp_getsockname(&udp, (struct sockaddr *) &udp_address, &bytes));
}

static void on_second_send(uv_udp_send_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("second");
	uv_close((uv_handle_t *) &udp, NULL);
}

static void on_first_send(uv_udp_send_t *req, int status)
{
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(status);
	puts("first");
	CHECK_OK(
	    uv_udp_send(req, &udp, &buffer, 1, (struct sockaddr *) &udp_address, on_second_send));
}

static void udp_reuse(uv_loop_t *loop)
{
	static uv_udp_send_t req;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	open_udp(loop);
	CHECK_OK(
	    uv_udp_send(&req, &udp, &buffer, 1, (struct sockaddr *) &udp_address, on_first_send));
}

static void on_freed_send(uv_udp_send_t *req, int status)
{
	CHECK_OK(status);
	poison_and_free(req, sizeof *req);
	puts("freed");
	uv_close((uv_handle_t *) &udp, NULL);
}

static void udp_free(uv_loop_t *loop)
{
	uv_buf_t buffer = uv_buf_init(byte, 1);

	open_udp(loop);
	CHECK_OK(uv_udp_send(allocate(sizeof(uv_udp_send_t)), &udp, &buffer, 1,
			     (struct sockaddr *) &udp_address, on_freed_send));
}

static uv_tcp_t first_tcp;
static uv_tcp_t second_tcp;
static struct sockaddr_in listening;

static void on_second_connect(uv_connect_t *req, int status)
{
	CHECK(req->handle == (uv_stream_t *) &second_tcp);
	CHECK_OK(status);
	puts("second");
	uv_close((uv_handle_t *) &first_tcp, NULL);
	uv_close((uv_handle_t *) &second_tcp, NULL);
}

static void on_first_connect(uv_connect_t *req, int status)
{
	CHECK(req->handle == (uv_stream_t *) &first_tcp);
	CHECK_OK(status);
	puts("first");
	CHECK_OK(
	    uv_tcp_connect(req, &second_tcp, (struct sockaddr *) &listening, on_second_connect));
}

static void connect_reuse(uv_loop_t *loop)
{
	static uv_connect_t req;
	int listener = plain_listener(&listening);

	CHECK_OK(uv_tcp_init(loop, &first_tcp));
	CHECK_OK(uv_tcp_init(loop, &second_tcp));
	CHECK_OK(
	    uv_tcp_connect(&req, &first_tcp, (struct sockaddr *) &listening, on_first_connect));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

static void on_freed_connect(uv_connect_t *req, int status)
{
	CHECK_OK(status);
	uv_close((uv_handle_t *) req->handle, NULL);
	poison_and_free(req, sizeof *req);
	puts("freed");
}

static void connect_free(uv_loop_t *loop)
{
	int listener = plain_listener(&listening);

	CHECK_OK(uv_tcp_init(loop, &first_tcp));
	CHECK_OK(uv_tcp_connect(allocate(sizeof(uv_connect_t)), &first_tcp,
				(struct sockaddr *) &listening, on_freed_connect));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

static struct addrinfo numeric_hints(void)
{
	struct addrinfo hints;

	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_INET;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	return hints;
}

static void on_second_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	(void) req;
	CHECK_OK(status);
	uv_freeaddrinfo(result);
	puts("second");
}

static void on_first_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	struct addrinfo hints = numeric_hints();

	CHECK_OK(status);
	uv_freeaddrinfo(result);
	puts("first");
	CHECK_OK(uv_getaddrinfo(req->loop, req, on_second_addrinfo, "127.0.0.2", "80", &hints));
}

static void dns_reuse(uv_loop_t *loop)
{
	static uv_getaddrinfo_t req;
	struct addrinfo hints = numeric_hints();

	CHECK_OK(uv_getaddrinfo(loop, &req, on_first_addrinfo, "127.0.0.1", "80", &hints));
}

static void on_freed_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	CHECK_OK(status);
	uv_freeaddrinfo(result);
	poison_and_free(req, sizeof *req);
	puts("getaddrinfo freed");
}

static void on_freed_nameinfo(uv_getnameinfo_t *req, int status, const char *host,
			      const char *service)
{
	struct addrinfo hints = numeric_hints();
	uv_loop_t *loop = req->loop;

	CHECK_OK(status);
	printf("%s port %s\n", host, service);
	poison_and_free(req, sizeof *req);
	puts("getnameinfo freed");
	CHECK_OK(uv_getaddrinfo(loop, allocate(sizeof(uv_getaddrinfo_t)), on_freed_addrinfo,
				"127.0.0.1", "80", &hints));
}

static void dns_free(uv_loop_t *loop)
{
	struct sockaddr_in address;

	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	CHECK_OK(uv_getnameinfo(loop, allocate(sizeof(uv_getnameinfo_t)), on_freed_nameinfo,
				(struct sockaddr *) &address, NI_NUMERICHOST | NI_NUMERICSERV));
}

static char random_bytes[16];

static void on_freed_random(uv_random_t *req, int status, void *buffer, size_t bytes)
{
	CHECK_OK(status);
	CHECK(buffer == random_bytes && bytes == sizeof random_bytes);
	poison_and_free(req, sizeof *req);
	puts("freed");
}

static void random_free(uv_loop_t *loop)
{
	CHECK_OK(uv_random(loop, allocate(sizeof(uv_random_t)), random_bytes, sizeof random_bytes,
			   0, on_freed_random));
}

static int copies_written;

static void on_copy_written(uv_write_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	if (++copies_written == 2)
		close_pair();
}

/* A request that was made by copying one in flight is a request of its own. */
static void copied_request(uv_loop_t *loop)
{
	static uv_write_t original;
	static uv_write_t copy;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_write(&original, (uv_stream_t *) &left, &buffer, 1, on_copy_written));
	copy = original;
	CHECK_OK(uv_write(&copy, (uv_stream_t *) &left, &buffer, 1, on_copy_written));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(copies_written == 2);
}

static const struct scene scenes[] = {
    {"fs_reuse", fs_reuse},           {"fs_free", fs_free},
    {"work_reuse", work_reuse},       {"work_free", work_free},
    {"write_reuse", write_reuse},     {"write_free", write_free},
    {"udp_reuse", udp_reuse},         {"udp_free", udp_free},
    {"connect_reuse", connect_reuse}, {"connect_free", connect_free},
    {"dns_reuse", dns_reuse},         {"dns_free", dns_free},
    {"random_free", random_free},     {"copied_request", copied_request},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
