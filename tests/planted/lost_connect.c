/* SPDX-License-Identifier: MIT */
/*
 * Two connections to one that listens, but accepts nothing, and has room for one in its queue: the
 * other is never answered, and nobody gives it up.
 */
#include "planted.h"

static uv_tcp_t answered, unanswered;
static bool faulty;

static void on_connected(uv_connect_t *request, int status)
{
	printf("%s: %s\n", request->handle == (uv_stream_t *) &answered ? "first" : "second",
	       status == 0 ? "connected" : uv_err_name(status));
}

static void on_patience_lost(uv_timer_t *patience)
{
	uv_close((uv_handle_t *) &answered, NULL);
	if (!faulty)
		uv_close((uv_handle_t *) &unanswered, NULL);
	uv_close((uv_handle_t *) patience, NULL);
}

static void on_given_up(uv_timer_t *end)
{
	uv_stop(end->loop);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_connect_t first, second;
	struct sockaddr_in address;
	const struct sockaddr *to = (struct sockaddr *) &address;
	uv_timer_t patience, end;
	int listener = plain_listener(&address);

	faulty = has_fault(argc, argv);
	CHECK(listen(listener, 0) == 0);
	CHECK_OK(uv_tcp_init(loop, &answered));
	CHECK_OK(uv_tcp_connect(&first, &answered, to, on_connected));
	CHECK_OK(uv_run(loop, UV_RUN_ONCE));
	CHECK_OK(uv_tcp_init(loop, &unanswered));
	CHECK_OK(uv_tcp_connect(&second, &unanswered, to, on_connected)); /* PLANTED */
	CHECK_OK(uv_timer_init(loop, &patience));
	CHECK_OK(uv_timer_start(&patience, on_patience_lost, 120, 0));
	CHECK_OK(uv_timer_init(loop, &end));
	CHECK_OK(uv_timer_start(&end, on_given_up, 150, 0));
	uv_run(loop, UV_RUN_DEFAULT);
	printf("done\n");
	return 0;
}
