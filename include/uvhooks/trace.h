/* SPDX-License-Identifier: MIT */
/*
 * The trace on disk: what the recorder writes and the tools read. It is CTF 1.8, so `metadata` says
 * all of this to babeltrace2 and Trace Compass; this header says it to C.
 *
 *	DIR/                  what -o names
 *	  PROGRAM-PID[-N]/    a CTF trace of one process; N from 2 on where the pid came
 *	                      before (exec)
 *	    metadata          TSDL, a text
 *	    definitions       stream class 1: what addresses and numbers mean
 *	    thread-TID-I-N    stream class 0: file N of stream I, the events of one thread
 *	    .buffers          while the process runs: where its last packets are
 *
 * A file is a sequence of packets without gaps, each with a header, and each as long as what is
 * in it. A packet is composed in a buffer in shared memory and written when it is full, when its
 * thread or the process ends, and, if the process was killed, by whoever reads the trace next.
 *
 * All numbers are little-endian, nothing is aligned to more than a byte, and every time is in ticks
 * of the clock in `metadata`: the TSC where it is invariant, else nanoseconds of CLOCK_MONOTONIC.
 *
 * This header needs neither libuv nor libuvhooks.so. Numbers are only ever appended.
 */
#ifndef UVHOOKS_TRACE_H
#define UVHOOKS_TRACE_H

#include <uvhooks/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UVHOOKS_TRACE_MAGIC UINT32_C(0xc1fc1fc1) /* CTF's own */

enum uvhooks_trace_stream { UVHOOKS_TRACE_EVENTS, UVHOOKS_TRACE_DEFINITIONS };

/* In front of every packet, of both classes: CTF's packet header and packet context. */
struct uvhooks_trace_packet {
	uint32_t magic;
	uint8_t uuid[16];   /* of the process's trace, as in `metadata` */
	uint32_t stream_id; /* enum uvhooks_trace_stream */
	uint64_t
	    stream_instance_id;    /* I; 0 for definitions. A thread id may come again, this not. */
	uint64_t timestamp_begin;  /* of the packet; not after its first event */
	uint64_t timestamp_end;    /* of its last event */
	uint64_t content_size;     /* bits, this struct included */
	uint64_t packet_size;      /* bits; equals content_size */
	uint64_t packet_seq_num;   /* from 0, in the stream */
	uint64_t events_discarded; /* in the stream, before the end of this packet */
	uint64_t id_base;          /* of short records: what their ids are to be added to */
	uint64_t execution;        /* the execution async id when the packet was begun */
	uint64_t thread_id;        /* the kernel's */
};

/*
 * A record of an event begins with one word: its number in the low 5 bits, the low 27 bits of its
 * time in the others. Where more than 2^27 ticks have passed since the event before, it begins with
 * the number UVHOOKS_TRACE_EXTENDED in 8 bits, its true number in 32, and the whole time in 64.
 */
#define UVHOOKS_TRACE_NUMBER_BITS 5
#define UVHOOKS_TRACE_TIME_BITS   27
#define UVHOOKS_TRACE_EXTENDED    31

#define UVHOOKS_TRACE_WIDE 16 /* + enum uvhooks_event_type: the wide record of any event */

/*
 * Records: a number, the event, and the layout behind the first word. A short record stands for an
 * event of which all that it does not hold follows from the others:
 *
 *   trigger, type and fs_type     are those of the resource's init (or latest wide record)
 *   execution                     of before, after, work_begin, work_end: the resource itself;
 *                                 of wakeup and destroy: sequence 0 of the resource's id space
 *   callback, flags of after      those of its before; likewise work_end and work_begin
 *   flags that a layout lacks     else none are set
 *   other_async_id                of start: the execution id; of stop: that of the latest start
 *
 * and whose ids all differ from the packet's id_base in the low 32 bits only. All else is wide, as
 * are the last two, which do not fit into 5 bits, so that their heads are extended ones.
 */
#define UVHOOKS_TRACE_RECORD_MAP(XX)                                                               \
	XX(0, INIT, init)                                                                          \
	XX(1, BEFORE, run)                                                                         \
	XX(2, AFTER, id)                                                                           \
	XX(3, DESTROY, id)                                                                         \
	XX(4, PROMISE_RESOLVE, inside)                                                             \
	XX(5, START, arm)                                                                          \
	XX(6, STOP, arm)                                                                           \
	XX(7, WAKEUP, wake)                                                                        \
	XX(8, WORK_BEGIN, run)                                                                     \
	XX(9, WORK_END, id)                                                                        \
	XX(12, LOOP_ENTER, inside)                                                                 \
	XX(13, LOOP_EXIT, inside)                                                                  \
	XX(15, START, arm_due)                                                                     \
	XX(16, INIT, wide)                                                                         \
	XX(17, BEFORE, wide)                                                                       \
	XX(18, AFTER, wide)                                                                        \
	XX(19, DESTROY, wide)                                                                      \
	XX(20, PROMISE_RESOLVE, wide)                                                              \
	XX(21, START, wide)                                                                        \
	XX(22, STOP, wide)                                                                         \
	XX(23, WAKEUP, wide)                                                                       \
	XX(24, WORK_BEGIN, wide)                                                                   \
	XX(25, WORK_END, wide)                                                                     \
	XX(26, LINK, wide)                                                                         \
	XX(27, TYPE_CHANGE, wide)                                                                  \
	XX(28, LOOP_ENTER, wide)                                                                   \
	XX(29, LOOP_EXIT, wide)                                                                    \
	XX(30, BEFORE, run_due)                                                                    \
	XX(40, START, wide_due)                                                                    \
	XX(41, BEFORE, wide_due)

/*
 * Rarer ones, whose heads are extended ones, too. `stack` follows the init, start, fs_call or stall
 * that it belongs to in its stream, as `stack` in short does where the id goes with id_base;
 * `state` follows an init or start, a resource that is told alive, or stands for itself where one
 * is told at the end or when its loop is busy.
 */
#define UVHOOKS_TRACE_RARE_MAP(XX)                                                                 \
	XX(32, REF, of)                                                                            \
	XX(33, UNREF, of)                                                                          \
	XX(34, POOL_END, of)                                                                       \
	XX(35, FS_CALL, call)                                                                      \
	XX(36, LOOP_BUSY, of)                                                                      \
	XX(37, STALL, stuck)

#define UVHOOKS_TRACE_NUMBERS 42 /* all are less than that */

/*
 * What is no event, but adds to one, or to what is known:
 *
 *   resource      one that is alive, told when recording begins, when it ends or its loop is busy,
 *                 and, by a flight recorder, again and again; `other` is the execution id that
 *                 armed it last
 *   stack         see above; behind a resource two, the init's and the start's, 0 for none
 *   state         see above
 */
#define UVHOOKS_TRACE_ADDITION_MAP(XX)                                                             \
	XX(10, stack, stack)                                                                       \
	XX(14, resource, wide)                                                                     \
	XX(38, stack, stack_wide)                                                                  \
	XX(39, state, state)

#define UVHOOKS_TRACE_STACK      10
#define UVHOOKS_TRACE_RESOURCE   14
#define UVHOOKS_TRACE_STACK_WIDE 38
#define UVHOOKS_TRACE_STATE      39

/* Which flags an after may have in a short record: those of its before. */
#define UVHOOKS_TRACE_LASTING_FLAGS                                                                \
	(UVHOOKS_FLAG_NOOP | UVHOOKS_FLAG_CANCELLED | UVHOOKS_FLAG_CLOSING)

#define UVHOOKS_TRACE_START_DUE       15
#define UVHOOKS_TRACE_BEFORE_DUE      30
#define UVHOOKS_TRACE_START_WIDE_DUE  40
#define UVHOOKS_TRACE_BEFORE_WIDE_DUE 41

/*
 * The layouts: fields as FIELD(bits, sign, name), behind the first word. `due_ms` is when a timer
 * is to fire, in milliseconds of CLOCK_MONOTONIC, which is libuv's clock (uv_timer_t's timeout):
 * the low 32 bits; the time is the nearest one to that of the record. before has it where the timer
 * repeats: then it is the time of the next firing.
 */
#define UVHOOKS_TRACE_LAYOUT_MAP(LAYOUT)                                                           \
	LAYOUT(id, UVHOOKS_TRACE_ID)                                                               \
	LAYOUT(run, UVHOOKS_TRACE_RUN)                                                             \
	LAYOUT(run_due, UVHOOKS_TRACE_RUN_DUE)                                                     \
	LAYOUT(init, UVHOOKS_TRACE_INIT)                                                           \
	LAYOUT(inside, UVHOOKS_TRACE_INSIDE)                                                       \
	LAYOUT(arm, UVHOOKS_TRACE_ARM)                                                             \
	LAYOUT(arm_due, UVHOOKS_TRACE_ARM_DUE)                                                     \
	LAYOUT(wake, UVHOOKS_TRACE_WAKE)                                                           \
	LAYOUT(wide, UVHOOKS_TRACE_WIDE_FIELDS)                                                    \
	LAYOUT(wide_due, UVHOOKS_TRACE_WIDE_DUE)                                                   \
	LAYOUT(of, UVHOOKS_TRACE_OF)                                                               \
	LAYOUT(call, UVHOOKS_TRACE_CALL)                                                           \
	LAYOUT(stuck, UVHOOKS_TRACE_STUCK)                                                         \
	LAYOUT(stack, UVHOOKS_TRACE_STACK_FIELDS)                                                  \
	LAYOUT(stack_wide, UVHOOKS_TRACE_STACK_WIDE_FIELDS)                                        \
	LAYOUT(state, UVHOOKS_TRACE_STATE_FIELDS)

#define UVHOOKS_TRACE_ID(FIELD) FIELD(32, u, id)
#define UVHOOKS_TRACE_RUN(FIELD)                                                                   \
	FIELD(32, u, id)                                                                           \
	FIELD(48, u, callback)                                                                     \
	FIELD(16, u, flags)
#define UVHOOKS_TRACE_RUN_DUE(FIELD)                                                               \
	UVHOOKS_TRACE_RUN(FIELD)                                                                   \
	FIELD(32, u, due_ms)
#define UVHOOKS_TRACE_INIT(FIELD)                                                                  \
	FIELD(32, u, id)                                                                           \
	FIELD(32, u, trigger)                                                                      \
	FIELD(32, u, execution)                                                                    \
	FIELD(48, u, callback)                                                                     \
	FIELD(16, u, flags)                                                                        \
	FIELD(16, u, type)                                                                         \
	FIELD(16, s, fs_type)
#define UVHOOKS_TRACE_INSIDE(FIELD)                                                                \
	FIELD(32, u, id)                                                                           \
	FIELD(32, u, execution)
#define UVHOOKS_TRACE_ARM(FIELD)                                                                   \
	FIELD(32, u, id)                                                                           \
	FIELD(32, u, execution)                                                                    \
	FIELD(48, u, callback)                                                                     \
	FIELD(16, u, flags)
#define UVHOOKS_TRACE_ARM_DUE(FIELD)                                                               \
	UVHOOKS_TRACE_ARM(FIELD)                                                                   \
	FIELD(32, u, due_ms)
#define UVHOOKS_TRACE_WAKE(FIELD)                                                                  \
	FIELD(32, u, id)                                                                           \
	FIELD(48, u, callback)                                                                     \
	FIELD(16, u, flags)                                                                        \
	FIELD(64, u, other)
#define UVHOOKS_TRACE_WIDE_FIELDS(FIELD)                                                           \
	FIELD(64, u, id)                                                                           \
	FIELD(64, u, trigger)                                                                      \
	FIELD(64, u, execution)                                                                    \
	FIELD(64, u, other)                                                                        \
	FIELD(48, u, callback)                                                                     \
	FIELD(16, u, flags)                                                                        \
	FIELD(16, u, type)                                                                         \
	FIELD(16, s, fs_type)
#define UVHOOKS_TRACE_WIDE_DUE(FIELD)                                                              \
	UVHOOKS_TRACE_WIDE_FIELDS(FIELD)                                                           \
	FIELD(32, u, due_ms)
#define UVHOOKS_TRACE_OF(FIELD)                                                                    \
	FIELD(64, u, id)                                                                           \
	FIELD(64, u, execution)
#define UVHOOKS_TRACE_CALL(FIELD)                                                                  \
	FIELD(64, u, id)                                                                           \
	FIELD(64, u, duration_ns)                                                                  \
	FIELD(16, s, fs_type)
#define UVHOOKS_TRACE_STUCK(FIELD)                                                                 \
	FIELD(64, u, id)                                                                           \
	FIELD(64, u, duration_ns)                                                                  \
	FIELD(32, u, thread_id)
#define UVHOOKS_TRACE_STACK_FIELDS(FIELD)                                                          \
	FIELD(32, u, id)                                                                           \
	FIELD(32, u, stack)
#define UVHOOKS_TRACE_STACK_WIDE_FIELDS(FIELD)                                                     \
	FIELD(64, u, id)                                                                           \
	FIELD(32, u, stack)
/* The text's bytes, zeros behind it, in the order of memory: words, since an event has no texts. */
#define UVHOOKS_TRACE_STATE_FIELDS(FIELD)                                                          \
	FIELD(64, u, id)                                                                           \
	FIELD(16, u, flags)                                                                        \
	FIELD(32, s, fd)                                                                           \
	FIELD(32, u, number)                                                                       \
	FIELD(64, u, due_at_ms)                                                                    \
	FIELD(64, u, repeat_ms)                                                                    \
	FIELD(64, u, bytes)                                                                        \
	FIELD(64, u, text_0)                                                                       \
	FIELD(64, u, text_1)                                                                       \
	FIELD(64, u, text_2)                                                                       \
	FIELD(64, u, text_3)                                                                       \
	FIELD(64, u, text_4)                                                                       \
	FIELD(64, u, text_5)                                                                       \
	FIELD(64, u, text_6)                                                                       \
	FIELD(64, u, text_7)                                                                       \
	FIELD(64, u, text_8)                                                                       \
	FIELD(64, u, text_9)                                                                       \
	FIELD(64, u, text_10)                                                                      \
	FIELD(64, u, text_11)

/* Beside enum uvhooks_flag, in the flags of init, the wide records and `resource`: the resource
   belongs to no loop (a thread; an embedder's resource of a thread without one). */
#define UVHOOKS_TRACE_NO_LOOP 0x8000u

/*
 * Records of the definitions begin with their number in 16 bits and the time in 64. Strings end
 * with a NUL.
 */
#define UVHOOKS_TRACE_DEFINITION_MAP(XX)                                                           \
	/* what lies at [begin, end): an address less `bias` is one in the file */                 \
	XX(0, library, UVHOOKS_TRACE_LIBRARY_FIELDS)                                               \
	/* an address that is a callback of the program's */                                       \
	XX(1, callback, UVHOOKS_TRACE_CALLBACK_FIELDS)                                             \
	/* its name, found by the tools when the program had ended */                              \
	XX(2, symbol, UVHOOKS_TRACE_SYMBOL_FIELDS)                                                 \
	/* a type that the program names itself */                                                 \
	XX(3, type, UVHOOKS_TRACE_TYPE_FIELDS)                                                     \
	/* a stream, and the name of its thread */                                                 \
	XX(4, thread, UVHOOKS_TRACE_THREAD_FIELDS)                                                 \
	/* the clocks at one moment */                                                             \
	XX(5, clock, UVHOOKS_TRACE_CLOCK_FIELDS)                                                   \
	/* what was lost, as struct uvhooks_counters and the recorder count it */                  \
	XX(6, counter, UVHOOKS_TRACE_COUNTER_FIELDS)                                               \
	/* the process has ended by itself */                                                      \
	XX(7, end, UVHOOKS_TRACE_END_FIELDS)                                                       \
	/* a libuv in the process */                                                               \
	XX(8, libuv, UVHOOKS_TRACE_LIBUV_FIELDS)                                                   \
	/* one of a stack's addresses; `depth` counts from 0, the innermost, in order */           \
	XX(9, stack_address, UVHOOKS_TRACE_STACK_ADDRESS_FIELDS)                                   \
	/* one of a stack's frames in a script language, likewise */                               \
	XX(10, stack_frame, UVHOOKS_TRACE_STACK_FRAME_FIELDS)                                      \
	/* what a stack's address means, found by the tools when the program had ended; of several \
	   with one address the first is the innermost, inlined into the next */                   \
	XX(11, line, UVHOOKS_TRACE_LINE_FIELDS)                                                    \
	/* the recording has ended, while the process went on */                                   \
	XX(12, stop, UVHOOKS_TRACE_STOP_FIELDS)

#define UVHOOKS_TRACE_LIBRARY_FIELDS(FIELD, BYTES, STRING)                                         \
	FIELD(64, u, begin)                                                                        \
	FIELD(64, u, end)                                                                          \
	FIELD(64, u, bias)                                                                         \
	BYTES(20, build_id) /* zeros behind a shorter one; all zeros where there is none */        \
	STRING(path)
#define UVHOOKS_TRACE_CALLBACK_FIELDS(FIELD, BYTES, STRING) FIELD(64, u, address)
#define UVHOOKS_TRACE_SYMBOL_FIELDS(FIELD, BYTES, STRING)                                          \
	FIELD(64, u, address)                                                                      \
	STRING(name)
#define UVHOOKS_TRACE_TYPE_FIELDS(FIELD, BYTES, STRING)                                            \
	FIELD(16, u, type)                                                                         \
	STRING(name)
#define UVHOOKS_TRACE_THREAD_FIELDS(FIELD, BYTES, STRING)                                          \
	FIELD(64, u, stream_instance_id)                                                           \
	FIELD(32, u, thread_id)                                                                    \
	STRING(name)
#define UVHOOKS_TRACE_CLOCK_FIELDS(FIELD, BYTES, STRING)                                           \
	FIELD(64, u, monotonic_ns) /* CLOCK_MONOTONIC at the time of this record */                \
	FIELD(64, u, realtime_ns)  /* nanoseconds since 1970 */
#define UVHOOKS_TRACE_COUNTER_FIELDS(FIELD, BYTES, STRING)                                         \
	FIELD(64, u, value)                                                                        \
	STRING(name)
#define UVHOOKS_TRACE_END_FIELDS(FIELD, BYTES, STRING)
#define UVHOOKS_TRACE_STOP_FIELDS(FIELD, BYTES, STRING)
#define UVHOOKS_TRACE_LIBUV_FIELDS(FIELD, BYTES, STRING)                                           \
	FIELD(32, u, version) /* as uv_version() gives it: 0x012c02 is 1.44.2; 0: unknown */       \
	STRING(path)
#define UVHOOKS_TRACE_STACK_ADDRESS_FIELDS(FIELD, BYTES, STRING)                                   \
	FIELD(32, u, stack)                                                                        \
	FIELD(16, u, depth)                                                                        \
	FIELD(64, u, address)
#define UVHOOKS_TRACE_STACK_FRAME_FIELDS(FIELD, BYTES, STRING)                                     \
	FIELD(32, u, stack)                                                                        \
	FIELD(16, u, depth)                                                                        \
	FIELD(32, u, line)                                                                         \
	STRING(function)                                                                           \
	STRING(path)
#define UVHOOKS_TRACE_LINE_FIELDS(FIELD, BYTES, STRING)                                            \
	FIELD(64, u, address)                                                                      \
	FIELD(32, u, line)                                                                         \
	STRING(function)                                                                           \
	STRING(path)                                                                               \
	STRING(module) /* the file that the code lies in */

enum uvhooks_trace_definition {
#define XX(number, name, FIELDS) UVHOOKS_TRACE_DEFINITION_##name = number,
	UVHOOKS_TRACE_DEFINITION_MAP(XX)
#undef XX
};

/*
 * What `metadata` has in its env block, all of it text but for the numbers pid, ppid and
 * clock_is_tsc:
 *
 * hostname, domain "uvhooks", tracer_name "uvhooks", tracer_version, program (the path of the
 * executable), command (its arguments, cut at 4 KiB), pid, ppid, parent (the folder of the parent,
 * or of the program that this process was before exec; "" if there is none in DIR), launched (the
 * pid that `uvhooks record` started, or 0), mode ("all", "ring", "snapshot": what lived at one
 * moment, or "core": taken from a core file), clock_is_tsc (1 or 0).
 *
 * freq, offset_s and offset of the clock are padded with blanks to 20 characters: they become more
 * exact while the process runs, and are written again in place.
 */

/*
 * A buffer, in shared memory (a System V segment, which nobody can truncate and which outlives its
 * process). A segment holds `count` of them, `buffer_bytes` apart. The thread writes a record
 * behind `committed` and then moves `committed`: what is before is whole, whenever the process is
 * killed.
 *
 * The packet's header is filled but for timestamp_end, content_size and packet_size, which follow
 * from `last` and `committed`. Part of it, or all, may be in its file already, at `offset`.
 */
#define UVHOOKS_TRACE_BUFFER_MAGIC UINT64_C(0x3166756276757668) /* "hvuvbuf1" */

struct uvhooks_trace_buffer {
	uint64_t magic;     /* 0: not in use */
	uint64_t committed; /* bytes of the packet, its header included */
	uint64_t last;      /* the time of its latest event */
	uint64_t offset;    /* bytes: where in its file the packet goes */
	char file[64];      /* the file's name */
	uint64_t discarded; /* events that were lost in this stream up to now */
	uint64_t error;     /* an errno: why the latest that were lost could not be written; or 0 */
	uint64_t reserved[2];
	/* Behind it: the packet. */
};

/*
 * `.buffers` is a text: "PID START" (field 22 of /proc/PID/stat), and then a line for each segment,
 * "SHMID BUFFER_BYTES COUNT". The segments of a process that has ended are nobody's but the
 * reader's.
 */

/*
 * What the recorder publishes (<uvhooks/control.h>) under the name "recorder": where, in the memory
 * of its process, the newest of a trace lies, for who has no more than a core file. All are
 * addresses.
 */
#define UVHOOKS_TRACE_MEMORY "recorder"

struct uvhooks_trace_memory_segment {
	uint64_t buffers;      /* struct uvhooks_trace_buffer, each with its packet */
	uint64_t buffer_bytes; /* of each, its packet included */
	uint64_t count;        /* 0: behind the last segment */
};

struct uvhooks_trace_memory {
	uint64_t size;           /* sizeof(struct uvhooks_trace_memory); fields are only appended */
	uint64_t folder;         /* a text: where the trace's files are; "": nothing was recorded */
	uint64_t metadata;       /* a text */
	uint64_t metadata_bytes; /* of an uint64_t: how long it is */
	uint64_t definitions;    /* their newest packet; its header says how long it is */
	uint64_t libraries;      /* fields of `library` records, one behind the other */
	uint64_t library_bytes;  /* of an uint64_t: how long they are */
	uint64_t segments;       /* struct uvhooks_trace_memory_segment */
};

#ifdef __cplusplus
}
#endif

#endif
