/* SPDX-License-Identifier: MIT */
/*
 * A hook that lends each thread a sink (<uvhooks/trace_sink.h>), as small as can be: a packet that
 * is written nowhere and begun anew with each event that comes to the hook. In the file of its one
 * option, file=PATH, it counts these events, those of them that it could put into the sink itself,
 * and the bytes of all records in sinks.
 */
#include "counts.h"

#include <time.h>
#include <uvhooks/trace_sink.h>

#define PACKET_BYTES 4096

static struct {
	uint64_t called, put, written_bytes, wrong_lends;
} * counts;

struct packet {
	struct uvhooks_trace_sink sink;
	struct uvhooks_trace_buffer buffer; /* just before what is written */
	char bytes[PACKET_BYTES];
};

static struct uvhooks_hook *hook;
static __thread struct packet packet;

static uint64_t now(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
#endif
}

static void lend(struct uvhooks_trace_sink *sink)
{
	counts->wrong_lends += uvhooks_hook_lend_sink(NULL, sink) != -EINVAL;
	counts->wrong_lends += uvhooks_hook_lend_sink(hook, sink) != -EINVAL; /* of no size yet */
	sink->size = sizeof(*sink);
#ifdef __x86_64__
	sink->clock_is_tsc = true;
#endif
	sink->packet = packet.bytes;
	sink->limit = PACKET_BYTES - UVHOOKS_SINK_RECORD_BYTES;
	counts->wrong_lends += uvhooks_hook_lend_sink(hook, sink) != 0;
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	struct uvhooks_trace_sink *sink = &packet.sink;
	const uint64_t at = sink->at;

	(void) data;
	counts->called++;
	if (sink->size == 0)
		lend(sink);
	if (uvhooks_trace_sink_put(sink, event)) {
		counts->put++;
		counts->written_bytes += sink->at - at;
		return;
	}
	/* What was in the way of this event is not in that of the next. */
	sink->at = 0;
	sink->id_base = event->async_id >> 32 << 32;
	sink->last = now();
	sink->callbacks[uvhooks_sink_slot(event->callback)] = uvhooks_sink_bits(event->callback);
}

static int sinks_init(struct uvhooks_plugin_args *args)
{
	struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks),
					      .flags = UVHOOKS_HOOK_SINKS};
	void *mapped = NULL;
	const int result = map_counts(args, &mapped, sizeof(*counts));

	if (result != 0 || args->dry_run)
		return result;
	counts = mapped;
#define XX(name, text) callbacks.text = on_event;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	hook = uvhooks_create_hook(&callbacks, NULL);
	return uvhooks_hook_enable(hook);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "sinks",
    .summary = "counts what comes to its hook, and what goes to its sinks",
    .init = sinks_init,
};
