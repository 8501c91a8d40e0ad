/* SPDX-License-Identifier: MIT */
/* Where libuv takes no callback: a synchronous call, fire and forget, or an error. */
#include "program.h"

static char byte[] = "x";
static uv_pipe_t left;
static uv_pipe_t right;

static void synchronous(uv_loop_t *loop)
{
	static uv_fs_t fs;
	static uv_getaddrinfo_t addrinfo;
	static uv_getnameinfo_t nameinfo;
	static uv_random_t random;
	struct addrinfo hints;
	struct sockaddr_in address;
	char bytes[8];

	CHECK_OK(uv_fs_stat(loop, &fs, ".", NULL));
	uv_fs_req_cleanup(&fs);
	CHECK_OK(uv_fs_stat(NULL, &fs, ".", NULL));
	uv_fs_req_cleanup(&fs);
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_INET;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	CHECK_OK(uv_getaddrinfo(loop, &addrinfo, NULL, "127.0.0.1", "80", &hints));
	uv_freeaddrinfo(addrinfo.addrinfo);
	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	CHECK_OK(uv_getnameinfo(loop, &nameinfo, NULL, (struct sockaddr *) &address,
				NI_NUMERICHOST | NI_NUMERICSERV));
	printf("%s %s\n", nameinfo.host, nameinfo.service);
	CHECK_OK(uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL));
	CHECK_OK(uv_random(loop, &random, bytes, sizeof bytes, 0, NULL));
}

static void write_and_shutdown(uv_loop_t *loop)
{
	static uv_write_t write_request;
	static uv_shutdown_t shutdown_request;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_write(&write_request, (uv_stream_t *) &left, &buffer, 1, NULL));
	CHECK_OK(uv_shutdown(&shutdown_request, (uv_stream_t *) &left, NULL));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void udp_send(uv_loop_t *loop)
{
	static uv_udp_t udp;
	static uv_udp_send_t req;
	struct sockaddr_in address;
	int bytes = sizeof address;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_udp_getsockname(&udp, (struct sockaddr *) &address, &bytes));
	CHECK_OK(uv_udp_send(&req, &udp, &buffer, 1, (struct sockaddr *) &address, NULL));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uv_close((uv_handle_t *) &udp, NULL);
}

/* uv_tcp_connect and uv_pipe_connect ask for no callback either, when all goes well. */
static void connect_tcp(uv_loop_t *loop)
{
	static uv_tcp_t tcp;
	static uv_connect_t req;
	struct sockaddr_in address;
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_tcp_connect(&req, &tcp, (struct sockaddr *) &address, NULL));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(uv_is_writable((uv_stream_t *) &tcp));
	uv_close((uv_handle_t *) &tcp, NULL);
	CHECK(close(listener) == 0);
}

static int worked;

static void do_work(uv_work_t *req)
{
	(void) req;
	worked++;
}

static void work_after(uv_loop_t *loop)
{
	static uv_work_t req;

	CHECK_OK(uv_queue_work(loop, &req, do_work, NULL));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(worked == 1);
}

static void async(uv_loop_t *loop)
{
	static uv_async_t handle;

	CHECK_OK(uv_async_init(loop, &handle, NULL));
	CHECK_OK(uv_async_send(&handle));
	CHECK(uv_run(loop, UV_RUN_ONCE) != 0);
	uv_close((uv_handle_t *) &handle, NULL);
}

static void close_without(uv_loop_t *loop)
{
	static uv_timer_t timer;
	static uv_tcp_t tcp;
	static uv_signal_t signal;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_signal_init(loop, &signal));
	uv_close((uv_handle_t *) &timer, NULL);
	uv_close((uv_handle_t *) &tcp, NULL);
	uv_close((uv_handle_t *) &signal, NULL);
}

/* Closed before it can be missed: without exit_cb nothing says when the child has ended. */
static void exit_of_child(uv_loop_t *loop)
{
	static uv_process_t process;

	spawn_true(loop, &process, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(!uv_is_active((uv_handle_t *) &process));
	uv_close((uv_handle_t *) &process, NULL);
}

/* An error stays an error. */
static void einval(uv_loop_t *loop)
{
	static uv_timer_t timer;
	static uv_idle_t idle;
	static uv_prepare_t prepare;
	static uv_check_t check;
	static uv_udp_t udp;
	static uv_work_t work;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_RESULT(uv_timer_start(&timer, NULL, 1, 0), UV_EINVAL);
	CHECK_RESULT(uv_timer_again(&timer), UV_EINVAL);
	CHECK_OK(uv_idle_init(loop, &idle));
	CHECK_RESULT(uv_idle_start(&idle, NULL), UV_EINVAL);
	CHECK_OK(uv_prepare_init(loop, &prepare));
	CHECK_RESULT(uv_prepare_start(&prepare, NULL), UV_EINVAL);
	CHECK_OK(uv_check_init(loop, &check));
	CHECK_RESULT(uv_check_start(&check, NULL), UV_EINVAL);
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_RESULT(uv_read_start((uv_stream_t *) &left, give_buffer, NULL), UV_EINVAL);
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_RESULT(uv_udp_recv_start(&udp, give_buffer, NULL), UV_EINVAL);
	CHECK_RESULT(uv_udp_recv_start(&udp, NULL, NULL), UV_EINVAL);
	CHECK_RESULT(uv_queue_work(loop, &work, NULL, NULL), UV_EINVAL);
	uv_close((uv_handle_t *) &timer, NULL);
	uv_close((uv_handle_t *) &idle, NULL);
	uv_close((uv_handle_t *) &prepare, NULL);
	uv_close((uv_handle_t *) &check, NULL);
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
	uv_close((uv_handle_t *) &udp, NULL);
}

static const struct scene scenes[] = {
    {"synchronous", synchronous}, {"write_and_shutdown", write_and_shutdown},
    {"udp_send", udp_send},       {"connect", connect_tcp},
    {"work_after", work_after},   {"async", async},
    {"close", close_without},     {"exit_of_child", exit_of_child},
    {"einval", einval},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
