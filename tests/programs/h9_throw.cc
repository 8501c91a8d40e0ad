/* SPDX-License-Identifier: MIT */
/* Canonical trace H9: C++ exceptions that leave a callback, through uv_run, to main or less far. */
#include "program.h"

#include <stdexcept>

static void on_close(uv_handle_t *)
{
	puts("closed");
}

static void on_later(uv_timer_t *timer)
{
	puts("later timer");
	uv_close(reinterpret_cast<uv_handle_t *>(timer), on_close);
}

static void throwing(uv_timer_t *)
{
	puts("throwing");
	throw std::runtime_error("from a timer");
}

/* What main makes after the catch is top-level code's, not the dead callback's. */
static void to_main(uv_loop_t *loop)
{
	static uv_timer_t thrower;
	static uv_timer_t later;

	CHECK_OK(uv_timer_init(loop, &thrower));
	CHECK_OK(uv_timer_start(&thrower, throwing, 1, 0));
	try {
		uv_run(loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
	CHECK_OK(uv_timer_init(loop, &later));
	CHECK_OK(uv_timer_start(&later, on_later, 50, 0));
	uv_close(reinterpret_cast<uv_handle_t *>(&thrower), on_close);
}

static uv_timer_t inner;
static uv_timer_t made_after;

/* Runs the loop again; catches what comes out of it; goes on. */
static void catching(uv_timer_t *timer)
{
	CHECK_OK(uv_timer_init(timer->loop, &inner));
	CHECK_OK(uv_timer_start(&inner, throwing, 1, 0));
	try {
		uv_run(timer->loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught in the outer callback: %s\n", error.what());
	}
	CHECK_OK(uv_timer_init(timer->loop, &made_after));
	uv_close(reinterpret_cast<uv_handle_t *>(&made_after), nullptr);
	uv_close(reinterpret_cast<uv_handle_t *>(&inner), nullptr);
	uv_close(reinterpret_cast<uv_handle_t *>(timer), on_close);
}

static void to_outer_callback(uv_loop_t *loop)
{
	static uv_timer_t outer;

	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, catching, 1, 0));
}

static void nesting(uv_timer_t *timer)
{
	CHECK_OK(uv_timer_init(timer->loop, &inner));
	CHECK_OK(uv_timer_start(&inner, throwing, 1, 0));
	uv_run(timer->loop, UV_RUN_DEFAULT);
	CHECK(!"uv_run must not return");
}

/* Two callbacks are left by one exception: the inner one first. */
static void through_two(uv_loop_t *loop)
{
	static uv_timer_t outer;

	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, nesting, 1, 0));
	try {
		uv_run(loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
	uv_close(reinterpret_cast<uv_handle_t *>(&inner), nullptr);
	uv_close(reinterpret_cast<uv_handle_t *>(&outer), nullptr);
}

static void throwing_inside(uv_timer_t *timer)
{
	try {
		throw std::runtime_error("kept inside");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
	uv_close(reinterpret_cast<uv_handle_t *>(timer), on_close);
}

static void inside(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, throwing_inside, 1, 0));
}

static void throwing_on_close(uv_handle_t *)
{
	throw std::runtime_error("from a close callback");
}

/* The close callback is the end of a handle, returned or not. */
static void from_close(uv_loop_t *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	uv_close(reinterpret_cast<uv_handle_t *>(&timer), throwing_on_close);
	try {
		uv_run(loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
}

static void throwing_on_stat(uv_fs_t *req)
{
	uv_fs_req_cleanup(req);
	throw std::runtime_error("from a request");
}

static void on_stat(uv_fs_t *req)
{
	uv_fs_req_cleanup(req);
	puts("next request");
}

/*
 * A request's callback is its end as well. The next request lets libuv tidy up what it keeps on the
 * stack while it polls.
 */
static void from_request(uv_loop_t *loop)
{
	static uv_fs_t req;

	CHECK_OK(uv_fs_stat(loop, &req, ".", throwing_on_stat));
	try {
		uv_run(loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
	CHECK_OK(uv_fs_stat(loop, &req, ".", on_stat));
}

static const struct scene scenes[] = {
    {"to_main", to_main},         {"to_outer_callback", to_outer_callback},
    {"through_two", through_two}, {"inside", inside},
    {"from_close", from_close},   {"from_request", from_request},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
