/* SPDX-License-Identifier: MIT */
/*
 * Words for processes that come from this one. The one that was there first waits for the others,
 * and ends last:
 *
 *	fork     the child does the other words, then the parent
 *	double   a child of a child does, as one that nobody is to wait for
 *	daemon   ... in a session of its own, without any of the descriptors that there were
 *	vfork    a child that is not one yet executes this program with one word, then the parent
 *		 goes on
 *	spawn    libuv starts this program with one word
 *	exec     this program again, with the other words, in this process
 */
#include "faults.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void wait_for(pid_t child)
{
	int status;

	CHECK(child > 0);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(status == 0);
}

static void go_on_as_child(void)
{
	if (faults_load.is_open)
		CHECK_OK(uv_loop_fork(&faults_load.loop));
}

static void do_fork(const char *value)
{
	pid_t child = fork();

	(void) value;
	CHECK(child >= 0);
	if (child == 0) {
		go_on_as_child();
		return;
	}
	wait_for(child);
	printf("parent\n");
}

/*
 * True in the child of a child. The first process becomes its parent when its own has ended, waits
 * for it, and has no more words to do.
 */
static bool fork_twice(bool with_session)
{
	pid_t child;
	int status;

	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child > 0) {
		wait_for(child);
		CHECK(waitpid(-1, &status, 0) > 0 && status == 0);
		while (*faults_argv != NULL)
			faults_argv++;
		return false;
	}
	CHECK(!with_session || setsid() > 0);
	child = fork();
	CHECK(child >= 0);
	if (child > 0)
		_exit(0);
	return true;
}

static void fork_double(const char *value)
{
	(void) value;
	if (fork_twice(false))
		go_on_as_child();
	else
		printf("the first\n");
}

static void become_daemon(const char *value)
{
	(void) value;
	CHECK(!faults_load.is_open);
	if (!fork_twice(true)) {
		printf("the first\n");
		return;
	}
	CHECK(chdir("/") == 0);
	CHECK(syscall(SYS_close_range, 0, ~0U, 0) == 0);
	CHECK(open("/dev/null", O_RDWR) == 0 && dup(0) == 1 && dup(0) == 2);
}

static void do_exec(const char *value)
{
	(void) value;
	/* Its name stands in the place of the word. */
	faults_argv[-1] = "faults";
	execv("/proc/self/exe", faults_argv - 1);
	CHECK(!"execv");
}

static void do_vfork(const char *value)
{
	char *const argv[] = {"faults", "work=40", NULL};
	pid_t child = vfork();

	(void) value;
	if (child == 0) {
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	wait_for(child);
}

static void on_closed(uv_handle_t *handle)
{
	(void) handle;
	faults_called();
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	CHECK(status == 0 && signal == 0);
	faults_called();
	uv_close((uv_handle_t *) process, on_closed);
}

static void spawn(const char *value)
{
	static uv_process_t process;
	char *argv[] = {"faults", "work=40", NULL};
	uv_stdio_container_t same[] = {
	    {.flags = UV_INHERIT_FD, .data.fd = 0},
	    {.flags = UV_INHERIT_FD, .data.fd = 1},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	};
	const uv_process_options_t options = {
	    .exit_cb = on_exit_of_child,
	    .file = "/proc/self/exe",
	    .args = argv,
	    .stdio_count = 3,
	    .stdio = same,
	};

	(void) value;
	faults_open(&faults_load);
	CHECK_OK(uv_spawn(&faults_load.loop, &process, &options));
	CHECK_OK(uv_run(&faults_load.loop, UV_RUN_DEFAULT));
}

const struct faults_word faults_processes[] = {
    {"fork", do_fork},   {"double", fork_double}, {"daemon", become_daemon},
    {"vfork", do_vfork}, {"spawn", spawn},        {"exec", do_exec},
    {NULL, NULL},
};
