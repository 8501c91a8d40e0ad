/* SPDX-License-Identifier: MIT */
/*
 * What the files of the trace reader share. From the files to the events:
 *
 *	trace_open        a folder, its processes and their streams
 *	trace_metadata    the text that says whose trace it is, and what its clock is
 *	trace_packet      packets of a file: where they are, and whether they can be one
 *	trace_definitions what addresses and numbers mean
 *	trace_record      records of packets: number, time, fields
 *	trace_event       from records to complete events; the stack of each thread
 *	trace_thread      the threads of a process
 *	trace_resource    the resources that are alive, and the ancestors that are remembered
 *	trace_reader      all streams in the order of time
 *	trace_damage      what is wrong with the files
 *	trace_text        texts of the files, and lists
 *
 * Nothing in a file is trusted, and none is mapped: it could be truncated while it is read, and
 * then a mapping kills its reader. Reading pieces of 64 KiB into one buffer costs no more than the
 * page faults of a mapping would, and the memory that it takes does not grow with the file.
 */
#ifndef UVH_TRACE_PARTS_H
#define UVH_TRACE_PARTS_H

#include "trace.h"
#include "trace_symbols.h"

#include <endian.h>
#include <string.h>
#include <uvhooks/hooks.h>
#include <uvhooks/trace.h>

#define UVH_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UVH_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* No offset: a message about a whole file or folder. */
#define UVH_NO_OFFSET UINT64_MAX

#define UVH_WINDOW_BYTES ((size_t) 64 << 10)

/* More bytes than the longest record has: 13 in front of a state's 138. */
#define UVH_RECORD_BYTES 160

/*
 * How many resources may be held since an event of them may still come, which another thread has
 * begun to tell of before their destroy.
 */
#define UVH_LATE_MAX 1024

_Static_assert(sizeof(struct uvhooks_trace_packet) == 104, "as it is on disk");

/* Texts that live as long as the trace. */
struct uvh_texts {
	struct uvh_text_block *blocks;
};

/* A resource, and where it stands. */
struct uvh_resource {
	struct uvh_trace_resource shown; /* first: the caller's pointer is ours */
	/* those whose trigger this is */
	struct uvh_resource *first_child, *next_sibling, *previous_sibling;
	/* in the order of creation if it is alive, else in that of destruction */
	struct uvh_resource *next, *previous;
	uint32_t frames;     /* on how many stacks its callbacks are */
	uint32_t generation; /* that of its trigger, and one more */
	struct uvh_state *state;
};

/* What a resource's `state` points to. */
struct uvh_state {
	struct uvh_trace_state shown;
	char text[UVHOOKS_STATE_TEXT_BYTES + 1];
};

struct uvh_resource_list {
	struct uvh_resource *first, *last;
	size_t count;
};

/* Id to resource: open addressing, at most half full. */
struct uvh_resource_table {
	struct uvh_resource_slot *slots;
	unsigned int bits; /* there are 1 << bits slots */
	size_t used;
};

/* From ticks to nanoseconds since 1970: a line through one point. */
struct uvh_clock {
	uint64_t base_ticks;
	int64_t base_ns;
	uint64_t ns_per_tick; /* times 2^40 */
	bool has_monotonic;
	int64_t from_monotonic_ns; /* what to add to CLOCK_MONOTONIC */
};

#define UVH_CLOCK_SHIFT 40

/* What `metadata` says; 0 and NULL where it does not. */
struct uvh_metadata {
	bool has_uuid, has_clock;
	uint8_t uuid[16];
	uint64_t frequency;
	int64_t offset_s, offset;
	const char *hostname, *program, *command, *parent, *mode;
	uint64_t pid, launched;
};

/* A pair of clocks from the definitions. */
struct uvh_clock_pair {
	uint64_t ticks, monotonic_ns, realtime_ns;
};

struct uvh_symbol {
	uint64_t address;
	const char *name;
};

struct uvh_thread_name {
	uint64_t instance;
	uint32_t thread_id;
	const char *name;
};

/* A stack: where its parts are in the arrays that all share. */
struct uvh_stack_parts {
	struct uvh_trace_stack shown;
	size_t first_address, first_frame;
};

/* Those of an address: one behind the other. */
struct uvh_line_group {
	uint64_t address;
	size_t first, count;
};

/* A growing array of anything. */
struct uvh_array {
	void *items;
	size_t count, room;
};

/* A regular file of a trace. Its descriptor is kept while there are few. */
struct uvh_file {
	struct uvh_folder *folder;
	const char *name;
	uint64_t size; /* when the trace was opened */
	int fd;        /* -1: not open now */
};

/* A packet whose header can be one. */
struct uvh_packet {
	struct uvhooks_trace_packet header;
	uint64_t offset; /* in its file */
	uint64_t bytes;  /* that are there, the header included */
	uint64_t next;   /* where to look for the one behind it */
};

/* The part of a packet's content that is in memory. */
struct uvh_window {
	struct uvh_file *file;
	unsigned char *buffer;
	const unsigned char *at, *end; /* what is in memory and has not been used */
	uint64_t offset;               /* in the file, of what comes behind `end` */
	uint64_t rest;                 /* bytes of the packet behind `end` */
};

/* One of the files of a stream, as the scan of its packets found it. */
struct uvh_part {
	struct uvh_file file;
	uint64_t number; /* of the file, in its name */
	uint64_t instance, thread_id;
	uint64_t first_sequence, first_begin;
	uint64_t discarded; /* as the last packet says */
	uint64_t bytes;     /* of records */
};

enum uvh_frame_kind { UVH_FRAME_CALLBACK, UVH_FRAME_WORK, UVH_FRAME_LOOP };

/* Something that runs on a thread. */
struct uvh_frame {
	uvhooks_async_id id;
	enum uvh_frame_kind kind;
	uint64_t callback;
	uint16_t flags;
	int64_t begin_ns; /* 0: before what is in the trace */
	int64_t inner_ns;
	int64_t inner_ran_ns;          /* of that, in the window */
	struct uvh_resource *resource; /* NULL for loops, and for what is not known */
};

/*
 * A thread, and how far it is read. `number`, `ticks` and `next_ns` are those of the next record,
 * whose fields are at window.at; before `begun`, next_ns is not after it.
 */
struct uvh_stream {
	struct uvh_trace_thread *thread; /* whose the latest event was */
	struct uvh_folder *folder;
	size_t order;                  /* among all streams; decides where times are equal */
	size_t first_part, part_count; /* in the folder's parts */
	uint64_t instance;

	size_t part; /* that is being read, counted from first_part */
	uint64_t next_packet;
	struct uvh_window window;
	bool begun;
	unsigned int number;
	unsigned int event;  /* the latest that is no stack and no state */
	unsigned int stacks; /* since that */
	uint64_t ticks;
	int64_t next_ns, last_ns;
	uint64_t packet_end; /* the time of the packet's last event */
	uint64_t id_base;

	bool has_sequence;
	uint64_t sequence, discarded; /* of the latest packet */
	bool gap;                     /* something is missing in front of the next record */
	uint64_t execution;           /* at the beginning of the packet behind the gap */
	uint32_t next_thread_id; /* another thread's, which goes on with the next record; or 0 */

	struct uvh_frame *frames;
	unsigned int depth, room;
};

/* A process. */
struct uvh_folder {
	struct uvh_trace_process process; /* first: the caller's pointer is ours */
	struct uvh_trace *trace;
	char *path;
	const char *name;
	bool has_packets;
	bool overtaken; /* what was there to be read was removed meanwhile, and that is no damage */
	struct uvh_metadata metadata;
	struct uvh_clock clock;
	uint64_t first_ticks, last_ticks; /* of all packets of events */

	struct uvh_array threads;       /* struct uvh_trace_thread * */
	struct uvh_trace_thread nobody; /* stands for what there is no memory for */
	struct uvh_array parts; /* struct uvh_part: in the order of streams, and of time in each */
	struct uvh_stream *streams;
	size_t stream_count;

	struct uvh_clock_pair first_clock, last_clock;
	bool has_clock_pair;
	struct uvh_array callbacks;    /* uint64_t: addresses */
	struct uvh_array symbols;      /* struct uvh_symbol */
	struct uvh_array types;        /* const char *, from UVHOOKS_TYPE_NAMED on */
	struct uvh_array counters;     /* struct uvh_trace_counter */
	struct uvh_array thread_names; /* struct uvh_thread_name */
	struct uvh_array stacks;       /* struct uvh_stack_parts, by number, from 1 on */
	struct uvh_array addresses;    /* uint64_t, of all stacks */
	struct uvh_array frames;       /* struct uvh_trace_frame, of all stacks */
	struct uvh_array lines;        /* struct uvh_trace_line, of all addresses */
	struct uvh_array line_groups;  /* struct uvh_line_group, by address */
	struct uvh_trace_symbols *libraries;
	void *stacks_read; /* what stack_frames.c has made of stacks; it is no part of the reader */
	void (*free_stacks_read)(void *stacks_read);

	struct uvh_resource_table table;
	struct uvh_resource stranger; /* stands for what there is no memory for */
};

/* When a stream has its next event. */
struct uvh_turn {
	int64_t next_ns;
	struct uvh_stream *stream;
};

struct uvh_trace {
	struct uvh_texts texts;
	struct uvh_array folders; /* struct uvh_folder * */
	struct uvh_array damage;  /* char * */
	size_t more_damage;       /* parts that are counted only */
	int open_files;
	uint64_t bytes, bytes_read; /* of records */

	struct uvh_turn *heap; /* of the streams with records, the earliest first */
	size_t heap_count;
	int64_t from_ns, to_ns; /* the window: what comes later is not read */

	struct uvh_resource_list alive, remembered;
	struct uvh_resource *parting;            /* destroyed, but good until the next event */
	struct uvh_resource *late[UVH_LATE_MAX]; /* NULL, or destroyed not long ago: held */
	size_t late_next;
	void (*forget)(void *user);
	bool told_of_memory;
};

static inline uint16_t uvh_load16(const unsigned char *at)
{
	uint16_t number;

	memcpy(&number, at, sizeof(number));
	return le16toh(number);
}

static inline uint32_t uvh_load32(const unsigned char *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return le32toh(number);
}

static inline uint64_t uvh_load48(const unsigned char *at)
{
	return uvh_load32(at) | (uint64_t) uvh_load16(at + 4) << 32;
}

static inline uint64_t uvh_load64(const unsigned char *at)
{
	uint64_t number;

	memcpy(&number, at, sizeof(number));
	return le64toh(number);
}

/* Nanoseconds since 1970, rounded; what is no such time becomes the nearest that is. */
static inline int64_t uvh_clock_ns(const struct uvh_clock *clock, uint64_t ticks)
{
	__int128 ns = (__int128) (int64_t) (ticks - clock->base_ticks) * clock->ns_per_tick;

	ns = ((ns + ((__int128) 1 << (UVH_CLOCK_SHIFT - 1))) >> UVH_CLOCK_SHIFT) + clock->base_ns;
	if (UVH_UNLIKELY(ns < 1))
		return 1;
	return UVH_UNLIKELY(ns > INT64_MAX) ? INT64_MAX : (int64_t) ns;
}

/*
 * The process goes on while it is read: the newest packet is only half there, or a flight recorder
 * removes the oldest files. Neither is damage.
 */
static inline bool uvh_is_removing(const struct uvh_folder *folder)
{
	return folder->process.running && folder->process.flight_recorder;
}

/* trace_damage.c */

/* Something in a file (NULL: the folder itself) cannot be read. */
void uvh_damage(struct uvh_trace *trace, const char *folder, const char *file, uint64_t offset,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Says that memory is short, once. */
void uvh_damage_memory(struct uvh_trace *trace);

void uvh_damage_free(struct uvh_trace *trace);

/* trace_text.c */

/* Whatever is no letter becomes '?'. */
void uvh_text_clean(char *text);

/* Copies a text, and cleans it. "" if memory is short. */
const char *uvh_text(struct uvh_texts *texts, const char *text, size_t bytes);
void uvh_texts_free(struct uvh_texts *texts);

/* Room for one more item at the end, zeroed; NULL if memory is short. */
void *uvh_array_add(struct uvh_array *array, size_t item_bytes);

/* trace_metadata.c */

void uvh_metadata_read(struct uvh_folder *folder, struct uvh_file *file);

/* Takes what metadata and definitions say of the clock. */
void uvh_clock_set(struct uvh_folder *folder);

/* trace_packet.c */

/* Opens and reads; less than `bytes` where the file ends or cannot be read. */
size_t uvh_file_read(struct uvh_file *file, uint64_t offset, void *buffer, size_t bytes);
void uvh_file_close(struct uvh_file *file);

/* What packets of a file have in common. */
struct uvh_packet_rules {
	const uint8_t *uuid;
	uint32_t stream_id;
	bool has_instance;
	uint64_t instance;
	bool tell; /* of damage */
};

/* Finds the packet at `offset`, or else the next one. False: there is none. */
bool uvh_packet_find(struct uvh_file *file, uint64_t offset, const struct uvh_packet_rules *rules,
		     struct uvh_packet *packet);

/* The uuid of the first thing in a file that looks like a packet. */
bool uvh_packet_uuid(struct uvh_file *file, uint8_t uuid[16]);

/* Begins with the records of a packet. False if memory is short. */
bool uvh_window_begin(struct uvh_window *window, struct uvh_file *file,
		      const struct uvh_packet *packet);

/* Reads on, if less than `bytes` are in memory, up to as many as fit. */
void uvh_window_read(struct uvh_window *window);

static inline void uvh_window_fill(struct uvh_window *window, size_t bytes)
{
	if (UVH_UNLIKELY((size_t) (window->end - window->at) < bytes) && window->rest != 0)
		uvh_window_read(window);
}

/* Leaves out the rest of the packet. */
static inline void uvh_window_skip(struct uvh_window *window)
{
	window->at = window->end;
	window->rest = 0;
}

/* Where in its file `at` is. */
static inline uint64_t uvh_window_offset(const struct uvh_window *window)
{
	return window->offset - (uint64_t) (window->end - window->at);
}

void uvh_window_free(struct uvh_window *window);

/* trace_definitions.c */

void uvh_definitions_read(struct uvh_folder *folder, struct uvh_file *file);
void uvh_definitions_free(struct uvh_folder *folder);

/* trace_open.c */

static inline struct uvh_part *uvh_stream_part(const struct uvh_stream *stream, size_t index)
{
	return (struct uvh_part *) stream->folder->parts.items + stream->first_part + index;
}

/* trace_record.c */

/* The fields of a record; those that its layout lacks are 0, as far as said. */
struct uvh_record {
	uvhooks_async_id id, trigger, execution, other;
	uint64_t callback, due_ms;
	uint16_t flags, type;
	int16_t fs_type;
	/* From here on only what the layout has is set. */
	uint64_t duration_ns;
	uint32_t thread_id, stack, number;
	int32_t fd;
	uint64_t due_at_ms, repeat_ms, bytes;
	union {
		struct {
			uint64_t text_0, text_1, text_2, text_3, text_4, text_5, text_6, text_7,
			    text_8, text_9, text_10, text_11;
		};
		char text[UVHOOKS_STATE_TEXT_BYTES];
	};
};

enum uvh_layout {
#define LAYOUT(name, fields) UVH_LAYOUT_##name,
	UVHOOKS_TRACE_LAYOUT_MAP(LAYOUT)
#undef LAYOUT
};

/* Goes to the next record. False: there is none. */
bool uvh_stream_next(struct uvh_stream *stream);

/* Takes the fields of the record, which then is used up. */
enum uvh_layout uvh_stream_record(struct uvh_stream *stream, unsigned int *event,
				  struct uvh_record *record);

/* trace_event.c */

/* Makes the next record of the stream into an event. */
void uvh_stream_event(struct uvh_stream *stream, struct uvh_trace_event *event);

/* Nanoseconds since 1970 of a time on libuv's clock, in milliseconds; 0: it is 0, or not known. */
int64_t uvh_monotonic_ms(const struct uvh_stream *stream, uint64_t ms);

/* trace_frames.c */

/* The event begins, ends, or happens inside what runs on its thread. */
void uvh_frames_follow(struct uvh_stream *stream, struct uvh_trace_event *event, bool is_short);

/* Something is missing in front of this record. */
void uvh_frames_mend(struct uvh_stream *stream, unsigned int event,
		     const struct uvh_record *record);

void uvh_frames_drop(struct uvh_stream *stream);

/* The event that would end the innermost frame at the end of what is told of. False: none runs. */
bool uvh_frames_end(struct uvh_stream *stream, struct uvh_trace_event *event);

/* trace_thread.c */

/* Adds a thread to those of the process; never NULL. */
struct uvh_trace_thread *uvh_thread_add(struct uvh_folder *folder, uint64_t instance,
					uint32_t thread_id);
void uvh_threads_free(struct uvh_folder *folder);

/* Before any is added, and behind the definitions. */
void uvh_thread_names_sort(struct uvh_folder *folder);

/* trace_resource.c */

struct uvh_resource *uvh_resource_find(const struct uvh_folder *folder, uvhooks_async_id id);

/* The resource of an event: the one with the id, or a new one. Never NULL. */
struct uvh_resource *uvh_resource_get(struct uvh_folder *folder, uvhooks_async_id id);

/* Ties it to its trigger, if that is known. */
void uvh_resource_trigger(struct uvh_resource *resource, uvhooks_async_id trigger);

/* It is gone, but for the event that says so. */
void uvh_resource_destroy(struct uvh_resource *resource);

/* A callback of it is on a stack; or not any more. */
void uvh_resource_hold(struct uvh_resource *resource);
void uvh_resource_release(struct uvh_resource *resource);

/* Drops it if nothing needs it any more. */
void uvh_resource_settle(struct uvh_trace *trace, struct uvh_resource *resource);

/* How it stands now. */
void uvh_resource_state(struct uvh_resource *resource, const struct uvh_stream *stream,
			const struct uvh_record *record);

void uvh_resources_free(struct uvh_trace *trace);

#endif
