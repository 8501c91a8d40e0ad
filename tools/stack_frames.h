/* SPDX-License-Identifier: MIT */
/*
 * A stack as people read it: functions, files and lines.
 *
 * Names come from what `uvhooks record` kept in the trace when the program had ended; else from the
 * libraries' files and their debug files, if they are still those that ran (by build id), from
 * perf-PID.map for code that was made at run time, and at worst an address is all that is known.
 *
 * All pointers are valid until uvh_trace_close().
 */
#ifndef UVH_STACK_FRAMES_H
#define UVH_STACK_FRAMES_H

#include <stdio.h>

#include "trace.h"

enum uvh_frame_origin {
	UVH_FRAME_OF_SCRIPT,  /* told by an annotator */
	UVH_FRAME_OF_PROGRAM, /* the executable, or a library of the program's own */
	UVH_FRAME_OF_RUNTIME, /* libc, libuv, an interpreter, a binding: nobody's bug report */
};

struct uvh_stack_frame {
	enum uvh_frame_origin origin;
	bool inlined;         /* into the next one */
	const char *function; /* demangled; never NULL: at worst "library.so+0x1234" */
	const char *file;     /* the source file as the compiler knew it; "": unknown */
	uint32_t line;        /* 0: unknown */
	const char *module;   /* the path of the file that the code lies in; "": unknown */
	uint64_t address;     /* 0: a script's */
	uint64_t offset;      /* the same in `module`'s file; 0 where there is no file */
};

struct uvh_stack {
	uint32_t number;
	size_t count;
	/* Innermost first; a script's frames in front of the native ones. */
	const struct uvh_stack_frame *frames;
	/*
	 * Where it was done, for who groups by that: the script's innermost frame that is not of
	 * a library of its language; else the first of the program's own; else the first of all.
	 * NULL: the stack is empty.
	 */
	const struct uvh_stack_frame *site;
};

/* The stack with that number; NULL: there is none (it was not taken, or is not in the trace). */
const struct uvh_stack *uvh_stack(const struct uvh_trace_process *process, uint32_t number);

/*
 * "server.c:12 in on_connection", "server.py:30 in handle", "on_connection (server+0x1234)": the
 * text of a frame on one line. The file's name stands without its folders unless `whole`.
 */
const char *uvh_stack_frame_text(const struct uvh_stack_frame *frame, bool whole, char *text,
				 size_t bytes);

/*
 * Where a resource was made, and where it was last armed (if that is another place), as short as
 * can be: the text of the site. Without a stack: NULL.
 */
const struct uvh_stack_frame *uvh_stack_made(const struct uvh_trace_resource *resource);
const struct uvh_stack_frame *uvh_stack_armed(const struct uvh_trace_resource *resource);

/* Are two frames one place in the source, or, where there is none, one place in the code? */
bool uvh_stack_same_place(const struct uvh_stack_frame *one, const struct uvh_stack_frame *other);

/*
 * Prints a stack, a line a frame, each line behind `indent`. Where not `whole`, frames of the
 * runtime are left out as long as others remain, native ones without a line as long as a script's
 * do, and no more than 12 are shown.
 */
void uvh_stack_print(FILE *out, const struct uvh_stack *stack, const char *indent, bool whole);

/* How to get stacks into a trace, for a verb that finds none: a sentence with the command. */
const char *uvh_stack_how_to_record(void);

/* It is a process that runs which was asked: the advice is then another. */
void uvh_stack_asks_running(void);

#endif
