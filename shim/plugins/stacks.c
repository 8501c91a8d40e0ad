/* SPDX-License-Identifier: MIT */
/*
 * The stacks plugin: where in the program its resources are made and armed.
 *
 * - sample=1/N: one of N, by chance, of what is made and armed; all of what is asked for by name
 * - types=LIST: only of resources of these types, which are parted by ',' or '+'
 * - at=init|arm|both: where they are made, where they are armed (started), or both, as by default
 * - unwind=dwarf|frames: by what the compiler has written down about each place (dwarf), which
 *   every program has; or in the program's own code by frame pointers, which is faster: for
 *   programs that are built with -fno-omit-frame-pointer
 * - depth=N: the innermost N of a stack's addresses (48)
 * - max=N: keep N different stacks (16384), and count what finds no room
 * - watchdog_ms=MS: look where a callback is that runs for longer than that, and again when it has
 *   run for twice, four times as long, and so on
 *
 * While the program runs, sample=, types= (all: of all), at= and watchdog_ms= (0: none) can be
 * changed.
 *
 * A stack is known by its return addresses, and by what annotators say of it, and kept once.
 */
#include "stacks.h"

#include <stdio.h>

static __thread uint32_t random_state __attribute__((tls_model("initial-exec")));
static __thread uint32_t until_next __attribute__((tls_model("initial-exec")));

/*
 * One of N by chance: what alternates, such as making and arming, would else always meet the same.
 * The way to the next one is any of 1 to 2 N - 1, alike.
 */
static bool is_its_turn(void)
{
	if (STACKS_LIKELY(until_next > 1)) {
		until_next--;
		return false;
	}
	if (random_state == 0)
		random_state = 2463534242u;
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	until_next = 1 + random_state % (2 * stacks_options.sample - 1);
	return true;
}

static bool is_wanted_type(unsigned int type)
{
	return !stacks_options.some_types ||
	       stacks_options.types[type < STACKS_NAMED_TYPES ? type : STACKS_NAMED_TYPES];
}

static inline bool is_wanted(const struct uvhooks_place *place)
{
	switch (place->event) {
	case UVHOOKS_EVENT_INIT:
		if (!stacks_options.at_init)
			return false;
		break;
	case UVHOOKS_EVENT_START:
		if (!stacks_options.at_start)
			return false;
		break;
	case UVHOOKS_EVENT_FS_CALL:
		return is_wanted_type(place->type);
	default:
		return true;
	}
	return is_wanted_type(place->type) && (stacks_options.sample == 1 || is_its_turn());
}

static uint32_t capture(const struct uvhooks_place *asked, void *data)
{
	uintptr_t addresses[STACKS_DEPTH_MAX];
	struct uvhooks_frame frames[STACKS_FRAMES_MAX];
	struct uvhooks_place place = {.size = sizeof(place),
				      .event = asked->event,
				      .type = asked->type,
				      .addresses = addresses};
	size_t frame_count;
	uint32_t number;
	uint64_t hash;

	(void) data;
	if (!is_wanted(asked))
		return 0;
	place.address_count = (uint32_t) stacks_walk_here(addresses, stacks_options.depth);
	frame_count = uvhooks_annotate(&place, frames, STACKS_FRAMES_MAX);
	number = stacks_find(addresses, place.address_count, frames, frame_count, &hash);
	if (STACKS_LIKELY(number != 0))
		return number;
	if (place.address_count == 0 && frame_count == 0)
		return 0;
	if (stacks_is_full()) {
		atomic_fetch_add_explicit(&stacks_lost, 1, memory_order_relaxed);
		return 0;
	}
	/* A new one may only look new. */
	if (stacks_walk_is_stale(addresses, place.address_count)) {
		place.address_count = (uint32_t) stacks_walk_here(addresses, stacks_options.depth);
		number = stacks_find(addresses, place.address_count, frames, frame_count, &hash);
	}
	return number != 0 ? number
			   : stacks_keep(addresses, place.address_count, frames, frame_count, hash);
}

static uint64_t lost(void *data)
{
	(void) data;
	return atomic_load_explicit(&stacks_lost, memory_order_relaxed);
}

static int stacks_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_stack_source source = {
	    .size = sizeof(source), .capture = capture, .read = stacks_read, .lost = lost};
	int result;

	struct stacks_options options = stacks_options_usual;

	if (stacks_options_read(args, &options) != 0)
		return -1;
	if (args->dry_run)
		return 0;
	stacks_options = options;
	if (stacks_slow_start() != 0 || stacks_store_start() != 0 || stacks_walk_start() != 0 ||
	    stacks_learn_start() != 0)
		return uvhooks_plugin_error(args, "no memory for stacks");
	result = uvhooks_set_stack_source(&source);
	if (result == -EEXIST)
		return uvhooks_plugin_error(args, "another plugin is the source of stacks already");
	if (result != 0)
		return uvhooks_plugin_error(args, "libuvhooks.so is not in this process");
	return stacks_options.watchdog_ms == 0 ? 0 : stacks_watchdog_start(args);
}

/* Is there anything else among them, on which what is kept already depends? */
static bool changes_what_is_kept(const struct stacks_options *options)
{
	return options->depth != stacks_options.depth || options->max != stacks_options.max ||
	       options->by_frame_pointers != stacks_options.by_frame_pointers;
}

/*
 * Other threads read the options meanwhile, each by itself: a stack more or less is all that comes
 * of that.
 */
static int stacks_configure(struct uvhooks_plugin_args *args)
{
	struct stacks_options options = stacks_options;
	const uint32_t watchdog_ms = stacks_options.watchdog_ms;

	if (stacks_options_read(args, &options) != 0)
		return -1;
	if (changes_what_is_kept(&options))
		return uvhooks_plugin_error(args, "depth=, max= and unwind= are chosen when the "
						  "plugin is loaded");
	if (args->dry_run)
		return 0;
	stacks_options = options;
	if (options.watchdog_ms == 0 && watchdog_ms != 0)
		stacks_watchdog_stop();
	if (options.watchdog_ms == 0 || watchdog_ms != 0 || stacks_watchdog_start(args) == 0)
		return 0;
	stacks_options.watchdog_ms = 0;
	return -1;
}

static void stacks_status(char *text, size_t bytes)
{
	snprintf(text, bytes, "%u stacks, %llu lost, 1/%u taken; watchdog_ms=%u", stacks_count(),
		 (unsigned long long) lost(NULL), stacks_options.sample,
		 stacks_options.watchdog_ms);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "stacks",
    .summary = "where resources are made and armed: sample=1/N, types=LIST, at=init|arm|both, "
	       "unwind=dwarf|frames, depth=N, max=N and watchdog_ms=MS",
    .init = stacks_init,
    .configure = stacks_configure,
    .status = stacks_status,
};
