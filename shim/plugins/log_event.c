/* SPDX-License-Identifier: MIT */
/* From an event to its line: is it wanted, when and how deep did it happen, and away with it. */
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct timespec started;
static pid_t main_thread;     /* whose thread id goes without saying */
static bool one_among_others; /* started by a program that is traced, too */

/* Small, since room for the static TLS of a plugin is: callbacks and loops on this thread. */
static __thread unsigned int depth __attribute__((tls_model("initial-exec")));

static struct uvhooks_hook *hook;     /* for the events that were chosen at first */
static struct uvhooks_hook *all_hook; /* for all, once others were chosen */

static inline const struct log_options *options(void)
{
	return atomic_load_explicit(&log_options, memory_order_acquire);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) (now.tv_sec - started.tv_sec) * UINT64_C(1000000000) +
	       (uint64_t) now.tv_nsec - (uint64_t) started.tv_nsec;
}

static bool is_wanted_event(unsigned int event)
{
	return (options()->events >> event & 1) != 0;
}

static bool is_wanted_type(unsigned int type)
{
	return !options()->some_types ||
	       options()->types[type < LOG_NAMED_TYPES ? type : LOG_NAMED_TYPES];
}

/* Does the event begin or end something, of which both are shown? */
static bool is_one_of(unsigned int event, unsigned int begin, unsigned int end)
{
	return (event == begin && is_wanted_event(end)) || (event == end && is_wanted_event(begin));
}

/* How far the event is indented. What was left without an `after` must not go below zero. */
static unsigned int nest(unsigned int event)
{
	if (!is_one_of(event, UVHOOKS_EVENT_BEFORE, UVHOOKS_EVENT_AFTER) &&
	    !is_one_of(event, UVHOOKS_EVENT_WORK_BEGIN, UVHOOKS_EVENT_WORK_END) &&
	    !is_one_of(event, UVHOOKS_EVENT_LOOP_ENTER, UVHOOKS_EVENT_LOOP_EXIT))
		return depth;
	if (event == UVHOOKS_EVENT_BEFORE || event == UVHOOKS_EVENT_WORK_BEGIN ||
	    event == UVHOOKS_EVENT_LOOP_ENTER)
		return depth++;
	return depth == 0 ? 0 : --depth;
}

void log_event(const struct uvhooks_event *event, const char *context)
{
	struct log_moment moment;
	struct log_line line;
	int saved_errno, cancel;

	if (!is_wanted_event(event->event))
		return;
	moment.depth = nest(event->event);
	if (!is_wanted_type(event->type))
		return;
	/* write and open are cancellation points; the call that caused the event may be none. */
	saved_errno = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	moment.time_ns = now_ns();
	moment.show_thread = one_among_others || event->thread_id != (uint32_t) main_thread;
	moment.context = context;
	line.used = 0;
	if (options()->json)
		log_json_event(&line, event, &moment);
	else
		log_text_event(&line, event, &moment);
	log_file_write(&line);
	pthread_setcancelstate(cancel, NULL);
	errno = saved_errno;
}

static void lost_line(struct log_line *line, uint64_t lost)
{
	if (options()->json)
		log_json_lost(line, lost, now_ns());
	else
		log_text_lost(line, lost, now_ns());
}

int log_start(struct uvhooks_plugin_args *args)
{
	const char *launched = getenv("UVHOOKS_LAUNCHED");
	struct log_options kept = *options();

	if (!uvhooks_present())
		return uvhooks_plugin_error(args, "libuvhooks.so is not in this process");
	clock_gettime(CLOCK_MONOTONIC, &started);
	main_thread = getpid();
	one_among_others = launched != NULL && strtol(launched, NULL, 10) != main_thread;
	log_symbol_start();
	if (log_file_start(args, kept.file, lost_line) != 0)
		return -1;
	kept.file = NULL; /* `args` ends with the plugin's init */
	log_options_set(&kept);
	return 0;
}

static struct uvhooks_hook *make_hook(uint32_t events, uvhooks_event_cb callback)
{
	struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks)};

#define XX(name, text)                                                                             \
	if (events >> UVHOOKS_EVENT_##name & 1)                                                    \
		callbacks.text = callback;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	return uvhooks_create_hook(&callbacks, NULL);
}

int log_hook(struct uvhooks_plugin_args *args, uint32_t events, uvhooks_event_cb callback)
{
	hook = make_hook(events, callback);
	if (hook == NULL || uvhooks_hook_enable(hook) != 0)
		return uvhooks_plugin_error(args, "no memory for a hook");
	return 0;
}

/* Hooks are never freed, so there is one more and no others. */
int log_hook_again(struct uvhooks_plugin_args *args, uint32_t events, uvhooks_event_cb callback)
{
	if (events == options()->events)
		return 0;
	if (all_hook == NULL)
		all_hook = make_hook(UVHOOKS_EVENTS_ALL, callback);
	if (all_hook == NULL || uvhooks_hook_enable(all_hook) != 0)
		return uvhooks_plugin_error(args, "no memory for a hook");
	uvhooks_hook_disable(hook);
	return 0;
}
