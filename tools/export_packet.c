/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "export_perfetto.h"

/* One writer wrote the file. */
#define SEQUENCE_ID 1

#define TAG_OF_PACKET 0x0a /* field 1 of the trace, a message */

#define CLOCK_ID_REALTIME 1
#define CLOCK_ID_BOOTTIME 6 /* the clock of all times that do not say another */

/* In struct uvh_export_name, which of the two tables has it already. */
#define TOLD_AS_EVENT  1u
#define TOLD_AS_STRING 2u

static void write_message(FILE *file, const Perfetto__TracePacket *packet)
{
	uint8_t small[4096], head[16];
	size_t bytes = perfetto__trace_packet__get_packed_size(packet);
	uint8_t *body = bytes <= sizeof(small) ? small : uvh_resize(NULL, bytes, 1);
	size_t used = 0;

	head[used++] = TAG_OF_PACKET;
	for (size_t rest = bytes; used == 1 || rest != 0; rest >>= 7)
		head[used++] = (uint8_t) ((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
	perfetto__trace_packet__pack(packet, body);
	fwrite_unlocked(head, 1, used, file);
	fwrite_unlocked(body, 1, bytes, file);
	if (body != small)
		free(body);
}

#define XX(name, text) (char *) text,
static char *const categories[] = {UVH_PERFETTO_CATEGORY_MAP(XX)};
static char *const keys[] = {UVH_PERFETTO_KEY_MAP(XX)};
#undef XX

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void fill(Perfetto__InternedName *names, Perfetto__InternedName **list, char *const *texts,
		 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		perfetto__interned_name__init(&names[i]);
		names[i].has_iid = true;
		names[i].iid = i + 1;
		names[i].name = texts[i];
		list[i] = &names[i];
	}
}

/* The times are realtime; both clocks are said to agree, so that a viewer can show dates. */
void uvh_packet_write_first(FILE *file, int64_t base_ns)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
	Perfetto__ClockSnapshot snapshot = PERFETTO__CLOCK_SNAPSHOT__INIT;
	Perfetto__ClockSnapshot__Clock clocks[2], *clock_list[] = {&clocks[0], &clocks[1]};
	Perfetto__InternedData interned = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__InternedName category[COUNT(categories)], *category_list[COUNT(categories)];
	Perfetto__InternedName key[COUNT(keys)], *key_list[COUNT(keys)];

	for (size_t i = 0; i < COUNT(clocks); i++) {
		perfetto__clock_snapshot__clock__init(&clocks[i]);
		clocks[i].has_clock_id = clocks[i].has_timestamp = true;
		clocks[i].clock_id = i == 0 ? CLOCK_ID_BOOTTIME : CLOCK_ID_REALTIME;
		clocks[i].timestamp = (uint64_t) base_ns;
	}
	snapshot.n_clocks = COUNT(clocks);
	snapshot.clocks = clock_list;
	fill(category, category_list, categories, COUNT(categories));
	fill(key, key_list, keys, COUNT(keys));
	interned.n_event_categories = COUNT(categories);
	interned.event_categories = category_list;
	interned.n_debug_annotation_names = COUNT(keys);
	interned.debug_annotation_names = key_list;
	packet.clock_snapshot = &snapshot;
	packet.interned_data = &interned;
	packet.has_trusted_packet_sequence_id = true;
	packet.trusted_packet_sequence_id = SEQUENCE_ID;
	packet.has_sequence_flags = true;
	packet.sequence_flags =
	    PERFETTO__TRACE_PACKET__SEQUENCE_FLAGS__SEQ_INCREMENTAL_STATE_CLEARED;
	write_message(file, &packet);
}

void uvh_packet_begin(struct uvh_packet *packet, Perfetto__TrackEvent__Type type,
		      uint64_t track_uuid, int64_t time_ns, enum uvh_perfetto_category category)
{
	perfetto__trace_packet__init(&packet->packet);
	perfetto__track_event__init(&packet->event);
	perfetto__interned_data__init(&packet->interned);
	packet->packet.has_trusted_packet_sequence_id = true;
	packet->packet.trusted_packet_sequence_id = SEQUENCE_ID;
	packet->packet.has_sequence_flags = true;
	packet->packet.sequence_flags =
	    PERFETTO__TRACE_PACKET__SEQUENCE_FLAGS__SEQ_NEEDS_INCREMENTAL_STATE;
	packet->packet.has_timestamp = true;
	packet->packet.timestamp = (uint64_t) time_ns;
	packet->packet.track_event = &packet->event;
	packet->event.has_type = true;
	packet->event.type = type;
	packet->event.has_track_uuid = true;
	packet->event.track_uuid = track_uuid;
	packet->event.debug_annotations = packet->annotation_list;
	if (category != UVH_CATEGORY_NONE) {
		packet->category = category;
		packet->event.n_category_iids = 1;
		packet->event.category_iids = &packet->category;
	}
}

void uvh_packet_name(struct uvh_packet *packet, struct uvh_export_name *name)
{
	packet->event.has_name_iid = true;
	packet->event.name_iid = name->index + 1;
	if ((name->told & TOLD_AS_EVENT) != 0)
		return;
	name->told |= TOLD_AS_EVENT;
	fill(&packet->name, packet->names, (char *const *) &name->text, 1);
	packet->name.iid = name->index + 1;
	packet->interned.n_event_names = 1;
	packet->interned.event_names = packet->names;
	packet->packet.interned_data = &packet->interned;
}

static Perfetto__DebugAnnotation *annotate(struct uvh_packet *packet, enum uvh_perfetto_key key)
{
	size_t at = packet->event.n_debug_annotations++;
	Perfetto__DebugAnnotation *annotation = &packet->annotations[at];

	perfetto__debug_annotation__init(annotation);
	annotation->has_name_iid = true;
	annotation->name_iid = key;
	packet->annotation_list[at] = annotation;
	return annotation;
}

void uvh_packet_text(struct uvh_packet *packet, enum uvh_perfetto_key key, char *text)
{
	annotate(packet, key)->string_value = text;
}

void uvh_packet_often(struct uvh_packet *packet, enum uvh_perfetto_key key,
		      struct uvh_export_name *name)
{
	Perfetto__DebugAnnotation *annotation = annotate(packet, key);
	Perfetto__InternedBytes *string;
	size_t at = packet->interned.n_debug_annotation_string_values;

	annotation->has_string_value_iid = true;
	annotation->string_value_iid = name->index + 1;
	if ((name->told & TOLD_AS_STRING) != 0)
		return;
	name->told |= TOLD_AS_STRING;
	string = &packet->strings[at];
	perfetto__interned_bytes__init(string);
	string->has_iid = string->has_str = true;
	string->iid = name->index + 1;
	string->str.data = (uint8_t *) name->text;
	string->str.len = strlen(name->text);
	packet->string_list[at] = string;
	packet->interned.n_debug_annotation_string_values = at + 1;
	packet->interned.debug_annotation_string_values = packet->string_list;
	packet->packet.interned_data = &packet->interned;
}

void uvh_packet_yes(struct uvh_packet *packet, enum uvh_perfetto_key key)
{
	Perfetto__DebugAnnotation *annotation = annotate(packet, key);

	annotation->has_bool_value = true;
	annotation->bool_value = true;
}

void uvh_packet_ids(struct uvh_packet *packet, uvhooks_async_id id, uvhooks_async_id trigger)
{
	uvh_packet_text(packet, UVH_KEY_ID, uvhooks_id_text(id, packet->ids[0]));
	uvh_packet_text(packet, UVH_KEY_TRIGGER, uvhooks_id_text(trigger, packet->ids[1]));
}

void uvh_packet_flags(struct uvh_packet *packet, unsigned int flags)
{
	if (flags == 0)
		return;
	uvh_export_flags(flags, packet->flags);
	uvh_packet_text(packet, UVH_KEY_FLAGS, packet->flags);
}

void uvh_packet_flow(struct uvh_packet *packet, uint64_t flow, bool ends)
{
	packet->flow = flow;
	if (ends) {
		packet->event.n_terminating_flow_ids = 1;
		packet->event.terminating_flow_ids = &packet->flow;
	} else {
		packet->event.n_flow_ids = 1;
		packet->event.flow_ids = &packet->flow;
	}
}

void uvh_packet_write(FILE *file, struct uvh_packet *packet)
{
	write_message(file, &packet->packet);
}

void uvh_packet_write_track(FILE *file, Perfetto__TrackDescriptor *track)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;

	packet.has_trusted_packet_sequence_id = true;
	packet.trusted_packet_sequence_id = SEQUENCE_ID;
	packet.track_descriptor = track;
	write_message(file, &packet);
}
