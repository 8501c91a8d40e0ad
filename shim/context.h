/* SPDX-License-Identifier: MIT */
/*
 * A thread's execution stack: which resource's callback runs now.
 *
 * Every callback that libuv makes into the program passes a trampoline, which enters a scope and
 * leaves it again. The scope itself lies in the trampoline's stack frame; what must survive a
 * longjmp lies in the frames here.
 */
#ifndef UVH_CONTEXT_H
#define UVH_CONTEXT_H

#include "dispatch.h"
#include "registry.h"
#include "space.h"

#pragma GCC visibility push(hidden)

enum uvh_frame_kind {
	UVH_FRAME_CALLBACK, /* between before and after */
	UVH_FRAME_WORK,     /* between work_begin and work_end, on a pool thread */
	UVH_FRAME_LOOP,     /* in uv_run: no callback, unless one lies below */
	UVH_FRAME_DRAIN,    /* destroys are being delivered: execution id 0 */
};

/*
 * Invariant: from bottom to top the stack addresses `here` fall. One that does not was left.
 *
 * `here` is the frame address of the exported function or trampoline itself, so that two of them
 * called from the same function of the program have the same.
 */
struct uvh_frame {
	uvhooks_async_id id;
	uvhooks_async_id trigger;
	uintptr_t here;
	struct uvh_record *record; /* NULL for LOOP and DRAIN */
	void *callback;            /* the program's function; the uv_loop_t for LOOP */
	uint8_t kind;
	bool ends; /* the record ends with this callback */
	uint16_t flags;
};

#define UVH_INLINE_FRAMES 48

/*
 * Contexts are taken by threads when they first need one and given back when they end; they are
 * never unmapped, since a signal handler or a key destructor may come late.
 */
struct uvh_context {
	struct uvh_frame *frames;
	uint32_t depth;
	uint32_t capacity;
	uint32_t callbacks;   /* frames of kind CALLBACK and WORK: destroys wait for 0 */
	uint32_t dispatching; /* nested dispatches */
	const struct uvh_hook_set *frozen; /* the hooks in force while dispatching > 0 */
	/* destroys that wait, first come first served, linked by record->next */
	uint32_t destroy_first, destroy_last, destroy_count;
	bool draining;
	bool forked_over; /* see fork: the thread that owned it is not in this process */
	/* the loop that was looked up last, good while the epoch stands */
	const uv_loop_t *cached_loop;
	struct uvh_space *cached_space;
	uint32_t cached_epoch;
	uint32_t thread_id;
	/* the space of this thread's top level; NULL until it is needed. Another thread may clear
	   it when it takes over the loop of that space. */
	struct uvh_space *home;
	/* in a thread that uv_thread_create made: its own resource */
	uvhooks_async_id root, root_trigger;
	struct uvh_record *root_record;
	struct uvh_context *next; /* all contexts */
	uint32_t in_use;
	struct uvh_frame inline_frames[UVH_INLINE_FRAMES];
};

/* All thread-local storage of the shim. Initial-exec: reading it can neither allocate nor lock. */
struct uvh_tls {
	struct uvh_context *context;
	void (*unwind_resume)(void *exception); /* see unwind.c */
	uint8_t in_libuv; /* the innermost of libuv and the program's code is libuv */
	uint8_t quiet;    /* in a hook or in a plugin's start: what it does is not traced */
};

extern __thread struct uvh_tls uvh_tls __attribute__((tls_model("initial-exec")));

/* NULL if there is no memory. Safe in a signal handler. */
struct uvh_context *uvh_context_make(void);

static inline struct uvh_context *uvh_context(void)
{
	struct uvh_context *context = uvh_tls.context;

	return UVH_LIKELY(context != NULL) ? context : uvh_context_make();
}

/* The ids at top level: no callback on the stack, not in uv_run. */
uvhooks_async_id uvh_root_id(struct uvh_context *context);

static inline uvhooks_async_id uvh_execution_id(struct uvh_context *context)
{
	return context->depth > 0 ? context->frames[context->depth - 1].id : uvh_root_id(context);
}

#define UVH_HERE() ((uintptr_t) __builtin_frame_address(0))

struct uvh_scope {
	struct uvh_context *context; /* NULL: nothing was entered */
	uintptr_t here;
	uint32_t index;
	bool returned; /* set by the trampoline once the program's callback has returned */
	uint8_t in_libuv;
};

void uvh_leave(struct uvh_scope *scope);

/* Leaves the scope however the block is left: by falling out, by an exception, by cancellation. */
#define UVH_SCOPE(name)                                                                            \
	struct uvh_scope name __attribute__((cleanup(uvh_leave))) = {.here = UVH_HERE()}

/* Slow paths of entering: 0, or -1 if the frame cannot be had. */
int uvh_stack_grow(struct uvh_context *context);

/* Pops what was left without returning, given that the program is at `here` now. */
void uvh_stack_mend(struct uvh_context *context, uintptr_t here);

/* How far apart two addresses of one stack may be; farther means that stacks were switched. */
#define UVH_STACK_SPAN ((uintptr_t) 64 << 20)

/*
 * Notices callbacks that longjmp left. The frame of a live caller lies above ours; one that lies
 * at our address or below is gone.
 */
static inline void uvh_stack_check(struct uvh_context *context, uintptr_t here)
{
	if (context->depth > 0) {
		uintptr_t top = context->frames[context->depth - 1].here;

		if (UVH_UNLIKELY(here - top < UVH_STACK_SPAN))
			uvh_stack_mend(context, here);
	}
}

/* Pushes a frame for `scope`; NULL if that is impossible, and then the scope stays empty. */
static inline struct uvh_frame *uvh_push(struct uvh_scope *scope, struct uvh_context *context)
{
	struct uvh_frame *frame;

	uvh_stack_check(context, scope->here);
	if (UVH_UNLIKELY(context->depth == context->capacity) && uvh_stack_grow(context) != 0)
		return NULL;
	scope->context = context;
	scope->index = context->depth;
	scope->in_libuv = uvh_tls.in_libuv;
	frame = &context->frames[context->depth++];
	frame->here = scope->here;
	return frame;
}

/* The event of a frame that begins or ends. */
void uvh_emit_frame(struct uvh_context *context, const struct uvh_frame *frame,
		    enum uvhooks_event_type event, unsigned int flags);

/* Enters a callback of `record`, which is alive or ends with it. */
static inline void uvh_enter(struct uvh_scope *scope, struct uvh_record *record, void *callback,
			     unsigned int flags, enum uvh_frame_kind kind, bool ends)
{
	struct uvh_context *context = uvh_context();
	struct uvh_frame *frame = context == NULL ? NULL : uvh_push(scope, context);

	uvh_tls.in_libuv = 0;
	if (UVH_UNLIKELY(frame == NULL)) {
		uvh_count(UVH_COUNT_stack_exhausted);
		return;
	}
	frame->id = record->id;
	frame->trigger = record->trigger;
	frame->record = record;
	frame->callback = callback;
	frame->kind = kind;
	frame->ends = ends;
	frame->flags = (uint16_t) flags;
	context->callbacks++;
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_emit_frame(context, frame,
			       kind == UVH_FRAME_WORK ? UVHOOKS_EVENT_WORK_BEGIN
						      : UVHOOKS_EVENT_BEFORE,
			       flags);
}

/* Enters uv_run. */
void uvh_enter_loop(struct uvh_scope *scope, struct uvh_space *space);

/* The resource has ended: its destroy is due, now or when the stack is empty. */
void uvh_end(struct uvh_context *context, struct uvh_record *record, unsigned int flags);

/* Delivers the destroys that wait, if no callback is on the stack. */
void uvh_drain(struct uvh_context *context);

/* At a thread's end: what is on the stack has been left, and what waits is delivered. */
void uvh_unwind_all(struct uvh_context *context, unsigned int flags);

/* The child of a fork keeps the forking thread's context and forgets the others. */
void uvh_context_forked(void);

void uvh_context_init(void);

#pragma GCC visibility pop

#endif
