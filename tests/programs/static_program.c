/* SPDX-License-Identifier: MIT */
/* A program that has libuv inside: nothing of it can be seen from a preloaded library. */
#include "program.h"

static void on_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	puts("stat");
	uv_fs_req_cleanup(req);
}

static void inside(uv_loop_t *loop)
{
	static uv_fs_t req;

	CHECK_OK(uv_fs_stat(loop, &req, ".", on_stat));
}

static const struct scene scenes[] = {
    {"inside", inside},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
