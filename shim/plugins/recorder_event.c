/* SPDX-License-Identifier: MIT */
/*
 * From an event to its record. Where nothing is out of the ordinary the shim writes it to the
 * thread's sink: see <uvhooks/trace_sink.h>. Whatever a short record cannot say, and whatever
 * happens for the first time, goes the slow way.
 */
#include "recorder.h"

#include <string.h>
#include <uv.h>

#define ADDRESS_MAX ((UINT64_C(1) << 48) - 1)

uint64_t recorder_due_ms(const struct uvhooks_event *event, bool *repeats)
{
	const uv_timer_t *timer = event->pointer;

	*repeats = timer->repeat != 0;
	return timer->timeout;
}

static uvhooks_async_id in_libuv(uvhooks_async_id id)
{
	return id >> UVHOOKS_ID_SEQUENCE_BITS << UVHOOKS_ID_SEQUENCE_BITS;
}

/* It was not alone, or the shim did not write it. */
static void on_event(const struct uvhooks_event *event, void *data)
{
	(void) data;
	if (!uvhooks_trace_sink_put(&recorder_here->sink, event))
		recorder_slow(event);
}

static void on_rare(const struct uvhooks_event *event, void *data)
{
	(void) data;
	recorder_slow(event);
}

/* Which record an event gets in the slow path, and what is in it. */
unsigned int recorder_record_number(const struct uvhooks_event *event, uint64_t id_base,
				    struct recorder_values *values)
{
	const uint64_t strange = (event->async_id ^ id_base) >> 32;
	const uint64_t stranger = strange | (event->execution_async_id ^ id_base) >> 32;
	const bool runs = event->execution_async_id == event->async_id;
	const bool callback_fits = (uintptr_t) event->callback <= ADDRESS_MAX;
	const unsigned int wide = UVHOOKS_TRACE_WIDE + event->event;
	bool repeats = false;

	*values = (struct recorder_values){
	    .id = event->async_id,
	    .trigger = event->trigger_async_id,
	    .execution = event->execution_async_id,
	    .other = event->other_async_id,
	    .callback = callback_fits ? (uintptr_t) event->callback : 0,
	    .flags = event->flags | (event->loop == NULL ? UVHOOKS_TRACE_NO_LOOP : 0),
	    .type = event->type,
	    .fs_type = (uint64_t) (int64_t) event->fs_type,
	    .duration_ns = event->duration_ns,
	    .thread_id = event->other_thread_id,
	};
	switch ((enum uvhooks_event_type) event->event) {
	case UVHOOKS_EVENT_INIT:
		return stranger == 0 && (event->trigger_async_id ^ id_base) >> 32 == 0
			   ? event->event
			   : wide;
	case UVHOOKS_EVENT_BEFORE:
		if (event->type == UVHOOKS_TIMERWRAP)
			values->due_ms = recorder_due_ms(event, &repeats);
		if (strange != 0 || !runs || (event->flags & ~UVHOOKS_TRACE_LASTING_FLAGS) != 0)
			return repeats ? UVHOOKS_TRACE_BEFORE_WIDE_DUE : wide;
		values->flags = event->flags;
		return repeats ? UVHOOKS_TRACE_BEFORE_DUE : event->event;
	case UVHOOKS_EVENT_WORK_BEGIN:
		values->flags = event->flags;
		return strange == 0 && runs && (event->flags & ~UVHOOKS_TRACE_LASTING_FLAGS) == 0
			   ? event->event
			   : wide;
	case UVHOOKS_EVENT_AFTER:
	case UVHOOKS_EVENT_WORK_END:
		return strange == 0 && runs && (event->flags & ~UVHOOKS_TRACE_LASTING_FLAGS) == 0
			   ? event->event
			   : wide;
	case UVHOOKS_EVENT_DESTROY:
		return strange == 0 && event->flags == 0 &&
			       event->execution_async_id == in_libuv(event->async_id)
			   ? event->event
			   : wide;
	case UVHOOKS_EVENT_PROMISE_RESOLVE:
	case UVHOOKS_EVENT_LOOP_ENTER:
	case UVHOOKS_EVENT_LOOP_EXIT:
		return stranger == 0 && event->flags == 0 ? event->event : wide;
	case UVHOOKS_EVENT_START:
		if (event->type == UVHOOKS_TIMERWRAP)
			values->due_ms = recorder_due_ms(event, &repeats);
		if (stranger != 0 || event->other_async_id != event->execution_async_id)
			return event->type == UVHOOKS_TIMERWRAP ? UVHOOKS_TRACE_START_WIDE_DUE
								: wide;
		values->flags = event->flags;
		return event->type == UVHOOKS_TIMERWRAP ? UVHOOKS_TRACE_START_DUE : event->event;
	case UVHOOKS_EVENT_STOP:
		values->flags = event->flags;
		return stranger == 0 ? event->event : wide;
	case UVHOOKS_EVENT_WAKEUP:
		values->flags = event->flags;
		return strange == 0 && event->execution_async_id == in_libuv(event->async_id)
			   ? event->event
			   : wide;
#define XX(number, rare, layout)                                                                   \
	case UVHOOKS_EVENT_##rare:                                                                 \
		return number;
		UVHOOKS_TRACE_RARE_MAP(XX)
#undef XX
	case UVHOOKS_EVENT_LINK:
	case UVHOOKS_EVENT_TYPE_CHANGE:
	case UVHOOKS_EVENT_MAX:
		break;
	}
	return wide;
}

static struct uvhooks_hook *hook;

void recorder_lend(struct recorder_stream *stream)
{
	uvhooks_hook_lend_sink(hook, stream == NULL ? NULL : &stream->sink);
}

int recorder_hook(bool enable)
{
	static const struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .flags = UVHOOKS_HOOK_SINKS,
	    .init = on_event,
	    .before = on_event,
	    .after = on_event,
	    .destroy = on_event,
	    .promise_resolve = on_event,
	    .start = on_event,
	    .stop = on_event,
	    .wakeup = on_event,
	    .work_begin = on_event,
	    .work_end = on_event,
	    .link = on_rare,
	    .type_change = on_rare,
	    .loop_enter = on_event,
	    .loop_exit = on_event,
	    .ref = on_rare,
	    .unref = on_rare,
	    .pool_end = on_rare,
	    .fs_call = on_rare,
	    .loop_busy = on_rare,
	    .stall = on_rare,
	};

	if (hook == NULL)
		hook = uvhooks_create_hook(&callbacks, NULL);
	return enable ? uvhooks_hook_enable(hook) : uvhooks_hook_disable(hook);
}
