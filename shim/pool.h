/* SPDX-License-Identifier: MIT */
/*
 * What libuv itself does in its thread pool: name look-ups, the file system, random bytes. Nothing
 * of it passes us but the end: then the pool thread wakes the loop, by an uv_async_t of libuv's
 * own, and what it has done is the last in the loop's queue.
 */
#ifndef UVH_POOL_H
#define UVH_POOL_H

#include "dispatch.h"
#include "uv_compat.h"

#pragma GCC visibility push(hidden)

/*
 * A request was submitted whose struct uv__work is at `work`: from then on others of its kind are
 * known by the function that libuv calls when they are done.
 */
void uvh_pool_learn(const void *request, const struct uv__work *work);

static inline void uvh_pool_submitted(const void *request, const struct uv__work *work)
{
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_pool_learn(request, work);
}

/* An uv_async_t that is not the program's is about to be sent: is it that, and what for? */
void uvh_pool_sends(const uv_async_t *async);

#pragma GCC visibility pop

#endif
