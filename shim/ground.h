/* SPDX-License-Identifier: MIT */
/*
 * The ground floor: what the shim needs before there is anything to trace. It knows nothing of
 * async ids. Everything here may be called before any constructor has run.
 */
#ifndef UVH_GROUND_H
#define UVH_GROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uvhooks/hooks.h>

#pragma GCC visibility push(hidden)

#define UVH_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UVH_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/*
 * Variables that every call and callback reads stand together, in one cache line: the kernel's code
 * and the program's have driven out of the cache what is spread.
 */
#define UVH_HOT __attribute__((section("uvh_hot")))

/* Must be inline where it is used, as it takes the address of the frame. */
#define UVH_INLINE static inline __attribute__((always_inline))

/* What is rarely needed stands apart, so that what is often needed is short and saves no registers.
 */
#define UVH_SLOW __attribute__((noinline, cold))

/*
 * lock.c: the one lock of all slow paths (making room, registering a loop, enabling a hook). It is
 * recursive, since one slow path needs another; nothing outside the shim is called under it; and
 * fork holds it, so that a child finds everything whole. No event of a running loop takes it.
 */
void uvh_lock(void);
void uvh_unlock(void);
void uvh_lock_forked(void);

/* memory.c: zeroed pages straight from the kernel, never given back; NULL if there are none. */
void *uvh_map(size_t bytes);

/* How many bytes that were, all in all; many of them are never touched. */
uint64_t uvh_mapped_bytes(void);

/* The same, at a multiple of their number, which is a power of two. */
void *uvh_map_aligned(size_t bytes);

/* Copies memory that may have gone. False: it has, or the kernel does not tell. */
bool uvh_copy_if_there(void *copy, const void *from, size_t bytes);

/* Carves small pieces from such pages, for what is made once: options, hooks, plugins. */
void *uvh_keep(size_t bytes);
char *uvh_keep_text(const char *text, size_t length);

/* counters.c */
enum uvh_counter {
#define XX(name) UVH_COUNT_##name,
	UVHOOKS_COUNTER_MAP(XX)
#undef XX
	    UVH_COUNT_MAX
};

/* Only ever called on paths that something was lost on: an atomic add is no cost there. */
void uvh_count(enum uvh_counter counter);
uint64_t uvh_counted(enum uvh_counter counter);
extern uint64_t uvh_counts[UVH_COUNT_MAX]; /* tools outside read them */

/*
 * message.c: one line to stderr by one write(2), errno preserved, nothing allocated. It is left out
 * where that is not the stderr any more of when uvh_message_begin() was called.
 */
void uvh_message_begin(void);
__attribute__((format(printf, 1, 2))) void uvh_message(const char *format, ...);

/*
 * options.c: the environment, read once.
 *
 * Invariant: in a process that gains privileges (AT_SECURE) all of them are as if unset.
 */
struct uvh_options {
	const char *plugins;
	const char *plugin_path;
	bool follow;
	bool verbose;
	bool flush_at_exit;
	bool longjmp;
	bool rebind;
	bool patch;
	bool strict;
	bool disable;
	const char *skip; /* programs to leave alone */
	bool secure;      /* AT_SECURE: not from the environment */
	long launched;    /* the pid that `uvhooks run` gave to the program, or 0 */
};

extern struct uvh_options uvh_options;

void uvh_options_read(void);

#pragma GCC visibility pop

#endif
