/* SPDX-License-Identifier: MIT */
/* How an event of a record gets to the hooks, for the few places where a call is worth sparing. */
#ifndef UVH_EMIT_H
#define UVH_EMIT_H

#include <string.h>

#include "context.h"
#include "hooks.h"
#include "storage.h"
#include "trace_sink.h"

#pragma GCC visibility push(hidden)

static inline void uvh_describe(struct uvhooks_event *event, const struct uvh_context *context,
				uint64_t head, const struct uvh_record *record,
				uvhooks_async_id execution, uvhooks_async_id other, void *callback)
{
	const uint32_t types = uvh_record_types(record);

	memcpy(event, &head, sizeof(head));
	event->async_id = __atomic_load_n(&record->id, __ATOMIC_RELAXED);
	event->trigger_async_id = record->trigger;
	event->execution_async_id = execution;
	event->other_async_id = other;
	memcpy(&event->type, &types, sizeof(types));
	event->thread_id = context->thread_id;
	event->pointer = record->owner;
	event->loop =
	    UVH_UNLIKELY(event->type == UVHOOKS_UVTHREAD) ? NULL : uvh_loop_of_space(record->space);
	event->callback = callback;
	event->stores = uvh_stores_carried(record);
	event->stack = 0;
	event->other_thread_id = 0;
	event->duration_ns = 0;
}

_Static_assert(offsetof(struct uvhooks_event, event) == 4 &&
		   offsetof(struct uvhooks_event, flags) == 6 &&
		   offsetof(struct uvhooks_event, async_id) == 8,
	       "the head of an event is one word");
_Static_assert(offsetof(struct uvhooks_event, fs_type) ==
		       offsetof(struct uvhooks_event, type) + 2 &&
		   offsetof(struct uvh_record, fs_type) == offsetof(struct uvh_record, type) + 2,
	       "the types are copied at once");

void *uvh_emit_generally(struct uvh_context *context, uint64_t head,
			 const struct uvh_record *record, uvhooks_async_id execution,
			 uvhooks_async_id other, void *callback);

/*
 * With one hook and outside of hooks, as it nearly always is, less is to be done: the call that is
 * all of it, or NULL.
 */
static inline const struct uvh_hook_call *uvh_plain_call(const struct uvh_hook_set *set,
							 unsigned int event)
{
	return UVH_LIKELY(uvh_tls.special == 0) ? set->plain[event] : NULL;
}

UVH_SLOW void uvh_plain_call_threw(const struct uvhooks_event *event, void *exception);

static inline void uvh_call_plainly(struct uvh_context *context, const struct uvh_hook_set *set,
				    const struct uvh_hook_call *call,
				    const struct uvhooks_event *event)
{
	int *const errno_here = context->errno_here;
	const int saved_errno = *errno_here;
	void *exception;

	context->frozen = set;
	/* All of it, as wrappers read it: a load waits for an earlier store that is shorter. */
	uvh_tls.special = UVH_TLS_IN_HOOK;
	exception = uvh_guarded_call(event, call->data, call->callback);
	if (UVH_UNLIKELY(exception != NULL))
		uvh_plain_call_threw(event, exception);
	uvh_tls.special = 0;
	*errno_here = saved_errno;
}

/* `set` are the hooks that are enabled now: not NULL. */
static inline __attribute__((always_inline)) void *
uvh_emit_to(struct uvh_context *context, const struct uvh_hook_set *set, uint64_t head,
	    const struct uvh_record *record, uvhooks_async_id execution, uvhooks_async_id other,
	    void *callback)
{
	const struct uvh_hook_call *call = uvh_plain_call(set, head >> 32 & 0xffff);
	struct uvhooks_event event;

	if (UVH_UNLIKELY(call == NULL))
		return uvh_emit_generally(context, head, record, execution, other, callback);
	uvh_describe(&event, context, head, record, execution, other, callback);
	uvh_call_plainly(context, set, call, &event);
	return event.callback;
}

static inline __attribute__((always_inline)) void *
uvh_emit_inline(struct uvh_context *context, uint64_t head, const struct uvh_record *record,
		uvhooks_async_id execution, uvhooks_async_id other, void *callback)
{
	const struct uvh_hook_set *set = uvh_hooks();

	/* None any more; but where a hook runs, those in force are others. */
	if (UVH_UNLIKELY(set == NULL))
		return uvh_emit_generally(context, head, record, execution, other, callback);
	return uvh_emit_to(context, set, head, record, execution, other, callback);
}

/* Has the thread's sink taken an event, which is a constant? */
UVH_INLINE bool uvh_told_sink(enum uvhooks_event_type event, const struct uvh_record *record,
			      uvhooks_async_id execution, uvhooks_async_id other, void *callback,
			      unsigned int flags)
{
	return uvh_sinks_on() && uvh_sinks() &&
	       uvh_sink_takes(event, record, record->id, execution, other, callback, flags);
}

/* uvh_emit() for an event that is a constant: into the thread's sink, if that takes it. */
UVH_INLINE void uvh_tell(struct uvh_context *context, enum uvhooks_event_type event,
			 const struct uvh_record *record, uvhooks_async_id execution,
			 uvhooks_async_id other, void *callback, unsigned int flags)
{
	if (!uvh_told_sink(event, record, execution, other, callback, flags))
		uvh_emit(context, event, record, execution, other, callback, flags);
}

#pragma GCC visibility pop

#endif
