/* SPDX-License-Identifier: MIT */
/* One resource of each type, in the order of uvhooks/types.h, each ended before the next begins. */
#include "program.h"

#include <pty.h>

static void end(uv_loop_t *loop, void *handle)
{
	uv_close((uv_handle_t *) handle, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

static void never_connected(uv_stream_t *server, int status)
{
	CHECK(server == NULL && status == 1);
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	CHECK(status == 0 && signal == 0);
	uv_close((uv_handle_t *) process, NULL);
}

static void handles(uv_loop_t *loop)
{
	static union {
		uv_timer_t timer;
		uv_idle_t idle;
		uv_prepare_t prepare;
		uv_check_t check;
		uv_async_t async;
		uv_poll_t poll;
		uv_signal_t signal;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
		uv_tty_t tty;
		uv_udp_t udp;
		uv_fs_event_t event;
		uv_fs_poll_t fs_poll;
	} h;
	struct sockaddr_in address;
	int ends[2];
	int ours;
	int theirs;

	CHECK_OK(uv_timer_init(loop, &h.timer));
	end(loop, &h);
	CHECK_OK(uv_idle_init(loop, &h.idle));
	end(loop, &h);
	CHECK_OK(uv_prepare_init(loop, &h.prepare));
	end(loop, &h);
	CHECK_OK(uv_check_init(loop, &h.check));
	end(loop, &h);
	CHECK_OK(uv_async_init(loop, &h.async, NULL));
	end(loop, &h);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(uv_poll_init(loop, &h.poll, ends[0]));
	end(loop, &h);
	CHECK_OK(uv_poll_init_socket(loop, &h.poll, ends[0]));
	end(loop, &h);
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
	CHECK_OK(uv_signal_init(loop, &h.signal));
	end(loop, &h);
	CHECK_OK(uv_tcp_init(loop, &h.tcp));
	end(loop, &h);
	CHECK_OK(uv_tcp_init_ex(loop, &h.tcp, AF_INET));
	end(loop, &h);
	listen_on_loopback(loop, &h.tcp, &address, never_connected);
	end(loop, &h);
	CHECK_OK(uv_pipe_init(loop, &h.pipe, 1));
	end(loop, &h);
	CHECK_OK(uv_pipe_init(loop, &h.pipe, 0));
	CHECK_OK(uv_pipe_bind(&h.pipe, "socket"));
	CHECK_OK(uv_listen((uv_stream_t *) &h.pipe, 1, never_connected));
	end(loop, &h);
	CHECK(openpty(&ours, &theirs, NULL, NULL, NULL) == 0);
	CHECK_OK(uv_tty_init(loop, &h.tty, theirs, 0));
	end(loop, &h);
	CHECK(close(ours) == 0);
	CHECK_OK(uv_udp_init(loop, &h.udp));
	end(loop, &h);
	CHECK_OK(uv_udp_init_ex(loop, &h.udp, AF_INET));
	end(loop, &h);
	CHECK_OK(uv_fs_event_init(loop, &h.event));
	end(loop, &h);
	CHECK_OK(uv_fs_poll_init(loop, &h.fs_poll));
	end(loop, &h);
}

static void process(uv_loop_t *loop)
{
	static uv_process_t child;

	spawn_true(loop, &child, on_exit_of_child);
}

static void on_connect(uv_connect_t *req, int status)
{
	CHECK_OK(status);
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void on_no_pipe(uv_connect_t *req, int status)
{
	CHECK_RESULT(status, UV_ENOENT);
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void on_write(uv_write_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	CHECK_OK(status);
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void on_send(uv_udp_send_t *req, int status)
{
	CHECK_OK(status);
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void streams(uv_loop_t *loop)
{
	static uv_tcp_t tcp;
	static uv_pipe_t pipe;
	static uv_pipe_t right;
	static uv_udp_t udp;
	static uv_connect_t connect_request;
	static uv_write_t write_request;
	static uv_shutdown_t shutdown_request;
	static uv_udp_send_t send_request;
	struct sockaddr_in address;
	char byte[] = "x";
	uv_buf_t buffer = uv_buf_init(byte, 1);
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_tcp_connect(&connect_request, &tcp, (struct sockaddr *) &address, on_connect));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_pipe_init(loop, &pipe, 0));
	uv_pipe_connect(&connect_request, &pipe, "no-such-pipe", on_no_pipe);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	open_pipe_pair(loop, &pipe, &right, 0);
	CHECK_OK(uv_write(&write_request, (uv_stream_t *) &pipe, &buffer, 1, on_write));
	CHECK_OK(uv_shutdown(&shutdown_request, (uv_stream_t *) &pipe, on_shutdown));
	uv_close((uv_handle_t *) &right, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(
	    uv_udp_send(&send_request, &udp, &buffer, 1, (struct sockaddr *) &address, on_send));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

static void on_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	(void) req;
	CHECK_OK(status);
	uv_freeaddrinfo(result);
}

static void on_nameinfo(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
	(void) req;
	CHECK_OK(status);
	printf("%s %s\n", host, service);
}

static void on_random(uv_random_t *req, int status, void *buffer, size_t bytes)
{
	(void) req;
	(void) buffer;
	CHECK_OK(status);
	CHECK(bytes == 8);
}

static void on_stat(uv_fs_t *req)
{
	uv_fs_req_cleanup(req);
}

static void no_work(uv_work_t *req)
{
	(void) req;
}

static void on_worked(uv_work_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
}

static void no_entry(void *arg)
{
	(void) arg;
}

static void others(uv_loop_t *loop)
{
	static uv_fs_t fs;
	static uv_getaddrinfo_t addrinfo;
	static uv_getnameinfo_t nameinfo;
	static uv_random_t random;
	static uv_work_t work;
	static char bytes[8];
	struct addrinfo hints;
	struct sockaddr_in address;
	uv_thread_t thread;

	CHECK_OK(uv_fs_stat(loop, &fs, ".", on_stat));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_INET;
	hints.ai_flags = AI_NUMERICHOST;
	CHECK_OK(uv_getaddrinfo(loop, &addrinfo, on_addrinfo, "127.0.0.1", NULL, &hints));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_ip4_addr("127.0.0.1", 80, &address));
	CHECK_OK(uv_getnameinfo(loop, &nameinfo, on_nameinfo, (struct sockaddr *) &address,
				NI_NUMERICHOST | NI_NUMERICSERV));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_random(loop, &random, bytes, sizeof bytes, 0, on_random));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_queue_work(loop, &work, no_work, on_worked));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_thread_create(&thread, no_entry, NULL));
	CHECK_OK(uv_thread_join(&thread));
}

static const struct scene scenes[] = {
    {"handles", handles},
    {"process", process},
    {"streams", streams},
    {"others", others},
};

int main(int argc, char **argv)
{
	return PLAY_IN_SCRATCH_FOLDER(scenes);
}
