/* SPDX-License-Identifier: MIT */
/*
 * The static libuv is not compiled for shared objects: it reaches data of libc directly, which only
 * an executable may do. Data of our own by the same names lets it be linked into a module.
 */
#include <netinet/in.h>
#include <stdio.h>

#undef stderr
extern char **__environ;
extern struct _IO_FILE_plus _IO_2_1_stderr_;

__attribute__((visibility("hidden"))) char **environ;
__attribute__((visibility("hidden"))) FILE *stderr;
__attribute__((visibility("hidden"))) const struct in6_addr in6addr_any = IN6ADDR_ANY_INIT;

__attribute__((constructor(101))) static void fill(void)
{
	environ = __environ;
	stderr = (FILE *) &_IO_2_1_stderr_;
}
