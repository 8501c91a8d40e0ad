/* SPDX-License-Identifier: MIT */
/*
 * Looking into a process under the shim, and changing what it does, while it runs.
 *
 * There is no socket, no thread, no file and no signal for that, and nothing asks on any path
 * whether somebody wants something. A process under the shim holds a struct uvhooks_control in the
 * writable data of libuvhooks.so. A tool finds it there by its magic, and reads and writes it
 * through /proc/PID/mem: so the kernel decides who may, by the rule for debuggers, and whoever may
 * could do anything to that process without us, too.
 *
 * To look, nothing runs in the process: its live resources, counters and what plugins publish are
 * read from its memory, also where it is stuck, stopped, or a core file.
 *
 * To change something, a tool writes a line of text and wakes a loop: each loop that ran once has a
 * *waker* among those that it asks when its eventfd was written to, as if it were one more
 * uv_async_t. It is no handle: it keeps nothing alive, uv_walk does not see it, nothing is counted.
 * The loop's thread works the request off between two callbacks, and answers with a line or more.
 *
 * Order of a request. Only who holds an exclusive flock() on /proc/PID/mem may begin one.
 *   1. `request` = 0; the text at `request_text`, ended by a NUL; then `request` = a number that is
 *      neither 0 nor `answered`, and was not used lately;
 *   2. `pending` of a loop's waker = 2; then 8 bytes, the number 1, into a copy of the loop's
 *      eventfd (pidfd_getfd): the loop must still be listed as before the copy was made, and
 *      the copy must be an eventfd;
 *   3. wait until `answered` equals `request`; then `status` and the text at `answer_text` count.
 * Who gives up waiting writes `request` = 0. A request that is not understood, or too
 * long, is refused with a text that says why.
 *
 * Requests, of words parted by one space; PLUGIN:OPTIONS are as in UVHOOKS_PLUGINS:
 *   load PLUGIN:OPTIONS[;PLUGIN...]   loads and starts plugins; one that is loaded is configured
 *   set PLUGIN:OPTIONS                configures one that is loaded
 *   enable PLUGIN | disable PLUGIN    the hooks that it had enabled
 *   enable hook N | disable hook N    one hook, by its number in the answer to "status"
 *   status                            tells of libuvs, plugins, hooks; lines "key: value"
 *   off                               turns the shim into a pass-through, for good
 */
#ifndef UVHOOKS_CONTROL_H
#define UVHOOKS_CONTROL_H

#include <uvhooks/hooks.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UVHOOKS_CONTROL_MAGIC         "uvhooks-control" /* and its NUL: 16 bytes */
#define UVHOOKS_CONTROL_ALIGNMENT     64
#define UVHOOKS_CONTROL_ABI           1
#define UVHOOKS_CONTROL_REQUEST_BYTES 4096  /* with the NUL */
#define UVHOOKS_CONTROL_ANSWER_BYTES  16384 /* with the NUL */
#define UVHOOKS_CONTROL_LOOP_MAX      32
#define UVHOOKS_CONTROL_AREA_MAX      16

enum uvhooks_control_state {
	UVHOOKS_CONTROL_ALIVE = 1,    /* the rest is filled */
	UVHOOKS_CONTROL_LIBUV = 2,    /* a libuv was found */
	UVHOOKS_CONTROL_DISABLED = 4, /* a pass-through: UVHOOKS_DISABLE, UVHOOKS_SKIP, or asked */
	UVHOOKS_CONTROL_BROKEN = 8,   /* a pass-through since an invariant broke; counted */
};

/* A resource: record I lies at segments[I >> segment_bits] + (I & mask) * record_bytes. */
struct uvhooks_control_record {
	uint64_t pointer; /* the program's struct; 0 for a thread */
	uint32_t index, generation;
	uvhooks_async_id async_id; /* 0: there is none */
	uint64_t callbacks[2];     /* the program's function first */
	uint16_t space;
	uint8_t flags; /* enum uvhooks_control_record_flag */
	uint8_t reserved;
	uint16_t type;   /* enum uvhooks_type, or a name of the program's */
	int16_t fs_type; /* enum uvhooks_fs_type, or UVHOOKS_FS_NONE */
	uvhooks_async_id trigger_async_id;
	uvhooks_async_id arm_async_id;
};

enum uvhooks_control_record_flag {
	UVHOOKS_CONTROL_RECORD_ARMED = 1,
	UVHOOKS_CONTROL_RECORD_QUEUED = 4, /* its destroy waits: not live any more */
	UVHOOKS_CONTROL_RECORD_ENDED = 16, /* its last callback runs, or its destroy waits */
	UVHOOKS_CONTROL_RECORD_EMBEDDER = 32,
	UVHOOKS_CONTROL_RECORD_DESTROYED = 128,
};

/* A loop that was run, and is not closed. */
struct uvhooks_control_loop {
	uint64_t loop;          /* uv_loop_t *; 0: this entry is free */
	uint64_t waker_pending; /* address of its waker's `pending`, an int; 0: it has no waker */
	uint64_t wake_fd;       /* address of an int: the loop's eventfd */
	uint64_t user;          /* address of a pointer to the context of the thread that runs it */
	uint32_t space;         /* the top 16 bits of its ids */
	uint32_t generation;    /* another one whenever the entry changes */
};

/*
 * A context begins with the address of the innermost frame of its thread, and that with this. In a
 * callback: `async_id` and `callback` say which.
 */
struct uvhooks_control_frame {
	uvhooks_async_id async_id; /* sequence 0: in libuv */
	uint64_t here;             /* its place on the stack; 0: the thread is at top level */
	uint64_t record;           /* 0, or the address of its record */
	uint64_t callback;
};

/* What a plugin publishes; see uvhooks_publish(). */
struct uvhooks_control_area {
	char name[32];
	uint64_t address;
	uint64_t bytes; /* 0: this entry is free */
};

struct uvhooks_control {
	char magic[16];
	uint32_t abi;
	uint32_t size; /* sizeof(struct uvhooks_control); fields are only appended */
	char version[16];
	char libuv[32];    /* "1.44.2, linked"; "" before one is found */
	char plugins[128]; /* names of those that are started, parted by ',' */
	int32_t pid;       /* of the process that filled it; in a fork's child, its own */
	uint32_t state;    /* enum uvhooks_control_state */
	uint64_t begin_ns; /* CLOCK_BOOTTIME when the shim came to life */
	/* Addresses in the process; counts and sizes are good for ever. */
	uint64_t counters; /* uint64_t each, in the order of UVHOOKS_COUNTER_MAP */
	uint32_t counter_count;
	uint32_t record_bytes;
	uint64_t segments;     /* addresses of records; those below the limit exist */
	uint64_t record_limit; /* of an uint32_t; record 0 is none */
	uint32_t segment_bits;
	uint32_t loop_count;
	uint64_t loops;    /* struct uvhooks_control_loop */
	uint64_t hook_set; /* of a pointer: NULL while no hook is enabled */
	uint64_t
	    type_names; /* of a pointer to char pointers, for types from UVHOOKS_TYPE_NAMED on */
	uint64_t areas; /* struct uvhooks_control_area */
	uint32_t area_count;
	uint32_t loops_unlisted; /* how many found no room in `loops` */
	/* A request; see above. */
	uint64_t request_text;
	uint64_t answer_text;
	uint32_t request;
	uint32_t answered;
	int32_t status; /* 0, or a negative errno */
	uint32_t reserved;
	/* end of ABI 1 */
};

/*
 * Lets tools outside read `bytes` at `address` under a name, from now on and for as long as the
 * process lives. The same name again: the new area counts. What lies there must make sense to who
 * reads it at any moment, from outside and without a lock. 0, -EINVAL (the name is longer than 31,
 * or nothing), -ENOSPC, -ENOSYS without the shim.
 *
 * Node: none. Thread: any; not in signal handlers. Since: 0.1.
 */
UVHOOKS_API int uvhooks_publish(const char *name, const void *address, size_t bytes);

#ifndef UVHOOKS_SHIM
#define uvhooks_publish(...)                                                                       \
	(UVHOOKS_HAS(uvhooks_publish) ? (uvhooks_publish) (__VA_ARGS__) : -ENOSYS)
#endif

#ifdef __cplusplus
}
#endif

#endif
