/* SPDX-License-Identifier: MIT */
/*
 * From an event to its record, where nothing is out of the ordinary. Whatever a short record cannot
 * say, and whatever happens for the first time, goes the slow way.
 */
#include "recorder.h"

#include <string.h>
#include <uv.h>

#define TIME_MAX    ((UINT64_C(1) << UVHOOKS_TRACE_TIME_BITS) - 1)
#define ADDRESS_MAX ((UINT64_C(1) << 48) - 1)

/* What an after has of its before; with any other flag it is a wide record. */
#define LASTING_FLAGS (UVHOOKS_FLAG_NOOP | UVHOOKS_FLAG_CANCELLED | UVHOOKS_FLAG_CLOSING)

/* Every hook begins with this: when, and where to? */
struct place {
	struct recorder_stream *stream;
	uint64_t ticks;
};

static inline __attribute__((always_inline)) struct place find_place(void)
{
	struct recorder_stream *stream = recorder_here;

	return (struct place){stream, recorder_ticks_of(stream->clock_is_tsc)};
}

/* `strange`: bits above the low 32 in which ids differ from the packet's. */
static inline __attribute__((always_inline)) bool is_plain(const struct place *place,
							   uint64_t strange)
{
	const struct recorder_stream *stream = place->stream;

	return stream->at < atomic_load_explicit(&stream->limit, memory_order_relaxed) &&
	       place->ticks - stream->last <= TIME_MAX && strange >> 32 == 0;
}

static inline __attribute__((always_inline)) char *
put_head(const struct place *place, unsigned int number, uvhooks_async_id id)
{
	char *record = place->stream->packet + place->stream->at;
	const uint32_t words[2] = {number | (uint32_t) place->ticks << UVHOOKS_TRACE_NUMBER_BITS,
				   (uint32_t) id};

	memcpy(record, words, sizeof(words));
	return record + sizeof(words);
}

static inline __attribute__((always_inline)) char *put_word(char *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
	return at + sizeof(word);
}

static inline __attribute__((always_inline)) char *put_long(char *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

/* The 48 bits of a callback and the 16 of flags. */
static inline __attribute__((always_inline)) char *
put_callback(char *at, const struct uvhooks_event *event, unsigned int flags)
{
	return put_long(at, (uintptr_t) event->callback | (uint64_t) flags << 48);
}

/* What is before `committed` is whole, whenever the process is killed. */
static inline __attribute__((always_inline)) void commit(const struct place *place, const char *end)
{
	struct recorder_stream *stream = place->stream;
	struct uvhooks_trace_buffer *buffer = (struct uvhooks_trace_buffer *) stream->packet - 1;

	stream->at = (uint64_t) (end - stream->packet);
	stream->last = place->ticks;
	__atomic_store_n(&buffer->last, place->ticks, __ATOMIC_RELAXED);
	__atomic_store_n(&buffer->committed, stream->at, __ATOMIC_RELEASE);
}

uint64_t recorder_due_ms(const struct uvhooks_event *event, bool *repeats)
{
	const uv_timer_t *timer = event->pointer;

	*repeats = timer->repeat != 0;
	return timer->timeout;
}

static void on_init(const struct uvhooks_event *event, void *data)
{
	const struct place place = find_place();
	const uint64_t base = place.stream->id_base;
	const unsigned int flags = event->flags | (event->loop == NULL ? UVHOOKS_TRACE_NO_LOOP : 0);
	uint32_t types;
	char *at;

	(void) data;
	if (RECORDER_UNLIKELY(!is_plain(&place, (event->async_id ^ base) |
						    (event->trigger_async_id ^ base) |
						    (event->execution_async_id ^ base)) ||
			      !recorder_is_seen(place.stream, event->callback) ||
			      !recorder_is_type_known(event->type) ||
			      (event->stack | place.stream->details) != 0)) {
		recorder_slow(event);
		return;
	}
	at = put_head(&place, UVHOOKS_EVENT_INIT, event->async_id);
	at = put_word(at, (uint32_t) event->trigger_async_id);
	at = put_word(at, (uint32_t) event->execution_async_id);
	at = put_callback(at, event, flags);
	types = event->type | (uint32_t) (uint16_t) event->fs_type << 16;
	commit(&place, put_word(at, types));
}

/* A callback that begins. */
static inline __attribute__((always_inline)) void begin(const struct uvhooks_event *event,
							bool may_be_timer)
{
	const struct place place = find_place();
	bool repeats = false;
	uint64_t due_ms = 0;
	unsigned int number = event->event;
	char *at;

	if (RECORDER_UNLIKELY(!is_plain(&place, event->async_id ^ place.stream->id_base) ||
			      !recorder_is_seen(place.stream, event->callback) ||
			      event->execution_async_id != event->async_id ||
			      (event->flags & ~LASTING_FLAGS) != 0)) {
		recorder_slow(event);
		return;
	}
	if (may_be_timer && event->type == UVHOOKS_TIMERWRAP)
		due_ms = recorder_due_ms(event, &repeats);
	if (repeats)
		number = UVHOOKS_TRACE_BEFORE_DUE;
	at = put_head(&place, number, event->async_id);
	at = put_callback(at, event, event->flags);
	if (repeats)
		at = put_word(at, (uint32_t) due_ms);
	commit(&place, at);
}

static void on_before(const struct uvhooks_event *event, void *data)
{
	(void) data;
	begin(event, true);
}

static void on_work_begin(const struct uvhooks_event *event, void *data)
{
	(void) data;
	begin(event, false);
}

static inline __attribute__((always_inline)) void
end(const struct uvhooks_event *event, uvhooks_async_id execution, unsigned int flags)
{
	const struct place place = find_place();

	if (RECORDER_UNLIKELY(!is_plain(&place, event->async_id ^ place.stream->id_base) ||
			      event->execution_async_id != execution ||
			      (event->flags & ~flags) != 0)) {
		recorder_slow(event);
		return;
	}
	commit(&place, put_head(&place, event->event, event->async_id));
}

static uvhooks_async_id in_libuv(uvhooks_async_id id)
{
	return id >> UVHOOKS_ID_SEQUENCE_BITS << UVHOOKS_ID_SEQUENCE_BITS;
}

static void on_end(const struct uvhooks_event *event, void *data)
{
	(void) data;
	end(event, event->async_id, LASTING_FLAGS);
}

static void on_destroy(const struct uvhooks_event *event, void *data)
{
	(void) data;
	end(event, in_libuv(event->async_id), 0);
}

/* Settled, entered or left inside of what runs: all there is to say. */
static void on_inside(const struct uvhooks_event *event, void *data)
{
	const struct place place = find_place();
	const uint64_t base = place.stream->id_base;

	(void) data;
	if (RECORDER_UNLIKELY(
		!is_plain(&place, (event->async_id ^ base) | (event->execution_async_id ^ base)) ||
		event->flags != 0)) {
		recorder_slow(event);
		return;
	}
	commit(&place, put_word(put_head(&place, event->event, event->async_id),
				(uint32_t) event->execution_async_id));
}

static inline __attribute__((always_inline)) void arm(const struct uvhooks_event *event,
						      bool starts)
{
	const struct place place = find_place();
	const uint64_t base = place.stream->id_base;
	const bool is_due = starts && event->type == UVHOOKS_TIMERWRAP;
	bool repeats;
	char *at;

	if (RECORDER_UNLIKELY(
		!is_plain(&place, (event->async_id ^ base) | (event->execution_async_id ^ base)) ||
		!recorder_is_seen(place.stream, event->callback) ||
		(starts && (event->other_async_id != event->execution_async_id ||
			    (event->stack | place.stream->details) != 0)))) {
		recorder_slow(event);
		return;
	}
	at = put_head(&place, is_due ? UVHOOKS_TRACE_START_DUE : event->event, event->async_id);
	at = put_word(at, (uint32_t) event->execution_async_id);
	at = put_callback(at, event, event->flags);
	if (is_due)
		at = put_word(at, (uint32_t) recorder_due_ms(event, &repeats));
	commit(&place, at);
}

static void on_start(const struct uvhooks_event *event, void *data)
{
	(void) data;
	arm(event, true);
}

static void on_stop(const struct uvhooks_event *event, void *data)
{
	(void) data;
	arm(event, false);
}

static void on_wakeup(const struct uvhooks_event *event, void *data)
{
	const struct place place = find_place();
	char *at;

	(void) data;
	if (RECORDER_UNLIKELY(!is_plain(&place, event->async_id ^ place.stream->id_base) ||
			      !recorder_is_seen(place.stream, event->callback) ||
			      event->execution_async_id != in_libuv(event->async_id))) {
		recorder_slow(event);
		return;
	}
	at = put_head(&place, UVHOOKS_EVENT_WAKEUP, event->async_id);
	at = put_callback(at, event, event->flags);
	commit(&place, put_long(at, event->other_async_id));
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
		if (strange != 0 || !runs || (event->flags & ~LASTING_FLAGS) != 0)
			return wide;
		values->flags = event->flags;
		if (event->type == UVHOOKS_TIMERWRAP)
			values->due_ms = recorder_due_ms(event, &repeats);
		return repeats ? UVHOOKS_TRACE_BEFORE_DUE : event->event;
	case UVHOOKS_EVENT_WORK_BEGIN:
		values->flags = event->flags;
		return strange == 0 && runs && (event->flags & ~LASTING_FLAGS) == 0 ? event->event
										    : wide;
	case UVHOOKS_EVENT_AFTER:
	case UVHOOKS_EVENT_WORK_END:
		return strange == 0 && runs && (event->flags & ~LASTING_FLAGS) == 0 ? event->event
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
		if (stranger != 0 || event->other_async_id != event->execution_async_id)
			return wide;
		values->flags = event->flags;
		if (event->type != UVHOOKS_TIMERWRAP)
			return event->event;
		values->due_ms = recorder_due_ms(event, &repeats);
		return UVHOOKS_TRACE_START_DUE;
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

int recorder_hook(bool enable)
{
	static const struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = on_init,
	    .before = on_before,
	    .after = on_end,
	    .destroy = on_destroy,
	    .promise_resolve = on_inside,
	    .start = on_start,
	    .stop = on_stop,
	    .wakeup = on_wakeup,
	    .work_begin = on_work_begin,
	    .work_end = on_end,
	    .link = on_rare,
	    .type_change = on_rare,
	    .loop_enter = on_inside,
	    .loop_exit = on_inside,
	    .ref = on_rare,
	    .unref = on_rare,
	    .pool_end = on_rare,
	    .fs_call = on_rare,
	    .loop_busy = on_rare,
	    .stall = on_rare,
	};

	static struct uvhooks_hook *hook;

	if (hook == NULL)
		hook = uvhooks_create_hook(&callbacks, NULL);
	return enable ? uvhooks_hook_enable(hook) : uvhooks_hook_disable(hook);
}
