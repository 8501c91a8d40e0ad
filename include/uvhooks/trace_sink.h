/* SPDX-License-Identifier: MIT */
/*
 * For plugins that record: events as records of <uvhooks/trace.h>, with no call of a hook.
 *
 * A call of a hook costs a busy program most where the processor has forgotten it: after each
 * system call. So a hook may say UVHOOKS_HOOK_SINKS and lend each thread a *sink*, a piece of a
 * packet. As long as it is the only hook that is enabled, the shim writes an event of that thread
 * right into the thread's sink, if
 *
 *   - there is room (`at` is below `limit`),
 *   - a short record of <uvhooks/trace.h> can say it: time and ids go with the packet's,
 *   - its callback and its type are known to be defined, and no stack comes with it.
 *
 * Of all else the hook is called as ever. It can try the sink itself, with uvhooks_trace_sink_put,
 * for where it is not the only hook; what that refuses is for the hook to write.
 */
#ifndef UVHOOKS_TRACE_SINK_H
#define UVHOOKS_TRACE_SINK_H

#include <uvhooks/hooks.h>
#include <uvhooks/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UVHOOKS_SINK_CALLBACKS 16 /* a power of two: they fit into a cache line */

/*
 * The first two cache lines are all that is read for an event: what an event costs in a busy
 * program is what it touches. `limit` may be written by any thread, atomically; all else only by
 * the thread that has it, while no event of its own is being written.
 *
 * All zeros are a sink that takes nothing: so it may lie in memory that is wiped in the child of a
 * fork.
 */
struct uvhooks_trace_sink {
	uint32_t size;     /* sizeof(struct uvhooks_trace_sink) */
	bool clock_is_tsc; /* else it is CLOCK_MONOTONIC, in nanoseconds */
	bool asks; /* the hook is called for each init and start, to write more than these */
	uint16_t reserved;
	uint64_t limit;   /* bytes of the packet from which on no record is begun; 0: none at all */
	uint64_t at;      /* bytes of the packet: where the next record goes */
	char *packet;     /* with its struct uvhooks_trace_buffer just before it, whose `committed`
			     and `last` follow `at` and `last`; there are UVHOOKS_SINK_RECORD_BYTES
			     behind `limit` */
	uint64_t last;    /* the time of the latest event */
	uint64_t id_base; /* of the packet */
	const bool *types; /* by the number of a type that the program named: is it defined? NULL:
			      none is */
	uint64_t reserved_too;
	/* Callbacks that are defined: bits of their addresses, by others of them. 0: none. */
	uint32_t callbacks[UVHOOKS_SINK_CALLBACKS];
};

#define UVHOOKS_SINK_RECORD_BYTES 64 /* no record that is written to a sink is longer */

static inline size_t uvhooks_sink_slot(const void *callback)
{
	return (uintptr_t) callback >> 4 & (UVHOOKS_SINK_CALLBACKS - 1);
}

/* Two addresses have the same only if they are a multiple of 64 GiB apart: one of them may then be
   left out of the definitions, and is found by the libraries alone. */
static inline uint32_t uvhooks_sink_bits(const void *callback)
{
	return (uint32_t) ((uintptr_t) callback >> 4);
}

static inline bool uvhooks_sink_knows(const struct uvhooks_trace_sink *sink, const void *callback)
{
	return sink->callbacks[uvhooks_sink_slot(callback)] == uvhooks_sink_bits(callback) ||
	       callback == NULL;
}

/*
 * Lends the calling thread a sink for the events of this hook, in place of what it had, or takes it
 * back (NULL). It must stay mapped as long as the thread has it, which in the child of a fork the
 * forking thread does. 0; -EINVAL: the hook has no sinks, or the size of this one is not known.
 *
 * Node: none. Thread: any, for itself; also in a hook. Since: 0.1.
 */
UVHOOKS_API int uvhooks_hook_lend_sink(const struct uvhooks_hook *hook,
				       struct uvhooks_trace_sink *sink);

/*
 * Writes an event to the calling thread's own sink, if that is possible; what is needed for that
 * stands above. False: nothing has happened.
 *
 * Node: none. Thread: any, in a hook. Since: 0.1.
 */
UVHOOKS_API bool uvhooks_trace_sink_put(struct uvhooks_trace_sink *sink,
					const struct uvhooks_event *event);

#ifdef __cplusplus
}
#endif

#endif
