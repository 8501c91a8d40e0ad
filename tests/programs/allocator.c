/* SPDX-License-Identifier: MIT */
/* uv_replace_allocator before anything else, as uvloop does it; the allocator uses libuv itself. */
#include "program.h"

static __thread int depth;
static unsigned long allocations;

/* Calls a function of libuv that allocates nothing, inside libuv. */
static void touch_libuv(void)
{
	uv_timer_t timer;

	allocations++;
	if (depth++ == 0)
		CHECK(uv_is_active((uv_handle_t *) memset(&timer, 0, sizeof timer)) == 0);
	depth--;
}

static void *own_malloc(size_t bytes)
{
	touch_libuv();
	return malloc(bytes);
}

static void *own_realloc(void *memory, size_t bytes)
{
	touch_libuv();
	return realloc(memory, bytes);
}

static void *own_calloc(size_t count, size_t bytes)
{
	touch_libuv();
	return calloc(count, bytes);
}

static void own_free(void *memory)
{
	free(memory);
}

static void on_stat(uv_fs_t *req)
{
	CHECK_RESULT(req->result, 0);
	puts("stat");
	uv_fs_req_cleanup(req);
}

static void own_allocator(uv_loop_t *loop)
{
	static uv_fs_t req;

	CHECK_OK(uv_fs_stat(loop, &req, ".", on_stat));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(allocations > 0);
}

static const struct scene scenes[] = {
    {"own_allocator", own_allocator},
};

int main(int argc, char **argv)
{
	CHECK_OK(uv_replace_allocator(own_malloc, own_realloc, own_calloc, own_free));
	return PLAY(scenes);
}
