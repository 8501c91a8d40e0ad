/* SPDX-License-Identifier: MIT */
/* The one trampoline that is installed in another file than its wrapper's: at uv_async_init. */
#ifndef UVH_WRAP_ASYNC_H
#define UVH_WRAP_ASYNC_H

#include <uv.h>

#pragma GCC visibility push(hidden)

void uvh_tramp_async(uv_async_t *handle);

#pragma GCC visibility pop

#endif
