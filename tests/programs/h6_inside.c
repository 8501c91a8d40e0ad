/* SPDX-License-Identifier: MIT */
/*
 * Canonical trace H6: libuv makes timers, signal handlers, async handles and fs requests for its
 * own use; they are not the program's.
 */
#include "program.h"

#include <fcntl.h>

static int reported;

static void append_byte(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, "x", 1) == 1);
	CHECK(close(fd) == 0);
}

static void on_close(uv_handle_t *handle)
{
	(void) handle;
	puts("closed");
}

/* Reported: the file is missing; it is there; it has grown. */
static void on_change(uv_fs_poll_t *poll, int status, const uv_stat_t *before, const uv_stat_t *now)
{
	printf("report %d: %s, %d bytes, then %d\n", ++reported,
	       status < 0 ? uv_err_name(status) : "ok", (int) before->st_size, (int) now->st_size);
	if (reported < 3) {
		append_byte("watched");
		return;
	}
	CHECK(unlink("watched") == 0);
	uv_close((uv_handle_t *) poll, on_close);
}

static void fs_poll(uv_loop_t *loop)
{
	static uv_fs_poll_t poll;

	CHECK_OK(uv_fs_poll_init(loop, &poll));
	CHECK_OK(uv_fs_poll_start(&poll, on_change, "watched", 5));
}

static void on_exit_of_child(uv_process_t *process, int64_t status, int signal)
{
	printf("child ended: status %d, signal %d\n", (int) status, signal);
	uv_close((uv_handle_t *) process, on_close);
}

static void spawn(uv_loop_t *loop)
{
	static uv_process_t process;

	spawn_true(loop, &process, on_exit_of_child);
}

static void default_loop(uv_loop_t *loop)
{
	CHECK(uv_default_loop() == loop);
	CHECK_OK(uv_loop_alive(loop));
}

/* uv_fs_copyfile calls uv_fs_open, uv_fs_sendfile and others on a pool thread. */
static void on_copied(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	puts("copied");
	uv_fs_req_cleanup(req);
	CHECK(unlink("from") == 0 && unlink("to") == 0);
}

static void copyfile(uv_loop_t *loop)
{
	static uv_fs_t req;

	append_byte("from");
	CHECK_OK(uv_fs_copyfile(loop, &req, "from", "to", 0, on_copied));
}

static const struct scene scenes[] = {
    {"fs_poll", fs_poll},
    {"spawn", spawn},
    {"default_loop", default_loop},
    {"copyfile", copyfile},
};

int main(int argc, char **argv)
{
	return PLAY_IN_SCRATCH_FOLDER(scenes);
}
