/* SPDX-License-Identifier: MIT */
/* Calls that fail at once: no callback follows, so no resource came to be; what was there is
 * unharmed. */
#include "program.h"

#include <fcntl.h>
#include <signal.h>

static char byte[] = "x";
static uv_pipe_t left;
static uv_pipe_t right;

/* Callbacks of calls that fail; each is of the right type for some family, and never called. */
static void never_write(uv_write_t *req, int status)
{
	CHECK(req == NULL && status == 1);
}

static void never_shutdown(uv_shutdown_t *req, int status)
{
	CHECK(req == NULL && status == 1);
}

static void never_connect(uv_connect_t *req, int status)
{
	CHECK(req == NULL && status == 1);
}

static void never_send(uv_udp_send_t *req, int status)
{
	CHECK(req == NULL && status == 1);
}

static void never_fs(uv_fs_t *req)
{
	CHECK(req == NULL);
}

static void never_work(uv_work_t *req, int status)
{
	CHECK(req == NULL && status == 1);
}

static void never_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
	CHECK(req == NULL && status == 1 && result == NULL);
}

static void never_nameinfo(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
	CHECK(req == NULL && status == 1 && host == service);
}

static void never_random(uv_random_t *req, int status, void *buffer, size_t bytes)
{
	CHECK(req == NULL && status == 1 && buffer == NULL && bytes == 1);
}

static void never_timer(uv_timer_t *handle)
{
	CHECK(handle == NULL);
}

static void never_signal(uv_signal_t *handle, int number)
{
	CHECK(handle == NULL && number == 0);
}

static void never_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	CHECK(handle == NULL && name == NULL && events == 0 && status == 1);
}

static void never_connection(uv_stream_t *handle, int status)
{
	CHECK(handle == NULL && status == 1);
}

static void never_exit(uv_process_t *handle, int64_t status, int signal)
{
	CHECK(handle == NULL && status == 0 && signal == 0);
}

static void streams(uv_loop_t *loop)
{
	static uv_tcp_t unopened;
	static uv_write_t write_request;
	static uv_shutdown_t shutdown_request;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_OK(uv_tcp_init(loop, &unopened));
	CHECK_RESULT(uv_write(&write_request, (uv_stream_t *) &unopened, &buffer, 1, never_write),
		     UV_EBADF);
	CHECK_RESULT(uv_shutdown(&shutdown_request, (uv_stream_t *) &unopened, never_shutdown),
		     UV_ENOTCONN);
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_RESULT(uv_write2(&write_request, (uv_stream_t *) &left, &buffer, 1,
			       (uv_stream_t *) &right, never_write),
		     UV_EINVAL);
	CHECK_RESULT(uv_accept((uv_stream_t *) &left, (uv_stream_t *) &right), UV_EAGAIN);
	uv_close((uv_handle_t *) &unopened, NULL);
	uv_close((uv_handle_t *) &left, NULL);
	uv_close((uv_handle_t *) &right, NULL);
}

static void on_connect(uv_connect_t *req, int status)
{
	CHECK_OK(status);
	puts("connected");
	uv_close((uv_handle_t *) req->handle, NULL);
}

/* A second uv_tcp_connect is refused, and the first goes on, even with the same request memory. */
static void connect_twice(uv_loop_t *loop)
{
	static uv_tcp_t tcp;
	static uv_connect_t req;
	static uv_connect_t other;
	struct sockaddr_in address;
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &tcp));
	CHECK_OK(uv_tcp_connect(&req, &tcp, (struct sockaddr *) &address, on_connect));
	CHECK_RESULT(uv_tcp_connect(&other, &tcp, (struct sockaddr *) &address, never_connect),
		     UV_EALREADY);
	CHECK_RESULT(uv_tcp_connect(&req, &tcp, (struct sockaddr *) &address, never_connect),
		     UV_EALREADY);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(close(listener) == 0);
}

/* The error of a bind that was refused comes with uv_listen. */
static void listen_in_use(uv_loop_t *loop)
{
	static uv_tcp_t server;
	struct sockaddr_in address;
	int listener = plain_listener(&address);

	CHECK_OK(uv_tcp_init(loop, &server));
	CHECK_OK(uv_tcp_bind(&server, (struct sockaddr *) &address, 0));
	CHECK_RESULT(uv_listen((uv_stream_t *) &server, 16, never_connection), UV_EADDRINUSE);
	uv_close((uv_handle_t *) &server, NULL);
	CHECK(close(listener) == 0);
}

/* uv_pipe_connect returns nothing: its errors come to the callback, so it is a request. */
static void on_no_pipe(uv_connect_t *req, int status)
{
	printf("pipe: %s\n", uv_err_name(status));
	uv_close((uv_handle_t *) req->handle, NULL);
}

static void pipe_connect(uv_loop_t *loop)
{
	static uv_pipe_t pipe;
	static uv_connect_t req;

	CHECK_OK(uv_pipe_init(loop, &pipe, 0));
	uv_pipe_connect(&req, &pipe, "no-such-pipe", on_no_pipe);
}

static void udp(uv_loop_t *loop)
{
	static uv_udp_t handle;
	static uv_udp_send_t req;
	uv_buf_t buffer = uv_buf_init(byte, 1);

	CHECK_RESULT(uv_udp_init_ex(loop, &handle, 12345), UV_EINVAL);
	CHECK_OK(uv_udp_init(loop, &handle));
	CHECK_RESULT(uv_udp_send(&req, &handle, &buffer, 1, NULL, never_send), UV_EDESTADDRREQ);
	uv_close((uv_handle_t *) &handle, NULL);
}

static void requests(uv_loop_t *loop)
{
	static uv_fs_t fs;
	static uv_work_t work;
	static uv_getaddrinfo_t addrinfo;
	static uv_getnameinfo_t nameinfo;
	static uv_random_t random;
	struct sockaddr address;

	CHECK_RESULT(uv_fs_read(loop, &fs, 0, NULL, 0, -1, never_fs), UV_EINVAL);
	CHECK_RESULT(uv_fs_copyfile(loop, &fs, "a", "b", 0xffff, never_fs), UV_EINVAL);
	CHECK_RESULT(uv_queue_work(loop, &work, NULL, never_work), UV_EINVAL);
	CHECK_RESULT(uv_getaddrinfo(loop, &addrinfo, never_addrinfo, NULL, NULL, NULL), UV_EINVAL);
	memset(&address, 0, sizeof address);
	address.sa_family = AF_UNIX;
	CHECK_RESULT(uv_getnameinfo(loop, &nameinfo, never_nameinfo, &address, 0), UV_EINVAL);
	CHECK_RESULT(uv_random(loop, &random, byte, 1, 0xffff, never_random), UV_EINVAL);
}

static void watchers(uv_loop_t *loop)
{
	static uv_timer_t timer;
	static uv_signal_t signal;
	static uv_fs_event_t event;
	static uv_poll_t poll;
	static uv_tty_t tty;
	int file = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(file >= 0);
	CHECK_RESULT(uv_poll_init(loop, &poll, file), UV_EPERM);
	CHECK_RESULT(uv_tty_init(loop, &tty, file, 0), UV_EINVAL);
	CHECK(close(file) == 0);
	CHECK_OK(uv_signal_init(loop, &signal));
	CHECK_RESULT(uv_signal_start(&signal, never_signal, 0), UV_EINVAL);
	CHECK_RESULT(uv_signal_start(&signal, never_signal, SIGKILL), UV_EINVAL);
	CHECK_OK(uv_fs_event_init(loop, &event));
	CHECK_RESULT(uv_fs_event_start(&event, never_event, "/no/such/file", 0), UV_ENOENT);
	CHECK_OK(uv_timer_init(loop, &timer));
	uv_close((uv_handle_t *) &timer, NULL);
	CHECK_RESULT(uv_timer_start(&timer, never_timer, 1, 0), UV_EINVAL);
	uv_close((uv_handle_t *) &signal, NULL);
	uv_close((uv_handle_t *) &event, NULL);
}

static uv_process_options_t options_of(const char *file, char **args)
{
	uv_process_options_t options;

	memset(&options, 0, sizeof options);
	options.file = file;
	options.args = args;
	options.exit_cb = never_exit;
	return options;
}

/* A stdio container that cannot be: uv_spawn fails before it forks. */
static void spawn_stdio(uv_loop_t *loop)
{
	static uv_process_t process;
	char *args[] = {(char *) "true", NULL};
	uv_process_options_t options = options_of("true", args);
	uv_stdio_container_t stdio[1];

	stdio[0].flags = UV_INHERIT_FD;
	stdio[0].data.fd = -1;
	options.stdio = stdio;
	options.stdio_count = 1;
	CHECK_RESULT(uv_spawn(loop, &process, &options), UV_EINVAL);
	uv_close((uv_handle_t *) &process, NULL);
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	printf("child ended: status %d, signal %d\n", (int) status, signal);
	uv_close((uv_handle_t *) process, NULL);
}

static void on_failed_closed(uv_handle_t *handle)
{
	char *args[] = {(char *) "true", NULL};
	uv_process_options_t options = options_of("true", args);

	puts("failed handle closed");
	options.exit_cb = on_exit_of_child;
	CHECK_OK(uv_spawn(handle->loop, (uv_process_t *) handle, &options));
}

/* The memory of a handle whose uv_spawn failed is used for one that succeeds. */
static void spawn_again(uv_loop_t *loop)
{
	static uv_process_t process;
	char *args[] = {(char *) "none", NULL};
	uv_process_options_t options = options_of("/no/such/program", args);

	CHECK_RESULT(uv_spawn(loop, &process, &options), UV_ENOENT);
	uv_close((uv_handle_t *) &process, on_failed_closed);
}

static void never_runs(void *arg)
{
	CHECK(arg == byte);
}

/* More stack than there are addresses. */
static void thread(uv_loop_t *loop)
{
	uv_thread_t thread_id;
	uv_thread_options_t options;

	(void) loop;
	memset(&options, 0, sizeof options);
	options.flags = UV_THREAD_HAS_STACK_SIZE;
	options.stack_size = (size_t) 1 << 47;
	CHECK_RESULT(uv_thread_create_ex(&thread_id, &options, never_runs, NULL), UV_EAGAIN);
}

static const struct scene scenes[] = {
    {"streams", streams},
    {"connect_twice", connect_twice},
    {"listen_in_use", listen_in_use},
    {"pipe_connect", pipe_connect},
    {"udp", udp},
    {"requests", requests},
    {"watchers", watchers},
    {"spawn_stdio", spawn_stdio},
    {"spawn_again", spawn_again},
    {"thread", thread},
};

int main(int argc, char **argv)
{
	return PLAY_IN_SCRATCH_FOLDER(scenes);
}
