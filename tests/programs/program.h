/* SPDX-License-Identifier: MIT */
/*
 * What the test programs share.
 *
 * A program is a list of scenes. Without arguments it plays them all, in order, each on a default
 * loop of its own; with arguments, those named: so that a test of the events of one scene meets the
 * ids from 2. A scene leaves a loop that can be run to its end and then closed.
 *
 * What a program writes to stdout must not depend on time, addresses, process ids or on the shim:
 * the bare run is the measure of every other.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <uvhooks/hooks.h>

struct scene {
	const char *name;
	void (*play)(uv_loop_t *loop);
};

/* _exit, since a failed check may be in any thread, in a child or below a callback of libuv. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fflush(stdout);                                                            \
			fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__,           \
				#condition);                                                       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* For results of libuv: says which error came instead of the expected one. */
#define CHECK_RESULT(call, expected)                                                               \
	do {                                                                                       \
		int result_ = (int) (call);                                                        \
                                                                                                   \
		if (result_ != (expected)) {                                                       \
			fflush(stdout);                                                            \
			fprintf(stderr, "%s:%d: %s is %d, not %d\n", __FILE__, __LINE__, #call,    \
				result_, (int) (expected));                                        \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

#define CHECK_OK(call) CHECK_RESULT(call, 0)

/*
 * Nothing of this header must be called by every program; and what is not called is not there, for
 * a program that does not link libuv.
 */
#define HELPER static inline

/* The alloc callback of most programs; no two reads are in flight at once in one thread. */
HELPER void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	static __thread char memory[65536];

	(void) handle;
	(void) suggested;
	*buffer = uv_buf_init(memory, sizeof memory);
}

/* A socket of the system, not of libuv, that listens on a free port of 127.0.0.1. */
HELPER int plain_listener(struct sockaddr_in *address)
{
	socklen_t bytes = sizeof *address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	memset(address, 0, sizeof *address);
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *) address, sizeof *address) == 0);
	CHECK(listen(fd, 16) == 0);
	CHECK(getsockname(fd, (struct sockaddr *) address, &bytes) == 0);
	return fd;
}

/* A socket of the system that is connected to `address`. */
HELPER int plain_client(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(connect(fd, (const struct sockaddr *) address, sizeof *address) == 0);
	return fd;
}

/* Listens with a tcp handle on a free port of 127.0.0.1. */
HELPER void listen_on_loopback(uv_loop_t *loop, uv_tcp_t *server, struct sockaddr_in *address,
			       uv_connection_cb callback)
{
	int bytes = sizeof *address;

	CHECK_OK(uv_ip4_addr("127.0.0.1", 0, address));
	CHECK_OK(uv_tcp_init(loop, server));
	CHECK_OK(uv_tcp_bind(server, (struct sockaddr *) address, 0));
	CHECK_OK(uv_tcp_getsockname(server, (struct sockaddr *) address, &bytes));
	CHECK_OK(uv_listen((uv_stream_t *) server, 16, callback));
}

/* Two pipe handles that are connected to each other. */
HELPER void open_pipe_pair(uv_loop_t *loop, uv_pipe_t *left, uv_pipe_t *right, int ipc)
{
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(uv_pipe_init(loop, left, ipc));
	CHECK_OK(uv_pipe_init(loop, right, ipc));
	CHECK_OK(uv_pipe_open(left, ends[0]));
	CHECK_OK(uv_pipe_open(right, ends[1]));
}

/* A child that ends at once. */
HELPER void spawn_true(uv_loop_t *loop, uv_process_t *process, uv_exit_cb callback)
{
	char *args[] = {(char *) "true", NULL};
	uv_process_options_t options;

	memset(&options, 0, sizeof options);
	options.file = args[0];
	options.args = args;
	options.exit_cb = callback;
	CHECK_OK(uv_spawn(loop, process, &options));
}

__attribute__((unused)) static char scratch_folder[512];

/* Moves the process into an empty folder. */
HELPER void enter_scratch_folder(void)
{
	const char *parent = getenv("TMPDIR");

	snprintf(scratch_folder, sizeof scratch_folder, "%s/scratch-XXXXXX",
		 parent != NULL ? parent : "/tmp");
	CHECK(mkdtemp(scratch_folder) == scratch_folder);
	CHECK(chdir(scratch_folder) == 0);
}

/* The program has removed its files by now. */
HELPER void leave_scratch_folder(void)
{
	CHECK(chdir("/") == 0);
	CHECK(rmdir(scratch_folder) == 0);
}

/*
 * Writes the counters of the shim to the file that UVHOOKS_TEST_COUNTERS names, one a line, so that
 * a test can ask whether anything was lost. Never to stdout, which must be the same in a bare run.
 */
HELPER void report_counters(void)
{
	const char *path = getenv("UVHOOKS_TEST_COUNTERS");
	struct uvhooks_counters counters;
	FILE *file;

	if (path == NULL || !uvhooks_present())
		return;
	memset(&counters, 0, sizeof counters);
	counters.size = sizeof counters;
	CHECK(uvhooks_get_counters(&counters) == 0);
	file = fopen(path, "we");
	CHECK(file != NULL);
#define XX(name) fprintf(file, "%s %llu\n", #name, (unsigned long long) counters.name);
	UVHOOKS_COUNTER_MAP(XX)
#undef XX
	CHECK(fclose(file) == 0);
}

HELPER void play_scene(const struct scene *scene)
{
	uv_loop_t *loop = uv_default_loop();

	CHECK(loop != NULL);
	printf("scene %s\n", scene->name);
	scene->play(loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(loop));
}

/* Line buffered: what was printed before a fork or an _exit is neither lost nor printed twice. */
HELPER int play_scenes(const struct scene *scenes, size_t count, int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (argc < 2)
		for (size_t i = 0; i < count; i++)
			play_scene(&scenes[i]);
	for (int i = 1; i < argc; i++) {
		size_t at = 0;

		while (at < count && strcmp(scenes[at].name, argv[i]) != 0)
			at++;
		if (at == count) {
			fprintf(stderr, "%s: no scene is called %s\n", argv[0], argv[i]);
			return 2;
		}
		play_scene(&scenes[at]);
	}
	report_counters();
	return 0;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PLAY(scenes) play_scenes(scenes, COUNT(scenes), argc, argv)

/* In a folder that is empty before and after. */
HELPER int play_in_scratch_folder(const struct scene *scenes, size_t count, int argc, char **argv)
{
	int status;

	enter_scratch_folder();
	status = play_scenes(scenes, count, argc, argv);
	leave_scratch_folder();
	return status;
}

#define PLAY_IN_SCRATCH_FOLDER(scenes) play_in_scratch_folder(scenes, COUNT(scenes), argc, argv)

#endif
