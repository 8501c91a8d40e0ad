/* SPDX-License-Identifier: MIT */
/*
 * Where in the program something was done: stacks.
 *
 * The shim itself cannot unwind. A plugin that can is the *source* of stacks: the shim asks it
 * when a resource is made or armed while a hook is enabled, and gives every hook the number that it
 * answers, in the event's `stack`. A number stands for one stack, for as long as the process lives;
 * the stack itself is read once, by who needs it, with uvhooks_read_stack().
 *
 * Where a program is written in a script language, the native frames say only that an interpreter
 * runs. A plugin that knows the interpreter is an *annotator*: the source asks it for the script's
 * own frames each time it takes a stack, and they are part of what makes one stack differ from
 * another.
 *
 *	static size_t annotate(const struct uvhooks_place *place, struct uvhooks_frame *frames,
 *			       size_t max, void *data)
 *	{
 *		if (max == 0 || !interpreter_runs_here())
 *			return 0;
 *		frames[0] = (struct uvhooks_frame){"handler", "server.lua", 12};
 *		return 1;
 *	}
 *
 *	static const struct uvhooks_annotator lua = {
 *		.size = sizeof lua, .language = "Lua", .annotate = annotate};
 *	uvhooks_add_annotator(&lua);
 */
#ifndef UVHOOKS_STACKS_H
#define UVHOOKS_STACKS_H

#include <uvhooks/hooks.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One function of a script, the innermost first. */
struct uvhooks_frame {
	const char *function; /* "" or NULL: it has no name */
	const char *file;     /* "" or NULL: unknown */
	uint32_t line;        /* 0: unknown */
	uint32_t reserved;    /* 0 */
};

/* What a stack is taken for, and of which thread. `size` says how many bytes are valid. */
struct uvhooks_place {
	uint32_t size;
	uint16_t event; /* enum uvhooks_event_type: INIT, START, FS_CALL, STALL; NONE below */
	uint16_t type;  /* enum uvhooks_type, of the resource */
	/* 0: the calling thread. Else another one, of this process, which runs or sleeps on while
	   it is looked at: only in a STALL, by a watchdog, on the watchdog's own thread. */
	uint32_t thread_id;
	/* How many of `addresses` there are: the native stack, innermost first, that was taken
	   already. The instruction that is meant lies just before each: they are return addresses,
	   and the first of a STALL is one byte behind where the thread was. */
	uint32_t address_count;
	const uintptr_t *addresses;
	/* end of ABI 1 */
};

#define UVHOOKS_PLACE_NO_EVENT UINT16_MAX /* uvhooks_capture_stack() */

/* A stack; valid for ever. `size` says how many bytes are valid. */
struct uvhooks_stack {
	uint32_t size;
	uint32_t number;
	uint32_t address_count;
	uint32_t frame_count;
	const uintptr_t *addresses; /* native, innermost first, from the caller of libuv on; as in
				       struct uvhooks_place */
	const struct uvhooks_frame *frames; /* the script's, innermost first */
					    /* end of ABI 1 */
};

/*
 * capture: takes a stack and returns its number, or 0 where none is wanted (it is not this one's
 * turn, or type) or to be had. Numbers are given in order from 1 on, over all threads. It runs in
 * the program's calls of libuv, on the program's stack: it should need no more than 8 KiB of it,
 * must not wait for other threads, and what it makes of libuv is not traced.
 *
 * read: 0, or -ENOENT.
 *
 * lost: how many stacks it should have kept and could not, since there was no room; may be NULL.
 */
struct uvhooks_stack_source {
	size_t size;
	uint32_t (*capture)(const struct uvhooks_place *place, void *data);
	int (*read)(uint32_t number, struct uvhooks_stack *stack, void *data);
	void *data;
	uint64_t (*lost)(void *data);
	/* end of ABI 1 */
};

/*
 * Makes it the source of this process. It is copied, and stays. 0, -EINVAL, -EEXIST (there is one),
 * -ENOSYS without the shim.
 *
 * Node: none (Error.captureStackTrace() in a hook). Thread: any. Since: 0.1.
 */
UVHOOKS_API int uvhooks_set_stack_source(const struct uvhooks_stack_source *source);

/*
 * annotate: writes at most `max` frames, innermost first, and returns how many; 0 if its language
 * does not run there. What the frames point to need only be good until its next call on the same
 * thread. The rules of a hook's callback hold.
 */
struct uvhooks_annotator {
	size_t size;
	const char *language; /* "Lua"; for messages */
	size_t (*annotate)(const struct uvhooks_place *place, struct uvhooks_frame *frames,
			   size_t max, void *data);
	void *data;
	/* end of ABI 1 */
};

/*
 * Adds an annotator, for as long as the process lives; the struct and its texts must live as long.
 * 0, -EINVAL, -ENOSPC (8 are the most), -ENOSYS without the shim.
 *
 * Thread: any. Since: 0.1.
 */
UVHOOKS_API int uvhooks_add_annotator(const struct uvhooks_annotator *annotator);

/*
 * For sources: asks the annotators, in the order in which they were added, until one has frames.
 * errno is preserved, and what an annotator does with libuv is not traced.
 *
 * Thread: any. Since: 0.1.
 */
UVHOOKS_API size_t uvhooks_annotate(const struct uvhooks_place *place, struct uvhooks_frame *frames,
				    size_t max);

/*
 * The number of the stack of the calling thread, here and now; 0 without a source.
 *
 * Thread: any; not in signal handlers. Since: 0.1.
 */
UVHOOKS_API uint32_t uvhooks_capture_stack(void);

/*
 * What a number stands for. The caller sets `stack->size` to its own sizeof first. 0, -EINVAL for
 * such a size, -ENOENT for a number that was never given, -ENOSYS without the shim.
 *
 * Thread: any. Since: 0.1.
 */
UVHOOKS_API int uvhooks_read_stack(uint32_t number, struct uvhooks_stack *stack);

/*
 * How many stacks the source should have kept and could not; 0 without a source.
 *
 * Thread: any, and in signal handlers. Since: 0.1.
 */
UVHOOKS_API uint64_t uvhooks_stacks_lost(void);

/*
 * For watchdogs: tells all hooks that want `stall` events that a callback still runs. Of `event`
 * these count: async_id, type, pointer, loop and callback (of what runs), stack, duration_ns and
 * other_thread_id. 0, -EINVAL, -ENOMEM, -ENOSYS without the shim.
 *
 * Thread: one of the watchdog's own, which runs no loop. Since: 0.1.
 */
UVHOOKS_API int uvhooks_emit_stall(const struct uvhooks_event *event);

#ifndef UVHOOKS_SHIM
#define uvhooks_set_stack_source(...)                                                              \
	(UVHOOKS_HAS(uvhooks_set_stack_source) ? (uvhooks_set_stack_source) (__VA_ARGS__) : -ENOSYS)
#define uvhooks_add_annotator(...)                                                                 \
	(UVHOOKS_HAS(uvhooks_add_annotator) ? (uvhooks_add_annotator) (__VA_ARGS__) : -ENOSYS)
#define uvhooks_annotate(...) (UVHOOKS_HAS(uvhooks_annotate) ? (uvhooks_annotate) (__VA_ARGS__) : 0)
#define uvhooks_capture_stack()                                                                    \
	(UVHOOKS_HAS(uvhooks_capture_stack) ? (uvhooks_capture_stack) () : 0)
#define uvhooks_read_stack(...)                                                                    \
	(UVHOOKS_HAS(uvhooks_read_stack) ? (uvhooks_read_stack) (__VA_ARGS__) : -ENOSYS)
#define uvhooks_stacks_lost() (UVHOOKS_HAS(uvhooks_stacks_lost) ? (uvhooks_stacks_lost) () : 0)
#define uvhooks_emit_stall(...)                                                                    \
	(UVHOOKS_HAS(uvhooks_emit_stall) ? (uvhooks_emit_stall) (__VA_ARGS__) : -ENOSYS)
#endif

#ifdef __cplusplus
}
#endif

#endif
