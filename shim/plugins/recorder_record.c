/* SPDX-License-Identifier: MIT */
/* Records by their layouts, where time does not matter: any record, and what is in a packet. */
#include "recorder.h"

#include <string.h>

#define TIME_MAX ((UINT64_C(1) << UVHOOKS_TRACE_TIME_BITS) - 1)

#define EXTENDED_HEAD_BYTES (1 + 4 + 8)
#define HEAD_BYTES          4

/* Little-endian, as the machine is. */
static __attribute__((nonnull)) char *put(char *at, unsigned int bits, uint64_t value)
{
	memcpy(at, &value, bits / 8);
	return at + bits / 8;
}

#define PUT_FIELD(bits, sign, name) at = put(at, bits, values->name);
#define PUT_LAYOUT(layout, FIELDS)                                                                 \
	static char *put_##layout(char *at, const struct recorder_values *values)                  \
	{                                                                                          \
		FIELDS(PUT_FIELD) return at;                                                       \
	}
UVHOOKS_TRACE_LAYOUT_MAP(PUT_LAYOUT)

static char *put_head(char *at, unsigned int number, uint64_t ticks, bool extended)
{
	if (!extended)
		return put(at, 32, number | (uint32_t) ticks << UVHOOKS_TRACE_NUMBER_BITS);
	at = put(at, 8, UVHOOKS_TRACE_EXTENDED);
	at = put(at, 32, number);
	return put(at, 64, ticks);
}

void recorder_record_put(struct recorder_stream *stream, unsigned int number, uint64_t ticks,
			 const struct recorder_values *values)
{
	struct uvhooks_trace_buffer *buffer = stream->buffer;
	char *packet = (char *) (buffer + 1);
	char *at = packet + buffer->committed;

	/* Time does not go back, even if the clock should. */
	if (ticks < buffer->last)
		ticks = buffer->last;
	at = put_head(at, number, ticks,
		      number >= UVHOOKS_TRACE_EXTENDED || ticks - buffer->last > TIME_MAX);
	switch (number) {
#define XX(number, event, layout)                                                                  \
	case number:                                                                               \
		at = put_##layout(at, values);                                                     \
		break;
		UVHOOKS_TRACE_RECORD_MAP(XX)
		UVHOOKS_TRACE_RARE_MAP(XX)
		UVHOOKS_TRACE_ADDITION_MAP(XX)
#undef XX
	}
	__atomic_store_n(&buffer->last, ticks, __ATOMIC_RELAXED);
	__atomic_store_n(&buffer->committed, (uint64_t) (at - packet), __ATOMIC_RELEASE);
}

#define COUNT_FIELD(bits, sign, name) +(bits) / 8

/* How long a record of this number is behind its head; 0: there is none. */
static size_t body_bytes(unsigned int number)
{
	switch (number) {
#define LAYOUT(layout, FIELDS) enum { layout##_bytes = 0 FIELDS(COUNT_FIELD) };
		UVHOOKS_TRACE_LAYOUT_MAP(LAYOUT)
#undef LAYOUT
#define XX(number, event, layout)                                                                  \
	case number:                                                                               \
		return layout##_bytes;
		UVHOOKS_TRACE_RECORD_MAP(XX)
		UVHOOKS_TRACE_RARE_MAP(XX)
		UVHOOKS_TRACE_ADDITION_MAP(XX)
#undef XX
	}
	return 0;
}

static bool is_addition(unsigned int number)
{
	switch (number) {
#define XX(number, event, layout) case number:
		UVHOOKS_TRACE_ADDITION_MAP(XX)
#undef XX
		return true;
	}
	return false;
}

/* A packet that is lost is counted by its events; until then nobody counts them. */
uint64_t recorder_record_count(const char *records, size_t bytes)
{
	uint64_t count = 0;

	for (size_t at = 0; at < bytes; count++) {
		unsigned int number = records[at] & ((1 << UVHOOKS_TRACE_NUMBER_BITS) - 1);
		size_t head = HEAD_BYTES;

		if (number == UVHOOKS_TRACE_EXTENDED) {
			number = (unsigned char) records[at + 1];
			head = EXTENDED_HEAD_BYTES;
		}
		at += head + body_bytes(number);
		if (is_addition(number))
			count--;
	}
	return count;
}

/* Of whom it is told right away what it is about; of others, when they are still there at the end.
 */
static bool is_telling(const struct uvhooks_event *event)
{
	switch (event->type) {
	case UVHOOKS_PROCESSWRAP:
	case UVHOOKS_FSREQCALLBACK:
	case UVHOOKS_GETADDRINFOREQWRAP:
	case UVHOOKS_GETNAMEINFOREQWRAP:
	case UVHOOKS_TCPCONNECTWRAP:
	case UVHOOKS_PIPECONNECTWRAP:
		return event->event == UVHOOKS_EVENT_INIT;
	/* What there is to know of these, their starts say; some are started in each turn. */
	case UVHOOKS_IDLEWRAP:
	case UVHOOKS_PREPAREWRAP:
	case UVHOOKS_CHECKWRAP:
		return false;
	case UVHOOKS_TIMERWRAP: { /* when it fires is in its start already */
		bool repeats = false;

		if (event->event == UVHOOKS_EVENT_START)
			recorder_due_ms(event, &repeats);
		return repeats;
	}
	}
	return event->event == UVHOOKS_EVENT_START &&
	       uvhooks_type_kind(event->type) == UVHOOKS_KIND_HANDLE;
}

void recorder_record_state(struct recorder_stream *stream, uvhooks_async_id id, unsigned int type,
			   const void *pointer, uint64_t ticks)
{
	struct uvhooks_state state = {.size = sizeof(state)};
	struct recorder_values values = {.id = id};

	if (recorder_frozen || uvhooks_resource_state(type, pointer, &state) != 0)
		return;
	values.flags = state.flags;
	values.fd = (uint64_t) (int64_t) state.fd;
	values.number = state.number;
	values.due_at_ms = state.due_ms;
	values.repeat_ms = state.repeat_ms;
	values.bytes = state.bytes;
	memcpy(values.text, state.text, sizeof(values.text));
	recorder_record_put(stream, UVHOOKS_TRACE_STATE, ticks, &values);
}

static void record_stack(struct recorder_stream *stream, uvhooks_async_id id, uint32_t stack,
			 uint64_t ticks)
{
	const struct recorder_values values = {.id = id, .stack = stack};
	const bool strange = (id ^ stream->sink.id_base) >> 32 != 0;

	recorder_record_put(stream, strange ? UVHOOKS_TRACE_STACK_WIDE : UVHOOKS_TRACE_STACK, ticks,
			    &values);
}

void recorder_record_places(struct recorder_stream *stream, const struct uvhooks_resource *resource,
			    uint64_t ticks)
{
	if ((resource->init_stack | resource->start_stack) == 0)
		return;
	record_stack(stream, resource->async_id, resource->init_stack, ticks);
	record_stack(stream, resource->async_id, resource->start_stack, ticks);
}

void recorder_record_more(struct recorder_stream *stream, const struct uvhooks_event *event,
			  uint64_t ticks)
{
	if (event->stack != 0)
		record_stack(stream, event->async_id, event->stack, ticks);
	if (recorder_options.details && is_telling(event))
		recorder_record_state(stream, event->async_id, event->type, event->pointer, ticks);
}
