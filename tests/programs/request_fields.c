/* SPDX-License-Identifier: MIT */
/*
 * Requests that are submitted again, in their own callback, with the callback that their memory
 * holds: how a retry may be written. Each comes back twice.
 */
#include "program.h"

static int times;

/* True if the callback is to submit its request once more. */
static bool once_more(const char *name)
{
	printf("%s %d\n", name, ++times);
	return times < 2;
}

static void on_fs(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	uv_fs_req_cleanup(req);
	if (once_more("fs"))
		CHECK_OK(uv_fs_stat(req->loop, req, ".", req->cb));
}

static void fs(uv_loop_t *loop)
{
	static uv_fs_t req;

	times = 0;
	CHECK_OK(uv_fs_stat(loop, &req, ".", on_fs));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
}

/* Here it is submitted again after the callback, by main. */
static void fs_later(uv_loop_t *loop)
{
	static uv_fs_t req;

	times = 1;
	CHECK_OK(uv_fs_stat(loop, &req, ".", on_fs));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_fs_stat(loop, &req, ".", req.cb));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 3);
}

static int worked;

static void do_work(uv_work_t *req)
{
	(void) req;
	worked++;
}

static void on_work(uv_work_t *req, int status)
{
	CHECK_OK(status);
	if (once_more("work"))
		CHECK_OK(uv_queue_work(req->loop, req, req->work_cb, req->after_work_cb));
}

static void work(uv_loop_t *loop)
{
	static uv_work_t req;

	times = 0;
	CHECK_OK(uv_queue_work(loop, &req, do_work, on_work));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2 && worked == 2);
}

static uv_pipe_t left;
static uv_pipe_t right;
static char byte[] = "x";

static void on_shutdown(uv_shutdown_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	puts("shut down");
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void on_write(uv_write_t *req, int status)
{
	static uv_shutdown_t shutdown_request;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(status);
	if (once_more("write"))
		CHECK_OK(uv_write(req, req->handle, &buffer, 1, req->cb));
	else
		CHECK_OK(uv_shutdown(&shutdown_request, req->handle, on_shutdown));
}

static void write_twice(uv_loop_t *loop)
{
	static uv_write_t req;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	times = 0;
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_write(&req, (uv_stream_t *) &left, &buffer, 1, on_write));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
}

static uv_tcp_t tcp[2];
static struct sockaddr_in listening;

static void on_connect(uv_connect_t *req, int status)
{
	CHECK_OK(status);
	uv_close((uv_handle_t *) req->handle, NULL);
	if (once_more("connect"))
		CHECK_OK(uv_tcp_connect(req, &tcp[1], (struct sockaddr *) &listening, req->cb));
}

static void connect_twice(uv_loop_t *loop)
{
	static uv_connect_t req;
	int listener = plain_listener(&listening);

	times = 0;
	CHECK_OK(uv_tcp_init(loop, &tcp[0]));
	CHECK_OK(uv_tcp_init(loop, &tcp[1]));
	CHECK_OK(uv_tcp_connect(&req, &tcp[0], (struct sockaddr *) &listening, on_connect));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
	CHECK(close(listener) == 0);
}

static void on_no_pipe(uv_connect_t *req, int status)
{
	static uv_pipe_t second;

	CHECK_RESULT(status, UV_ENOENT);
	uv_close((uv_handle_t *) req->handle, NULL);
	if (!once_more("pipe"))
		return;
	CHECK_OK(uv_pipe_init(left.loop, &second, 0));
	uv_pipe_connect(req, &second, "no-such-pipe", req->cb);
}

static void pipe_twice(uv_loop_t *loop)
{
	static uv_connect_t req;

	times = 0;
	CHECK_OK(uv_pipe_init(loop, &left, 0));
	uv_pipe_connect(&req, &left, "no-such-pipe", on_no_pipe);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
}

static uv_udp_t udp;
static struct sockaddr_in udp_address;

static void on_send(uv_udp_send_t *req, int status)
{
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(status);
	if (once_more("datagram"))
		CHECK_OK(uv_udp_send(req, &udp, &buffer, 1, (struct sockaddr *) &udp_address,
				     req->send_cb));
	else
		uv_close((uv_handle_t *) &udp, NULL);
}

static void send_twice(uv_loop_t *loop)
{
	static uv_udp_send_t req;
	int bytes = sizeof udp_address;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	times = 0;
	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &udp_address));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &udp_address, 0));
	CHECK_OK(uv_udp_getsockname(&udp, (struct sockaddr *) &udp_address, &bytes));
	CHECK_OK(uv_udp_send(&req, &udp, &buffer, 1, (struct sockaddr *) &udp_address, on_send));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
}

static struct addrinfo hints;

static void on_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	CHECK_OK(status);
	uv_freeaddrinfo(result);
	if (once_more("getaddrinfo"))
		CHECK_OK(uv_getaddrinfo(req->loop, req, req->cb, "127.0.0.1", NULL, &hints));
}

static void on_nameinfo(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
	struct sockaddr_in address;

	CHECK_OK(status);
	CHECK(host != NULL && service != NULL);
	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	if (once_more("getnameinfo"))
		CHECK_OK(uv_getnameinfo(req->loop, req, req->getnameinfo_cb,
					(struct sockaddr *) &address,
					NI_NUMERICHOST | NI_NUMERICSERV));
}

static void dns(uv_loop_t *loop)
{
	static uv_getaddrinfo_t addrinfo;
	static uv_getnameinfo_t nameinfo;
	struct sockaddr_in address;

	times = 0;
	hints.ai_family = AF_INET;
	hints.ai_flags = AI_NUMERICHOST;
	CHECK_OK(uv_getaddrinfo(loop, &addrinfo, on_addrinfo, "127.0.0.1", NULL, &hints));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
	times = 0;
	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	CHECK_OK(uv_getnameinfo(loop, &nameinfo, on_nameinfo, (struct sockaddr *) &address,
				NI_NUMERICHOST | NI_NUMERICSERV));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
}

static void on_random(uv_random_t *req, int status, void *buffer, size_t bytes)
{
	CHECK_OK(status);
	if (once_more("random"))
		CHECK_OK(uv_random(req->loop, req, buffer, bytes, 0, req->cb));
}

static void random_twice(uv_loop_t *loop)
{
	static uv_random_t req;
	static char bytes[8];

	times = 0;
	CHECK_OK(uv_random(loop, &req, bytes, sizeof bytes, 0, on_random));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(times == 2);
}

static const struct scene scenes[] = {
    {"fs", fs},
    {"fs_later", fs_later},
    {"work", work},
    {"write", write_twice},
    {"connect", connect_twice},
    {"pipe", pipe_twice},
    {"send", send_twice},
    {"dns", dns},
    {"random", random_twice},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
