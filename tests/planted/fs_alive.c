/* SPDX-License-Identifier: MIT */
/* Opens a FIFO to read, which takes until somebody opens it to write: and nobody ever does. */
#include "planted.h"

#include <fcntl.h>

static void on_open(uv_fs_t *request)
{
	printf("opened: %s\n", request->result >= 0 ? "yes" : uv_err_name((int) request->result));
	CHECK(close((int) request->result) == 0);
	CHECK(unlink("fifo") == 0);
	leave_scratch_folder();
	uv_fs_req_cleanup(request);
}

int main(int argc, char **argv)
{
	bool faulty = has_fault(argc, argv);
	int how = faulty ? O_RDONLY : O_RDWR;
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t patience;
	uv_fs_t open;

	enter_scratch_folder();
	CHECK(mkfifo("fifo", 0600) == 0);
	CHECK_OK(uv_fs_open(loop, &open, "fifo", how, 0, on_open)); /* PLANTED */
	kill_unless_it_ends(loop, &patience, faulty);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	return 0;
}
