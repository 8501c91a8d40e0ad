/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "init.h"
#include "storage.h"

__thread struct uvh_tls uvh_tls = {.sink_hook = UVH_NO_SINK};

uvhooks_async_id uvh_home_root(struct uvh_context *context)
{
	const struct uvh_space *home = uvh_home(context);

	return home == NULL ? 0 : uvh_space_root(home);
}

uvhooks_async_id uvh_execution_trigger(const struct uvh_context *context)
{
	const struct uvh_frame *top = context->top;

	if (top->kind == UVH_FRAME_BOTTOM)
		return context->root_trigger;
	return top->kind <= UVH_FRAME_WORK ? top->record->trigger : top->trigger;
}

int uvh_stack_grow(struct uvh_context *context)
{
	size_t capacity = (size_t) (context->limit - context->frames);
	size_t depth = (size_t) (context->top - context->frames) + 1;
	struct uvh_frame *frames = uvh_map(capacity * 2 * sizeof(struct uvh_frame));

	if (frames == NULL)
		return -1;
	memcpy(frames, context->frames, depth * sizeof(*frames));
	/* The smaller array is left: growth is geometric, and the context is used again. */
	context->frames = frames;
	context->limit = frames + capacity * 2;
	context->top = frames + depth - 1;
	return 0;
}

/*
 * An event of a scope of an embedder's resource, from what the frame knows: another thread may end
 * the resource meanwhile, and then the record is another's.
 */
__attribute__((noinline)) static void emit_embedder(struct uvh_context *context,
						    const struct uvh_frame *frame,
						    enum uvhooks_event_type type,
						    unsigned int flags)
{
	struct uvhooks_event event = {
	    .event = (uint16_t) type,
	    .flags = (uint16_t) flags,
	    .async_id = frame->id,
	    .trigger_async_id = frame->trigger,
	    .execution_async_id = frame->id,
	    .type = frame->type,
	    .fs_type = UVHOOKS_FS_NONE,
	    .pointer = __atomic_load_n(&frame->record->owner, __ATOMIC_RELAXED),
	    .loop = uvh_loop_of_space((uint16_t) uvhooks_id_space(frame->id)),
	    .callback = frame->callback,
	    .stores = frame->stores,
	};

	if (UVH_UNLIKELY(__atomic_load_n(&frame->record->id, __ATOMIC_ACQUIRE) != frame->id)) {
		event.pointer = NULL;
		event.flags |= UVHOOKS_FLAG_AFTER_DESTROY;
	}
	uvh_dispatch(context, &event);
}

/* The event with which a callback ends. */
static inline void emit_end(struct uvh_context *context, const struct uvh_frame *frame,
			    unsigned int flags)
{
	if (frame->kind == UVH_FRAME_WORK)
		uvh_tell(context, UVHOOKS_EVENT_WORK_END, frame->record, frame->id, 0,
			 frame->callback, flags);
	else if (UVH_LIKELY(frame->kind == UVH_FRAME_CALLBACK))
		uvh_emit(context, UVHOOKS_EVENT_AFTER, frame->record, frame->id, 0, frame->callback,
			 flags);
	else
		emit_embedder(context, frame, UVHOOKS_EVENT_AFTER, flags);
}

/* Takes the top frame off. */
static inline void take_off(struct uvh_context *context)
{
	const struct uvh_frame *frame = context->top;
	struct uvh_store *owned = frame->state & UVH_FRAME_OWNS_STORES ? frame->stores : NULL;

	context->top--;
	if (UVH_UNLIKELY(owned != NULL))
		uvh_store_drop(owned);
}

static void emit_loop(struct uvh_context *context, enum uvhooks_event_type type,
		      struct uvh_space *space, unsigned int flags)
{
	uvhooks_async_id trigger =
	    context->top == context->frames ? 0 : uvh_execution_trigger(context);
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

void uvh_loop_busy(uv_loop_t *loop)
{
	struct uvh_context *context = uvh_context();
	struct uvh_space *space = context == NULL ? NULL : uvh_space_of_loop(context, loop);

	if (space != NULL)
		emit_loop(context, UVHOOKS_EVENT_LOOP_BUSY, space, 0);
}

/* Takes the top frame off, with the event that its callback owes. */
static void pop(struct uvh_context *context, unsigned int flags)
{
	struct uvh_frame *frame = context->top;
	struct uvh_record *record = frame->record;
	bool ends = frame->state & UVH_FRAME_ENDS;

	switch (frame->kind) {
	case UVH_FRAME_LOOP: {
		struct uvh_space *space = frame->callback;

		context->running = frame->outer_loop;
		take_off(context);
		uvh_drain(context);
		if (UVH_UNLIKELY(uvh_hooks_on()))
			emit_loop(context, UVHOOKS_EVENT_LOOP_EXIT, space, flags);
		return;
	}
	case UVH_FRAME_DRAIN:
	case UVH_FRAME_SCOPE:
		take_off(context);
		return;
	default:
		if (UVH_UNLIKELY(uvh_hooks_on()))
			emit_end(context, frame, frame->flags | flags);
		take_off(context);
		if (ends)
			uvh_end(context, record, 0);
		if (UVH_UNLIKELY(context->destroy_first != 0))
			uvh_drain(context);
	}
}

/* Takes off what a longjmp left. */
static void pop_left(struct uvh_context *context)
{
	if (context->top->record != NULL && context->top->kind != UVH_FRAME_SCOPE)
		uvh_count(UVH_COUNT_unwound_by_longjmp);
	pop(context, UVHOOKS_FLAG_UNWOUND);
}

void uvh_stack_mend(struct uvh_context *context, uintptr_t here)
{
	if (!uvh_options.longjmp)
		return;
	while (here - context->top->here < UVH_STACK_SPAN) {
		pop_left(context);
	}
}

void *uvh_emit_before(struct uvh_context *context, const struct uvh_hook_set *set)
{
	const struct uvh_frame *frame = context->top;

	if (UVH_UNLIKELY(frame->kind != UVH_FRAME_CALLBACK)) {
		emit_embedder(context, frame, UVHOOKS_EVENT_BEFORE, frame->flags);
		return NULL;
	}
	return uvh_emit_to(context, set, uvh_head(UVHOOKS_EVENT_BEFORE, frame->flags),
			   frame->record, frame->id, 0, frame->callback);
}

void uvh_emit_work_begin(struct uvh_context *context)
{
	const struct uvh_frame *frame = context->top;

	uvh_tell(context, UVHOOKS_EVENT_WORK_BEGIN, frame->record, frame->id, 0, frame->callback,
		 0);
}

void uvh_leave_told(struct uvh_scope *scope, const struct uvh_hook_set *set)
{
	struct uvh_context *context = scope->context;
	const struct uvh_frame *frame = context->top;

	uvh_tls.in_libuv = scope->in_libuv;
	if (UVH_LIKELY(frame->kind == UVH_FRAME_CALLBACK))
		uvh_emit_to(context, set, uvh_head(UVHOOKS_EVENT_AFTER, frame->flags),
			    frame->record, frame->id, 0, frame->callback);
	else
		emit_end(context, frame, frame->flags);
	take_off(context);
	if (UVH_UNLIKELY(context->destroy_first != 0))
		uvh_drain(context);
}

/* Delivers one destroy, with no other waiting and no callback on the stack. */
UVH_INLINE void deliver_now(struct uvh_context *context, struct uvh_record *record,
			    unsigned int flags);

void uvh_leave_last_told(struct uvh_scope *scope, const struct uvh_hook_set *set)
{
	struct uvh_context *context = scope->context;
	const struct uvh_frame *frame = context->top;
	struct uvh_record *record = frame->record;

	uvh_tls.in_libuv = scope->in_libuv;
	uvh_emit_to(context, set, uvh_head(UVHOOKS_EVENT_AFTER, frame->flags), record, frame->id, 0,
		    frame->callback);
	take_off(context);
	if (UVH_UNLIKELY(context->destroys != 0) || UVH_UNLIKELY(uvh_in_callback(context)) ||
	    UVH_UNLIKELY(record->flags & UVH_RECORD_QUEUED) ||
	    UVH_UNLIKELY(context->top + 1 == context->limit)) {
		uvh_end(context, record, 0);
		uvh_drain(context);
	} else {
		deliver_now(context, record, 0);
	}
}

void uvh_leave_slowly(struct uvh_scope *scope)
{
	struct uvh_context *context = scope->context;
	unsigned int flags = scope->returned ? 0 : UVHOOKS_FLAG_UNWOUND;
	const struct uvh_frame *frame;
	int saved_errno;

	uvh_tls.in_libuv = scope->in_libuv;
	/* Entered without a frame: the callback ran, but nobody could be told. */
	if (UVH_UNLIKELY(context == NULL))
		return;
	if (UVH_LIKELY(uvh_frame_here(context->top) == scope->here)) {
		pop(context, flags);
		return;
	}
	saved_errno = errno;
	frame = context->top;
	while (frame != context->frames && uvh_frame_here(frame) != scope->here)
		frame--;
	if (frame != context->frames) {
		size_t depth = (size_t) (frame - context->frames);

		/* Callbacks above us were left by a longjmp to a place below us. */
		while (context->top > context->frames + depth) {
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
	while (context->top != context->frames)
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
	if (uvh_in_callback(context)) {
		below.id = context->top->id;
		below.trigger = uvh_execution_trigger(context);
	}
	frame = uvh_place(scope, context);
	if (frame == NULL) {
		uvh_count(UVH_COUNT_stack_exhausted);
		return;
	}
	/* In a nested run the callback that called it is still the one that runs. */
	frame->id = uvh_in_callback(context) ? below.id : uvh_space_base(space->number);
	frame->here = scope->here;
	frame->trigger = below.trigger;
	frame->record = NULL;
	frame->callback = space;
	frame->kind = UVH_FRAME_LOOP;
	frame->state = context->top->state & UVH_FRAME_IN_CALLBACK;
	frame->flags = 0;
	uvh_stores_inherit(frame, context);
	frame->outer_loop = context->running;
	context->running = space;
	uvh_push(context, frame);
}

bool uvh_enter_scope(struct uvh_scope *scope, struct uvh_context *context)
{
	struct uvh_frame *frame = uvh_place(scope, context);
	const struct uvh_frame *below = context->top;

	if (UVH_UNLIKELY(frame == NULL)) {
		uvh_count(UVH_COUNT_stack_exhausted);
		return false;
	}
	frame->id = uvh_execution_id(context);
	frame->here = scope->here;
	frame->record = below->kind == UVH_FRAME_BOTTOM ? context->root_record : below->record;
	frame->callback = frame->record != NULL ? below->callback : NULL;
	frame->trigger = uvh_execution_trigger(context);
	frame->init_trigger = uvh_scope_trigger(context);
	frame->kind = UVH_FRAME_SCOPE;
	frame->state = below->state & UVH_FRAME_IN_CALLBACK;
	frame->flags = 0;
	uvh_stores_inherit(frame, context);
	uvh_push(context, frame);
	return true;
}

/* Is the record on this thread's stack? A record ends on the thread that runs its callbacks. */
static bool on_stack(const struct uvh_context *context, const struct uvh_record *record)
{
	for (const struct uvh_frame *frame = context->top; frame != context->frames; frame--)
		if (frame->record == record)
			return true;
	return false;
}

void uvh_give_slowly(struct uvh_record *record)
{
	uvh_stores_forget_slowly(record);
	uvh_record_give(record);
}

static void deliver(struct uvh_context *context, struct uvh_record *record, unsigned int flags)
{
	if (UVH_UNLIKELY(uvh_hooks_on()) && UVH_LIKELY(!(record->flags & UVH_RECORD_DESTROYED)))
		uvh_tell(context, UVHOOKS_EVENT_DESTROY, record, uvh_space_base(record->space), 0,
			 NULL, flags);
	uvh_give(record);
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
	uvh_record_flag(record, UVH_RECORD_QUEUED);
}

/* The first that waits. NULL: the queue is no queue any more, and is given up. */
static struct uvh_record *queued_first(struct uvh_context *context)
{
	const uint32_t index = context->destroy_first;
	const uint32_t limit = __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE);
	struct uvh_record *record = index < limit ? uvh_record_at(index) : NULL;

	if (UVH_LIKELY(record != NULL) && UVH_LIKELY(record->flags & UVH_RECORD_QUEUED))
		return record;
	context->destroy_first = context->destroy_last = context->destroy_count = 0;
	uvh_broken("a destroy waits that nobody has queued");
	return NULL;
}

/* As many destroys as Node lets wait before it delivers them early. */
#define DESTROY_MAX 16384

/* All of it in one store, as callbacks read it in one load, which would wait for a shorter one. */
static inline void set_draining(struct uvh_context *context, bool draining)
{
	context->destroys = context->destroy_first | (uint64_t) draining << 32;
}

/*
 * Delivers what waits, in order; `forced`: although callbacks are on the stack, but not for them.
 * What hooks add meanwhile goes to the end of the same queue.
 */
static void deliver_queue(struct uvh_context *context, bool forced)
{
	struct uvh_scope scope = {.here = UVH_HERE()};
	struct uvh_frame *frame = NULL;
	uint32_t left = context->destroy_count;
	size_t depth = 0; /* the frames may move while hooks run */

	set_draining(context, true);
	if (uvh_hooks_on())
		frame = uvh_place(&scope, context);
	if (frame != NULL) {
		*frame = (struct uvh_frame){
		    .here = scope.here,
		    .kind = UVH_FRAME_DRAIN,
		    .state = context->top->state & UVH_FRAME_IN_CALLBACK,
		};
		uvh_push(context, frame);
		depth = (size_t) (frame - context->frames);
	}
	while (context->destroy_first != 0 && (!forced || left-- > 0)) {
		struct uvh_record *record = queued_first(context);
		unsigned int flags;

		if (UVH_UNLIKELY(record == NULL))
			break;
		flags = record->destroy_flags;
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
			context->frames[depth].id = uvh_space_base(record->space);
		deliver(context, record, flags);
	}
	if (frame != NULL)
		while (context->top >= context->frames + depth)
			take_off(context);
	set_draining(context, false);
}

UVH_INLINE void deliver_now(struct uvh_context *context, struct uvh_record *record,
			    unsigned int flags)
{
	struct uvh_frame *frame = context->top + 1;

	frame->id = uvh_space_base(record->space);
	frame->here = UVH_HERE();
	frame->record = NULL;
	frame->trigger = 0;
	frame->kind = UVH_FRAME_DRAIN;
	frame->state = 0;
	uvh_push(context, frame);
	uvh_record_flag(record, UVH_RECORD_QUEUED);
	set_draining(context, true);
	uvh_emit_inline(context, uvh_head(UVHOOKS_EVENT_DESTROY, flags), record, frame->id, 0,
			NULL);
	set_draining(context, false);
	take_off(context);
	uvh_give(record);
	if (UVH_UNLIKELY(context->destroy_first != 0))
		deliver_queue(context, false);
}

void uvh_drain(struct uvh_context *context)
{
	if (context->destroy_first != 0 && !uvh_in_callback(context) && !context->draining)
		deliver_queue(context, false);
}

void uvh_end_now(struct uvh_context *context, struct uvh_record *record, unsigned int flags)
{
	uvh_record_flag(record, UVH_RECORD_ENDED);
	if (uvh_hooks_on())
		deliver_now(context, record, flags);
	else
		uvh_give(record);
}

_Static_assert(UVHOOKS_FLAG_AT_EXIT <= UINT8_MAX, "fits destroy_flags");

void uvh_end(struct uvh_context *context, struct uvh_record *record, unsigned int flags)
{
	if (record->flags & UVH_RECORD_QUEUED)
		return;
	if (!(record->flags & UVH_RECORD_ENDED))
		uvh_record_end(record);
	if (UVH_LIKELY(!uvh_in_callback(context) && context->destroys == 0 && !uvh_hooks_on())) {
		uvh_give(record);
		return;
	}
	record->destroy_flags = (uint8_t) flags;
	queue(context, record);
	if (!uvh_in_callback(context))
		uvh_drain(context);
	else if (context->destroy_count >= DESTROY_MAX && !context->draining)
		deliver_queue(context, true);
}
