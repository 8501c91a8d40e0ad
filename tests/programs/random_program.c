/* SPDX-License-Identifier: MIT */
/*
 * Does random things with libuv, well inside what libuv allows, and ends all it began:
 *
 *	random_program [SEED [OPERATIONS]]
 *
 * A world is a loop with its slots of memory. An operation is tried by top-level code between
 * two turns of the loop, or by any callback; it makes, starts, stops or closes a handle,
 * submits or cancels a request, runs the loop again, walks it, starts a thread with a world of
 * its own, or makes a call that fails. Memory of handles that have closed and requests that
 * have ended is used again, wiped or not. What happens is the same for a seed but for the
 * order in which threads come.
 */
#include "random_world.h"

#include <signal.h>

/* Every kind of operation, weighed by how often it is named. */
static void (*const operations[])(struct world *world) = {
    make_handle,    make_handle,        make_handle,    make_handle,    make_handle,
    start_handle,   start_handle,       start_handle,   start_handle,   start_handle,
    stop_handle,    stop_handle,        close_handle,   close_handle,   close_handle,
    submit_request, submit_request,     submit_request, submit_request, submit_request,
    submit_request, use_stream,         use_stream,     use_stream,     use_stream,
    send_wakeup,    send_wakeup,        cancel_request, cancel_request, fail_call,
    fail_call,      walk_handles,       nest_run,       nest_run,       start_thread,
    second_loop,    call_synchronously,
};

void act(struct world *world)
{
	if (world->left <= 0 || world->ending)
		return;
	world->left--;
	operations[pick(world, COUNT(operations))](world);
}

/* What a callback does: nothing, mostly. */
void maybe_act(struct world *world)
{
	bool may_nest = world->may_nest;

	world->may_nest = false;
	for (unsigned int times = pick(world, 4); times > 1; times--)
		act(world);
	world->may_nest = may_nest;
}

void play_world(struct world *world, uint64_t seed, int count, int depth)
{
	begin_world(world, seed, count, depth);
	while (world->left > 0) {
		world->may_nest = true;
		act(world);
		if (pick(world, 3) == 0)
			uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	end_world(world);
}

int main(int argc, char **argv)
{
	static struct world world;
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	int count = argc > 2 ? atoi(argv[2]) : 400;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	signal(SIGPIPE, SIG_IGN);
	enter_scratch_folder();
	play_world(&world, seed, count, 0);
	CHECK(unlink("file") == 0 || errno == ENOENT);
	leave_scratch_folder();
	printf("seed %llu: %d operations, all ended\n", (unsigned long long) seed, count);
	report_counters();
	return 0;
}
