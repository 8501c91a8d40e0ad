/* SPDX-License-Identifier: MIT */
/*
 * A process under the shim, seen from outside: what <uvhooks/control.h> says is in its memory, read
 * and written through /proc/PID/mem. The kernel decides who may: the rule for debuggers.
 *
 * Whatever is read may be nonsense: it is bounded and checked before it is used, and a process that
 * ends meanwhile is an answer like any other. Once opened, it is this process and no other that
 * gets its pid later.
 */
#ifndef UVH_PROCESS_H
#define UVH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uvhooks/control.h>

#define UVH_PROCESS_ERROR_BYTES 512

struct uvh_process;

enum uvh_process_found {
	UVH_PROCESS_FOUND,
	UVH_PROCESS_GONE,      /* there is no such process (any more) */
	UVH_PROCESS_FORBIDDEN, /* the kernel does not let us */
	UVH_PROCESS_WITHOUT,   /* libuvhooks.so is not in it, or has not come to life */
	UVH_PROCESS_OTHER_ABI, /* a shim of a version that this command does not know */
	UVH_PROCESS_FAILED,    /* memory, descriptors */
};

/*
 * Opens it, to be written to also if `writable`. On anything but FOUND `*process` is NULL and
 * `error` says, in a line, what is wrong and what to do.
 */
enum uvh_process_found uvh_process_open(struct uvh_process **process, pid_t pid, bool writable,
					char error[UVH_PROCESS_ERROR_BYTES]);
void uvh_process_close(struct uvh_process *process);

pid_t uvh_process_pid(const struct uvh_process *process);

/* A fresh copy of its control block. False: it is gone. */
bool uvh_process_control(struct uvh_process *process, struct uvhooks_control *control);

/* Copies memory of the process; how many bytes from `address` on there were. */
size_t uvh_process_read(struct uvh_process *process, uint64_t address, void *copy, size_t bytes);

/* All live resources, one call each. False: it is gone, or what is there makes no sense. */
bool uvh_process_each_record(struct uvh_process *process,
			     void (*record)(const struct uvhooks_control_record *record,
					    void *data),
			     void *data);

/* All its loops that have run, and what the thread of each runs now. */
bool uvh_process_each_loop(struct uvh_process *process,
			   void (*loop)(const struct uvhooks_control_loop *loop,
					const struct uvhooks_control_frame *frame, void *data),
			   void *data);

/* "TCPWRAP", or the name that the program gave; good until the next call. */
const char *uvh_process_type_name(struct uvh_process *process, unsigned int type);

/* The name of the function at an address: "on_timer", "libx.so+0x12"; good until the close. */
const char *uvh_process_name(struct uvh_process *process, uint64_t address);

#define UVH_PROCESS_DOES_BYTES 512

/* What the thread of a loop runs now, in words: "runs on_timer of 7 (TIMERWRAP)". */
const char *uvh_process_does(struct uvh_process *process, const struct uvhooks_control_frame *frame,
			     char text[UVH_PROCESS_DOES_BYTES]);

/* A counter by its place in UVHOOKS_COUNTER_MAP. */
uint64_t uvh_process_counter(struct uvh_process *process, size_t number);

/* The area that a plugin publishes under this name. False: there is none. */
bool uvh_process_area(struct uvh_process *process, const char *name,
		      struct uvhooks_control_area *area);

enum uvh_request_result {
	UVH_REQUEST_DONE,      /* answered; *status is 0 or a negative errno */
	UVH_REQUEST_NO_ANSWER, /* no loop turned in time; the request is taken back */
	UVH_REQUEST_BUSY,      /* another command is talking to the process */
	UVH_REQUEST_FAILED,    /* it is gone, or cannot be written to */
};

/*
 * Has the process do something: see the requests in <uvhooks/control.h>. `answer` has
 * UVHOOKS_CONTROL_ANSWER_BYTES, and says in each case but DONE what is wrong, and what to do.
 */
enum uvh_request_result uvh_process_request(struct uvh_process *process, const char *text,
					    int64_t timeout_ns, int *status, char *answer);

#endif
