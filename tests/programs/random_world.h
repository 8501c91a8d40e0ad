/* SPDX-License-Identifier: MIT */
/* What the parts of random_program share: a loop, the memory of its handles and requests, and
 * chance. */
#ifndef RANDOM_WORLD_H
#define RANDOM_WORLD_H

#include "program.h"

#define HANDLES  24
#define REQUESTS 16

enum slot_state {
	SLOT_FREE,    /* nothing, or what has ended: the memory may be anything */
	SLOT_LIVE,    /* initialised, not closed; or submitted */
	SLOT_CLOSING, /* uv_close was called; or submitted without a callback */
};

enum handle_kind {
	KIND_TIMER,
	KIND_IDLE,
	KIND_PREPARE,
	KIND_CHECK,
	KIND_ASYNC,
	KIND_SIGNAL,
	KIND_POLL,
	KIND_FS_EVENT,
	KIND_FS_POLL,
	KIND_UDP,
	KIND_PIPE,
	KIND_TCP,
	KIND_SERVER,
	KIND_PROCESS,
	KIND_COUNT,
};

struct handle_slot {
	enum slot_state state;
	enum handle_kind kind;
	bool silent; /* closed with a NULL callback: only the loop's end frees the memory */
	bool ended;  /* a stream or process that can do no more */
	int fd;      /* what it watches, or our end of what it talks to; -1: none */
	struct sockaddr_in address; /* where a server listens */
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_timer_t timer;
		uv_idle_t idle;
		uv_prepare_t prepare;
		uv_check_t check;
		uv_async_t async;
		uv_signal_t signal;
		uv_poll_t poll;
		uv_fs_event_t event;
		uv_fs_poll_t fs_poll;
		uv_udp_t udp;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
		uv_process_t process;
	} u;
};

struct request_slot {
	enum slot_state state;
	bool can_cancel;
	char bytes[8];
	union {
		uv_req_t req;
		uv_fs_t fs;
		uv_work_t work;
		uv_getaddrinfo_t addrinfo;
		uv_getnameinfo_t nameinfo;
		uv_random_t random;
		uv_write_t write;
		uv_shutdown_t shutdown;
		uv_connect_t connect;
		uv_udp_send_t send;
	} u;
};

struct world {
	uv_loop_t loop;
	uint64_t random;
	int left;    /* operations */
	int depth;   /* how many worlds are around this one */
	int nesting; /* how many uv_run are inside others */
	/* May uv_run be called here? At top level and in timers, since libuv's poll is not made to
	 * be entered twice. */
	bool may_nest;
	bool ending;
	int listener; /* a plain socket to connect to, and one that refuses */
	int refuser;
	struct sockaddr_in listening;
	struct sockaddr_in refusing;
	uv_thread_t threads[4];
	size_t thread_count;
	struct handle_slot handles[HANDLES];
	struct request_slot requests[REQUESTS];
};

/* A number below `limit`. Each world has its own sequence. */
HELPER unsigned int pick(struct world *world, size_t limit)
{
	world->random ^= world->random << 13;
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	return (unsigned int) ((world->random >> 16) % limit);
}

HELPER struct world *world_of(const uv_loop_t *loop)
{
	return loop->data;
}

/* In random_program.c */
void act(struct world *world);
void maybe_act(struct world *world);
void play_world(struct world *world, uint64_t seed, int count, int depth);

/* In random_handles.c */
void make_handle(struct world *world);
void start_handle(struct world *world);
void stop_handle(struct world *world);
void close_handle(struct world *world);
void send_wakeup(struct world *world);
void walk_handles(struct world *world);
void nest_run(struct world *world);
void end_world(struct world *world);
struct handle_slot *any_handle(struct world *world, enum handle_kind kind);
void begin_world(struct world *world, uint64_t seed, int count, int depth);

/* In random_requests.c */
void submit_request(struct world *world);
void use_stream(struct world *world);
void cancel_request(struct world *world);
void fail_call(struct world *world);
void call_synchronously(struct world *world);
void start_thread(struct world *world);
void second_loop(struct world *world);

#endif
