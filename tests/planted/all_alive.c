/* SPDX-License-Identifier: MIT */
/*
 * One of each that may keep a loop alive, so that it can be told what each does; with the word
 * `killed` those that a thread of the pool waits for, too, which no program that ends could leave.
 */
#include "planted.h"

#include <fcntl.h>

#define NEVER_MS 300000

static uv_timer_t once, repeating, stopped, unstarted;
static uv_idle_t idle;
static uv_prepare_t prepare;
static uv_check_t check;
static uv_async_t async;
static uv_poll_t poll_in;
static uv_signal_t signals;
static uv_tcp_t server, accepted, peer;
static uv_pipe_t pipe_server, left, right, child_input;
static uv_udp_t udp;
static uv_process_t child;
static uv_fs_event_t fs_event;
static uv_fs_poll_t fs_poll;
static uv_connect_t connecting;
static uv_write_t writing;
static uv_fs_t opening;
static uv_work_t working;
static uv_sem_t at_work;

static void on_timer(uv_timer_t *handle)
{
	(void) handle;
}

static void on_idle(uv_idle_t *handle)
{
	(void) handle;
}

static void on_prepare(uv_prepare_t *handle)
{
	(void) handle;
}

static void on_check(uv_check_t *handle)
{
	(void) handle;
}

static void on_async(uv_async_t *handle)
{
	(void) handle;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	(void) handle;
	(void) status;
	(void) events;
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void) handle;
	(void) number;
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
	(void) stream;
	(void) bytes;
	(void) buffer;
}

static void on_datagram(uv_udp_t *handle, ssize_t bytes, const uv_buf_t *buffer,
			const struct sockaddr *address, unsigned int flags)
{
	(void) handle;
	(void) bytes;
	(void) buffer;
	(void) address;
	(void) flags;
}

static void on_exited(uv_process_t *handle, int64_t status, int signal)
{
	(void) handle;
	(void) status;
	(void) signal;
}

static void on_fs_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	(void) handle;
	(void) name;
	(void) events;
	(void) status;
}

static void on_fs_poll(uv_fs_poll_t *handle, int status, const uv_stat_t *before,
		       const uv_stat_t *now)
{
	(void) handle;
	(void) status;
	(void) before;
	(void) now;
}

/* Either end of the connection knows of the other. */
static void have_met(uv_loop_t *loop)
{
	static unsigned int ends;

	if (++ends == 2)
		uv_stop(loop);
}

static void on_connected(uv_connect_t *request, int status)
{
	CHECK_OK(status);
	have_met(request->handle->loop);
}

static void on_written(uv_write_t *request, int status)
{
	(void) request;
	(void) status;
}

static void on_opened(uv_fs_t *request)
{
	(void) request;
}

static void do_work(uv_work_t *request)
{
	(void) request;
	uv_sem_post(&at_work);
	pause();
}

static void on_worked(uv_work_t *request, int status)
{
	(void) request;
	(void) status;
}

static void on_connection(uv_stream_t *stream, int status)
{
	CHECK_OK(status);
	CHECK_OK(uv_tcp_init(stream->loop, &accepted));
	CHECK_OK(uv_accept(stream, (uv_stream_t *) &accepted));
	CHECK_OK(uv_read_start((uv_stream_t *) &accepted, give_buffer, on_read));
	have_met(stream->loop);
}

static void open_watchers(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &once));
	CHECK_OK(uv_timer_start(&once, on_timer, NEVER_MS, 0));
	CHECK_OK(uv_timer_init(loop, &repeating));
	CHECK_OK(uv_timer_start(&repeating, on_timer, NEVER_MS, 1000));
	CHECK_OK(uv_timer_init(loop, &stopped));
	CHECK_OK(uv_timer_start(&stopped, on_timer, NEVER_MS, 0));
	CHECK_OK(uv_timer_stop(&stopped));
	CHECK_OK(uv_timer_init(loop, &unstarted));
	CHECK_OK(uv_idle_init(loop, &idle));
	CHECK_OK(uv_idle_start(&idle, on_idle));
	CHECK_OK(uv_prepare_init(loop, &prepare));
	CHECK_OK(uv_prepare_start(&prepare, on_prepare));
	CHECK_OK(uv_check_init(loop, &check));
	CHECK_OK(uv_check_start(&check, on_check));
	CHECK_OK(uv_async_init(loop, &async, on_async));
	CHECK_OK(uv_signal_init(loop, &signals));
	CHECK_OK(uv_signal_start(&signals, on_signal, SIGINT));
	CHECK_OK(uv_fs_event_init(loop, &fs_event));
	CHECK_OK(uv_fs_event_start(&fs_event, on_fs_event, ".", 0));
	CHECK_OK(uv_fs_poll_init(loop, &fs_poll));
	CHECK_OK(uv_fs_poll_start(&fs_poll, on_fs_poll, "watched", 1000));
}

static void open_streams(uv_loop_t *loop)
{
	struct sockaddr_in address;
	int ends[2];

	listen_on_loopback(loop, &server, &address, on_connection);
	CHECK_OK(uv_tcp_init(loop, &peer));
	CHECK_OK(uv_tcp_connect(&connecting, &peer, (struct sockaddr *) &address, on_connected));
	CHECK_RESULT(uv_run(loop, UV_RUN_DEFAULT), 1);
	CHECK_OK(uv_pipe_init(loop, &pipe_server, 0));
	CHECK_OK(uv_pipe_bind(&pipe_server, "socket"));
	CHECK_OK(uv_listen((uv_stream_t *) &pipe_server, 1, on_connection));
	open_pipe_pair(loop, &left, &right, 0);
	CHECK_OK(uv_read_start((uv_stream_t *) &left, give_buffer, on_read));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_udp_recv_start(&udp, give_buffer, on_datagram));
	CHECK(pipe(ends) == 0);
	CHECK_OK(uv_poll_init(loop, &poll_in, ends[0]));
	CHECK_OK(uv_poll_start(&poll_in, UV_READABLE, on_poll));
}

static void spawn_child(uv_loop_t *loop)
{
	char *words[] = {"cat", NULL};
	uv_stdio_container_t input = {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE};
	uv_process_options_t options = {
	    .file = "/bin/cat",
	    .args = words,
	    .exit_cb = on_exited,
	    .stdio = &input,
	    .stdio_count = 1,
	};

	CHECK_OK(uv_pipe_init(loop, &child_input, 0));
	input.data.stream = (uv_stream_t *) &child_input;
	CHECK_OK(uv_spawn(loop, &child, &options));
}

/* More than a socket takes at once. */
static void write_much(void)
{
	static char much[4 << 20];
	uv_buf_t buffer = uv_buf_init(much, sizeof(much));

	CHECK_OK(uv_write(&writing, (uv_stream_t *) &right, &buffer, 1, on_written));
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	int file;

	enter_scratch_folder();
	CHECK(mkfifo("fifo", 0600) == 0);
	file = open("watched", O_WRONLY | O_CREAT, 0600);
	CHECK(file >= 0 && close(file) == 0);
	open_streams(loop);
	open_watchers(loop);
	spawn_child(loop);
	write_much();
	if (argc < 2 || strcmp(argv[1], "killed") != 0)
		return 0;
	CHECK_OK(uv_fs_open(loop, &opening, "fifo", O_RDONLY, 0, on_opened));
	CHECK_OK(uv_sem_init(&at_work, 0));
	CHECK_OK(uv_queue_work(loop, &working, do_work, on_worked));
	uv_sem_wait(&at_work);
	return raise(SIGKILL);
}
