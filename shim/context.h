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
#include "tls.h"

#pragma GCC visibility push(hidden)

enum uvh_frame_kind {
	UVH_FRAME_CALLBACK, /* between before and after */
	UVH_FRAME_WORK,     /* between work_begin and work_end, on a pool thread */
	UVH_FRAME_LOOP,     /* in uv_run: no callback, unless one lies below */
	UVH_FRAME_DRAIN,    /* destroys are being delivered: execution id 0 */
	UVH_FRAME_EMBEDDER, /* in the scope of an embedder's resource: its record may be gone */
	/* those above are what triggers what is created in them; those below may not be */
	UVH_FRAME_SCOPED_EMBEDDER, /* such a scope within that of a default trigger */
	UVH_FRAME_SCOPE,           /* no callback of its own, but a default trigger or stores */
	UVH_FRAME_BOTTOM,          /* below all others: the thread's top level */
};

enum uvh_frame_state {
	UVH_FRAME_ENDS = 1,        /* the record ends with this callback */
	UVH_FRAME_IN_CALLBACK = 2, /* this is a callback or WORK, or stands above one */
	UVH_FRAME_STORES = 4,      /* `stores` says what local storages hold; else see storage.h */
	UVH_FRAME_OWNS_STORES = 8, /* it has a reference to them, and is marked */
};

/*
 * Invariant: from bottom to top the stack addresses `here` fall. One that does not was left.
 *
 * `here` is the frame address of the exported function or trampoline itself, so that two of them
 * called from the same function of the program have the same.
 */
struct uvh_frame {
	uvhooks_async_id id;
	uintptr_t here;            /* 0 for BOTTOM: no address is near it; see uvh_frame_mark */
	struct uvh_record *record; /* of the callback, or the one that a SCOPE is in; or NULL */
	void *callback;            /* the program's function; the space for LOOP */
	uvhooks_async_id trigger;  /* where no record has it */
	union {
		uvhooks_async_id init_trigger; /* SCOPE, SCOPED_EMBEDDER: 0 if there is none */
		struct uvh_space *outer_loop;  /* LOOP: what `running` was */
	};
	struct uvh_store *stores; /* see storage.h */
	uint8_t kind;
	uint8_t state; /* enum uvh_frame_state */
	uint16_t flags;
	uint16_t type; /* of an embedder's resource, which another thread may end meanwhile */
};

/*
 * A frame with something to do when it is left, other than what they all have, is marked: its
 * address is less by 1, so that whoever leaves the usual way does not find it, and asks no question
 * more.
 */
static inline void uvh_frame_mark(struct uvh_frame *frame)
{
	if (frame->here != 0 && (frame->here & 1) == 0)
		frame->here--;
}

static inline uintptr_t uvh_frame_here(const struct uvh_frame *frame)
{
	return frame->here + (frame->here & 1);
}

/* A type that a program named; where that is not how it is called, it is never found here. */
struct uvh_type_seen {
	const char *name;
	uint16_t type;
};

#define UVH_TYPES_SEEN 8

#define UVH_INLINE_FRAMES 48

/*
 * Contexts are taken by threads when they first need one and given back when they end; they are
 * never unmapped, since a signal handler or a key destructor may come late.
 */
struct uvh_context {
	/* what a callback needs, in one cache line */
	struct uvh_frame *top; /* the innermost; set last, for signal handlers */
	struct uvh_frame *limit;
	const struct uvh_hook_set *frozen; /* the hooks in force where uvh_tls.in_hook */
	/* the loop that was looked up last, good while the epoch stands */
	const uv_loop_t *cached_loop;
	struct uvh_space *cached_space;
	union {
		struct {
			/* destroys that wait, first come first served, linked by next */
			uint32_t destroy_first;
			uint32_t draining; /* 1: they are being delivered */
		};
		uint64_t destroys; /* 0: neither, as it nearly always is */
	};
	uint32_t cached_epoch;
	uint32_t thread_id;
	int *errno_here; /* the thread's */

	struct uvh_frame *frames;  /* the first of them is BOTTOM, and always there */
	uint8_t nesting;           /* hooks that run now and hear of what they make themselves */
	struct uvh_space *running; /* of the loop whose uv_run is the innermost; or NULL */
	struct uvh_records pooled; /* for resources that may end on another thread */
	uint32_t pooled_count;     /* how many have come back to it */
	uint32_t destroy_last, destroy_count;
	/* the space of this thread's top level; NULL until it is needed. Another thread may clear
	   it when it takes over the loop of that space. */
	struct uvh_space *home;
	/* in a thread that uv_thread_create made: its own resource */
	uvhooks_async_id root, root_trigger;
	struct uvh_record *root_record;
	struct uvh_type_seen types_seen[UVH_TYPES_SEEN]; /* by the address of the name */
	struct uvh_context *next;                        /* all contexts */
	uint32_t in_use;
	struct uvh_frame inline_frames[UVH_INLINE_FRAMES] __attribute__((aligned(64)));
};

_Static_assert(offsetof(struct uvh_context, frames) <= 64, "what a callback needs is one line");
_Static_assert(sizeof(struct uvh_frame) == 64, "and a frame is another");

/* NULL if there is no memory. Safe in a signal handler. */
struct uvh_context *uvh_context_make(void);

static inline struct uvh_context *uvh_context(void)
{
	struct uvh_context *context = uvh_tls.context;

	return UVH_LIKELY(context != NULL) ? context : uvh_context_make();
}

/* uvh_space_look_up, with what the thread asked for last remembered. */
static inline struct uvh_space *uvh_space_of_loop(struct uvh_context *context, uv_loop_t *loop)
{
	if (UVH_LIKELY(context->cached_loop == loop &&
		       context->cached_epoch == __atomic_load_n(&uvh_loop_epoch, __ATOMIC_ACQUIRE)))
		return context->cached_space;
	return uvh_space_look_up(context, loop);
}

/* Where the ids of what this thread makes come from: the loop that it runs, else its top level;
   NULL if that has needed none yet. */
static inline struct uvh_space *uvh_current_space(const struct uvh_context *context)
{
	return context->running != NULL ? context->running
					: __atomic_load_n(&context->home, __ATOMIC_RELAXED);
}

uvhooks_async_id uvh_home_root(struct uvh_context *context);

/* The ids at top level: no callback on the stack, not in uv_run. */
static inline uvhooks_async_id uvh_root_id(struct uvh_context *context)
{
	const struct uvh_space *home = __atomic_load_n(&context->home, __ATOMIC_RELAXED);

	if (context->root != 0)
		return context->root;
	return UVH_LIKELY(home != NULL) ? uvh_space_root(home) : uvh_home_root(context);
}

static inline uvhooks_async_id uvh_execution_id(struct uvh_context *context)
{
	const struct uvh_frame *top = context->top;

	return UVH_LIKELY(top->kind != UVH_FRAME_BOTTOM) ? top->id : uvh_root_id(context);
}

/* The trigger of what is created now, where that does not say another. */

static inline uvhooks_async_id uvh_init_trigger(struct uvh_context *context)
{
	const struct uvh_frame *top = context->top;

	if (UVH_LIKELY(top->kind < UVH_FRAME_SCOPED_EMBEDDER))
		return top->id;
	return UVH_LIKELY(top->kind == UVH_FRAME_BOTTOM) || top->init_trigger == 0
		   ? uvh_execution_id(context)
		   : top->init_trigger;
}

/* The default trigger of the scope, which goes before the handle that a request works on; or 0. */
static inline uvhooks_async_id uvh_scope_trigger(const struct uvh_context *context)
{
	const struct uvh_frame *top = context->top;

	return UVH_LIKELY(top->kind < UVH_FRAME_SCOPED_EMBEDDER || top->kind == UVH_FRAME_BOTTOM)
		   ? 0
		   : top->init_trigger;
}

/* The trigger id of the callback that runs now; 0 if none does. */
uvhooks_async_id uvh_execution_trigger(const struct uvh_context *context);

/* uv_loop_close has said UV_EBUSY. */
void uvh_loop_busy(uv_loop_t *loop);

/* Is a callback on the stack? Then destroys wait. */
static inline bool uvh_in_callback(const struct uvh_context *context)
{
	return (context->top->state & UVH_FRAME_IN_CALLBACK) != 0;
}

#define UVH_HERE() ((uintptr_t) __builtin_frame_address(0))

struct uvh_scope {
	struct uvh_context *context; /* NULL: nothing was entered */
	uintptr_t here;
	bool returned; /* set by the trampoline once the program's callback has returned */
	uint8_t in_libuv;
};

/* The resource has ended: its destroy is due, now or when the stack is empty. */
void uvh_end(struct uvh_context *context, struct uvh_record *record, unsigned int flags);

/* The record goes back, and lets go of what it carries. */
void uvh_give_slowly(struct uvh_record *record);

static inline void uvh_give(struct uvh_record *record)
{
	if (UVH_UNLIKELY(uvh_storing()) && (UVH_UNLIKELY(record->flags & UVH_RECORD_POOLED) ||
					    UVH_UNLIKELY(!uvh_stores_forget(record))))
		uvh_give_slowly(record);
	else
		uvh_record_give(record);
}

/* As uvh_end, on a thread that ends, whose stack is empty. */
void uvh_end_now(struct uvh_context *context, struct uvh_record *record, unsigned int flags);

/* Whatever is not the plain end of a callback. */
__attribute__((noinline)) void uvh_leave_slowly(struct uvh_scope *scope);

/* The plain end of a callback, where a hook may want to know of it. */
__attribute__((noinline)) void uvh_leave_told(struct uvh_scope *scope,
					      const struct uvh_hook_set *set);
__attribute__((noinline)) void uvh_leave_last_told(struct uvh_scope *scope,
						   const struct uvh_hook_set *set);

/* The same, where uvh_sinks_on(); trace_sink.c has them, and uvh_sink_before. */
__attribute__((noinline)) void uvh_sink_leave(struct uvh_scope *scope,
					      const struct uvh_hook_set *set);
__attribute__((noinline)) void uvh_sink_leave_last(struct uvh_scope *scope,
						   const struct uvh_hook_set *set);

/* Leaves a callback that its resource outlives. */
UVH_INLINE void uvh_leave(struct uvh_scope *scope)
{
	struct uvh_context *context = scope->context;

	if (UVH_LIKELY(scope->returned) && UVH_LIKELY(context != NULL)) {
		struct uvh_frame *frame = context->top;

		if (UVH_LIKELY(frame->here == UVH_HERE()) && UVH_LIKELY(context->destroys == 0)) {
			const struct uvh_hook_set *set = uvh_hooks();

			if (UVH_UNLIKELY(set != NULL)) {
				if (uvh_sinks_on())
					uvh_sink_leave(scope, set);
				else
					uvh_leave_told(scope, set);
				return;
			}
			uvh_tls.in_libuv = scope->in_libuv;
			context->top = frame - 1;
			return;
		}
	}
	scope->here = UVH_HERE();
	uvh_leave_slowly(scope);
}

/* Leaves the callback with which its resource ends. */
UVH_INLINE void uvh_leave_last(struct uvh_scope *scope)
{
	struct uvh_context *context = scope->context;

	if (UVH_LIKELY(scope->returned) && UVH_LIKELY(context != NULL)) {
		struct uvh_frame *frame = context->top;
		struct uvh_record *record = frame->record;

		if (UVH_LIKELY(frame->here == UVH_HERE()) && UVH_LIKELY(context->destroys == 0)) {
			const struct uvh_hook_set *set = uvh_hooks();

			if (UVH_UNLIKELY(set != NULL)) {
				if (uvh_sinks_on())
					uvh_sink_leave_last(scope, set);
				else
					uvh_leave_last_told(scope, set);
				return;
			}
			uvh_tls.in_libuv = scope->in_libuv;
			context->top = frame - 1;
			if (UVH_UNLIKELY(uvh_in_callback(context)) ||
			    UVH_UNLIKELY(record->flags & (UVH_RECORD_QUEUED | UVH_RECORD_POOLED)))
				uvh_end(context, record, 0);
			else if (UVH_UNLIKELY(uvh_storing()) &&
				 UVH_UNLIKELY(!uvh_stores_forget(record)))
				uvh_give_slowly(record);
			else
				uvh_space_give(record);
			return;
		}
	}
	scope->here = UVH_HERE();
	uvh_leave_slowly(scope);
}

/* Leaves the scope however the block is left: by falling out, by an exception, by cancellation. */
#define UVH_SCOPE_LEFT_BY(name, leave)                                                             \
	struct uvh_scope name __attribute__((cleanup(leave)));                                     \
	name.context = NULL;                                                                       \
	name.in_libuv = uvh_tls.in_libuv;                                                          \
	name.returned = false
#define UVH_SCOPE(name)      UVH_SCOPE_LEFT_BY(name, uvh_leave)
#define UVH_LAST_SCOPE(name) UVH_SCOPE_LEFT_BY(name, uvh_leave_last)

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
	if (UVH_UNLIKELY(here - context->top->here < UVH_STACK_SPAN))
		uvh_stack_mend(context, here);
}

/*
 * The place for the frame of `scope`, which the caller fills and then puts on top; NULL if that is
 * impossible, and then the scope stays empty.
 */
static inline struct uvh_frame *uvh_place(struct uvh_scope *scope, struct uvh_context *context)
{
	uvh_stack_check(context, scope->here);
	if (UVH_UNLIKELY(context->top + 1 == context->limit) && uvh_stack_grow(context) != 0)
		return NULL;
	scope->context = context;
	return context->top + 1;
}

static inline void uvh_push(struct uvh_context *context, struct uvh_frame *frame)
{
	__atomic_signal_fence(__ATOMIC_RELEASE);
	context->top = frame;
}

/* A callback's frame is on top. Returns the program's function. */
__attribute__((noinline)) void *uvh_emit_before(struct uvh_context *context,
						const struct uvh_hook_set *set);
__attribute__((noinline)) void *uvh_sink_before(struct uvh_context *context,
						const struct uvh_hook_set *set);
void uvh_emit_work_begin(struct uvh_context *context);

/* Enters a callback of `record`, which is alive or ends with it. */
static inline void uvh_enter(struct uvh_scope *scope, struct uvh_record *record, void *callback,
			     unsigned int flags, enum uvh_frame_kind kind, bool ends)
{
	struct uvh_context *context = uvh_context();
	struct uvh_frame *frame = context == NULL ? NULL : uvh_place(scope, context);
	const struct uvh_hook_set *set;

	uvh_tls.in_libuv = 0;
	if (UVH_UNLIKELY(frame == NULL)) {
		uvh_count(UVH_COUNT_stack_exhausted);
		return;
	}
	frame->id = __atomic_load_n(&record->id, __ATOMIC_RELAXED);
	frame->here = scope->here;
	frame->record = record;
	frame->callback = callback;
	frame->kind = kind;
	frame->state = UVH_FRAME_IN_CALLBACK | (ends ? UVH_FRAME_ENDS : 0);
	frame->flags = (uint16_t) flags;
	uvh_push(context, frame);
	set = uvh_hooks();
	if (UVH_LIKELY(set == NULL))
		return;
	if (kind == UVH_FRAME_WORK)
		uvh_emit_work_begin(context);
	else
		uvh_emit_before(context, set);
}

/*
 * The same where nothing special is to be done, which is told by false: then nothing has happened
 * yet. One place decides that, so that trampolines need few registers.
 */
UVH_INLINE bool uvh_enter_plainly(struct uvh_scope *scope, struct uvh_record *record,
				  void *callback, unsigned int flags, bool ends)
{
	struct uvh_context *context = uvh_tls.context;
	struct uvh_frame *frame;

	if (UVH_UNLIKELY(context == NULL))
		return false;
	frame = context->top;
	if (UVH_UNLIKELY(UVH_HERE() - frame->here < UVH_STACK_SPAN))
		return false;
	frame++;
	if (UVH_UNLIKELY(frame == context->limit))
		return false;
	scope->context = context;
	uvh_tls.in_libuv = 0;
	frame->id = __atomic_load_n(&record->id, __ATOMIC_RELAXED);
	frame->here = UVH_HERE();
	frame->record = record;
	frame->callback = callback;
	frame->kind = UVH_FRAME_CALLBACK;
	frame->state = UVH_FRAME_IN_CALLBACK | (ends ? UVH_FRAME_ENDS : 0);
	frame->flags = (uint16_t) flags;
	uvh_push(context, frame);
	return true;
}

/* Tells the hooks that `callback` will be called, and returns it. */
static inline void *uvh_entered(const struct uvh_scope *scope, void *callback)
{
	const struct uvh_hook_set *set = uvh_hooks();

	if (UVH_LIKELY(set == NULL))
		return callback;
	return uvh_sinks_on() ? uvh_sink_before(scope->context, set)
			      : uvh_emit_before(scope->context, set);
}

/* Enters a scope that is no callback, of the caller's ids and stores. False if that is impossible.
 */
bool uvh_enter_scope(struct uvh_scope *scope, struct uvh_context *context);

/* Enters uv_run. */
void uvh_enter_loop(struct uvh_scope *scope, struct uvh_space *space);

/* Delivers the destroys that wait, if no callback is on the stack. */
void uvh_drain(struct uvh_context *context);

/* At a thread's end: what is on the stack has been left, and what waits is delivered. */
void uvh_unwind_all(struct uvh_context *context, unsigned int flags);

/* The child of a fork keeps the forking thread's context and forgets the others. */
void uvh_context_forked(void);

void uvh_context_init(void);

#pragma GCC visibility pop

#endif
