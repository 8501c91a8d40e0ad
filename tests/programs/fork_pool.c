/* SPDX-License-Identifier: MIT */
/*
 * fork with a thread pool, a signal watcher and a file watcher alive. uv_loop_fork in the child makes
 * the watchers work again; the pool's threads are gone, and libuv makes new ones.
 */
#include "program.h"

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

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	CHECK_OK(status);
	CHECK(strcmp(name, who) == 0 && events == UV_RENAME);
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

static const struct scene scenes[] = {
	{ "all_kinds", all_kinds },
};

int main(int argc, char **argv)
{
	int status;

	enter_scratch_folder();
	status = PLAY(scenes);
	leave_scratch_folder();
	return status;
}
