/* SPDX-License-Identifier: MIT */
/* The only file of the shim that formats text with the C library: vsnprintf into its own stack. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "ground.h"

void uvh_message(const char *format, ...)
{
	int saved_errno = errno;
	char line[400];
	size_t length = 0;
	va_list list;
	int wrote;

	length = (size_t) snprintf(line, sizeof(line), "uvhooks: ");
	va_start(list, format);
	wrote = vsnprintf(line + length, sizeof(line) - length - 1, format, list);
	va_end(list);
	if (wrote > 0)
		length += (size_t) wrote;
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0) {
		/* Nobody is left to tell. */
	}
	errno = saved_errno;
}
