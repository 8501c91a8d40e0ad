/* SPDX-License-Identifier: MIT */
/* valgrind's client requests, where its header was there at build time. */
#ifndef UVH_MEMCHECK_H
#define UVH_MEMCHECK_H

#ifdef UVH_HAVE_VALGRIND
#include <valgrind/memcheck.h>
#define UVH_ON_VALGRIND()              (RUNNING_ON_VALGRIND != 0)
#define UVH_MAKE_DEFINED(start, bytes) ((void) VALGRIND_MAKE_MEM_DEFINED(start, bytes))
#else
#define UVH_ON_VALGRIND()              false
#define UVH_MAKE_DEFINED(start, bytes) ((void) 0)
#endif

#endif
