/* SPDX-License-Identifier: MIT */
/*
 * Rule S26, with longjmp, fork and signal handlers: what a scope that was left without a word
 * leaves behind. Without the shim nobody may jump out of a run, so there nothing jumps.
 */
#include "stores.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct store a = {"a", 0};
static struct store b = {"b", 0};
static struct store c = {"c", 0};
static jmp_buf back;

static void *run(struct store *store, void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(&storage, store, function, argument);
}

static void begin(void)
{
	a.released = b.released = c.released = 0;
}

static void *jump(void *argument)
{
	HAS(&storage, &b);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	if (uvhooks_present())
		longjmp(back, 1);
	return argument;
}

static void *run_and_jump(void *argument)
{
	return run(&b, jump, argument);
}

/* Out of two runs at top level: the next look finds nothing any more. */
static void from_top_level(uv_loop_t *loop)
{
	begin();
	if (setjmp(back) == 0)
		run(&a, run_and_jump, loop);
	HAS(&storage, NULL);
	RELEASED(&a, 1);
	RELEASED(&b, 1);
	RELEASED(&c, 1);
	puts("back at top level");
}

/* Out of a run in a callback: that has the store that it began with. */
static void on_timer_sees_a(uv_timer_t *timer)
{
	SEES(&storage, &a);
	if (setjmp(back) == 0)
		run_and_jump(NULL);
	SEES(&storage, &a);
	RELEASED(&b, 1);
	RELEASED(&c, 1);
	puts("back in the callback");
	uv_close((uv_handle_t *) timer, NULL);
}

static void *start_timer(void *loop)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer_sees_a, 1, 0));
	return loop;
}

static void in_callback(uv_loop_t *loop)
{
	begin();
	run(&a, start_timer, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	RELEASED(&a, 1);
}

/* Out of a resource's scope, with a run in it. */
static void *scope_sees_a(void *argument)
{
	SEES(&storage, &a);
	return run_and_jump(argument);
}

static void *make_job(void *resource)
{
	CHECK_OK(uvhooks_async_resource_create(resource, "Job", NULL));
	return resource;
}

static void from_scope(uv_loop_t *loop)
{
	struct uvhooks_async_resource resource;

	begin();
	run(&a, make_job, &resource);
	if (setjmp(back) == 0)
		uvhooks_async_resource_run_in_async_scope(&resource, scope_sees_a, loop);
	HAS(&storage, NULL);
	CHECK_OK(uvhooks_async_resource_emit_destroy(&resource));
	RELEASED(&a, 1);
	RELEASED(&b, 1);
	RELEASED(&c, 1);
	puts("back from the scope");
}

static void *look_at_b(void *argument)
{
	HAS(&storage, &b);
	return argument;
}

/* A forked child goes on in the scope that it was forked in, and so does its parent. */
static void *fork_here(void *argument)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	HAS(&storage, &a);
	run(&b, look_at_b, argument);
	HAS(&storage, &a);
	CHECK_RESULT(times_released(&b), 1);
	if (child == 0)
		_exit(7);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status));
	printf("the child ended with %d\n", WEXITSTATUS(status));
	return argument;
}

static void forked(uv_loop_t *loop)
{
	begin();
	run(&a, fork_here, loop);
	RELEASED(&a, 1);
}

/* A signal handler looks at the store of what it interrupted. */
static void *seen_by_handler;

static void on_signal(int number)
{
	(void) number;
	seen_by_handler = uvhooks_local_storage_get_store(&storage);
}

static void *interrupt(void *argument)
{
	CHECK(raise(SIGUSR1) == 0);
	CHECK(seen_by_handler == &a);
	return argument;
}

static void interrupted(uv_loop_t *loop)
{
	CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
	run(&a, interrupt, loop);
	CHECK(raise(SIGUSR1) == 0);
	CHECK(seen_by_handler == NULL);
	CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
	puts("seen in a signal handler");
}

static const struct scene scenes[] = {
    {"from_top_level", from_top_level}, {"in_callback", in_callback},
    {"from_scope", from_scope},         {"forked", forked},
    {"interrupted", interrupted},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
