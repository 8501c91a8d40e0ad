/* SPDX-License-Identifier: MIT */
/* When the shim comes to life, and what a wrapper asks before it does anything. */
#ifndef UVH_INIT_H
#define UVH_INIT_H

#include <uvhooks/control.h>

#include "libuv.h"

#pragma GCC visibility push(hidden)

/*
 * Nonzero while a wrapper must ask uvh_arrive first: the shim is not ready, or calls arrive that
 * may be libuv's own. 0 in an ordinary program from main on.
 */
extern uint8_t uvh_gate;

/*
 * Has the process begun to end because main has returned? Then what main had on the stack is
 * nothing any more, and what ends the process writes over it. Also true of an exit() by a main with
 * next to nothing on the stack.
 */
bool uvh_main_has_returned(void);

/* What a wrapper has to know of a call. */
struct uvh_arrival {
	const struct uvh_real *real; /* the functions of the libuv that it is for */
	bool pass;                   /* it is passed on untraced */
};

/*
 * Decides that for a call that came from `caller`. Makes the shim ready first if that is still to
 * be done.
 */
struct uvh_arrival uvh_arrive(uintptr_t caller);

/*
 * A loop is about to be made, from `caller`: has a libuv come into the process, and is the call for
 * one that is not traced? Then its functions, else NULL. Where the loader notifies us this finds
 * nothing new. A look per call site is enough: once seen, further libuvs and their users are bound
 * past the wrappers.
 */
const struct uvh_real *uvh_other_libuv(uintptr_t caller);

/*
 * From now on everything passes through, for good: no hook is called, and nothing is traced that is
 * made from here on. Callbacks of what was made before still find their way.
 */
void uvh_turn_off(enum uvhooks_control_state why);
bool uvh_is_off(void);

/*
 * An invariant of the shim does not hold, so nothing that it says can be trusted any more: it is
 * counted, and turned off. UVHOOKS_STRICT: tests want it to be loud.
 */
void uvh_broken(const char *what);

/* The loader has added objects, or taken some away. */
void uvh_objects_changed(void);

/* uv_async_send has more to do: valgrind is there, or a local storage that follows wake-ups. */
extern bool uvh_send_asks;

static inline bool uvh_sends_slowly(void)
{
	return __atomic_load_n(&uvh_send_asks, __ATOMIC_RELAXED);
}

/*
 * The thread's context for a call of the embedder API, which may be the first of all calls; NULL if
 * there is no memory, or the shim is off. `here` is the function's UVH_HERE().
 */
struct uvh_context *uvh_embedding_context(uintptr_t here);

/* The same for the local storages, which are there also while the shim is off: within a scope. */
struct uvh_context *uvh_storing_context(uintptr_t here);

#pragma GCC visibility pop

#endif
