/* SPDX-License-Identifier: MIT */
/* valgrind's client requests, where its header was there at build time. */
#ifndef UVH_MEMCHECK_H
#define UVH_MEMCHECK_H

#ifdef UVH_HAVE_VALGRIND
#include <valgrind/memcheck.h>
/* Not in valgrind's other tools, for which nothing is undefined. */
#define UVH_ON_MEMCHECK()              (VALGRIND_MAKE_MEM_DEFINED(&(char){0}, 1) != 0)
#define UVH_MAKE_DEFINED(start, bytes) ((void) VALGRIND_MAKE_MEM_DEFINED(start, bytes))
/* valgrind runs a translation of the code: one of what is no longer there must go. */
#define UVH_DISCARD_TRANSLATIONS(start, bytes) VALGRIND_DISCARD_TRANSLATIONS(start, bytes)
#else
#define UVH_ON_MEMCHECK()                      false
#define UVH_MAKE_DEFINED(start, bytes)         ((void) 0)
#define UVH_DISCARD_TRANSLATIONS(start, bytes) ((void) 0)
#endif

#endif
