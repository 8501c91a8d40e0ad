/* SPDX-License-Identifier: MIT */
/* What the programs with an interpreter inside share: they print the script's frames. */
#ifndef EMBEDS_H
#define EMBEDS_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>
#include <uvhooks/stacks.h>

/* A function of the interpreter, which must be there. */
static void *function_of(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (function == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return function;
}

static void *open_library(const char *path, int flags)
{
	void *library = dlopen(path, RTLD_NOW | flags);

	if (library == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return library;
}

/* Without a libuv in the process nothing is traced. */
static void start(void)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (uv_loop_close(uv_default_loop()) != 0)
		exit(1);
}

static void print_frames(const char *where, uint32_t number)
{
	struct uvhooks_stack stack = {.size = sizeof(stack)};
	int error = uvhooks_read_stack(number, &stack);

	printf("%s:", where);
	if (error != 0)
		printf(" no stack: %d", error);
	else if (stack.frame_count == 0)
		printf(" none");
	for (uint32_t i = 0; i < stack.frame_count; i++)
		printf("%s %s %s:%u", i == 0 ? "" : ",", stack.frames[i].function,
		       stack.frames[i].file, stack.frames[i].line);
	printf("\n");
}

#endif
