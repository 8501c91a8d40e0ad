/* SPDX-License-Identifier: MIT */
/*
 * Perfetto's packets, one at a time: each is composed on the stack and written at once. Texts that
 * come again are sent once and then meant by their number: those of struct uvh_export_name by its
 * index, categories and the keys of annotations by their place in the lists below.
 */
#ifndef UVH_EXPORT_PERFETTO_H
#define UVH_EXPORT_PERFETTO_H

#include "export.h"
#include "perfetto.pb-c.h"

#define UVH_PERFETTO_CATEGORY_MAP(XX)                                                              \
	XX(CALLBACK, "callback")                                                                   \
	XX(WORK, "work")                                                                           \
	XX(LOOP, "loop")                                                                           \
	XX(TOP_LEVEL, "top level")                                                                 \
	XX(CAUSE, "cause")                                                                         \
	XX(RESOURCE, "resource")

#define UVH_PERFETTO_KEY_MAP(XX)                                                                   \
	XX(ID, "id")                                                                               \
	XX(CAUSES, "causes") /* of a mark: the id of what the arrow leads to */                    \
	XX(TRIGGER, "trigger")                                                                     \
	XX(TYPE, "type")                                                                           \
	XX(CALL, "call")                                                                           \
	XX(CALLBACK, "callback")                                                                   \
	XX(FLAGS, "flags")                                                                         \
	XX(UNFINISHED, "unfinished")                                                               \
	XX(ALIVE, "alive at the end")                                                              \
	XX(EARLIER, "made before the trace")

/* 0 means none. */
enum uvh_perfetto_category {
	UVH_CATEGORY_NONE,
#define XX(name, text) UVH_CATEGORY_##name,
	UVH_PERFETTO_CATEGORY_MAP(XX)
#undef XX
};

enum uvh_perfetto_key {
	UVH_KEY_NONE,
#define XX(name, text) UVH_KEY_##name,
	UVH_PERFETTO_KEY_MAP(XX)
#undef XX
	    UVH_KEY_COUNT
};

#define UVH_PACKET_NAMES 4

/* An event of a track being composed. Points into itself: it must not be copied. */
struct uvh_packet {
	Perfetto__TracePacket packet;
	Perfetto__TrackEvent event;
	Perfetto__InternedData interned;
	Perfetto__InternedName name;
	Perfetto__InternedName *names[1];
	Perfetto__InternedBytes strings[UVH_PACKET_NAMES];
	Perfetto__InternedBytes *string_list[UVH_PACKET_NAMES];
	Perfetto__DebugAnnotation annotations[UVH_KEY_COUNT];
	Perfetto__DebugAnnotation *annotation_list[UVH_KEY_COUNT];
	uint64_t category;
	uint64_t flow;
	char ids[2][UVHOOKS_ID_TEXT_BYTES];
	char flags[UVH_EXPORT_FLAGS_BYTES];
};

/* The first packet: the clocks, and the lists above. */
void uvh_packet_write_first(FILE *file, int64_t base_ns);

void uvh_packet_begin(struct uvh_packet *packet, Perfetto__TrackEvent__Type type,
		      uint64_t track_uuid, int64_t time_ns, enum uvh_perfetto_category category);
void uvh_packet_name(struct uvh_packet *packet, struct uvh_export_name *name);

/* Annotations: a text that stays where it is until the packet is written; one that comes often. */
void uvh_packet_text(struct uvh_packet *packet, enum uvh_perfetto_key key, char *text);
void uvh_packet_often(struct uvh_packet *packet, enum uvh_perfetto_key key,
		      struct uvh_export_name *name);
void uvh_packet_yes(struct uvh_packet *packet, enum uvh_perfetto_key key);
void uvh_packet_ids(struct uvh_packet *packet, uvhooks_async_id id, uvhooks_async_id trigger);
void uvh_packet_flags(struct uvh_packet *packet, unsigned int flags);

/* The arrow `flow` begins, or ends, here. */
void uvh_packet_flow(struct uvh_packet *packet, uint64_t flow, bool ends);

void uvh_packet_write(FILE *file, struct uvh_packet *packet);

void uvh_packet_write_track(FILE *file, Perfetto__TrackDescriptor *track);

#endif
