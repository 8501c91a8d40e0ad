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
#include <uvhooks/trace_sink.h>

#define RECORDER_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define RECORDER_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* One packet and the struct before it. */
#define RECORDER_BUFFER_BYTES ((size_t) 64 * 1024)

/* More than the records of one event, its stack and its state, so that they always have room where
   one may begin. */
#define RECORDER_RECORD_BYTES 256

/* Up to where a record may begin in a packet. */
#define RECORDER_PACKET_LIMIT                                                                      \
	(RECORDER_BUFFER_BYTES - sizeof(struct uvhooks_trace_buffer) - RECORDER_RECORD_BYTES)

/* So many records of other id spaces in a row, and a packet of that space is begun. */
#define RECORDER_STRANGERS_MAX 32

#define RECORDER_NAME_BYTES 64

/*
 * The events of one thread.
 *
 * `sink` is where most of them are written, by the shim. What must survive the process is written
 * to the buffer, too, and never read there.
 *
 * In the child of a fork all of it is zeros (MADV_WIPEONFORK): nothing fits into such a sink.
 */
struct recorder_stream {
	/* Its `limit` is 0, by whomever: do what is to be done. */
	struct uvhooks_trace_sink sink __attribute__((aligned(64)));
	struct uvhooks_trace_buffer *buffer;
	struct uvhooks_trace_packet header; /* of this packet, as far as it is known */
	atomic_flag busy;                   /* the packet is being written; at exit, by another */
	uint64_t instance;
	uint64_t written; /* bytes of this packet that are in the file already */
	uint32_t thread_id;
	uint32_t recording; /* the number of the recording that all of this is of */
	uint32_t folder;    /* the number of the folder that `file` is in */
	uint32_t file;      /* number of the file */
	bool created;       /* the file */
	int error;        /* why the packet could not be written; 0: it was, or there was no room */
	atomic_bool used; /* by a thread */
	uint32_t strangers;  /* events in a row whose ids do not go with id_base */
	uint32_t generation; /* of the flight recorder, when this stream told what lives */
	bool untold;         /* its loop's resources have not been told with their states */
	struct recorder_stream *next;
	char path[PATH_MAX];
};

#define RECORDER_DEFINITION_BYTES RECORDER_BUFFER_BYTES
#define RECORDER_METADATA_BYTES   ((size_t) 64 * 1024)
#define RECORDER_CALLBACKS        8192 /* a power of two */
#define RECORDER_LIBRARIES        512

struct recorder_library {
	uintptr_t begin, end;
	uintptr_t bias;
	const char *path; /* the loader's; compared, never read */
};

/* recorder_define.c: the newest packet of the definitions, and what is defined. */
struct recorder_definitions {
	char packet[RECORDER_DEFINITION_BYTES] __attribute__((aligned(8)));
	size_t used;     /* bytes of the packet */
	size_t written;  /* of these, in the file */
	uint64_t offset; /* of the packet in the file */
	bool created;
	unsigned int file_number;
	/* Open addressing; when it is full the rest is found by the libraries alone. */
	const void *callbacks[RECORDER_CALLBACKS];
	size_t callback_count;
	bool type_known[UINT16_MAX + 1];
	_Atomic uint32_t stacks_known;
	struct recorder_library libraries[RECORDER_LIBRARIES];
	size_t library_count;
	unsigned long long loader_adds; /* objects ever loaded, when they were looked at */
	/* What was said of libraries; said again in the child of a fork, where the loader must not
	   be asked. */
	char library_records[RECORDER_DEFINITION_BYTES / 2];
	uint64_t library_bytes;
};

/* recorder_metadata.c */
struct recorder_metadata {
	char text[RECORDER_METADATA_BYTES];
	uint64_t whole; /* bytes of it */
	/* where the clock's numbers are: they are written again */
	size_t clock_begin, clock_end;
};

/* What belongs to a trace as a whole: all of it is used under the lock, where nothing else is said.
 */
struct recorder_trace {
	uint8_t uuid[16];
	char folder[PATH_MAX]; /* the process's, absolute; "": there is none */
	int missing;           /* an errno: why there is none */
	const char *mode;      /* "all", "ring" or "snapshot" */
	struct recorder_definitions definitions;
	struct recorder_metadata metadata;
};

extern struct recorder_trace recorder_main;   /* the recording */
extern struct recorder_trace *recorder_trace; /* the one that is written to: it, or a snapshot */

static inline bool recorder_is_type_known(unsigned int type)
{
	return type < UVHOOKS_TYPE_NAMED ||
	       __atomic_load_n(&recorder_main.definitions.type_known[type], __ATOMIC_RELAXED);
}

static inline bool recorder_are_stacks_known(uint32_t number)
{
	return number <=
	       atomic_load_explicit(&recorder_main.definitions.stacks_known, memory_order_relaxed);
}

/* What there is of a process; its memory is wiped in the child of any fork. */
struct recorder_process {
	atomic_uint state; /* enum recorder_state */
	atomic_uint slow;  /* threads on the slow path */
	atomic_flag lock;
};

/*
 * FORKED: also where nothing was recorded yet. STOPPED: nothing of a trace is touched any more, by
 * whomever; an event that comes nevertheless came too late.
 */
enum recorder_state { RECORDER_FORKED, RECORDER_RUNS, RECORDER_ENDS, RECORDER_STOPPED };

extern struct recorder_process *recorder_process;
extern __thread struct recorder_stream *recorder_here
    __attribute__((tls_model("initial-exec"))); /* never NULL */

/* What is lost is counted, in the process where it is lost. */
#define RECORDER_COUNTER_MAP(XX)                                                                   \
	XX(events_discarded)    /* all that are in no file, whatever the reason */                 \
	XX(packets_not_written) /* the disk is full, a file was changed, a folder has gone */      \
	XX(events_over_max_size)                                                                   \
	XX(buffers_not_shared) /* no shared memory, or none that outlives the process: if killed,  \
				  it loses what is in them */

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
	bool frozen;             /* after the start only memory is written to */
};

extern struct recorder_options recorder_options;

/* What is asked for: at first, and while the program runs. */
struct recorder_request {
	struct recorder_options options;
	bool stop, snapshot, has_details, has_sizes;
	char dump[PATH_MAX]; /* "": none is wanted */
};

/*
 * recorder_options.c: 0, or -1 and the reason in `args`. A recording begins with what is named and
 * else with what is usual; `details` of one that runs stays unless it is named.
 */
int recorder_options_read(struct uvhooks_plugin_args *args, struct recorder_request *request);

/* recorder_control.c: while the program runs, on one thread at a time. */
int recorder_start(struct uvhooks_plugin_args *args, const struct recorder_options *options);
void recorder_stop(void);
bool recorder_is_wanted(void); /* a recording was begun, here or in the parent, and not stopped */
int recorder_configure(struct uvhooks_plugin_args *args);
void recorder_status(char *text, size_t bytes);

/* recorder_snapshot.c: a trace of what lives. 0, or an errno. */
int recorder_snapshot(const struct recorder_options *options);

/* recorder_frozen.c: false if memory is short; or if there is no room for more definitions. */
extern bool recorder_frozen;
bool recorder_frozen_begin(void);
void recorder_frozen_keep(const struct uvhooks_trace_buffer *buffer, size_t bytes);
bool recorder_frozen_define(const struct uvhooks_trace_packet *packet, uint64_t offset,
			    size_t bytes);

/* recorder_dump.c: a copy of what is in the trace now. 0, or an errno. */
int recorder_dump(const char *dir);

/* recorder_event.c */
int recorder_hook(bool enable);
void recorder_lend(struct recorder_stream *stream); /* to this thread; NULL: none any more */

/* recorder_clock.c */
extern bool recorder_clock_is_tsc;

uint64_t recorder_monotonic_ns(void);

static inline uint64_t recorder_ticks(void)
{
#ifdef __x86_64__
	if (RECORDER_LIKELY(recorder_clock_is_tsc))
		return __builtin_ia32_rdtsc();
#endif
	return recorder_monotonic_ns();
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

/* The same, where the time may have been taken before. */
void recorder_clock_begin_or_look(struct recorder_moment *moment, struct recorder_clock *clock);

/* The ticks of that first time. */
uint64_t recorder_clock_begun(void);

/* Is it time to look at the clocks again? Ever less often. */
bool recorder_clock_is_due(uint64_t ticks);
void recorder_clock_look(struct recorder_moment *moment, struct recorder_clock *clock);

/* recorder_process.c: a folder and all that is known of this process. */
bool recorder_prepare(void); /* once, or again */
bool recorder_begin(bool forked);
bool recorder_begin_again(void); /* in a fork's child, or where files cannot be made any more */
void recorder_end(void);
void recorder_finish(bool process_ends); /* all that was recorded is written */
/* Makes a folder for this process in `dir`, that of the trace that is written to. 0 or an errno. */
int recorder_make_folder(const char *dir);
int recorder_begin_files(const struct recorder_moment *moment, const struct recorder_clock *clock);
extern atomic_uint recorder_folder_number; /* from 1 on; another for each folder */
extern char recorder_program[PATH_MAX];
void recorder_lock(void);
void recorder_unlock(void);
void recorder_pause(void);   /* of who waits for another thread */
void recorder_publish(void); /* for who has a core file */

/* recorder_parent.c: the folder of who has started this program; "": it is not in the trace. */
extern char recorder_parent[RECORDER_NAME_BYTES * 2];
void recorder_find_parent(void);
void recorder_announce(void); /* in `.buffers`: whose folder it is */

/* The slow path around anything: what must hold while it runs. */
struct recorder_guard {
	char signals[128]; /* sigset_t */
	int cancel;
	bool masked;
};
void recorder_guard_enter(struct recorder_guard *guard);
void recorder_guard_leave(const struct recorder_guard *guard);

/* False: the recording has been stopped; then nothing of it may be touched. */
bool recorder_slow_enter(struct recorder_guard *guard);
void recorder_slow_leave(const struct recorder_guard *guard);

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
void recorder_ring_begin(void);
extern _Atomic uint64_t recorder_bytes_written;
extern atomic_uint recorder_generation;

/* recorder_buffer.c: NULL if memory is short. */
struct uvhooks_trace_buffer *recorder_buffer_take(void);
void recorder_buffers_forked(void);
char *recorder_buffers_reserve(size_t count); /* for nobody else; under the lock */
void recorder_buffers_end(void);              /* no reader needs them any more */
void recorder_buffers_keep(void);             /* one does: there is what was not written */
void recorder_buffers_leave(void); /* nor does anybody in this process, until the next recording */
void recorder_buffers_begin(void);
const struct uvhooks_trace_memory_segment *recorder_buffer_segments(void);

/* recorder_metadata.c */
int recorder_metadata_write(const struct recorder_clock *clock);
int recorder_metadata_clock(const struct recorder_clock *clock);

/* recorder_define.c: all of it under the lock. */
void recorder_define_callback(const void *address);
void recorder_define_type(unsigned int type);
void recorder_define_thread(uint64_t instance, uint32_t thread_id);
void recorder_define_clock(const struct recorder_moment *moment);
void recorder_define_counters(void);
void recorder_define_end(bool process_ends); /* else the recording */
void recorder_define_libraries(void);
void recorder_define_forget_libraries(void);
void recorder_define_stacks(uint32_t number); /* up to this one */
void recorder_define_libuvs(void);
void recorder_define_begin(const struct recorder_moment *moment);
void recorder_define_write(void);
/* recorder_stream.c */
extern struct recorder_stream recorder_nobody;
void recorder_slow(const struct uvhooks_event *event);
void recorder_streams_forked(void);
void recorder_streams_begin(void);
void recorder_streams_end(void);
struct recorder_stream *recorder_own_stream(uint32_t thread_id);
bool recorder_streams_reserve(void);
void recorder_follow_buffer(struct recorder_stream *stream);
/* Nobody writes its packet meanwhile. Who holds one may take the lock, and never the reverse. */
void recorder_stream_hold(struct recorder_stream *stream);
void recorder_stream_release(struct recorder_stream *stream);
struct recorder_stream *recorder_streams(void); /* linked by `next` */
void recorder_streams_nudge(void);              /* each goes the slow way once */
int recorder_streams_start(void);

/* recorder_packet.c */
static inline char *recorder_packet_of(const struct recorder_stream *stream)
{
	return (char *) (stream->buffer + 1);
}

/* One more record fits; else another packet is begun. */
void recorder_make_room(struct recorder_stream *stream, uvhooks_async_id id, uint64_t ticks);

/* The process has begun a folder since: nothing of this stream is in it yet. Under the lock. */
bool recorder_packet_follow_folder(struct recorder_stream *stream);

/* Written at once, though the packet goes on: who has ended may be gone at any moment. */
void recorder_packet_write_through(struct recorder_stream *stream);

/* All of the stream, and how much was lost. Does the last packet stay in its buffer? */
bool recorder_packets_finish(struct recorder_stream *stream);

/* recorder_tell.c: what lives. */
void recorder_tell_late(void); /* all, when recording begins */
void recorder_tell_again(struct recorder_stream *stream, const struct uvhooks_event *event);
void recorder_tell_states(struct recorder_stream *stream, bool all_spaces, uvhooks_async_id loop);
void recorder_tell_begin(bool late);

/* What its record says. */
struct recorder_values;
void recorder_tell_values(const struct uvhooks_resource *resource, struct recorder_values *values);
void recorder_tell_definitions(const struct uvhooks_resource *resource); /* under the lock */

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
