/* SPDX-License-Identifier: MIT */
/* uv_run inside a callback, as deasync and Julia do it. */
#include "program.h"

static uv_timer_t outer;
static uv_timer_t inner;

static void on_inner_close(uv_handle_t *handle)
{
	CHECK(handle == (uv_handle_t *) &inner);
	puts("inner closed");
}

static void on_outer_close(uv_handle_t *handle)
{
	CHECK(handle == (uv_handle_t *) &outer);
	puts("outer closed");
}

static void on_inner(uv_timer_t *timer)
{
	puts("inner fires");
	uv_close((uv_handle_t *) timer, on_inner_close);
}

static void on_outer(uv_timer_t *timer)
{
	puts("outer fires");
	CHECK_OK(uv_timer_init(timer->loop, &inner));
	CHECK_OK(uv_timer_start(&inner, on_inner, 1, 0));
	CHECK_OK(uv_run(timer->loop, UV_RUN_DEFAULT));
	puts("outer goes on");
	uv_close((uv_handle_t *) timer, on_outer_close);
}

/* The inner timer lives and dies inside the outer callback. */
static void inside(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_outer, 1, 0));
}

static void on_outer_closing_itself(uv_timer_t *timer)
{
	puts("outer fires");
	uv_close((uv_handle_t *) timer, on_outer_close);
	CHECK_OK(uv_run(timer->loop, UV_RUN_DEFAULT));
	puts("outer ends");
}

/* The close callback of a handle runs while its timer callback is still on the stack. */
static void close_inside(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_outer_closing_itself, 1, 0));
}

static void on_recursive(uv_timer_t *timer)
{
	static int depth;

	if (++depth == 3) {
		uv_close((uv_handle_t *) timer, on_outer_close);
		return;
	}
	printf("depth %d\n", depth);
	CHECK_OK(uv_run(timer->loop, UV_RUN_DEFAULT));
	printf("depth %d ends\n", depth);
}

/* A repeating timer fires again inside its own callback. */
static void itself(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_recursive, 1, 1));
}

static void on_inner_stat(uv_fs_t *req)
{
	puts("inner stat");
	uv_fs_req_cleanup(req);
}

static void on_outer_stat(uv_fs_t *req)
{
	uv_loop_t *loop = req->loop;

	puts("outer stat");
	uv_fs_req_cleanup(req);
	CHECK_OK(uv_fs_stat(loop, req, ".", on_inner_stat));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	puts("outer stat ends");
}

/* The same memory is a second request, which ends before the first one's callback has returned. */
static void request_inside(uv_loop_t *loop)
{
	static uv_fs_t req;

	CHECK_OK(uv_fs_stat(loop, &req, ".", on_outer_stat));
}

#define DEPTH 150
static uv_timer_t deep_timers[DEPTH];
static int deep;

static void on_deep(uv_timer_t *timer)
{
	int level = ++deep;

	uv_close((uv_handle_t *) timer, NULL);
	if (level == DEPTH)
		return;
	CHECK_OK(uv_timer_init(timer->loop, &deep_timers[level]));
	CHECK_OK(uv_timer_start(&deep_timers[level], on_deep, 0, 0));
	CHECK_OK(uv_run(timer->loop, UV_RUN_DEFAULT));
}

/* Deeper than any stack of callbacks that is a fixed size would be. */
static void deeply(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &deep_timers[0]));
	CHECK_OK(uv_timer_start(&deep_timers[0], on_deep, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(deep == DEPTH);
}

#define MANY 20000
static uv_timer_t *many;

static void on_closing_many(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, NULL);
	for (int i = 0; i < MANY; i++) {
		CHECK_OK(uv_timer_init(timer->loop, &many[i]));
		uv_close((uv_handle_t *) &many[i], NULL);
	}
	CHECK_OK(uv_run(timer->loop, UV_RUN_DEFAULT));
	puts("many closed");
}

/* More handles end inside one callback than destroys may wait. */
static void many_ends(uv_loop_t *loop)
{
	many = calloc(MANY, sizeof *many);
	CHECK(many != NULL);
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_closing_many, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	free(many);
}

static uv_loop_t second_loop;

static void on_other_loop(uv_timer_t *timer)
{
	uv_close((uv_handle_t *) timer, on_outer_close);
	CHECK_OK(uv_loop_init(&second_loop));
	CHECK_OK(uv_timer_init(&second_loop, &inner));
	CHECK_OK(uv_timer_start(&inner, on_inner, 1, 0));
	CHECK_OK(uv_run(&second_loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&second_loop));
}

/* A callback of one loop runs another loop. */
static void other_loop(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &outer));
	CHECK_OK(uv_timer_start(&outer, on_other_loop, 1, 0));
}

static const struct scene scenes[] = {
    {"inside", inside},         {"close_inside", close_inside},
    {"itself", itself},         {"request_inside", request_inside},
    {"deeply", deeply},         {"many_ends", many_ends},
    {"other_loop", other_loop},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
