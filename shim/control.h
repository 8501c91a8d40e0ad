/* SPDX-License-Identifier: MIT */
/*
 * What lies in this process for tools outside, see <uvhooks/control.h>: the block that they find,
 * the wakers of loops, and the requests that a loop's thread works off.
 */
#ifndef UVH_CONTROL_H
#define UVH_CONTROL_H

#include <uvhooks/control.h>

#include "ground.h"
#include "uv_compat.h"

#pragma GCC visibility push(hidden)

struct uvh_space;

extern struct uvhooks_control uvh_control;

/* The shim has come to life; the options are read. */
void uvh_control_begin(void);

/* In the child of a fork, whose memory is a copy. */
void uvh_control_forked(void);

/* A libuv was found. */
void uvh_control_libuv(void);

/* A plugin was started. */
void uvh_control_plugin(const char *name);

/* Sets bits of `state`. */
void uvh_control_state(enum uvhooks_control_state state);

/* A loop runs for the first time since it was made: it is listed, and gets a waker. */
UVH_SLOW void uvh_control_loop_runs(uv_loop_t *loop, struct uvh_space *space);

/*
 * A loop is about to be closed, and must not be woken any more; it was not closed after all; it is
 * gone.
 */
void uvh_control_loop_hide(const uv_loop_t *loop);
void uvh_control_loop_show(const uv_loop_t *loop);
void uvh_control_loop_gone(const uv_loop_t *loop);

/* control_request.c: does what a text asks for; the answer is a text, too. 0 or a negative errno.
 */
int uvh_control_answer(char *request, char *answer, size_t answer_bytes);

#pragma GCC visibility pop

#endif
