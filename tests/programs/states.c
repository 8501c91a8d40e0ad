/* SPDX-License-Identifier: MIT */
/* What resources are about, and what keeps a loop from being closed: one of each kind, left open.
 */
#include "program.h"

#include <fcntl.h>
#include <signal.h>

static void never(uv_timer_t *timer)
{
	CHECK(timer == NULL);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	(void) handle;
	(void) signum;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	(void) handle;
	(void) status;
	(void) events;
}

static void on_fs_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	(void) handle;
	(void) name;
	(void) events;
	(void) status;
}

static void on_fs_poll(uv_fs_poll_t *handle, int status, const uv_stat_t *before,
		       const uv_stat_t *after)
{
	(void) handle;
	(void) status;
	(void) before;
	(void) after;
}

static void close_it(uv_handle_t *handle, void *arg)
{
	(void) arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Everything that is left; then the loop can be closed. */
static void close_all(uv_loop_t *loop)
{
	CHECK_RESULT(uv_loop_close(loop), UV_EBUSY);
	uv_walk(loop, close_it, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

/* Timers: one that repeats, one that is no reason to wait, one that never began. */
static void play_timers(uv_loop_t *loop)
{
	static uv_timer_t every, quiet, idle;

	CHECK_OK(uv_timer_init(loop, &every));
	CHECK_OK(uv_timer_start(&every, never, 60000, 5000));
	CHECK_OK(uv_timer_init(loop, &quiet));
	CHECK_OK(uv_timer_start(&quiet, never, 60000, 0));
	uv_unref((uv_handle_t *) &quiet);
	uv_unref((uv_handle_t *) &quiet);
	CHECK_OK(uv_timer_init(loop, &idle));
	uv_unref((uv_handle_t *) &idle);
	uv_ref((uv_handle_t *) &idle);
	close_all(loop);
}

/* What watches something outside. */
static void play_watchers(uv_loop_t *loop)
{
	static uv_signal_t on_usr1;
	static uv_poll_t poll;
	static uv_fs_event_t event;
	static uv_fs_poll_t fs_poll;
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(uv_signal_init(loop, &on_usr1));
	CHECK_OK(uv_signal_start(&on_usr1, on_signal, SIGUSR1));
	CHECK_OK(uv_poll_init(loop, &poll, ends[0]));
	CHECK_OK(uv_poll_start(&poll, UV_READABLE, on_poll));
	CHECK_OK(uv_fs_event_init(loop, &event));
	CHECK_OK(uv_fs_event_start(&event, on_fs_event, "/etc", 0));
	CHECK_OK(uv_fs_poll_init(loop, &fs_poll));
	CHECK_OK(uv_fs_poll_start(&fs_poll, on_fs_poll, "/etc/passwd", 10000));
	close_all(loop);
	close(ends[0]);
	close(ends[1]);
}

static void on_connection(uv_stream_t *server, int status)
{
	static uv_tcp_t client;

	CHECK_OK(status);
	CHECK_OK(uv_tcp_init(server->loop, &client));
	CHECK_OK(uv_accept(server, (uv_stream_t *) &client));
	uv_stop(server->loop);
}

static void on_connect(uv_connect_t *request, int status)
{
	(void) request;
	CHECK_OK(status);
}

/* A server, a connection to it, and an UDP socket. */
static void play_sockets(uv_loop_t *loop)
{
	static uv_tcp_t server, client;
	static uv_udp_t udp;
	static uv_connect_t request;
	struct sockaddr_in address;
	int bytes = sizeof(address);

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &address));
	CHECK_OK(uv_tcp_init(loop, &server));
	CHECK_OK(uv_tcp_bind(&server, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_listen((uv_stream_t *) &server, 8, on_connection));
	CHECK_OK(uv_udp_init(loop, &udp));
	CHECK_OK(uv_udp_bind(&udp, (struct sockaddr *) &address, 0));
	CHECK_OK(uv_tcp_getsockname(&server, (struct sockaddr *) &address, &bytes));
	CHECK_OK(uv_tcp_init(loop, &client));
	CHECK_OK(uv_tcp_connect(&request, &client, (struct sockaddr *) &address, on_connect));
	CHECK(uv_run(loop, UV_RUN_DEFAULT) != 0);
	close_all(loop);
}

static void on_child(uv_process_t *process, int64_t status, int signum)
{
	(void) status;
	CHECK(signum == SIGTERM);
	uv_close((uv_handle_t *) process, NULL);
}

/* A child that would stay for long. */
static void play_process(uv_loop_t *loop)
{
	static uv_process_t process;
	char *arguments[] = {(char *) "sleep", (char *) "1000", NULL};
	const uv_process_options_t options = {
	    .exit_cb = on_child, .file = "/bin/sleep", .args = arguments};

	CHECK_OK(uv_spawn(loop, &process, &options));
	CHECK_RESULT(uv_loop_close(loop), UV_EBUSY);
	CHECK_OK(uv_process_kill(&process, SIGTERM));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

static void on_fs(uv_fs_t *request)
{
	uv_fs_req_cleanup(request);
}

static void on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
	(void) request;
	CHECK_OK(status);
	uv_freeaddrinfo(found);
}

/* The thread pool, and calls that need none. */
static void play_requests(uv_loop_t *loop)
{
	static uv_fs_t later, here;
	static uv_getaddrinfo_t lookup;
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_flags = AI_NUMERICHOST};

	CHECK_OK(uv_fs_stat(loop, &later, "/etc/passwd", on_fs));
	CHECK_OK(uv_getaddrinfo(loop, &lookup, on_lookup, "127.0.0.1", "80", &hints));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_fs_stat(NULL, &here, "/etc/passwd", NULL));
	uv_fs_req_cleanup(&here);
}

/* Memory that is gone although what was in it had not been closed. */
static void play_freed(uv_loop_t *loop)
{
	uv_loop_t other;
	uv_timer_t *timer = malloc(sizeof(*timer));

	(void) loop;
	CHECK(timer != NULL);
	CHECK_OK(uv_loop_init(&other));
	CHECK_OK(uv_timer_init(&other, timer));
	explicit_bzero(timer, sizeof(*timer));
	free(timer);
}

int main(int argc, char **argv)
{
	static const struct scene scenes[] = {
	    {"timers", play_timers},   {"watchers", play_watchers}, {"sockets", play_sockets},
	    {"process", play_process}, {"requests", play_requests}, {"freed", play_freed},
	};

	return PLAY(scenes);
}
