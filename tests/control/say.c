/* SPDX-License-Identifier: MIT */
/* What parts of the command call to speak. */
#include <stdarg.h>
#include <stdio.h>

#include "command.h"

void uvh_say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}
