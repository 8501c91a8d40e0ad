/* SPDX-License-Identifier: MIT */
/*
 * The recorder plugin: what its files share.
 *
 * An event is a few stores into a buffer of its thread. All else is the slow path: a new packet, a
 * new thread, a callback never seen before, a fork. It runs with signals blocked and cancellation
 * off, so nothing jumps out of it, and takes locks only there.
 *
 * Invariant: events do not come in signal handlers, so a thread is in one record at a time.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include <limits.h>
#include <stdatomic.h>
#include <uvhooks/plugin.h>
#include <uvhooks/trace.h>

#define RECORDER_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define RECORDER_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* One packet and the struct before it. */
#define RECORDER_BUFFER_BYTES ((size_t) 64 * 1024)

/* More than the records of one event, its stack and its state, so that they always have room where
   one may begin. */
#define RECORDER_RECORD_BYTES 256

#define RECORDER_SEEN 16 /* a power of two: they fit into a cache line */

#define RECORDER_NAME_BYTES 64

/*
 * The events of one thread.
 *
 * The first two cache lines are all that the hot path reads: between the events of a program that
 * is busy, the processor has forgotten what it knew, and then an event costs what it touches. What
 * must survive the process is written to the buffer, too, and never read there.
 *
 * In the child of a fork all of it is zeros (MADV_WIPEONFORK), and `limit` says so: nothing fits.
 */
struct recorder_stream {
	/* Bytes of the packet from which on none is begun; 0, by whomever: do what is to be done.
	 */
	_Atomic uint64_t limit;
	uint64_t at; /* bytes of the packet: where the next record goes; the buffer's `committed` */
	char *packet;  /* behind its buffer */
	uint64_t last; /* the time of the latest event; the buffer's, too */
	uint64_t id_base;
	bool clock_is_tsc;
	bool details; /* recorder_options.details */
	/* Callbacks that are defined: bits of their addresses, by others of them. 0: none. */
	uint32_t seen[RECORDER_SEEN] __attribute__((aligned(64)));

	struct uvhooks_trace_buffer *buffer;
	struct uvhooks_trace_packet header; /* of this packet, as far as it is known */
	atomic_flag busy;                   /* the packet is being written; at exit, by another */
	uint64_t instance;
	uint64_t written; /* bytes of this packet that are in the file already */
	uint32_t thread_id;
	uint32_t folder;     /* the number of the folder that `file` is in */
	uint32_t file;       /* number of the file */
	bool created;        /* the file */
	atomic_bool used;    /* by a thread */
	uint32_t strangers;  /* events in a row whose ids do not go with id_base */
	uint32_t generation; /* of the flight recorder, when this stream told what lives */
	struct recorder_stream *next;
	char path[PATH_MAX];
};

static inline size_t recorder_seen_slot(const void *callback)
{
	return (uintptr_t) callback >> 4 & (RECORDER_SEEN - 1);
}

/* Two addresses have the same only if they are a multiple of 64 GiB apart: one of them may then be
   left out of the definitions, and is found by the libraries alone. */
static inline uint32_t recorder_seen_bits(const void *callback)
{
	return (uint32_t) ((uintptr_t) callback >> 4);
}

static inline bool recorder_is_seen(const struct recorder_stream *stream, const void *callback)
{
	return callback == NULL ||
	       stream->seen[recorder_seen_slot(callback)] == recorder_seen_bits(callback);
}

extern bool recorder_type_known[UINT16_MAX + 1];

static inline bool recorder_is_type_known(unsigned int type)
{
	return type < UVHOOKS_TYPE_NAMED ||
	       __atomic_load_n(&recorder_type_known[type], __ATOMIC_RELAXED);
}

/* What there is of a process; its memory is wiped in the child of any fork. */
struct recorder_process {
	atomic_uint state; /* enum recorder_state */
	atomic_flag lock;
};

enum recorder_state { RECORDER_FORKED, RECORDER_RUNS, RECORDER_ENDS };

extern struct recorder_process *recorder_process;
extern __thread struct recorder_stream *recorder_here
    __attribute__((tls_model("initial-exec"))); /* never NULL */

/* What is lost is counted, in the process where it is lost. */
#define RECORDER_COUNTER_MAP(XX)                                                                   \
	XX(events_discarded)    /* all that are in no file, whatever the reason */                 \
	XX(packets_not_written) /* the disk is full, a file was changed, a folder has gone */      \
	XX(events_over_max_size)                                                                   \
	XX(buffers_not_shared) /* no shared memory: if killed, the process loses what is in them   \
				*/

struct recorder_counters {
#define XX(name) _Atomic uint64_t name;
	RECORDER_COUNTER_MAP(XX)
#undef XX
};

extern struct recorder_counters recorder_counters;

struct recorder_options {
	char dir[PATH_MAX];      /* absolute */
	uint64_t ring_bytes;     /* 0: everything is kept */
	uint64_t max_size_bytes; /* UINT64_MAX: no limit */
	bool details;            /* of what is made and armed, its state is told at once */
};

extern struct recorder_options recorder_options;

/* recorder_options.c: 0, or -1 and the reason in `args`. */
int recorder_options_read(struct uvhooks_plugin_args *args);

/* recorder_event.c */
int recorder_hook(void);

/* recorder_clock.c */
extern bool recorder_clock_is_tsc;

uint64_t recorder_monotonic_ns(void);

static inline uint64_t recorder_ticks_of(bool clock_is_tsc)
{
#ifdef __x86_64__
	if (RECORDER_LIKELY(clock_is_tsc))
		return __builtin_ia32_rdtsc();
#endif
	(void) clock_is_tsc;
	return recorder_monotonic_ns();
}

static inline uint64_t recorder_ticks(void)
{
	return recorder_ticks_of(recorder_clock_is_tsc);
}

struct recorder_moment {
	uint64_t ticks;
	uint64_t monotonic_ns;
	uint64_t realtime_ns;
};

/* What the clock block of the metadata says. */
struct recorder_clock {
	uint64_t frequency; /* ticks a second */
	uint64_t offset_s;
	uint64_t offset; /* ticks */
};

/* Takes the time, for the first time in this process. */
void recorder_clock_begin(struct recorder_moment *moment, struct recorder_clock *clock);

/* Is it time to look at the clocks again? Ever less often. */
bool recorder_clock_is_due(uint64_t ticks);
void recorder_clock_look(struct recorder_moment *moment, struct recorder_clock *clock);

/* recorder_process.c: a folder and all that is known of this process. */
bool recorder_begin(void);
bool recorder_begin_again(void); /* in a fork's child, or where files cannot be made any more */
void recorder_end(void);
extern uint8_t recorder_uuid[16];
extern char recorder_folder[PATH_MAX];     /* the process's, absolute; "": there is none */
extern atomic_uint recorder_folder_number; /* from 1 on; another for each folder */
extern char recorder_parent[RECORDER_NAME_BYTES * 2];
extern char recorder_program[PATH_MAX];
void recorder_lock(void);
void recorder_unlock(void);

/* The slow path around anything: what must hold while it runs. */
struct recorder_guard {
	char signals[128]; /* sigset_t */
	int cancel;
};
void recorder_guard_enter(struct recorder_guard *guard);
void recorder_guard_leave(const struct recorder_guard *guard);

/* recorder_file.c: all return 0 or an errno. `path` has room for a name behind the folder's. */
int recorder_file_path(char path[PATH_MAX], const char *name);

/*
 * Writes `bytes` at `offset` of a file that is `size` long, no more and no less, or does not exist
 * yet (`create`). A file is opened for each write: the program owns the descriptors.
 */
int recorder_file_write(const char *path, bool create, uint64_t size, uint64_t offset,
			const void *data, size_t bytes);
int recorder_file_append(const char *path, const void *data, size_t bytes);

/* Makes room for `bytes`, so that they can be written when the disk is full. */
void recorder_file_reserve(const char *path, size_t bytes);

/* recorder_ring.c: may another packet be written, and what must go for it? Under no lock. */
enum recorder_room { RECORDER_WRITE, RECORDER_NEXT_FILE, RECORDER_DISCARD };
enum recorder_room recorder_ring_room(const struct recorder_stream *stream, size_t bytes);
void recorder_ring_wrote(const struct recorder_stream *stream, size_t bytes);
void recorder_ring_forked(void);
extern atomic_uint recorder_generation;

/* recorder_buffer.c: NULL if memory is short. */
struct uvhooks_trace_buffer *recorder_buffer_take(void);
void recorder_buffers_forked(void);
void recorder_buffers_end(void); /* nobody needs them any more */

/* recorder_metadata.c */
int recorder_metadata_write(const struct recorder_clock *clock);
int recorder_metadata_clock(const struct recorder_clock *clock);

/* recorder_define.c: all of it under the lock. */
void recorder_define_callback(const void *address);
void recorder_define_type(unsigned int type);
void recorder_define_thread(uint64_t instance, uint32_t thread_id);
void recorder_define_clock(const struct recorder_moment *moment);
void recorder_define_counters(void);
void recorder_define_end(void);
void recorder_define_libraries(void);
void recorder_define_stacks(uint32_t number); /* up to this one */
extern _Atomic uint32_t recorder_stacks_known;
void recorder_define_libuvs(void);
void recorder_define_begin(const struct recorder_moment *moment);
void recorder_define_write(void);
/* recorder_stream.c */
extern struct recorder_stream recorder_nobody;
void recorder_slow(const struct uvhooks_event *event);
void recorder_streams_forked(void);
void recorder_streams_end(void);
void recorder_streams_nudge(void); /* each goes the slow way once */
int recorder_streams_start(void);

/* recorder_record.c: the records of the slow path. */
struct recorder_values {
	uint64_t id, trigger, execution, other, callback, flags, type, fs_type, due_ms;
	uint64_t duration_ns, thread_id, stack;
	uint64_t fd, number, due_at_ms, repeat_ms, bytes;
	union {
		struct {
			uint64_t text_0, text_1, text_2, text_3, text_4, text_5, text_6, text_7,
			    text_8, text_9, text_10, text_11;
		};
		char text[UVHOOKS_STATE_TEXT_BYTES];
	};
};
unsigned int recorder_record_number(const struct uvhooks_event *event, uint64_t id_base,
				    struct recorder_values *values);
void recorder_record_put(struct recorder_stream *stream, unsigned int number, uint64_t ticks,
			 const struct recorder_values *values);
uint64_t recorder_record_count(const char *records, size_t bytes);

/* What follows an event's record: its stack, and its state where that is wanted. */
void recorder_record_more(struct recorder_stream *stream, const struct uvhooks_event *event,
			  uint64_t ticks);

/* Where a resource that is told alive was made and armed, in two records; none if that is unknown.
 */
void recorder_record_places(struct recorder_stream *stream, const struct uvhooks_resource *resource,
			    uint64_t ticks);

/* How a resource stands, if that can be told; where not, nothing is written. */
void recorder_record_state(struct recorder_stream *stream, uvhooks_async_id id, unsigned int type,
			   const void *pointer, uint64_t ticks);

/* When a timer is to fire, in libuv's milliseconds; 0 where it cannot be told. */
uint64_t recorder_due_ms(const struct uvhooks_event *event, bool *repeats);

#endif
