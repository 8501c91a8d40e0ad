/* SPDX-License-Identifier: MIT */
#include "trace_sink.h"

#include <errno.h>
#include <time.h>

#include "emit.h"
#include "hooks.h"

UVH_HOT const struct uvhooks_hook *uvh_sink_hook;

static uint64_t clock_ns(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

int uvhooks_hook_lend_sink(const struct uvhooks_hook *hook, struct uvhooks_trace_sink *sink)
{
	if (hook == NULL || !hook->sinks || (sink != NULL && sink->size < sizeof(*sink)))
		return -EINVAL;
	/* With another clock the hook is called, and comes back to uvhooks_trace_sink_put. */
	uvh_tls.sink_hook = sink == NULL || !sink->clock_is_tsc ? UVH_NO_SINK : hook;
	uvh_tls.sink = sink;
	return 0;
}

bool uvhooks_trace_sink_put(struct uvhooks_trace_sink *sink, const struct uvhooks_event *event)
{
	const bool is_loopless = event->event == UVHOOKS_EVENT_INIT && event->loop == NULL;
	const struct uvh_record record = {
	    .owner = event->pointer,
	    .type = event->type,
	    .fs_type = event->fs_type,
	    .trigger = event->trigger_async_id,
	};
	const struct uvh_told told = {
	    .record = &record,
	    .id = event->async_id,
	    .execution = event->execution_async_id,
	    .other = event->other_async_id,
	    .callback = event->callback,
	    .flags = event->flags | (is_loopless ? UVHOOKS_TRACE_NO_LOOP : 0),
	};

	if (event->stack != 0)
		return false;
	return uvh_sink_put(sink, (enum uvhooks_event_type) event->event, &told,
			    sink->clock_is_tsc ? uvh_sink_ticks : clock_ns);
}

void *uvh_sink_before(struct uvh_context *context, const struct uvh_hook_set *set)
{
	const struct uvh_frame *frame = context->top;

	if (uvh_sinks() && UVH_LIKELY(frame->kind == UVH_FRAME_CALLBACK) &&
	    uvh_sink_takes(UVHOOKS_EVENT_BEFORE, frame->record, frame->id, frame->id, 0,
			   frame->callback, frame->flags))
		return frame->callback;
	return uvh_emit_before(context, set);
}

void uvh_sink_leave(struct uvh_scope *scope, const struct uvh_hook_set *set)
{
	struct uvh_context *context = scope->context;
	struct uvh_frame *frame = context->top;

	/* A frame with more to do than to be taken off is marked, and does not come here. */
	if (!uvh_sinks() || UVH_UNLIKELY(frame->kind != UVH_FRAME_CALLBACK) ||
	    !uvh_sink_takes(UVHOOKS_EVENT_AFTER, frame->record, frame->id, frame->id, 0, NULL,
			    frame->flags)) {
		uvh_leave_told(scope, set);
		return;
	}
	uvh_tls.in_libuv = scope->in_libuv;
	context->top = frame - 1;
}

void uvh_sink_leave_last(struct uvh_scope *scope, const struct uvh_hook_set *set)
{
	struct uvh_context *context = scope->context;
	struct uvh_frame *frame = context->top;
	struct uvh_record *record = frame->record;

	/* Its destroy is due now, and no hook is called between the two. */
	if (!uvh_sinks() || UVH_UNLIKELY((frame[-1].state & UVH_FRAME_IN_CALLBACK) != 0) ||
	    UVH_UNLIKELY(record->flags & UVH_RECORD_QUEUED) || !uvh_sink_takes_last(frame)) {
		uvh_leave_last_told(scope, set);
		return;
	}
	uvh_tls.in_libuv = scope->in_libuv;
	context->top = frame - 1;
	uvh_give(record);
}
