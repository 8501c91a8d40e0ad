/* SPDX-License-Identifier: MIT */
/*
 * The meter plugin: counts what happens, for `uvhooks top`, while somebody watches.
 *
 * - watch=SECONDS: for so long from now on; who asks again before that goes on watching. So a
 *   watcher that is killed leaves nothing switched on for longer.
 * - who=NUMBER: who it is that asks, or leaves: several may watch. 1 if that is not said.
 * - leave=1: this one does not watch any more.
 *
 * Without `watch`, in UVHOOKS_PLUGINS, it counts until it is disabled.
 */
#include "meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uvhooks/control.h>

#include "recorder.h"

#define WATCH_MAX_S 86400
#define WINDOW_S    10
#define TURNS_PER_S 100000 /* 10 us apart, as `uvhooks report` has it */

struct meter *meter;
static struct uvhooks_hook *hook;
static uint64_t frequency;

struct options {
	uint64_t watch_s; /* 0: not said */
	uint64_t who;
	bool leave;
};

static uint64_t read_number(const char *text, uint64_t most)
{
	uint64_t number = 0;

	if (*text == '\0')
		return 0;
	for (; *text >= '0' && *text <= '9' && number <= most; text++)
		number = number * 10 + (uint64_t) (*text - '0');
	return *text == '\0' && number <= most ? number : 0;
}

static int read_option(struct uvhooks_plugin_args *args, struct options *options, const char *key,
		       const char *value)
{
	if (strcmp(key, "watch") == 0) {
		options->watch_s = read_number(value, WATCH_MAX_S);
		if (options->watch_s != 0)
			return 0;
		return uvhooks_plugin_error(args, "watch=%s: say seconds, from 1 to %d", value,
					    WATCH_MAX_S);
	}
	if (strcmp(key, "who") == 0) {
		options->who = read_number(value, INT32_MAX);
		if (options->who != 0)
			return 0;
		return uvhooks_plugin_error(args, "who=%s: say a number, such as a pid", value);
	}
	if (strcmp(key, "leave") == 0 && strcmp(value, "1") == 0) {
		options->leave = true;
		return 0;
	}
	return uvhooks_plugin_error(
	    args, "unknown option '%s'; known are watch=SECONDS, who=NUMBER and leave=1", key);
}

static int read_options(struct uvhooks_plugin_args *args, struct options *options)
{
	*options = (struct options){.who = 1};
	for (size_t i = 0; i < args->count; i++)
		if (read_option(args, options, args->options[i].key, args->options[i].value) != 0)
			return -1;
	if (options->leave && options->watch_s != 0)
		return uvhooks_plugin_error(args, "watch= and leave= exclude each other");
	return 0;
}

/* Counting begins from nothing. */
static void begin(uint64_t now)
{
	struct meter_area *area = &meter->area;
	const uint32_t rows = area->row_count < METER_ROWS ? area->row_count : METER_ROWS;

	for (uint32_t i = 0; i < rows; i++)
		__atomic_store_n(&meter->rows[i].kind, METER_NOTHING, __ATOMIC_RELAXED);
	area->clock_is_tsc = recorder_clock_is_tsc;
	area->frequency = frequency;
	area->window_ticks = WINDOW_S * frequency;
	area->turn_ticks = frequency / TURNS_PER_S;
	area->rows = (uintptr_t) meter->rows;
	area->threads = (uintptr_t) meter->threads;
	area->sites = (uintptr_t) meter->sites;
	area->spaces = (uintptr_t) meter->spaces;
	area->begin = now;
	area->no_row = area->no_thread = area->no_site = area->no_slot = area->too_deep = 0;
	__atomic_store_n(&area->row_count, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&area->version, METER_VERSION, __ATOMIC_RELEASE);
	__atomic_store_n(&area->generation, area->generation + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&area->watching, 1, __ATOMIC_RELEASE);
}

/* The place of a watcher, or a free one; NULL: there is none. */
static struct meter_watcher *watcher_of(uint64_t who)
{
	struct meter_watcher *found = NULL;

	for (unsigned int i = 0; i < METER_WATCHERS; i++) {
		struct meter_watcher *watcher = &meter->area.watchers[i];

		if (watcher->who == who)
			return watcher;
		if (watcher->who == 0 && found == NULL)
			found = watcher;
	}
	return found;
}

/* Forgets whose time is over; returns until when others watch, 0 if there are none. */
static uint64_t latest_watcher(uint64_t now)
{
	uint64_t until = 0;

	for (unsigned int i = 0; i < METER_WATCHERS; i++) {
		struct meter_watcher *watcher = &meter->area.watchers[i];

		if (watcher->until <= now)
			watcher->who = 0;
		if (watcher->who != 0 && watcher->until > until)
			until = watcher->until;
	}
	return until;
}

static bool try_lock(void)
{
	return __atomic_exchange_n(&meter->changing, 1, __ATOMIC_ACQUIRE) == 0;
}

static void unlock(void)
{
	__atomic_store_n(&meter->changing, 0, __ATOMIC_RELEASE);
}

static void follow_watchers(uint64_t now)
{
	struct meter_area *area = &meter->area;
	const uint64_t until = latest_watcher(now);

	meter_set(&area->until, until);
	if (until != 0 && area->watching == 0)
		begin(now);
	if (until == 0)
		__atomic_store_n(&area->watching, 0, __ATOMIC_RELEASE);
}

/* The child of a fork has inherited a hook that is on, and nothing that counts. */
bool meter_is_watched(uint64_t now)
{
	bool is_watched;

	if (!try_lock())
		return __atomic_load_n(&meter->area.watching, __ATOMIC_ACQUIRE) != 0;
	follow_watchers(now);
	is_watched = meter->area.watching != 0;
	unlock();
	if (!is_watched)
		uvhooks_hook_disable(hook);
	return is_watched;
}

/* Who asks does so on a loop's thread, between two callbacks: what lives there is listed now. */
static void list_this_loop(void)
{
	const uvhooks_async_id id = uvhooks_execution_async_id();
	struct meter_thread *thread;

	if (uvhooks_id_sequence(id) != 0 || meter_space_is_begun(id))
		return;
	thread = meter_thread_take();
	if (thread != NULL)
		meter_space_begin(thread, id, 0);
}

static int watch(struct uvhooks_plugin_args *args, const struct options *options)
{
	const uint64_t now = recorder_ticks();
	struct meter_watcher *watcher;
	int error = 0;

	if (!try_lock())
		return uvhooks_plugin_error(args, "another thread changes who watches; ask again");
	latest_watcher(now);
	watcher = watcher_of(options->who);
	if (watcher == NULL) {
		error = uvhooks_plugin_error(args, "%d watch it already", METER_WATCHERS);
	} else {
		watcher->who = options->leave ? 0 : options->who;
		watcher->until =
		    options->watch_s != 0 ? now + options->watch_s * frequency : UINT64_MAX;
		follow_watchers(now);
	}
	unlock();
	if (error != 0)
		return error;
	if (meter->area.watching == 0)
		uvhooks_hook_disable(hook);
	else if (uvhooks_hook_enable(hook) != 0)
		return uvhooks_plugin_error(args, "no memory for a hook");
	else
		list_this_loop();
	return 0;
}

static int meter_configure(struct uvhooks_plugin_args *args)
{
	struct options options;

	if (read_options(args, &options) != 0)
		return -1;
	return args->dry_run ? 0 : watch(args, &options);
}

static int start(struct uvhooks_plugin_args *args)
{
	struct recorder_moment moment;
	struct recorder_clock clock;

	if (!uvhooks_present())
		return uvhooks_plugin_error(args, "libuvhooks.so is not in this process");
	meter = mmap(NULL, sizeof(*meter), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (meter == MAP_FAILED)
		return uvhooks_plugin_error(args, "no memory: %s", strerror(errno));
	/* Where the kernel does not know that, a child counts on until nobody asks for more. */
	madvise(meter, sizeof(*meter), MADV_WIPEONFORK);
	hook = meter_make_hook();
	if (hook == NULL || meter_threads_start() != 0)
		return uvhooks_plugin_error(args, "no memory for a hook");
	recorder_clock_begin(&moment, &clock);
	frequency = clock.frequency;
	if (uvhooks_publish("meter", &meter->area, sizeof(meter->area)) != 0)
		return uvhooks_plugin_error(args, "there is no room for what it publishes");
	return 0;
}

static int meter_init(struct uvhooks_plugin_args *args)
{
	struct options options;

	if (read_options(args, &options) != 0)
		return -1;
	if (args->dry_run)
		return 0;
	return start(args) != 0 ? -1 : watch(args, &options);
}

static void meter_status(char *text, size_t bytes)
{
	const struct meter_area *area = &meter->area;
	const uint64_t now = recorder_ticks();
	unsigned int watchers = 0;

	for (unsigned int i = 0; i < METER_WATCHERS; i++)
		watchers += area->watchers[i].who != 0 && area->watchers[i].until > now;
	if (watchers == 0 || area->watching == 0)
		snprintf(text, bytes, "nobody watches");
	else
		snprintf(text, bytes, "watched by %u, %u rows of counts, %llu events without room",
			 watchers, area->row_count - 1,
			 (unsigned long long) (area->no_row + area->no_thread + area->no_slot +
					       area->too_deep));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "meter",
    .summary = "counts what happens, for uvhooks top: watch=SECONDS, who=NUMBER, leave=1",
    .init = meter_init,
    .configure = meter_configure,
    .status = meter_status,
};
