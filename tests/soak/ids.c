/* SPDX-License-Identifier: MIT */
/*
 * Holds ids against each other: within an id space each new one must be larger than all before, so
 * none comes twice. What it counts is in a file, for others to read at any time: see struct ids.
 *
 *	ids:file=PATH
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

#define SPACES 65536

/* soak.py reads it: three numbers of 8 bytes. */
struct ids {
	_Atomic uint64_t inits, destroys, again;
};

static struct ids *ids;
static _Atomic uint64_t newest[SPACES];

static void on_init(const struct uvhooks_event *event, void *data)
{
	_Atomic uint64_t *mine = &newest[uvhooks_id_space(event->async_id)];
	uint64_t sequence = uvhooks_id_sequence(event->async_id);

	(void) data;
	atomic_fetch_add_explicit(&ids->inits, 1, memory_order_relaxed);
	if (atomic_exchange_explicit(mine, sequence, memory_order_relaxed) >= sequence)
		atomic_fetch_add_explicit(&ids->again, 1, memory_order_relaxed);
}

static void on_destroy(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
	atomic_fetch_add_explicit(&ids->destroys, 1, memory_order_relaxed);
}

static int ids_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks), .init = on_init, .destroy = on_destroy};
	int fd;

	if (args->count != 1 || strcmp(args->options[0].key, "file") != 0)
		return uvhooks_plugin_error(args, "this plugin takes one option: file=PATH");
	if (args->dry_run)
		return 0;
	fd = open(args->options[0].value, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*ids)) != 0)
		return uvhooks_plugin_error(args, "%s: %s", args->options[0].value,
					    strerror(errno));
	ids = mmap(NULL, sizeof(*ids), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (ids == MAP_FAILED)
		return uvhooks_plugin_error(args, "%s: %s", args->options[0].value,
					    strerror(errno));
	return uvhooks_hook_enable(uvhooks_create_hook(&callbacks, NULL));
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "ids",
    .summary = "holds ids against each other",
    .init = ids_init,
};
