/* SPDX-License-Identifier: MIT */
/*
 * Calls to a patched function arrive here, by a jump from its entry: see entry_*.S, which says for
 * each whether the program makes it. libuv's own calls go straight on to the moved original.
 */
#ifndef UVH_ENTRY_H
#define UVH_ENTRY_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#pragma GCC visibility push(hidden)

/* One patched function. Never changed nor freed once its entry jumps here. */
struct uvh_patched {
	void *wrapper;  /* ours */
	void *original; /* its first instructions, moved, and a jump to the rest */
	void *resume;   /* the part of the island that goes on there */
	/* where libuv's own code is, and what compilers split off: what calls from there is libuv
	 */
	uintptr_t text_low, text_bytes;
	uintptr_t cold_low, cold_bytes;
	uint8_t libuv;     /* the index of its libuv */
	const void *entry; /* where its island leads: one of those below */
};

_Static_assert(offsetof(struct uvh_patched, wrapper) == 0 &&
		   offsetof(struct uvh_patched, original) == 8 &&
		   offsetof(struct uvh_patched, resume) == 16 &&
		   offsetof(struct uvh_patched, text_low) == 24 &&
		   offsetof(struct uvh_patched, text_bytes) == 32 &&
		   offsetof(struct uvh_patched, cold_low) == 40 &&
		   offsetof(struct uvh_patched, cold_bytes) == 48 &&
		   offsetof(struct uvh_patched, libuv) == 56,
	       "entry_*.S knows where these are");

/* Not called from C, but jumped to by islands. */
extern const char uvh_entry[];

/* The same for uv_async_send, which signal handlers call: it leaves no mark in uvh_tls. */
extern const char uvh_entry_send[];

/* For uv_close: all calls are the program's, as its wrapper goes by the handle's record alone. */
extern const char uvh_entry_close[];

/* wrap_watcher.c: what that leads to. */
int uvh_async_send_patched(uv_async_t *handle, const struct uvh_patched *patched);

#pragma GCC visibility pop

#endif
