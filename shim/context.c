/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"

__thread struct uvh_tls uvh_tls;

static struct uvh_context *contexts; /* all ever made */
static pthread_key_t thread_end;
static bool thread_end_made;

static uint32_t kernel_thread_id(void)
{
	return (uint32_t) syscall(SYS_gettid);
}

/*
 * Takes a context that no thread uses, or makes one. Lock-free: a signal handler that calls
 * uv_async_send on a thread that has none may come here, even in the midst of the same.
 */
static struct uvh_context *take(void)
{
	struct uvh_context *context = __atomic_load_n(&contexts, __ATOMIC_ACQUIRE);

	for (; context != NULL; context = context->next) {
		uint32_t unused = 0;

		if (__atomic_load_n(&context->in_use, __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&context->in_use, &unused, 1, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return context;
	}
	context = uvh_map(sizeof(*context));
	if (context == NULL)
		return NULL;
	context->frames = context->inline_frames;
	context->capacity = UVH_INLINE_FRAMES;
	context->in_use = 1;
	context->next = __atomic_load_n(&contexts, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&contexts, &context->next, context, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
	}
	return context;
}

struct uvh_context *uvh_context_make(void)
{
	int saved_errno = errno;
	struct uvh_context *context = take();

	if (context == NULL) {
		uvh_count(UVH_COUNT_contexts_exhausted);
		return NULL;
	}
	if (uvh_tls.context != NULL) {
		/* A signal handler came here while we were at it: its context is the thread's. */
		__atomic_store_n(&context->in_use, 0, __ATOMIC_RELEASE);
		return uvh_tls.context;
	}
	context->thread_id = kernel_thread_id();
	uvh_tls.context = context;
	if (thread_end_made)
		pthread_setspecific(thread_end, context);
	errno = saved_errno;
	return context;
}

/* The last of the thread's own code has run, or almost: a later key destructor makes a new one. */
static void give_back(void *data)
{
	struct uvh_context *context = data;

	uvh_unwind_all(context, UVHOOKS_FLAG_UNWOUND);
	uvh_home_leave(context);
	uvh_tls.context = NULL;
	context->cached_loop = NULL;
	context->root = context->root_trigger = 0;
	context->root_record = NULL;
	__atomic_store_n(&context->in_use, 0, __ATOMIC_RELEASE);
}

void uvh_context_init(void)
{
	thread_end_made = pthread_key_create(&thread_end, give_back) == 0;
}

void uvh_context_forked(void)
{
	struct uvh_context *mine = uvh_tls.context;

	for (struct uvh_context *context = contexts; context != NULL; context = context->next) {
		if (context == mine || context->in_use == 0)
			continue;
		/* Its thread is not in this process. What it had queued belongs to the parent. */
		context->depth = context->callbacks = context->dispatching = 0;
		context->destroy_first = context->destroy_last = context->destroy_count = 0;
		context->draining = false;
		context->cached_loop = NULL;
		context->root = context->root_trigger = 0;
		context->root_record = NULL;
		context->home = NULL;
		context->in_use = 0;
	}
	if (mine != NULL)
		mine->thread_id = kernel_thread_id();
}

uvhooks_async_id uvh_root_id(struct uvh_context *context)
{
	struct uvh_space *home;

	if (context->root != 0)
		return context->root;
	home = uvh_home(context);
	return home == NULL ? 0 : uvh_space_root(home);
}

int uvh_stack_grow(struct uvh_context *context)
{
	struct uvh_frame *frames =
	    uvh_map((size_t) context->capacity * 2 * sizeof(struct uvh_frame));

	if (frames == NULL)
		return -1;
	memcpy(frames, context->frames, context->depth * sizeof(*frames));
	/* The smaller array is left: growth is geometric, and the context is used again. */
	context->frames = frames;
	context->capacity *= 2;
	return 0;
}

void uvh_emit_frame(struct uvh_context *context, const struct uvh_frame *frame,
		    enum uvhooks_event_type event, unsigned int flags)
{
	if (frame->record == NULL)
		return;
	uvh_emit(context, event, frame->record, frame->id, 0, frame->callback, flags);
}

static void emit_loop(struct uvh_context *context, enum uvhooks_event_type type,
		      struct uvh_space *space, unsigned int flags)
{
	uvhooks_async_id trigger =
	    context->depth > 0 ? context->frames[context->depth - 1].trigger : 0;
	struct uvhooks_event event = {
	    .event = (uint16_t) type,
	    .flags = (uint16_t) flags,
	    .async_id = uvh_space_base(space->number),
	    .trigger_async_id = trigger,
	    .execution_async_id = uvh_execution_id(context),
	    .type = UVHOOKS_NONE,
	    .fs_type = UVHOOKS_FS_NONE,
	    .loop = space->loop,
	};

	uvh_dispatch(context, &event);
}

/* Takes the top frame off, with the event that its callback owes. */
static void pop(struct uvh_context *context, unsigned int flags)
{
	struct uvh_frame *frame = &context->frames[context->depth - 1];
	struct uvh_record *record = frame->record;
	bool ends = frame->ends;

	switch (frame->kind) {
	case UVH_FRAME_LOOP: {
		struct uvh_space *space = frame->callback;

		context->depth--;
		uvh_drain(context);
		if (UVH_UNLIKELY(uvh_hooks_on()))
			emit_loop(context, UVHOOKS_EVENT_LOOP_EXIT, space, flags);
		return;
	}
	case UVH_FRAME_DRAIN:
		context->depth--;
		return;
	default:
		if (UVH_UNLIKELY(uvh_hooks_on()))
			uvh_emit_frame(context, frame,
				       frame->kind == UVH_FRAME_WORK ? UVHOOKS_EVENT_WORK_END
								     : UVHOOKS_EVENT_AFTER,
				       frame->flags | flags);
		context->depth--;
		context->callbacks--;
		if (ends)
			uvh_end(context, record, 0);
		if (UVH_UNLIKELY(context->destroy_first != 0))
			uvh_drain(context);
	}
}

/* Takes off what a longjmp left. */
static void pop_left(struct uvh_context *context)
{
	if (context->frames[context->depth - 1].record != NULL)
		uvh_count(UVH_COUNT_unwound_by_longjmp);
	pop(context, UVHOOKS_FLAG_UNWOUND);
}

void uvh_stack_mend(struct uvh_context *context, uintptr_t here)
{
	if (!uvh_options.longjmp)
		return;
	while (context->depth > 0 &&
	       here - context->frames[context->depth - 1].here < UVH_STACK_SPAN) {
		pop_left(context);
	}
}

void uvh_leave(struct uvh_scope *scope)
{
	struct uvh_context *context = scope->context;
	unsigned int flags = scope->returned ? 0 : UVHOOKS_FLAG_UNWOUND;
	int saved_errno;

	if (UVH_UNLIKELY(context == NULL)) {
		/* Entered without a frame: the callback ran, but nobody could be told. */
		uvh_tls.in_libuv = scope->in_libuv;
		return;
	}
	uvh_tls.in_libuv = scope->in_libuv;
	if (UVH_LIKELY(context->depth == scope->index + 1 &&
		       context->frames[scope->index].here == scope->here)) {
		pop(context, flags);
		return;
	}
	saved_errno = errno;
	if (context->depth > scope->index && context->frames[scope->index].here == scope->here) {
		/* Callbacks above us were left by a longjmp to a place below us. */
		while (context->depth > scope->index + 1) {
			pop_left(context);
		}
		pop(context, flags);
	} else {
		/* It was taken for left already, wrongly: stacks were switched. */
		uvh_count(UVH_COUNT_foreign_leaves);
	}
	errno = saved_errno;
}

void uvh_unwind_all(struct uvh_context *context, unsigned int flags)
{
	for (uint32_t index = context->destroy_first; index != 0;
	     index = uvh_record_at(index)->next)
		uvh_record_at(index)->destroy_flags |= flags & UVHOOKS_FLAG_AT_EXIT;
	while (context->depth > 0)
		pop(context, flags);
	uvh_drain(context);
}

void uvh_enter_loop(struct uvh_scope *scope, struct uvh_space *space)
{
	struct uvh_context *context = uvh_context();
	struct uvh_frame *frame;
	struct uvh_frame below = {0};

	uvh_stack_check(context, scope->here);
	if (UVH_UNLIKELY(uvh_hooks_on()))
		emit_loop(context, UVHOOKS_EVENT_LOOP_ENTER, space, 0);
	if (context->callbacks > 0)
		below = context->frames[context->depth - 1];
	frame = uvh_push(scope, context);
	if (frame == NULL) {
		uvh_count(UVH_COUNT_stack_exhausted);
		return;
	}
	/* In a nested run the callback that called it is still the one that runs. */
	frame->id = context->callbacks > 0 ? below.id : uvh_space_base(space->number);
	frame->trigger = below.trigger;
	frame->record = NULL;
	frame->callback = space;
	frame->kind = UVH_FRAME_LOOP;
	frame->ends = false;
	frame->flags = 0;
}

/* Is the record on this thread's stack? A record ends on the thread that runs its callbacks. */
static bool on_stack(const struct uvh_context *context, const struct uvh_record *record)
{
	for (uint32_t i = 0; i < context->depth; i++)
		if (context->frames[i].record == record)
			return true;
	return false;
}

static void deliver(struct uvh_context *context, struct uvh_record *record, unsigned int flags)
{
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_emit(context, UVHOOKS_EVENT_DESTROY, record, uvh_space_base(record->space), 0,
			 NULL, flags);
	uvh_record_give(record);
}

static void queue(struct uvh_context *context, struct uvh_record *record)
{
	record->next = 0;
	if (context->destroy_first == 0)
		context->destroy_first = record->index;
	else
		uvh_record_at(context->destroy_last)->next = record->index;
	context->destroy_last = record->index;
	context->destroy_count++;
	record->flags |= UVH_RECORD_QUEUED;
}

/* As many destroys as Node lets wait before it delivers them early. */
#define DESTROY_MAX 16384

/*
 * Delivers what waits, in order; `forced`: although callbacks are on the stack, but not for them.
 * What hooks add meanwhile goes to the end of the same queue.
 */
static void deliver_queue(struct uvh_context *context, bool forced)
{
	struct uvh_scope scope = {.here = UVH_HERE()};
	struct uvh_frame *frame = NULL;
	uint32_t left = context->destroy_count;

	context->draining = true;
	if (uvh_hooks_on())
		frame = uvh_push(&scope, context);
	if (frame != NULL)
		*frame = (struct uvh_frame){.here = scope.here, .kind = UVH_FRAME_DRAIN};
	while (context->destroy_first != 0 && (!forced || left-- > 0)) {
		struct uvh_record *record = uvh_record_at(context->destroy_first);
		unsigned int flags = record->destroy_flags;

		context->destroy_first = record->next;
		if (record->next == 0)
			context->destroy_last = 0;
		context->destroy_count--;
		if (forced && on_stack(context, record)) {
			queue(context, record);
			continue;
		}
		if (forced) {
			uvh_count(UVH_COUNT_forced_destroys);
			flags |= UVHOOKS_FLAG_FORCED;
		}
		if (frame != NULL)
			context->frames[scope.index].id = uvh_space_base(record->space);
		deliver(context, record, flags);
	}
	if (frame != NULL)
		context->depth = scope.index;
	context->draining = false;
}

void uvh_drain(struct uvh_context *context)
{
	if (context->callbacks == 0 && context->destroy_first != 0 && !context->draining)
		deliver_queue(context, false);
}

_Static_assert(UVHOOKS_FLAG_AT_EXIT <= UINT8_MAX, "fits destroy_flags");

void uvh_end(struct uvh_context *context, struct uvh_record *record, unsigned int flags)
{
	if (record->flags & UVH_RECORD_QUEUED)
		return;
	if (!(record->flags & UVH_RECORD_ENDED))
		uvh_record_end(record);
	if (UVH_LIKELY(context->callbacks == 0 && context->destroy_first == 0 &&
		       !context->draining && !uvh_hooks_on())) {
		uvh_record_give(record);
		return;
	}
	record->destroy_flags = (uint8_t) flags;
	queue(context, record);
	if (context->callbacks == 0)
		uvh_drain(context);
	else if (context->destroy_count >= DESTROY_MAX && !context->draining)
		deliver_queue(context, true);
}
