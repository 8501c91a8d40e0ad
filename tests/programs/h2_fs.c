/* SPDX-License-Identifier: MIT */
/* Canonical trace H2: file system requests, one alone, a chain on the same memory, a synchronous
 * one. */
#include "program.h"

static uv_fs_t request;

static void on_last(uv_fs_t *req)
{
	CHECK(req == &request && S_ISDIR(req->statbuf.st_mode));
	puts("stat done");
	uv_fs_req_cleanup(req);
}

static void on_first(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	puts("first stat done");
	uv_fs_req_cleanup(req);
	uv_fs_stat(req->loop, req, ".", on_last);
}

static void stat_once(uv_loop_t *loop)
{
	CHECK_OK(uv_fs_stat(loop, &request, ".", on_last));
}

static void chain(uv_loop_t *loop)
{
	CHECK_OK(uv_fs_stat(loop, &request, ".", on_first));
}

static void synchronous(uv_loop_t *loop)
{
	CHECK_OK(uv_fs_stat(loop, &request, ".", NULL));
	CHECK(S_ISDIR(request.statbuf.st_mode));
	uv_fs_req_cleanup(&request);
	CHECK_OK(uv_fs_stat(NULL, &request, ".", NULL));
	uv_fs_req_cleanup(&request);
	CHECK_RESULT(uv_fs_stat(NULL, &request, "/no/such/file", NULL), UV_ENOENT);
	uv_fs_req_cleanup(&request);
}

static const struct scene scenes[] = {
    {"stat", stat_once},
    {"chain", chain},
    {"synchronous", synchronous},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
