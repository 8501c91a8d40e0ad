/* SPDX-License-Identifier: MIT */
/*
 * A plugin that does in its hooks what no plugin should. Option how=:
 *
 *	recurse   makes two timers in each init, also in those of the timers that it makes
 *	errno     leaves another errno behind
 *	close     closes all descriptors from 256 on: none of them is the program's
 *	jump      jumps, but stays in its hook
 *	fork      forks in the first init, and the child leaves
 *	hold      holds a lock while it calls the API: enables and disables itself, walks, counts
 *	exit      ends the process with status 7 in the 50th before
 *	loop      never comes back from the 50th before
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <uvhooks/plugin.h>

#define THE_ONE 50

static struct uvhooks_hook *hook;
static atomic_uint count;

/* For the first of the program's resources. */
static void recurse(const struct uvhooks_event *event)
{
	static __thread uv_loop_t loop;
	static __thread unsigned int depth;
	uv_timer_t timers[2];

	if (event->event != UVHOOKS_EVENT_INIT || (depth == 0 && atomic_fetch_add(&count, 1) > 2))
		return;
	if (depth++ == 0 && uv_loop_init(&loop) != 0)
		abort();
	for (int i = 0; i < 2; i++) {
		uv_timer_init(&loop, &timers[i]);
		uv_close((uv_handle_t *) &timers[i], NULL);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	if (--depth == 0)
		uv_loop_close(&loop);
}

static void spoil_errno(const struct uvhooks_event *event)
{
	(void) event;
	errno = ELIBBAD;
}

static void close_all(const struct uvhooks_event *event)
{
	(void) event;
	syscall(SYS_close_range, 256, ~0U, 0);
}

static void jump(const struct uvhooks_event *event)
{
	jmp_buf here;

	(void) event;
	if (setjmp(here) == 0)
		longjmp(here, 1);
}

static void fork_once(const struct uvhooks_event *event)
{
	pid_t child;

	if (event->event != UVHOOKS_EVENT_INIT || atomic_fetch_add(&count, 1) != 0)
		return;
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void see_resource(const struct uvhooks_resource *resource, void *data)
{
	(void) resource;
	++*(size_t *) data;
}

static void hold(const struct uvhooks_event *event)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	size_t seen = 0;

	(void) event;
	pthread_mutex_lock(&mutex);
	uvhooks_hook_disable(hook);
	uvhooks_hook_enable(hook);
	uvhooks_for_each_resource(see_resource, &seen);
	pthread_mutex_unlock(&mutex);
}

static bool is_the_one(const struct uvhooks_event *event)
{
	return event->event == UVHOOKS_EVENT_BEFORE && atomic_fetch_add(&count, 1) + 1 == THE_ONE;
}

static void end(const struct uvhooks_event *event)
{
	if (is_the_one(event))
		exit(7);
}

static void loop_for_ever(const struct uvhooks_event *event)
{
	if (is_the_one(event))
		for (;;)
			raise(SIGSTOP);
}

static const struct {
	const char *name;
	void (*misbehave)(const struct uvhooks_event *event);
} ways[] = {
    {"recurse", recurse}, {"errno", spoil_errno}, {"close", close_all}, {"jump", jump},
    {"fork", fork_once},  {"hold", hold},         {"exit", end},        {"loop", loop_for_ever},
};

static void (*misbehave)(const struct uvhooks_event *event);

static void on_event(const struct uvhooks_event *event, void *data)
{
	(void) data;
	misbehave(event);
}

static int rude_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = on_event,
	    .before = on_event,
	    .after = on_event,
	    .destroy = on_event,
	};

	for (size_t i = 0; args->count == 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(args->options[0].value, ways[i].name) == 0)
			misbehave = ways[i].misbehave;
	if (misbehave == NULL)
		return uvhooks_plugin_error(args, "this plugin takes one option: how=");
	if (misbehave == recurse)
		callbacks.flags = UVHOOKS_HOOK_NESTED;
	if (args->dry_run)
		return 0;
	hook = uvhooks_create_hook(&callbacks, NULL);
	return uvhooks_hook_enable(hook);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "rude",
    .summary = "does what no plugin should",
    .init = rude_init,
};
