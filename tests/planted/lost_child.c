/* SPDX-License-Identifier: MIT */
/*
 * Of two children one has its handle closed before it has exited: libuv does not wait for it any
 * more, and it stays a zombie.
 */
#include "planted.h"

#include <signal.h>
#include <sys/wait.h>

static bool faulty;

static void on_exit_of_child(uv_process_t *child, int64_t status, int signal)
{
	printf("a child exited: %d, %d\n", (int) status, signal);
	if (!uv_is_closing((uv_handle_t *) child))
		uv_close((uv_handle_t *) child, NULL);
}

/* How many have exited and were not waited for; waits until one has, if there is any child. */
static unsigned int zombies(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	char *words[] = {"sh", "-c", "exit 3", NULL};
	uv_process_options_t options = {
	    .file = "/bin/sh", .args = words, .exit_cb = on_exit_of_child};
	uv_loop_t *loop = uv_default_loop();
	uv_process_t minded, lost;

	faulty = has_fault(argc, argv);
	CHECK_OK(uv_spawn(loop, &minded, &options));
	CHECK_OK(uv_spawn(loop, &lost, &options)); /* PLANTED */
	if (faulty)
		uv_close((uv_handle_t *) &lost, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	printf("zombies: %u\n", zombies());
	return 0;
}
