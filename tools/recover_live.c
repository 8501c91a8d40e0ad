/* SPDX-License-Identifier: MIT */
/*
 * What lived when the process ended, from the shim's own records, as a stream that tells each
 * resource and how it stood: so it is there even where nothing was recorded. The flags are those of
 * libuv, in the program's structs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../shim/reading.h"
#include "memory.h"
#include "recover.h"

#define INSTANCE     UINT64_C(0x100000) /* no thread of the program has this */
#define PACKET_BYTES ((size_t) 64 * 1024)
#define RECORD_BYTES ((size_t) 1024)
#define CALLBACKS    1024

/* uv_handle_t's, in all versions that are traced. */
enum { CLOSING = 1, CLOSED = 2, ACTIVE = 4, REF = 8 };

/* A packet that grows. */
struct packet {
	char *bytes;
	size_t used, room;
	uint64_t sequence;
};

struct telling {
	struct uvh_recovery *recovery;
	struct packet events, definitions;
	bool type_known[UINT16_MAX + 1];
	uint64_t callbacks[CALLBACKS]; /* the latest that were defined, by their addresses */
	char name[64];
};

/* The values of a record, by the names of the fields. */
struct values {
	uint64_t id, trigger, execution, other, callback, flags, type, fs_type;
	uint64_t fd, number, due_at_ms, repeat_ms, bytes;
	uint64_t text_0, text_1, text_2, text_3, text_4, text_5, text_6, text_7, text_8, text_9,
	    text_10, text_11;
};

static void put_bytes(struct packet *packet, const void *bytes, size_t count)
{
	packet->bytes = uvh_grow(packet->bytes, &packet->room, packet->used + count, 1);
	memcpy(packet->bytes + packet->used, bytes, count);
	packet->used += count;
}

/* Little-endian, as both machines are. */
static void put(struct packet *packet, uint64_t value, unsigned int bits)
{
	put_bytes(packet, &value, bits / 8);
}

static void put_text(struct packet *packet, const char *text)
{
	put_bytes(packet, text, strlen(text) + 1);
}

static void begin_packet(struct telling *telling, struct packet *packet, bool is_definitions)
{
	const struct uvh_recovery *recovery = telling->recovery;
	struct uvhooks_trace_packet header = {
	    .magic = UVHOOKS_TRACE_MAGIC,
	    .stream_id = is_definitions ? UVHOOKS_TRACE_DEFINITIONS : UVHOOKS_TRACE_EVENTS,
	    .stream_instance_id = is_definitions ? 0 : INSTANCE,
	    .timestamp_begin = recovery->ticks,
	    .timestamp_end = recovery->ticks,
	    .packet_seq_num = packet->sequence++,
	    .thread_id = is_definitions ? 0 : (uint64_t) uvh_process_pid(recovery->process),
	};

	memcpy(header.uuid, recovery->uuid, sizeof(header.uuid));
	packet->used = 0;
	put_bytes(packet, &header, sizeof(header));
}

static void write_packet(struct telling *telling, struct packet *packet, const char *name)
{
	struct uvhooks_trace_packet *header = (struct uvhooks_trace_packet *) packet->bytes;

	header->content_size = header->packet_size = packet->used * 8;
	uvh_recover_append(telling->recovery, name, packet->bytes, packet->used);
}

static void begin_definition(struct telling *telling, enum uvhooks_trace_definition number)
{
	put(&telling->definitions, number, 16);
	put(&telling->definitions, telling->recovery->ticks, 64);
}

static void begin_event(struct telling *telling, unsigned int number)
{
	put(&telling->events, UVHOOKS_TRACE_EXTENDED, 8);
	put(&telling->events, number, 32);
	put(&telling->events, telling->recovery->ticks, 64);
}

#define PUT(bits, sign, name) put(&telling->events, values->name, bits);

static void put_resource(struct telling *telling, const struct values *values)
{
	begin_event(telling, UVHOOKS_TRACE_RESOURCE);
	UVHOOKS_TRACE_WIDE_FIELDS(PUT)
}

static void put_state(struct telling *telling, const struct values *values)
{
	begin_event(telling, UVHOOKS_TRACE_STATE);
	UVHOOKS_TRACE_STATE_FIELDS(PUT)
}

static bool read_field(struct telling *telling, uint64_t address, void *field, size_t bytes)
{
	return uvh_process_read(telling->recovery->process, address, field, bytes) == bytes;
}

static void read_timer(struct telling *telling, uint64_t timer, struct values *values)
{
	if ((values->flags & UVHOOKS_STATE_ACTIVE) != 0)
		read_field(telling, timer + offsetof(uv_timer_t, timeout), &values->due_at_ms, 8);
	read_field(telling, timer + offsetof(uv_timer_t, repeat), &values->repeat_ms, 8);
}

static void read_descriptor(struct telling *telling, uint64_t watcher, struct values *values)
{
	int fd;

	if (read_field(telling, watcher + offsetof(uv__io_t, fd), &fd, sizeof(fd)))
		values->fd = (uint64_t) (int64_t) fd;
}

static void read_handle(struct telling *telling, const struct uvhooks_control_record *record,
			struct values *values)
{
	switch (record->type) {
	case UVHOOKS_TIMERWRAP:
		read_timer(telling, record->pointer, values);
		break;
	case UVHOOKS_POLLWRAP:
		read_descriptor(telling, record->pointer + offsetof(uv_poll_t, io_watcher), values);
		break;
	case UVHOOKS_UDPWRAP:
		read_descriptor(telling, record->pointer + offsetof(uv_udp_t, io_watcher), values);
		break;
	default:
		if (uvh_is_stream(record->type))
			read_descriptor(
			    telling, record->pointer + offsetof(uv_stream_t, io_watcher), values);
	}
	if ((record->flags & UVHOOKS_CONTROL_RECORD_ARMED) != 0 && uvh_is_read(record->type))
		values->flags |= UVHOOKS_STATE_READING;
}

static void tell_state(struct telling *telling, const struct uvhooks_control_record *record)
{
	struct values values = {.id = record->async_id, .fd = (uint64_t) -1};
	unsigned int flags;

	if (uvhooks_type_kind(record->type) == UVHOOKS_KIND_REQUEST) {
		values.flags = UVHOOKS_STATE_ACTIVE | UVHOOKS_STATE_REF;
	} else if (uvhooks_type_kind(record->type) == UVHOOKS_KIND_HANDLE &&
		   read_field(telling, record->pointer + offsetof(uv_handle_t, flags), &flags,
			      sizeof(flags))) {
		values.flags = ((flags & ACTIVE) != 0 ? UVHOOKS_STATE_ACTIVE : 0) |
			       ((flags & REF) != 0 ? UVHOOKS_STATE_REF : 0) |
			       ((flags & (CLOSING | CLOSED)) != 0 ? UVHOOKS_STATE_CLOSING : 0);
		read_handle(telling, record, &values);
	} else {
		return;
	}
	put_state(telling, &values);
}

/* Once more than needed does no harm. */
static bool is_defined(struct telling *telling, uint64_t callback)
{
	uint64_t *slot = &telling->callbacks[(callback >> 4) % CALLBACKS];
	const bool same = *slot == callback;

	*slot = callback;
	return same;
}

static void define(struct telling *telling, const struct uvhooks_control_record *record)
{
	if (record->callbacks[0] != 0 && !is_defined(telling, record->callbacks[0])) {
		begin_definition(telling, UVHOOKS_TRACE_DEFINITION_callback);
		put(&telling->definitions, record->callbacks[0], 64);
	}
	if (record->type < UVHOOKS_TYPE_NAMED || telling->type_known[record->type])
		return;
	telling->type_known[record->type] = true;
	begin_definition(telling, UVHOOKS_TRACE_DEFINITION_type);
	put(&telling->definitions, record->type, 16);
	put_text(&telling->definitions,
		 uvh_process_type_name(telling->recovery->process, record->type));
}

static void tell(const struct uvhooks_control_record *record, void *data)
{
	struct telling *telling = data;
	const bool no_loop = record->type == UVHOOKS_UVTHREAD;
	const struct values values = {
	    .id = record->async_id,
	    .trigger = record->trigger_async_id,
	    .other = record->arm_async_id,
	    .callback = record->flags & UVHOOKS_CONTROL_RECORD_EMBEDDER ? 0 : record->callbacks[0],
	    .flags = no_loop ? UVHOOKS_TRACE_NO_LOOP : 0,
	    .type = record->type,
	    .fs_type = (uint64_t) (int64_t) record->fs_type,
	};

	telling->recovery->live++;
	telling->recovery->live_by_type[record->type]++;
	define(telling, record);
	if (telling->events.used + RECORD_BYTES > PACKET_BYTES) {
		write_packet(telling, &telling->events, telling->name);
		begin_packet(telling, &telling->events, false);
	}
	put_resource(telling, &values);
	tell_state(telling, record);
}

static void define_libraries(struct telling *telling)
{
	const struct uvh_recovery *recovery = telling->recovery;

	for (size_t i = 0; i < recovery->library_count; i++) {
		const struct uvh_recovered_library *library = &recovery->libraries[i];

		begin_definition(telling, UVHOOKS_TRACE_DEFINITION_library);
		put(&telling->definitions, library->begin, 64);
		put(&telling->definitions, library->end, 64);
		put(&telling->definitions, library->bias, 64);
		put_bytes(&telling->definitions, library->build_id, sizeof(library->build_id));
		put_text(&telling->definitions, library->path);
	}
}

/* "1.44.2, linked" */
static void define_libuv(struct telling *telling)
{
	unsigned int major, minor, patch;

	if (sscanf(telling->recovery->control.libuv, "%u.%u.%u", &major, &minor, &patch) != 3)
		return;
	begin_definition(telling, UVHOOKS_TRACE_DEFINITION_libuv);
	put(&telling->definitions, (major & 255) << 16 | (minor & 255) << 8 | (patch & 255), 32);
	put_text(&telling->definitions, "");
}

static void define_thread(struct telling *telling)
{
	begin_definition(telling, UVHOOKS_TRACE_DEFINITION_thread);
	put(&telling->definitions, INSTANCE, 64);
	put(&telling->definitions, (uint64_t) uvh_process_pid(telling->recovery->process), 32);
	put_text(&telling->definitions, "core");
}

void uvh_recover_live(struct uvh_recovery *recovery)
{
	struct telling *telling = uvh_zeros(1, sizeof(*telling));

	telling->recovery = recovery;
	snprintf(telling->name, sizeof(telling->name), "thread-%d-%llu-0",
		 (int) uvh_process_pid(recovery->process), (unsigned long long) INSTANCE);
	/* Behind the recorder's own. */
	telling->definitions.sequence = recovery->definition_packets;
	begin_packet(telling, &telling->definitions, true);
	begin_packet(telling, &telling->events, false);
	define_libraries(telling);
	define_thread(telling);
	if (!recovery->recorded)
		define_libuv(telling);
	uvh_process_each_record(recovery->process, tell, telling);
	write_packet(telling, &telling->events, telling->name);
	write_packet(telling, &telling->definitions, "definitions");
	free(telling->events.bytes);
	free(telling->definitions.bytes);
	free(telling);
}
