/* SPDX-License-Identifier: MIT */
/* When the shim comes to life, and what a wrapper asks before it does anything. */
#ifndef UVH_INIT_H
#define UVH_INIT_H

#include "libuv.h"

#pragma GCC visibility push(hidden)

/*
 * Nonzero while a wrapper must ask uvh_pass first: the shim is not ready, or calls arrive that may
 * be libuv's own, or there is more than one libuv. 0 in an ordinary program from main on.
 */
extern uint8_t uvh_gate;

/*
 * Decides for a call that came from `caller`: which libuv it is for, and whether it is passed on
 * untraced. Makes the shim ready first if that is still to be done.
 */
bool uvh_pass(uintptr_t caller, const struct uvh_real **real);

/*
 * A loop is about to be made, from `caller`: has a libuv come into the process that this call may
 * be for? A look per call site is enough.
 */
void uvh_look_for_libuv(uintptr_t caller);

#pragma GCC visibility pop

#endif
