/* SPDX-License-Identifier: MIT */
/*
 * fork with a thread pool, a signal watcher and a file watcher alive. uv_loop_fork in the child
 * makes the watchers work again; the pool's threads are gone, and libuv makes new ones.
 */
#include "program.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static uv_signal_t watcher;
static uv_fs_event_t folder;
static const char *who = "parent";

static void on_signal(uv_signal_t *handle, int number)
{
	CHECK(number == SIGUSR1);
	printf("signal in the %s\n", who);
	uv_close((uv_handle_t *) handle, NULL);
}

/* The parent sees what the child does in the folder. */
static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	CHECK_OK(status);
	CHECK(events == UV_RENAME);
	if (strcmp(name, who) != 0)
		return;
	printf("file event in the %s\n", who);
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	uv_fs_req_cleanup(req);
	printf("stat in the %s\n", who);
	CHECK(raise(SIGUSR1) == 0);
}

/* Each step brings the next: a request, then a signal, then a file event. */
static void on_signal_then_file(uv_signal_t *handle, int number)
{
	on_signal(handle, number);
	CHECK(mkdir(who, 0700) == 0);
}

static void use_all(uv_loop_t *loop)
{
	static uv_fs_t req;

	CHECK_OK(uv_signal_start(&watcher, on_signal_then_file, SIGUSR1));
	CHECK_OK(uv_fs_stat(loop, &req, ".", on_stat));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(rmdir(who) == 0);
}

static void on_first(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	uv_fs_req_cleanup(req);
	uv_stop(req->loop);
}

static void all_kinds(uv_loop_t *loop)
{
	static uv_fs_t req;
	pid_t child;
	int status;

	CHECK_OK(uv_signal_init(loop, &watcher));
	CHECK_OK(uv_signal_start(&watcher, on_signal, SIGUSR1));
	CHECK_OK(uv_fs_event_init(loop, &folder));
	CHECK_OK(uv_fs_event_start(&folder, on_event, ".", 0));
	CHECK_OK(uv_fs_stat(loop, &req, ".", on_first));
	CHECK(uv_run(loop, UV_RUN_DEFAULT) != 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		who = "child";
		CHECK_OK(uv_loop_fork(loop));
		use_all(loop);
		CHECK_OK(uv_loop_close(loop));
		exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	use_all(loop);
}

static volatile bool stormy;

static void on_short_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
}

static void run_short_loop(void)
{
	uv_loop_t own;
	uv_timer_t timer;

	CHECK_OK(uv_loop_init(&own));
	CHECK_OK(uv_timer_init(&own, &timer));
	CHECK_OK(uv_timer_start(&timer, on_short_timer, 0, 0));
	CHECK_OK(uv_run(&own, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&own));
}

static void make_loops(void *arg)
{
	(void) arg;
	while (stormy)
		run_short_loop();
}

static void no_entry(void *arg)
{
	(void) arg;
}

/* The process forks while its other threads make loops: whatever they held, the child can go on. */
static void busy_threads(uv_loop_t *loop)
{
	uv_thread_t threads[3];
	uv_thread_t in_child;
	int status;

	(void) loop;
	stormy = true;
	for (size_t i = 0; i < COUNT(threads); i++)
		CHECK_OK(uv_thread_create(&threads[i], make_loops, NULL));
	for (int i = 0; i < 40; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			run_short_loop();
			CHECK_OK(uv_thread_create(&in_child, no_entry, NULL));
			CHECK_OK(uv_thread_join(&in_child));
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	stormy = false;
	for (size_t i = 0; i < COUNT(threads); i++)
		CHECK_OK(uv_thread_join(&threads[i]));
}

static uv_loop_t *forked_loop;

/* As uvloop does it: inside uv_spawn of the parent, before the child executes its program. */
static void at_fork_in_child(void)
{
	if (forked_loop != NULL && uv_loop_fork(forked_loop) != 0)
		_exit(1);
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	printf("child ended: status %d, signal %d\n", (int) status, signal);
	uv_close((uv_handle_t *) process, NULL);
	CHECK(raise(SIGUSR1) == 0);
}

static void fork_handler(uv_loop_t *loop)
{
	static uv_process_t process;

	CHECK(pthread_atfork(NULL, NULL, at_fork_in_child) == 0);
	forked_loop = loop;
	CHECK_OK(uv_signal_init(loop, &watcher));
	CHECK_OK(uv_signal_start(&watcher, on_signal, SIGUSR1));
	spawn_true(loop, &process, on_exit_of_child);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	forked_loop = NULL;
}

static const struct scene scenes[] = {
    {"all_kinds", all_kinds},
    {"busy_threads", busy_threads},
    {"fork_handler", fork_handler},
};

int main(int argc, char **argv)
{
	return PLAY_IN_SCRATCH_FOLDER(scenes);
}
