/* SPDX-License-Identifier: MIT */
/*
 * A plugin with a fault: a C++ exception leaves its hook.
 *
 * Option: event=init|before|after|destroy, the hook that throws (default: init). A second hook
 * counts, and must go on; file=PATH says how often each was called.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

static unsigned long thrown;
static unsigned long counted;
static int report = -1;

static void on_event(const struct uvhooks_event *, void *)
{
	__atomic_add_fetch(&thrown, 1, __ATOMIC_RELAXED);
	throw std::runtime_error("a fault in a hook");
}

static void on_other(const struct uvhooks_event *, void *)
{
	__atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
}

static void at_end()
{
	dprintf(report, "thrown %lu\ncounted %s\n", thrown, counted > 1 ? "on" : "no more");
}

static int throws_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks throwing = {};
	struct uvhooks_callbacks counting = {};
	uvhooks_event_cb *slot = &throwing.init;

	throwing.size = counting.size = sizeof throwing;
	for (size_t i = 0; i < args->count; i++) {
		const char *value = args->options[i].value;

		if (std::strcmp(args->options[i].key, "file") == 0) {
			if (args->dry_run)
				continue;
			report = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		} else if (std::strcmp(value, "before") == 0) {
			slot = &throwing.before;
		} else if (std::strcmp(value, "after") == 0) {
			slot = &throwing.after;
		} else if (std::strcmp(value, "destroy") == 0) {
			slot = &throwing.destroy;
		} else if (std::strcmp(value, "load") == 0) {
			throw std::runtime_error("a fault in init");
		}
	}
	if (args->dry_run)
		return 0;
	*slot = on_event;
	counting.init = counting.before = counting.after = counting.destroy = on_other;
	std::atexit(at_end);
	uvhooks_hook_enable(uvhooks_create_hook(&throwing, nullptr));
	return uvhooks_hook_enable(uvhooks_create_hook(&counting, nullptr));
}

/* Of a size as plugins had it before they could be configured: they go on to work. */
UVHOOKS_PLUGIN = {
    UVHOOKS_PLUGIN_BYTES,           UVHOOKS_PLUGIN_ABI, 0,       "throws",
    "an exception leaves its hook", throws_init,        nullptr, nullptr,
};
