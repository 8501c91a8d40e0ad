/* SPDX-License-Identifier: MIT */
#ifndef UVH_TLS_H
#define UVH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* All thread-local storage of the shim. Initial-exec: reading it can neither allocate nor lock. */
struct uvh_tls {
	struct uvh_context *context;
	void (*unwind_resume)(void *exception); /* see unwind.c */
	uint8_t in_libuv; /* the innermost of libuv and the program's code is libuv */
	union {
		struct {
			uint8_t quiet; /* in a hook, or a plugin starts: what it does is no event */
			uint8_t libuv; /* the one that the call is for, from its entry until
					  UVH_ENTER */
			bool in_hook;  /* the hooks in force are those in `frozen` of the context */
		};
		uint32_t special; /* not 0: a wrapper has to look */
	};
	/* Where events of this thread may go, and the hook that lent it, or UVH_NO_SINK. */
	struct uvhooks_trace_sink *sink;
	const struct uvhooks_hook *sink_hook;
} __attribute__((aligned(64))); /* one cache line */

/* No hook, and not NULL: so it is not what uvh_sink_hook is where there is none. */
#define UVH_NO_SINK ((const struct uvhooks_hook *) 1)

/* `special` where both `quiet` and `in_hook` are 1. */
#define UVH_TLS_IN_HOOK UINT32_C(0x10001)

/* entry_*.S knows where these are. */
_Static_assert(offsetof(struct uvh_tls, in_libuv) == 16, "see entry.h");
_Static_assert(offsetof(struct uvh_tls, libuv) == 21, "see entry.h");
_Static_assert(offsetof(struct uvh_tls, quiet) == offsetof(struct uvh_tls, special) &&
		   offsetof(struct uvh_tls, in_hook) == offsetof(struct uvh_tls, special) + 2 &&
		   __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "see UVH_TLS_IN_HOOK");

extern __thread struct uvh_tls uvh_tls __attribute__((tls_model("initial-exec")));

#pragma GCC visibility pop

#endif
