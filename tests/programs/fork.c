/* SPDX-License-Identifier: MIT */
/* Processes: fork without exec and uv_loop_fork, fork and exec, uv_spawn with pipes, a child's
 * child. */
#include "program.h"

#include <sys/wait.h>

static const char *own_path;

static void on_timer(uv_timer_t *timer)
{
	printf("timer in the %s\n", (const char *) timer->data);
	uv_close((uv_handle_t *) timer, NULL);
}

static void run_timer(uv_loop_t *loop, const char *where)
{
	uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	timer.data = (void *) where;
	CHECK_OK(uv_timer_start(&timer, on_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

static void wait_for(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static uv_timer_t kept;

static void on_kept(uv_timer_t *timer)
{
	puts("kept timer");
	uv_close((uv_handle_t *) timer, NULL);
}

/* Parent and child both end what was alive when the process forked. */
static void without_exec(uv_loop_t *loop)
{
	pid_t child;

	CHECK_OK(uv_timer_init(loop, &kept));
	CHECK_OK(uv_timer_start(&kept, on_kept, 1, 0));
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK_OK(uv_loop_fork(loop));
		CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
		run_timer(loop, "child");
		CHECK_OK(uv_loop_close(loop));
		exit(0);
	}
	wait_for(child);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	run_timer(loop, "parent");
}

static pid_t child_in_callback;

static void on_forking_timer(uv_timer_t *timer)
{
	uv_loop_t *loop = timer->loop;

	uv_close((uv_handle_t *) timer, NULL);
	child_in_callback = fork();
	CHECK(child_in_callback >= 0);
	if (child_in_callback == 0)
		CHECK_OK(uv_loop_fork(loop));
}

/* Both processes come out of the callback in which the process forked. */
static void in_callback(uv_loop_t *loop)
{
	uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_forking_timer, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	if (child_in_callback == 0) {
		run_timer(loop, "child");
		CHECK_OK(uv_loop_close(loop));
		exit(0);
	}
	wait_for(child_in_callback);
	run_timer(loop, "parent");
}

/* The child leaves with _exit, as a careful program does, and never touches the loop. */
static void child_does_nothing(uv_loop_t *loop)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0)
		_exit(0);
	wait_for(child);
	run_timer(loop, "parent");
}

/* The child has one event, and ends without telling anybody. */
static void child_makes_one(uv_loop_t *loop)
{
	uv_timer_t timer;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		CHECK_OK(uv_timer_init(loop, &timer));
		_exit(0);
	}
	wait_for(child);
	run_timer(loop, "parent");
}

/* A new loop in the child, the old one left alone. */
static void own_loop_in_child(uv_loop_t *loop)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		uv_loop_t own;

		CHECK_OK(uv_loop_init(&own));
		run_timer(&own, "child");
		CHECK_OK(uv_loop_close(&own));
		exit(0);
	}
	wait_for(child);
	run_timer(loop, "parent");
}

static void with_exec(uv_loop_t *loop)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		execl(own_path, own_path, "leaf", (char *) NULL);
		_exit(127);
	}
	wait_for(child);
	run_timer(loop, "parent");
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	printf("child ended: status %d, signal %d\n", (int) status, signal);
	uv_close((uv_handle_t *) process, NULL);
}

static void on_output(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	if (count < 0) {
		CHECK_RESULT(count, UV_EOF);
		uv_close((uv_handle_t *) stream, NULL);
		return;
	}
	fwrite(buffer->base, 1, (size_t) count, stdout);
}

static void on_spawned(uv_loop_t *loop, char **env)
{
	static uv_process_t process;
	static uv_pipe_t output;
	char *args[] = {(char *) own_path, (char *) "leaf", NULL};
	uv_process_options_t options;
	uv_stdio_container_t stdio[2];

	memset(&options, 0, sizeof options);
	CHECK_OK(uv_pipe_init(loop, &output, 0));
	stdio[0].flags = UV_IGNORE;
	stdio[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	stdio[1].data.stream = (uv_stream_t *) &output;
	options.file = own_path;
	options.args = args;
	options.env = env;
	options.stdio = stdio;
	options.stdio_count = 2;
	options.exit_cb = on_exit_of_child;
	CHECK_OK(uv_spawn(loop, &process, &options));
	CHECK_OK(uv_read_start((uv_stream_t *) &output, give_buffer, on_output));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

/* The child is a program that uses libuv as well. */
static void spawn(uv_loop_t *loop)
{
	on_spawned(loop, NULL);
}

/* The program gives the environment itself, without any LD_PRELOAD: that is respected. */
static void spawn_with_env(uv_loop_t *loop)
{
	char path[] = "PATH=/usr/bin:/bin";
	char *env[] = {path, NULL};

	on_spawned(loop, env);
}

/* What the children run: nothing but a timer. */
static void leaf(uv_loop_t *loop)
{
	run_timer(loop, "leaf");
}

static const struct scene scenes[] = {
    {"without_exec", without_exec},
    {"in_callback", in_callback},
    {"child_does_nothing", child_does_nothing},
    {"child_makes_one", child_makes_one},
    {"own_loop_in_child", own_loop_in_child},
    {"with_exec", with_exec},
    {"spawn", spawn},
    {"spawn_with_env", spawn_with_env},
    {"leaf", leaf},
};

int main(int argc, char **argv)
{
	static char path[4096];
	size_t bytes = sizeof path;

	CHECK_OK(uv_exepath(path, &bytes));
	own_path = path;
	return PLAY(scenes);
}
