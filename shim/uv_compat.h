/* SPDX-License-Identifier: MIT */
/*
 * Prototypes of intercepted functions that are newer than the uv.h this is built with (1.44).
 * Declaring one that uv.h has too is harmless: the compiler holds the two against each other.
 */
#ifndef UVH_UV_COMPAT_H
#define UVH_UV_COMPAT_H

#include <uv.h>

/* 1.46 */
int uv_pipe_connect2(uv_connect_t *req, uv_pipe_t *handle, const char *name, size_t name_length,
		     unsigned int flags, uv_connect_cb cb);

#endif
