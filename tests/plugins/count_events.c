/* SPDX-License-Identifier: MIT */
/*
 * Counts all events, of all threads and of the processes that are forked, in the first eight bytes
 * of a file: so the count is there however the process ends. Enabled behind another plugin, it has
 * counted nothing that the other one has not seen.
 *
 *	count_events:file=PATH
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

static _Atomic uint64_t *count;

static void count_one(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static int count_events_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks)};
	int fd;

	if (args->count != 1 || strcmp(args->options[0].key, "file") != 0)
		return uvhooks_plugin_error(args, "this plugin takes one option: file=PATH");
	if (args->dry_run)
		return 0;
	fd = open(args->options[0].value, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*count)) != 0)
		return uvhooks_plugin_error(args, "%s: %s", args->options[0].value,
					    strerror(errno));
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (count == MAP_FAILED)
		return uvhooks_plugin_error(args, "%s: %s", args->options[0].value,
					    strerror(errno));
#define XX(name, text) callbacks.text = count_one;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	return uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "count_events",
    .summary = "counts all events in a file",
    .init = count_events_init,
};
