/* SPDX-License-Identifier: MIT */
/*
 * Words that uvhooks, its plugins and its readers share: async ids, resource types, events, flags.
 *
 * Every list is an X-map, so that a name, a number and a string can never disagree. New entries are
 * only ever appended: the numbers are part of the plugin ABI.
 *
 * This header needs neither libuv nor libuvhooks.so; everything in it is a constant or inline.
 */
#ifndef UVHOOKS_TYPES_H
#define UVHOOKS_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef UVHOOKS_SHIM /* libuvhooks.so itself: it defines them */
#define UVHOOKS_API           __attribute__((visibility("default")))
#define UVHOOKS_HAS(function) 1
#else
/* noplt: so that the linker leaves weak symbols open where there is no PIE. clang has no such word.
 */
#ifdef __clang__
#define UVHOOKS_API __attribute__((weak, visibility("default")))
#else
#define UVHOOKS_API __attribute__((weak, noplt, visibility("default")))
#endif
/* Is it there? Each function for itself, since the shim may be older than this header. */
#define UVHOOKS_HAS(function) ((function) != NULL)
#endif

/*
 * Async ids. The top 16 bits name the id space, the low 48 a sequence within it. A loop is an id
 * space; the main thread's top level and the first loop used there share space 0. In every space
 * sequence 0 stands for "inside libuv, no callback on the stack", 1 for top-level code, and the
 * first resource gets 2.
 */
typedef uint64_t uvhooks_async_id;

#define UVHOOKS_ID_SEQUENCE_BITS 48

static inline unsigned int uvhooks_id_space(uvhooks_async_id id)
{
	return (unsigned int) (id >> UVHOOKS_ID_SEQUENCE_BITS);
}

static inline uint64_t uvhooks_id_sequence(uvhooks_async_id id)
{
	return id & ((UINT64_C(1) << UVHOOKS_ID_SEQUENCE_BITS) - 1);
}

/* No async id: where a trigger is asked for, whatever it is by default. (-1 in Node.) */
#define UVHOOKS_ID_UNSET ((uvhooks_async_id) -1)

/* May it be given as a trigger? 0 and UVHOOKS_ID_UNSET stand for the default; no sequence gets so
   far that its top bit is set, as that of a negative number is. */
static inline int uvhooks_id_is_valid_trigger(uvhooks_async_id id)
{
	return id == UVHOOKS_ID_UNSET || (id >> (UVHOOKS_ID_SEQUENCE_BITS - 1) & 1) == 0;
}

/* The longest text of an id, "65535:281474976710655", with its NUL. */
#define UVHOOKS_ID_TEXT_BYTES 24

/* Writes an id as people read it: "7" in space 0, "1:7" in space 1. Returns `text`. */
static inline char *uvhooks_id_text(uvhooks_async_id id, char text[UVHOOKS_ID_TEXT_BYTES])
{
	if (uvhooks_id_space(id) == 0)
		snprintf(text, UVHOOKS_ID_TEXT_BYTES, "%llu", (unsigned long long) id);
	else
		snprintf(text, UVHOOKS_ID_TEXT_BYTES, "%u:%llu", uvhooks_id_space(id),
			 (unsigned long long) uvhooks_id_sequence(id));
	return text;
}

/*
 * Resource types: Node's name, libuv's name, and what kind of thing it is. Where Node has no word
 * (it never shows an uv_idle_t, say) the name follows its manner.
 */
#define UVHOOKS_TYPE_MAP(XX)                                                                       \
	XX(NONE, "none", NONE)                                                                     \
	XX(TIMERWRAP, "uv_timer_t", HANDLE)                                                        \
	XX(IDLEWRAP, "uv_idle_t", HANDLE)                                                          \
	XX(PREPAREWRAP, "uv_prepare_t", HANDLE)                                                    \
	XX(CHECKWRAP, "uv_check_t", HANDLE)                                                        \
	XX(ASYNCWRAP, "uv_async_t", HANDLE)                                                        \
	XX(POLLWRAP, "uv_poll_t", HANDLE)                                                          \
	XX(SIGNALWRAP, "uv_signal_t", HANDLE)                                                      \
	XX(TCPWRAP, "uv_tcp_t", HANDLE)                                                            \
	XX(TCPSERVERWRAP, "uv_tcp_t", HANDLE)                                                      \
	XX(PIPEWRAP, "uv_pipe_t", HANDLE)                                                          \
	XX(PIPESERVERWRAP, "uv_pipe_t", HANDLE)                                                    \
	XX(TTYWRAP, "uv_tty_t", HANDLE)                                                            \
	XX(UDPWRAP, "uv_udp_t", HANDLE)                                                            \
	XX(PROCESSWRAP, "uv_process_t", HANDLE)                                                    \
	XX(FSEVENTWRAP, "uv_fs_event_t", HANDLE)                                                   \
	XX(STATWATCHER, "uv_fs_poll_t", HANDLE)                                                    \
	XX(TCPCONNECTWRAP, "uv_connect_t", REQUEST)                                                \
	XX(PIPECONNECTWRAP, "uv_connect_t", REQUEST)                                               \
	XX(WRITEWRAP, "uv_write_t", REQUEST)                                                       \
	XX(SHUTDOWNWRAP, "uv_shutdown_t", REQUEST)                                                 \
	XX(UDPSENDWRAP, "uv_udp_send_t", REQUEST)                                                  \
	XX(FSREQCALLBACK, "uv_fs_t", REQUEST)                                                      \
	XX(GETADDRINFOREQWRAP, "uv_getaddrinfo_t", REQUEST)                                        \
	XX(GETNAMEINFOREQWRAP, "uv_getnameinfo_t", REQUEST)                                        \
	XX(RANDOMREQ, "uv_random_t", REQUEST)                                                      \
	XX(WORKREQ, "uv_work_t", REQUEST)                                                          \
	XX(UVTHREAD, "uv_thread_t", THREAD)                                                        \
	XX(EMBEDDER, "none", EMBEDDER)                                                             \
	XX(PROMISE, "none", EMBEDDER)                                                              \
	XX(Timeout, "none", EMBEDDER)                                                              \
	XX(Immediate, "none", EMBEDDER)                                                            \
	XX(TickObject, "none", EMBEDDER)                                                           \
	XX(Microtask, "none", EMBEDDER)                                                            \
	XX(HTTPINCOMINGMESSAGE, "none", EMBEDDER)                                                  \
	XX(HTTPCLIENTREQUEST, "none", EMBEDDER)                                                    \
	XX(TLSWRAP, "none", EMBEDDER)                                                              \
	XX(ZLIB, "none", EMBEDDER)                                                                 \
	XX(FSREQPROMISE, "none", EMBEDDER)                                                         \
	XX(FILEHANDLE, "none", EMBEDDER)                                                           \
	XX(FILEHANDLECLOSEREQ, "none", EMBEDDER)                                                   \
	XX(DIRHANDLE, "none", EMBEDDER)                                                            \
	XX(BLOBREADER, "none", EMBEDDER)                                                           \
	XX(HEAPSNAPSHOT, "none", EMBEDDER)                                                         \
	XX(HTTP2SESSION, "none", EMBEDDER)                                                         \
	XX(HTTP2STREAM, "none", EMBEDDER)                                                          \
	XX(HTTP2PING, "none", EMBEDDER)                                                            \
	XX(HTTP2SETTINGS, "none", EMBEDDER)                                                        \
	XX(JSSTREAM, "none", EMBEDDER)                                                             \
	XX(JSUDPWRAP, "none", EMBEDDER)                                                            \
	XX(STREAMPIPE, "none", EMBEDDER)                                                           \
	XX(MESSAGEPORT, "none", EMBEDDER)                                                          \
	XX(WORKER, "none", EMBEDDER)                                                               \
	XX(WORKERHEAPSNAPSHOT, "none", EMBEDDER)                                                   \
	XX(WORKERCPUPROFILE, "none", EMBEDDER)                                                     \
	XX(WORKERCPUUSAGE, "none", EMBEDDER)                                                       \
	XX(WORKERHEAPPROFILE, "none", EMBEDDER)                                                    \
	XX(WORKERHEAPSTATISTICS, "none", EMBEDDER)                                                 \
	XX(DNSCHANNEL, "none", EMBEDDER)                                                           \
	XX(QUERYWRAP, "none", EMBEDDER)                                                            \
	XX(ELDHISTOGRAM, "none", EMBEDDER)                                                         \
	XX(SIGINTWATCHDOG, "none", EMBEDDER)                                                       \
	XX(INSPECTORJSBINDING, "none", EMBEDDER)                                                   \
	XX(LOCKS, "none", EMBEDDER)                                                                \
	XX(QUIC_ENDPOINT, "none", EMBEDDER)                                                        \
	XX(QUIC_LOGSTREAM, "none", EMBEDDER)                                                       \
	XX(QUIC_PACKET, "none", EMBEDDER)                                                          \
	XX(QUIC_SESSION, "none", EMBEDDER)                                                         \
	XX(QUIC_STREAM, "none", EMBEDDER)                                                          \
	XX(QUIC_UDP, "none", EMBEDDER)                                                             \
	XX(ARGON2REQUEST, "none", EMBEDDER)                                                        \
	XX(CHECKPRIMEREQUEST, "none", EMBEDDER)                                                    \
	XX(CIPHERREQUEST, "none", EMBEDDER)                                                        \
	XX(DERIVEBITSREQUEST, "none", EMBEDDER)                                                    \
	XX(HASHREQUEST, "none", EMBEDDER)                                                          \
	XX(KEYEXPORTREQUEST, "none", EMBEDDER)                                                     \
	XX(KEYGENREQUEST, "none", EMBEDDER)                                                        \
	XX(KEYPAIRGENREQUEST, "none", EMBEDDER)                                                    \
	XX(PBKDF2REQUEST, "none", EMBEDDER)                                                        \
	XX(RANDOMBYTESREQUEST, "none", EMBEDDER)                                                   \
	XX(RANDOMPRIMEREQUEST, "none", EMBEDDER)                                                   \
	XX(SCRYPTREQUEST, "none", EMBEDDER)                                                        \
	XX(SIGNREQUEST, "none", EMBEDDER)                                                          \
	XX(VERIFYREQUEST, "none", EMBEDDER)

enum uvhooks_type {
#define XX(name, uv_name, kind) UVHOOKS_##name,
	UVHOOKS_TYPE_MAP(XX)
#undef XX
	    UVHOOKS_TYPE_MAX
};

/*
 * Types that a program names itself (see async_resource.h) get numbers from here on, in the order
 * in which they come: they mean nothing outside of the process. So does a name above that is not an
 * embedder's: who sees UVHOOKS_TCPWRAP may rely on an uv_tcp_t.
 */
#define UVHOOKS_TYPE_NAMED 1024

/* The name behind such a number; NULL if there is none. Good for ever. Thread: any. Since: 0.1. */
UVHOOKS_API const char *uvhooks_named_type(unsigned int type);

enum uvhooks_kind {
	UVHOOKS_KIND_NONE,    /* top-level code, or no resource at all */
	UVHOOKS_KIND_HANDLE,  /* lives until its close callback */
	UVHOOKS_KIND_REQUEST, /* one submission; lives until its callback */
	UVHOOKS_KIND_THREAD,  /* lives until its entry function ends */
	UVHOOKS_KIND_EMBEDDER /* the program's own: lives until it says otherwise */
};

/* Node's name of a type: "TCPWRAP", or what the program named it. An unknown one gives "UNKNOWN".
 */
static inline const char *uvhooks_type_name(unsigned int type)
{
	const char *named = NULL;

	switch (type) {
#define XX(name, uv_name, kind)                                                                    \
	case UVHOOKS_##name:                                                                       \
		return #name;
		UVHOOKS_TYPE_MAP(XX)
#undef XX
	}
	if (type >= UVHOOKS_TYPE_NAMED && UVHOOKS_HAS(uvhooks_named_type))
		named = uvhooks_named_type(type);
	return named != NULL ? named : "UNKNOWN";
}

/* libuv's name of a type: "uv_tcp_t"; "none" if libuv has no word for it; "unknown" if nobody has.
 */
static inline const char *uvhooks_uv_type_name(unsigned int type)
{
	switch (type) {
#define XX(name, uv_name, kind)                                                                    \
	case UVHOOKS_##name:                                                                       \
		return uv_name;
		UVHOOKS_TYPE_MAP(XX)
#undef XX
	}
	return type >= UVHOOKS_TYPE_NAMED ? "none" : "unknown";
}

static inline enum uvhooks_kind uvhooks_type_kind(unsigned int type)
{
	switch (type) {
#define XX(name, uv_name, kind)                                                                    \
	case UVHOOKS_##name:                                                                       \
		return UVHOOKS_KIND_##kind;
		UVHOOKS_TYPE_MAP(XX)
#undef XX
	}
	return type >= UVHOOKS_TYPE_NAMED ? UVHOOKS_KIND_EMBEDDER : UVHOOKS_KIND_NONE;
}

/* Which call an FSREQCALLBACK stands for: the numbers are libuv's uv_fs_type. */
#define UVHOOKS_FS_MAP(XX)                                                                         \
	XX(0, custom)                                                                              \
	XX(1, open)                                                                                \
	XX(2, close)                                                                               \
	XX(3, read)                                                                                \
	XX(4, write)                                                                               \
	XX(5, sendfile)                                                                            \
	XX(6, stat)                                                                                \
	XX(7, lstat)                                                                               \
	XX(8, fstat)                                                                               \
	XX(9, ftruncate)                                                                           \
	XX(10, utime)                                                                              \
	XX(11, futime)                                                                             \
	XX(12, access)                                                                             \
	XX(13, chmod)                                                                              \
	XX(14, fchmod)                                                                             \
	XX(15, fsync)                                                                              \
	XX(16, fdatasync)                                                                          \
	XX(17, unlink)                                                                             \
	XX(18, rmdir)                                                                              \
	XX(19, mkdir)                                                                              \
	XX(20, mkdtemp)                                                                            \
	XX(21, rename)                                                                             \
	XX(22, scandir)                                                                            \
	XX(23, link)                                                                               \
	XX(24, symlink)                                                                            \
	XX(25, readlink)                                                                           \
	XX(26, chown)                                                                              \
	XX(27, fchown)                                                                             \
	XX(28, realpath)                                                                           \
	XX(29, copyfile)                                                                           \
	XX(30, lchown)                                                                             \
	XX(31, opendir)                                                                            \
	XX(32, readdir)                                                                            \
	XX(33, closedir)                                                                           \
	XX(34, statfs)                                                                             \
	XX(35, mkstemp)                                                                            \
	XX(36, lutime)

/* The file system call of an event's `fs_type`: "open". NULL where there is none. */
static inline const char *uvhooks_fs_name(int fs_type)
{
	switch (fs_type) {
#define XX(number, name)                                                                           \
	case number:                                                                               \
		return #name;
		UVHOOKS_FS_MAP(XX)
#undef XX
	}
	return NULL;
}

#define UVHOOKS_FS_NONE (-1)

/*
 * Events, in the order in which a resource meets them; the first five are Node's. Those behind
 * LOOP_EXIT answer questions about a program rather than tell its story: the recorder keeps them,
 * and a log has them only where they are asked for.
 *
 *   REF, UNREF   uv_ref and uv_unref have changed whether a handle keeps its loop alive
 *   POOL_END     a thread of libuv's pool has done what libuv itself does there for a request of
 *                the file system, the resolver or random bytes; on that thread
 *   FS_CALL      a file system call without a callback has returned: it ran here, while the caller
 *                waited, for `duration_ns`. Of no resource: the id is the execution id
 *   LOOP_BUSY    uv_loop_close has said UV_EBUSY; as loop_exit, of the loop
 *   STALL        a callback has run for `duration_ns` and still does: a watchdog looked where. On
 *                the watchdog's thread; `other_thread_id` is the one that is stuck
 */
#define UVHOOKS_EVENT_MAP(XX)                                                                      \
	XX(INIT, init)                                                                             \
	XX(BEFORE, before)                                                                         \
	XX(AFTER, after)                                                                           \
	XX(DESTROY, destroy)                                                                       \
	XX(PROMISE_RESOLVE, promise_resolve)                                                       \
	XX(START, start)                                                                           \
	XX(STOP, stop)                                                                             \
	XX(WAKEUP, wakeup)                                                                         \
	XX(WORK_BEGIN, work_begin)                                                                 \
	XX(WORK_END, work_end)                                                                     \
	XX(LINK, link)                                                                             \
	XX(TYPE_CHANGE, type_change)                                                               \
	XX(LOOP_ENTER, loop_enter)                                                                 \
	XX(LOOP_EXIT, loop_exit)                                                                   \
	XX(REF, ref)                                                                               \
	XX(UNREF, unref)                                                                           \
	XX(POOL_END, pool_end)                                                                     \
	XX(FS_CALL, fs_call)                                                                       \
	XX(LOOP_BUSY, loop_busy)                                                                   \
	XX(STALL, stall)

enum uvhooks_event_type {
#define XX(name, text) UVHOOKS_EVENT_##name,
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	    UVHOOKS_EVENT_MAX
};

/* The events of a log where nothing else is asked for, a bit for each. */
#define UVHOOKS_EVENTS_OF_A_LOG ((1u << (UVHOOKS_EVENT_LOOP_EXIT + 1)) - 1)

/* All that there are, the same way. */
#define UVHOOKS_EVENTS_ALL ((1u << UVHOOKS_EVENT_MAX) - 1)

/* The event's name as design and logs write it: "work_begin". */
static inline const char *uvhooks_event_name(unsigned int event)
{
	switch (event) {
#define XX(name, text)                                                                             \
	case UVHOOKS_EVENT_##name:                                                                 \
		return #text;
		UVHOOKS_EVENT_MAP(XX)
#undef XX
	}
	return "unknown";
}

/*
 * Flags of one event.
 *
 *   UNWOUND      after, work_end, loop_exit: the callback did not return (an exception,
 *                pthread_exit, pthread_cancel or longjmp went through it)
 *   FAILED       init: uv_spawn failed, yet the handle must still be closed; destroy: the
 *                call that should have made the resource failed
 *   REUSED       destroy: the memory was initialised again although the old resource had not ended
 *   LOOP_CLOSED  destroy: the loop is gone and the resource with it (an embedder's, too)
 *   AT_EXIT      after, destroy: delivered because the process ends (UVHOOKS_FLUSH_AT_EXIT=1)
 *   NOOP         before, after: the callback carries nothing (a read of 0 bytes); Node calls no JS
 *   CANCELLED    before, after: uv_cancel was called for this request
 *   CLOSING      before, after: this is the close callback
 *   FORCED       destroy: delivered while another callback runs, since too many were waiting
 *   THREAD_ENDED destroy: an embedder's resource that its thread left behind
 *   AFTER_DESTROY before, after: an embedder's resource whose destroy was delivered before
 */
#define UVHOOKS_FLAG_MAP(XX)                                                                       \
	XX(UNWOUND, unwound, 0)                                                                    \
	XX(FAILED, failed, 1)                                                                      \
	XX(REUSED, reused, 2)                                                                      \
	XX(LOOP_CLOSED, loop_closed, 3)                                                            \
	XX(AT_EXIT, at_exit, 4)                                                                    \
	XX(NOOP, noop, 5)                                                                          \
	XX(CANCELLED, cancelled, 6)                                                                \
	XX(CLOSING, closing, 7)                                                                    \
	XX(FORCED, forced, 8)                                                                      \
	XX(THREAD_ENDED, thread_ended, 9)                                                          \
	XX(AFTER_DESTROY, after_destroy, 10)

enum uvhooks_flag {
#define XX(name, text, bit) UVHOOKS_FLAG_##name = 1u << (bit),
	UVHOOKS_FLAG_MAP(XX)
#undef XX
};

/* The name of a single flag: "unwound". */
static inline const char *uvhooks_flag_name(unsigned int flag)
{
	switch (flag) {
#define XX(name, text, bit)                                                                        \
	case UVHOOKS_FLAG_##name:                                                                  \
		return #text;
		UVHOOKS_FLAG_MAP(XX)
#undef XX
	}
	return "unknown";
}

#ifdef __cplusplus
}
#endif

#endif
