/* SPDX-License-Identifier: MIT */
/*
 * The records of a stream, one after the other, over the ends of packets and files.
 */
#include "trace_parts.h"

#include <inttypes.h>

#define NUMBER_MASK ((1u << UVHOOKS_TRACE_NUMBER_BITS) - 1)
#define TIME_MASK   ((UINT64_C(1) << UVHOOKS_TRACE_TIME_BITS) - 1)
#define HEAD_BYTES  4
#define LONG_BYTES  13

#define COUNT_FIELD(bits, sign, name) +(bits) / 8
#define LAYOUT(layout, fields)        layout##_bytes = 0 fields(COUNT_FIELD),
enum { UVHOOKS_TRACE_LAYOUT_MAP(LAYOUT) };
#undef LAYOUT

#define LAYOUT(layout, fields)                                                                     \
	_Static_assert(LONG_BYTES + layout##_bytes <= UVH_RECORD_BYTES, "a record fits");
UVHOOKS_TRACE_LAYOUT_MAP(LAYOUT)
#undef LAYOUT

/* Of each number: its event, its layout, and how long that is. 0 bytes: there is none. */
static const struct {
	uint8_t event, layout, bytes;
} kinds[UVHOOKS_TRACE_NUMBERS] = {
#define XX(number, event, layout)                                                                  \
	[number] = {UVHOOKS_EVENT_##event, UVH_LAYOUT_##layout, layout##_bytes},
    UVHOOKS_TRACE_RECORD_MAP(XX) UVHOOKS_TRACE_RARE_MAP(XX)
#undef XX
#define UVH_TRACE_resource       UVH_TRACE_RESOURCE
#define UVH_TRACE_stack          UVH_TRACE_STACK
#define UVH_TRACE_state          UVH_TRACE_STATE
#define XX(number, name, layout) [number] = {UVH_TRACE_##name, UVH_LAYOUT_##layout, layout##_bytes},
	UVHOOKS_TRACE_ADDITION_MAP(XX)
#undef XX
};

/* 32 bits are the low ones of an id, but for those of a time. */
#define TAKE_FIELD(bits, sign, name)                                                               \
	record->name = TAKE_##bits(at, name);                                                      \
	at += (bits) / 8;
#define TAKE_64(at, name) uvh_load64(at)
#define TAKE_48(at, name) uvh_load48(at)
#define TAKE_32(at, name) (uvh_load32(at) + BASE_OF_##name)
#define TAKE_16(at, name) uvh_load16(at)
#define BASE_OF_id        id_base
#define BASE_OF_trigger   id_base
#define BASE_OF_execution id_base
#define BASE_OF_due_ms    0
#define BASE_OF_thread_id 0
#define BASE_OF_stack     0
#define BASE_OF_fd        0
#define BASE_OF_number    0

#define LAYOUT(layout, fields)                                                                     \
	static inline const unsigned char *take_##layout(                                          \
	    const unsigned char *at, uint64_t id_base, struct uvh_record *record)                  \
	{                                                                                          \
		(void) id_base;                                                                    \
		fields(TAKE_FIELD) return at;                                                      \
	}
UVHOOKS_TRACE_LAYOUT_MAP(LAYOUT)
#undef LAYOUT

enum uvh_layout uvh_stream_record(struct uvh_stream *stream, unsigned int *event,
				  struct uvh_record *record)
{
	const enum uvh_layout layout = kinds[stream->number].layout;

	*event = kinds[stream->number].event;
	memset(record, 0, offsetof(struct uvh_record, duration_ns));
	switch (layout) {
#define LAYOUT(layout, fields)                                                                     \
	case UVH_LAYOUT_##layout:                                                                  \
		stream->window.at = take_##layout(stream->window.at, stream->id_base, record);     \
		break;
		UVHOOKS_TRACE_LAYOUT_MAP(LAYOUT)
#undef LAYOUT
	}
	return layout;
}

static void tell_of_missing(struct uvh_stream *stream, const struct uvh_packet *packet,
			    const struct uvh_file *file)
{
	uint64_t sequence = packet->header.packet_seq_num;

	if (sequence > stream->sequence + 1)
		uvh_damage(stream->folder->trace, stream->folder->name, file->name, packet->offset,
			   "%" PRIu64 " packets are missing in front of this one",
			   sequence - stream->sequence - 1);
	else
		uvh_damage(stream->folder->trace, stream->folder->name, file->name, packet->offset,
			   "packet %" PRIu64 " comes behind packet %" PRIu64, sequence,
			   stream->sequence);
}

/* Packets may have been removed between two files only, with those that began them. */
static void notice_missing(struct uvh_stream *stream, const struct uvh_packet *packet,
			   const struct uvh_file *file)
{
	if (packet->offset == 0 && packet->header.packet_seq_num > stream->sequence &&
	    uvh_is_removing(stream->folder))
		stream->folder->overtaken = true;
	else
		tell_of_missing(stream, packet, file);
}

/* Is there something between the packet before and this one that is not in the trace? */
static void notice_gap(struct uvh_stream *stream, const struct uvh_packet *packet,
		       const struct uvh_file *file)
{
	const struct uvhooks_trace_packet *header = &packet->header;

	if (!stream->has_sequence)
		stream->gap = header->packet_seq_num != 0;
	else if (header->packet_seq_num != stream->sequence + 1)
		notice_missing(stream, packet, file);
	if (stream->has_sequence && (header->packet_seq_num != stream->sequence + 1 ||
				     header->events_discarded != stream->discarded))
		stream->gap = true;
	stream->has_sequence = true;
	stream->sequence = header->packet_seq_num;
	stream->discarded = header->events_discarded;
	stream->execution = header->execution;
}

static void begin_packet(struct uvh_stream *stream, const struct uvh_packet *packet,
			 struct uvh_file *file)
{
	stream->next_packet = packet->next;
	notice_gap(stream, packet, file);
	if (packet->header.thread_id != stream->thread->thread_id)
		stream->next_thread_id = (uint32_t) packet->header.thread_id;
	if (!uvh_window_begin(&stream->window, file, packet)) {
		uvh_damage_memory(stream->folder->trace);
		stream->gap = true;
		return;
	}
	stream->folder->trace->bytes_read += packet->bytes - sizeof(packet->header);
	stream->id_base = packet->header.id_base;
	stream->ticks = packet->header.timestamp_begin;
	stream->packet_end = packet->header.timestamp_end;
}

/* The next packet of the stream, in this file or in the next. */
static bool next_packet(struct uvh_stream *stream)
{
	for (; stream->part < stream->part_count; stream->part++) {
		struct uvh_part *part = uvh_stream_part(stream, stream->part);
		struct uvh_packet_rules rules = {
		    .uuid = stream->folder->metadata.uuid,
		    .stream_id = UVHOOKS_TRACE_EVENTS,
		    .has_instance = true,
		    .instance = stream->instance,
		};
		struct uvh_packet packet;

		if (uvh_packet_find(&part->file, stream->next_packet, &rules, &packet)) {
			begin_packet(stream, &packet, &part->file);
			return true;
		}
		uvh_file_close(&part->file);
		stream->next_packet = 0;
	}
	uvh_window_free(&stream->window);
	return false;
}

/* What is wrong with the record at window.at; NULL: nothing, and its head was taken. */
static const char *take_head(struct uvh_stream *stream)
{
	struct uvh_window *window = &stream->window;
	const unsigned char *at = window->at;
	size_t left = (size_t) (window->end - at), head = HEAD_BYTES;
	uint64_t ticks = stream->ticks;
	uint32_t word, number;

	if (left < HEAD_BYTES)
		return "a record is longer than its packet";
	word = uvh_load32(at);
	number = word & NUMBER_MASK;
	if (UVH_LIKELY(number != UVHOOKS_TRACE_EXTENDED)) {
		/* As many ticks after the event before as the low bits say. */
		ticks += ((word >> UVHOOKS_TRACE_NUMBER_BITS) - ticks) & TIME_MASK;
	} else {
		head = LONG_BYTES;
		if (left < LONG_BYTES)
			return "a record is longer than its packet";
		number = uvh_load32(at + 1);
		ticks = uvh_load64(at + 5);
		if (ticks < stream->ticks)
			return "a record has a time before that of the one in front of it";
	}
	if (UVH_UNLIKELY(number >= UVHOOKS_TRACE_NUMBERS || kinds[number].bytes == 0))
		return "a record has a number that none has";
	if (UVH_UNLIKELY(left < head + kinds[number].bytes))
		return "a record is longer than its packet";
	if (UVH_UNLIKELY(ticks > stream->packet_end))
		return "a record has a time after the end of its packet";
	window->at = at + head;
	stream->number = number;
	stream->ticks = ticks;
	return NULL;
}

/* The process runs, and has not written more of the file yet. */
static bool is_half_there(const struct uvh_stream *stream)
{
	const struct uvh_window *window = &stream->window;

	return stream->folder->process.running && window->offset == window->file->size;
}

bool uvh_stream_next(struct uvh_stream *stream)
{
	struct uvh_window *window = &stream->window;
	const char *wrong;

	for (;;) {
		uvh_window_fill(window, UVH_RECORD_BYTES);
		if (UVH_UNLIKELY(window->at == window->end)) {
			if (!next_packet(stream))
				return false;
			continue;
		}
		wrong = take_head(stream);
		if (UVH_LIKELY(wrong == NULL))
			break;
		if (!is_half_there(stream))
			uvh_damage(stream->folder->trace, stream->folder->name, window->file->name,
				   uvh_window_offset(window),
				   "%s; the rest of this packet was left out", wrong);
		uvh_window_skip(window);
		stream->gap = true;
	}
	stream->next_ns = uvh_clock_ns(&stream->folder->clock, stream->ticks);
	if (UVH_UNLIKELY(stream->next_ns < stream->last_ns))
		stream->next_ns = stream->last_ns;
	stream->last_ns = stream->next_ns;
	return true;
}
