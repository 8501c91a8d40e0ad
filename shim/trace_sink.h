/* SPDX-License-Identifier: MIT */
/*
 * Events as records in the sink of their thread; see <uvhooks/trace_sink.h>.
 *
 * What a short record says, and when it may be used, is written here once for all events. Where the
 * event is a constant only its part is left: some stores, and no jump that is taken.
 */
#ifndef UVH_TRACE_SINK_H
#define UVH_TRACE_SINK_H

#include <string.h>
#include <uvhooks/trace_sink.h>

#include "context.h"
#include "dispatch.h"
#include "uv_compat.h"

#pragma GCC visibility push(hidden)

/*
 * An event, as far as records need it. What is the record's is read only where it is used: kept in
 * registers from the beginning it would cost the saving of others.
 */
struct uvh_told {
	const struct uvh_record *record; /* its trigger, owner, type and fs_type */
	uvhooks_async_id id, execution, other;
	void *callback;
	unsigned int flags; /* enum uvhooks_flag; of init also UVHOOKS_TRACE_NO_LOOP */
};

#define UVH_SINK_TIME_MAX ((UINT64_C(1) << UVHOOKS_TRACE_TIME_BITS) - 1)

/* Without the call for the other clock, which would make whoever has it inline save registers. */
UVH_INLINE uint64_t uvh_sink_ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

/* Words of a record: each returns where the next is to go. */
UVH_INLINE size_t uvh_sink_word(char *record, size_t at, uint32_t word)
{
	memcpy(record + at, &word, sizeof(word));
	return at + sizeof(word);
}

UVH_INLINE size_t uvh_sink_long(char *record, size_t at, uint64_t value)
{
	memcpy(record + at, &value, sizeof(value));
	return at + sizeof(value);
}

UVH_INLINE bool uvh_is_type_defined(const struct uvhooks_trace_sink *sink, unsigned int type)
{
	return UVH_LIKELY(type < UVHOOKS_TYPE_NAMED) ||
	       (sink->types != NULL && __atomic_load_n(&sink->types[type], __ATOMIC_RELAXED));
}

/* May a short record say it? */
UVH_INLINE bool uvh_sink_fits(const struct uvhooks_trace_sink *sink, enum uvhooks_event_type event,
			      const struct uvh_told *told)
{
	const uint64_t strange = told->id ^ sink->id_base;
	const uint64_t stranger = strange | (told->execution ^ sink->id_base);
	const uvhooks_async_id in_libuv = told->id >> UVHOOKS_ID_SEQUENCE_BITS
							  << UVHOOKS_ID_SEQUENCE_BITS;

	switch (event) {
	case UVHOOKS_EVENT_INIT:
		return (stranger | (told->record->trigger ^ sink->id_base)) >> 32 == 0 &&
		       !sink->asks && UVH_LIKELY(uvhooks_sink_knows(sink, told->callback)) &&
		       uvh_is_type_defined(sink, told->record->type);
	case UVHOOKS_EVENT_BEFORE:
	case UVHOOKS_EVENT_WORK_BEGIN:
		return (strange >> 32 | (told->execution ^ told->id)) == 0 &&
		       (told->flags & ~UVHOOKS_TRACE_LASTING_FLAGS) == 0 &&
		       UVH_LIKELY(uvhooks_sink_knows(sink, told->callback));
	case UVHOOKS_EVENT_AFTER:
	case UVHOOKS_EVENT_WORK_END:
		return (strange >> 32 | (told->execution ^ told->id)) == 0 &&
		       (told->flags & ~UVHOOKS_TRACE_LASTING_FLAGS) == 0;
	case UVHOOKS_EVENT_DESTROY:
		return strange >> 32 == 0 && told->execution == in_libuv && told->flags == 0;
	case UVHOOKS_EVENT_PROMISE_RESOLVE:
	case UVHOOKS_EVENT_LOOP_ENTER:
	case UVHOOKS_EVENT_LOOP_EXIT:
		return stranger >> 32 == 0 && told->flags == 0;
	case UVHOOKS_EVENT_START:
		return stranger >> 32 == 0 && told->other == told->execution && !sink->asks &&
		       UVH_LIKELY(uvhooks_sink_knows(sink, told->callback));
	case UVHOOKS_EVENT_STOP:
		return stranger >> 32 == 0 && UVH_LIKELY(uvhooks_sink_knows(sink, told->callback));
	case UVHOOKS_EVENT_WAKEUP:
		return strange >> 32 == 0 && told->execution == in_libuv &&
		       UVH_LIKELY(uvhooks_sink_knows(sink, told->callback));
	default:
		return false;
	}
}

/* The record of an event that fits; returns how many bytes it has. */
UVH_INLINE size_t uvh_sink_write(char *record, enum uvhooks_event_type event,
				 const struct uvh_told *told, uint64_t ticks)
{
	const uint64_t callback = (uintptr_t) told->callback | (uint64_t) told->flags << 48;
	const uv_timer_t *timer = NULL; /* if it says when it is due */
	unsigned int number = event;
	size_t at = sizeof(uint32_t);

	if ((event == UVHOOKS_EVENT_START || event == UVHOOKS_EVENT_BEFORE) &&
	    told->record->type == UVHOOKS_TIMERWRAP) {
		timer = told->record->owner;
		if (event == UVHOOKS_EVENT_START)
			number = UVHOOKS_TRACE_START_DUE;
		else if (timer->repeat != 0)
			number = UVHOOKS_TRACE_BEFORE_DUE;
		else
			timer = NULL;
	}
	uvh_sink_word(record, 0, number | (uint32_t) ticks << UVHOOKS_TRACE_NUMBER_BITS);
	at = uvh_sink_word(record, at, (uint32_t) told->id);
	switch (event) {
	case UVHOOKS_EVENT_INIT:
		at = uvh_sink_word(record, at, (uint32_t) told->record->trigger);
		at = uvh_sink_word(record, at, (uint32_t) told->execution);
		at = uvh_sink_long(record, at, callback);
		return uvh_sink_word(record, at, uvh_record_types(told->record));
	case UVHOOKS_EVENT_BEFORE:
	case UVHOOKS_EVENT_WORK_BEGIN:
		at = uvh_sink_long(record, at, callback);
		break;
	case UVHOOKS_EVENT_PROMISE_RESOLVE:
	case UVHOOKS_EVENT_LOOP_ENTER:
	case UVHOOKS_EVENT_LOOP_EXIT:
		return uvh_sink_word(record, at, (uint32_t) told->execution);
	case UVHOOKS_EVENT_START:
	case UVHOOKS_EVENT_STOP:
		at = uvh_sink_word(record, at, (uint32_t) told->execution);
		at = uvh_sink_long(record, at, callback);
		break;
	case UVHOOKS_EVENT_WAKEUP:
		at = uvh_sink_long(record, at, callback);
		return uvh_sink_long(record, at, told->other);
	default:
		break;
	}
	return timer == NULL ? at : uvh_sink_word(record, at, (uint32_t) timer->timeout);
}

/* May a record be begun now? */
UVH_INLINE bool uvh_sink_has_room(const struct uvhooks_trace_sink *sink)
{
	return UVH_LIKELY(sink->at < __atomic_load_n(&sink->limit, __ATOMIC_RELAXED));
}

/* Is it late enough for a whole time to be needed? */
UVH_INLINE bool uvh_sink_is_late(const struct uvhooks_trace_sink *sink, uint64_t ticks)
{
	return UVH_UNLIKELY(ticks - sink->last > UVH_SINK_TIME_MAX);
}

/* So many bytes more are in the packet, and are whole whenever the process is killed. */
UVH_INLINE void uvh_sink_commit(struct uvhooks_trace_sink *sink, char *packet, uint64_t at,
				uint64_t ticks)
{
	struct uvhooks_trace_buffer *buffer = (struct uvhooks_trace_buffer *) packet - 1;

	sink->at = at;
	sink->last = ticks;
	__atomic_store_n(&buffer->last, ticks, __ATOMIC_RELAXED);
	__atomic_store_n(&buffer->committed, at, __ATOMIC_RELEASE);
}

/*
 * False: it is for the hook, and nothing has happened. The time is taken first, as that takes long
 * and waits for nothing: the checks are made meanwhile.
 */
UVH_INLINE bool uvh_sink_put(struct uvhooks_trace_sink *sink, enum uvhooks_event_type event,
			     const struct uvh_told *told, uint64_t (*now)(void))
{
	const uint64_t ticks = now();
	char *packet;
	size_t bytes;

	if (!uvh_sink_has_room(sink) || UVH_UNLIKELY(!uvh_sink_fits(sink, event, told)))
		return false;
	if (uvh_sink_is_late(sink, ticks))
		return false;
	packet = sink->packet;
	bytes = uvh_sink_write(packet + sink->at, event, told, ticks);
	uvh_sink_commit(sink, packet, sink->at + bytes, ticks);
	return true;
}

/* Do events of this thread go to its sink now? */
UVH_INLINE bool uvh_sinks(void)
{
	return UVH_LIKELY(uvh_tls.sink_hook == __atomic_load_n(&uvh_sink_hook, __ATOMIC_RELAXED)) &&
	       UVH_LIKELY(uvh_tls.special == 0);
}

/* The event of a record that uvh_emit() would tell, where uvh_sinks(). */
UVH_INLINE bool uvh_sink_takes(enum uvhooks_event_type event, const struct uvh_record *record,
			       uvhooks_async_id id, uvhooks_async_id execution,
			       uvhooks_async_id other, void *callback, unsigned int flags)
{
	const struct uvh_told told = {record, id, execution, other, callback, flags};

	return uvh_sink_put(uvh_tls.sink, event, &told, uvh_sink_ticks);
}

/* The last after of a resource and its destroy, at once: both records, or none. */
UVH_INLINE bool uvh_sink_takes_last(const struct uvh_frame *frame)
{
	struct uvhooks_trace_sink *sink = uvh_tls.sink;
	const uvhooks_async_id id = frame->id;
	const struct uvh_told after = {.id = id, .execution = id, .flags = frame->flags};
	const struct uvh_told destroy = {.id = id,
					 .execution = uvh_space_base(frame->record->space)};
	const uint64_t ticks = uvh_sink_ticks();
	char *packet;
	size_t bytes;

	if (!uvh_sink_has_room(sink) ||
	    UVH_UNLIKELY(!uvh_sink_fits(sink, UVHOOKS_EVENT_AFTER, &after)) ||
	    UVH_UNLIKELY(!uvh_sink_fits(sink, UVHOOKS_EVENT_DESTROY, &destroy)))
		return false;
	if (uvh_sink_is_late(sink, ticks))
		return false;
	packet = sink->packet;
	bytes = uvh_sink_write(packet + sink->at, UVHOOKS_EVENT_AFTER, &after, ticks);
	bytes += uvh_sink_write(packet + sink->at + bytes, UVHOOKS_EVENT_DESTROY, &destroy, ticks);
	uvh_sink_commit(sink, packet, sink->at + bytes, ticks);
	return true;
}

#pragma GCC visibility pop

#endif
