/* SPDX-License-Identifier: MIT */
/*
 * Rule S26: what a handle's callbacks see. A handle captures the stores when it is made, and again
 * each time it is started.
 */
#include "stores.h"

#include <signal.h>

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage second = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct store a = {"a", 0};
static struct store b = {"b", 0};
static struct store c = {"c", 0};
static struct store d = {"d", 0};

static uv_timer_t timer;
static uv_timer_t timers[4];

static void *run(struct store *store, void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(&storage, store, function, argument);
}

/* A handle that is closed elsewhere still has its own store in its close callback. */
static void on_close_sees_b(uv_handle_t *handle)
{
	(void) handle;
	puts("closed");
	SEES(&storage, &b);
}

static void *close_handle(void *handle)
{
	uv_close(handle, on_close_sees_b);
	return handle;
}

static void *init_timer(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timer));
	return loop;
}

static void on_timer_sees_a(uv_timer_t *handle)
{
	(void) handle;
	puts("timer");
	SEES(&storage, &a);
	SEES(&second, NULL);
}

static void on_timer_sees_b(uv_timer_t *handle)
{
	(void) handle;
	puts("timer");
	SEES(&storage, &b);
}

static void on_timer_sees_nothing(uv_timer_t *handle)
{
	(void) handle;
	puts("timer");
	SEES(&storage, NULL);
}

static void *start_for_a(void *handle)
{
	CHECK_OK(uv_timer_start(handle, on_timer_sees_a, 1, 0));
	return handle;
}

static void *start_for_b(void *handle)
{
	CHECK_OK(uv_timer_start(handle, on_timer_sees_b, 1, 0));
	return handle;
}

static void *make_for_a(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timer));
	return start_for_a(&timer);
}

/* Init, start and callback. What is not in a callback has no store. */
static void carried(uv_loop_t *loop)
{
	run(&a, make_for_a, loop);
	SEES(&storage, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	SEES(&storage, NULL);
	RELEASED(&a, 0);
	uv_close((uv_handle_t *) &timer, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	RELEASED(&a, 1);
}

/* The last start decides, not the init; be the timer stopped in between or not. */
static void last_start(uv_loop_t *loop)
{
	run(&c, init_timer, loop);
	run(&a, start_for_a, &timer);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	run(&b, start_for_b, &timer);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_timer_start(&timer, on_timer_sees_nothing, 1, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	run(&a, start_for_a, &timer);
	run(&b, start_for_b, &timer);
	CHECK_OK(uv_timer_stop(&timer));
	run(&a, start_for_a, &timer);
	run(&b, start_for_b, &timer);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	run(&c, close_handle, &timer);
}

/* A repeating timer keeps what it captured; uv_timer_again is a start. */
static void on_repeat(uv_timer_t *handle);

static void *again(void *handle)
{
	CHECK_OK(uv_timer_again(handle));
	return handle;
}

static void on_repeat(uv_timer_t *handle)
{
	static int times;

	printf("repeated %d\n", times);
	SEES(&storage, times < 3 ? &a : &b);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &d));
	if (times == 2)
		run(&b, again, handle);
	if (++times == 5)
		uv_close((uv_handle_t *) handle, on_close_sees_b);
}

static void *start_repeating(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_repeat, 1, 1));
	return loop;
}

static void repeating(uv_loop_t *loop)
{
	run(&a, start_repeating, loop);
}

/* What was made before an enter_with does not see it; what is made after it does. */
static void on_before_sees_a(uv_timer_t *handle)
{
	puts("made before");
	SEES(&storage, &a);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	HAS(&storage, &c);
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_after_sees_d(uv_timer_t *handle)
{
	puts("made after");
	SEES(&storage, &d);
	uv_close((uv_handle_t *) handle, NULL);
}

static void *enter_between(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timers[0]));
	CHECK_OK(uv_timer_start(&timers[0], on_before_sees_a, 1, 0));
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &d));
	CHECK_OK(uv_timer_init(loop, &timers[1]));
	CHECK_OK(uv_timer_start(&timers[1], on_after_sees_d, 2, 0));
	return loop;
}

static void enter_with(uv_loop_t *loop)
{
	run(&a, enter_between, loop);
	SEES(&storage, NULL);
}

/* A callback makes a timer, whose callback makes one, and so on: the store goes along. */
static void on_link(uv_timer_t *handle)
{
	int at = (int) (handle - timers);

	printf("link %d\n", at);
	SEES(&storage, at < 3 ? &a : NULL);
	SEES(&second, at == 2 ? &b : NULL);
	uv_close((uv_handle_t *) handle, NULL);
	if (at == 3)
		return;
	if (at == 1)
		CHECK_OK(uvhooks_local_storage_enter_with(&second, &b));
	if (at == 2) {
		CHECK_OK(uvhooks_local_storage_enter_with(&storage, NULL));
		uvhooks_local_storage_disable(&second);
	}
	CHECK_OK(uv_timer_init(handle->loop, &timers[at + 1]));
	CHECK_OK(uv_timer_start(&timers[at + 1], on_link, 1, 0));
}

static void *start_chain(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timers[0]));
	CHECK_OK(uv_timer_start(&timers[0], on_link, 1, 0));
	return loop;
}

static void chain(uv_loop_t *loop)
{
	run(&a, start_chain, loop);
}

/* A nested loop's callback begins with its own store, and the outer one's is back behind it. */
static void on_outer_sees_a(uv_timer_t *handle)
{
	uv_loop_t loop;

	SEES(&storage, &a);
	CHECK_OK(uv_loop_init(&loop));
	run(&b, init_timer, &loop);
	run(&b, start_for_b, &timer);
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	SEES(&storage, &a);
	uv_close((uv_handle_t *) &timer, NULL);
	CHECK_OK(uv_run(&loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&loop));
	SEES(&storage, &a);
	uv_close((uv_handle_t *) handle, NULL);
}

static void *start_outer(void *loop)
{
	CHECK_OK(uv_timer_init(loop, &timers[0]));
	CHECK_OK(uv_timer_start(&timers[0], on_outer_sees_a, 1, 0));
	return loop;
}

static void nested_loop(uv_loop_t *loop)
{
	run(&a, start_outer, loop);
}

/* Disabled, it is gone from what was captured before, for ever. */
static void *disable_and_make(void *loop)
{
	run(&a, make_for_a, loop);
	CHECK_OK(uv_timer_start(&timer, on_timer_sees_nothing, 1, 0));
	CHECK_OK(uv_timer_init(loop, &timers[0]));
	CHECK_OK(uv_timer_start(&timers[0], on_timer_sees_nothing, 1, 0));
	uvhooks_local_storage_disable(&storage);
	SEES(&storage, NULL);
	return loop;
}

static void disable(uv_loop_t *loop)
{
	run(&c, disable_and_make, loop);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	run(&b, start_for_b, &timer);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uv_close((uv_handle_t *) &timers[0], NULL);
	run(&c, close_handle, &timer);
}

/* The three watchers of a turn of the loop. */
static uv_idle_t idle;
static uv_prepare_t prepare;
static uv_check_t check;

static void on_idle_sees_a(uv_idle_t *handle)
{
	puts("idle");
	SEES(&storage, &a);
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_prepare_sees_b(uv_prepare_t *handle)
{
	puts("prepare");
	SEES(&storage, &b);
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_check_sees_c(uv_check_t *handle)
{
	puts("check");
	SEES(&storage, &c);
	uv_close((uv_handle_t *) handle, NULL);
}

static void *start_idle(void *handle)
{
	CHECK_OK(uv_idle_start(handle, on_idle_sees_a));
	return handle;
}

static void *start_prepare(void *handle)
{
	CHECK_OK(uv_prepare_start(handle, on_prepare_sees_b));
	return handle;
}

static void *start_check(void *handle)
{
	CHECK_OK(uv_check_start(handle, on_check_sees_c));
	return handle;
}

static void *init_watchers(void *loop)
{
	CHECK_OK(uv_idle_init(loop, &idle));
	CHECK_OK(uv_prepare_init(loop, &prepare));
	CHECK_OK(uv_check_init(loop, &check));
	return loop;
}

static void watchers(uv_loop_t *loop)
{
	run(&d, init_watchers, loop);
	run(&a, start_idle, &idle);
	run(&b, start_prepare, &prepare);
	run(&c, start_check, &check);
}

/* A descriptor, and a second start of the same handle while it is active. */
static int ends[2];
static uv_poll_t poll_handle;

static void *poll_again(void *handle);

static void on_poll(uv_poll_t *handle, int status, int events)
{
	static int times;
	char byte;

	CHECK_OK(status);
	printf("poll: %s\n", events == UV_READABLE ? "readable" : "something else");
	SEES(&storage, times == 0 ? &a : &b);
	CHECK(read(ends[0], &byte, 1) == 1);
	if (times++ == 0) {
		run(&b, poll_again, handle);
		CHECK(write(ends[1], "!", 1) == 1);
	} else {
		uv_close((uv_handle_t *) handle, on_close_sees_b);
	}
}

static void *poll_again(void *handle)
{
	CHECK_OK(uv_poll_start(handle, UV_READABLE, on_poll));
	return handle;
}

static void polling(uv_loop_t *loop)
{
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(uv_poll_init(loop, &poll_handle, ends[0]));
	run(&a, poll_again, &poll_handle);
	CHECK(write(ends[1], "!", 1) == 1);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	close(ends[0]);
	close(ends[1]);
}

static void on_signal_sees_a(uv_signal_t *handle, int number)
{
	printf("signal %s\n", number == SIGUSR1 ? "USR1" : "something else");
	SEES(&storage, &a);
	uv_close((uv_handle_t *) handle, NULL);
}

static void *start_signal(void *handle)
{
	CHECK_OK(uv_signal_start(handle, on_signal_sees_a, SIGUSR1));
	return handle;
}

static void *raise_signal(void *argument)
{
	CHECK_OK(kill(getpid(), SIGUSR1));
	return argument;
}

/* Who raises it has no say. */
static void signals(uv_loop_t *loop)
{
	static uv_signal_t handle;

	CHECK_OK(uv_signal_init(loop, &handle));
	run(&a, start_signal, &handle);
	run(&b, raise_signal, NULL);
}

/* A file, watched both ways. */
static uv_fs_event_t event_watcher;
static uv_fs_poll_t stat_watcher;

static void on_change_sees_a(uv_fs_event_t *handle, const char *name, int events, int status)
{
	(void) name;
	(void) events;
	CHECK_OK(status);
	puts("changed");
	SEES(&storage, &a);
	CHECK_OK(uv_fs_event_stop(handle));
	uv_close((uv_handle_t *) handle, NULL);
}

static void on_stat_sees_b(uv_fs_poll_t *handle, int status, const uv_stat_t *old,
			   const uv_stat_t *now)
{
	(void) old;
	(void) now;
	CHECK_RESULT(status, UV_ENOENT);
	puts("not there");
	SEES(&storage, &b);
	uv_close((uv_handle_t *) handle, NULL);
}

static void *watch_file(void *handle)
{
	CHECK_OK(uv_fs_event_start(handle, on_change_sees_a, "file", 0));
	return handle;
}

static void *watch_stat(void *handle)
{
	CHECK_OK(uv_fs_poll_start(handle, on_stat_sees_b, "no-such-file", 1));
	return handle;
}

static void files(uv_loop_t *loop)
{
	FILE *file;

	enter_scratch_folder();
	file = fopen("file", "we");
	CHECK(file != NULL);
	CHECK_OK(uv_fs_event_init(loop, &event_watcher));
	run(&a, watch_file, &event_watcher);
	CHECK(fputs("more", file) >= 0);
	CHECK(fclose(file) == 0);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_fs_poll_init(loop, &stat_watcher));
	run(&b, watch_stat, &stat_watcher);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(unlink("file") == 0);
	leave_scratch_folder();
}

static void on_exit_sees_a(uv_process_t *process, int64_t status, int signal)
{
	printf("child: status %d, signal %d\n", (int) status, signal);
	SEES(&storage, &a);
	uv_close((uv_handle_t *) process, NULL);
}

static void *spawn(void *loop)
{
	static char *child[] = {(char *) "sh", (char *) "-c", (char *) "exit 3", NULL};
	static uv_process_t process;
	uv_process_options_t options;

	memset(&options, 0, sizeof options);
	options.file = child[0];
	options.args = child;
	options.exit_cb = on_exit_sees_a;
	CHECK_OK(uv_spawn(loop, &process, &options));
	return loop;
}

static void process(uv_loop_t *loop)
{
	run(&a, spawn, loop);
}

/* uv_walk is no scope: its callback has the store of who walks. */
static void on_walk(uv_handle_t *handle, void *argument)
{
	(void) argument;
	HAS(&storage, &b);
	uv_close(handle, NULL);
}

static void *walk(void *loop)
{
	uv_walk(loop, on_walk, NULL);
	HAS(&storage, &b);
	return loop;
}

static void walked(uv_loop_t *loop)
{
	run(&a, init_timer, loop);
	run(&b, walk, loop);
}

static const struct scene scenes[] = {
    {"carried", carried},       {"last_start", last_start}, {"repeating", repeating},
    {"enter_with", enter_with}, {"chain", chain},           {"nested_loop", nested_loop},
    {"disable", disable},       {"watchers", watchers},     {"polling", polling},
    {"signals", signals},       {"files", files},           {"process", process},
    {"walked", walked},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
