/* SPDX-License-Identifier: MIT */
/* What a resource is about, where libuv's structs do not say: for the hooks of its init. */
#ifndef UVH_STATE_H
#define UVH_STATE_H

#include <sys/socket.h>

#include "dispatch.h"

#pragma GCC visibility push(hidden)

/* What the call that is under way on this thread was given; NULL: nothing. */
struct uvh_target {
	const struct sockaddr *address; /* to connect to */
	const char *name;               /* of a pipe to connect to; of a program to spawn */
};

extern __thread struct uvh_target uvh_target __attribute__((tls_model("initial-exec")));

static inline void uvh_set_target(const struct sockaddr *address, const char *name)
{
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_target = (struct uvh_target){address, name};
}

static inline void uvh_clear_target(void)
{
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_target = (struct uvh_target){NULL, NULL};
}

#pragma GCC visibility pop

#endif
