/* SPDX-License-Identifier: MIT */
/* The life of a record, as all wrappers share it. */
#include "emit.h"
#include "wrap.h"

/* init or start: the stack comes with it, where stacks are taken. */
UVH_INLINE void tell_placed(struct uvh_context *context, enum uvhooks_event_type event,
			    const struct uvh_record *record, uvhooks_async_id execution,
			    uvhooks_async_id other, unsigned int flags)
{
	void *const callback = record->callback[UVH_MAIN];

	if (UVH_UNLIKELY(uvh_taking_stacks()))
		uvh_emit_with_stack(context, event, record, execution, other, callback, flags);
	else if (!uvh_told_sink(event, record, execution, other, callback, flags))
		uvh_emit_inline(context, uvh_head(event, flags), record, execution, other,
				callback);
}

/* Both stand apart, so that who makes or arms a resource saves no registers for them. */
__attribute__((noinline)) static void tell_init(struct uvh_context *context,
						const struct uvh_record *record,
						uvhooks_async_id execution, unsigned int flags)
{
	tell_placed(context, UVHOOKS_EVENT_INIT, record, execution, 0, flags);
}

void uvh_tell_start(struct uvh_context *context, const struct uvh_record *record,
		    uvhooks_async_id execution)
{
	tell_placed(context, UVHOOKS_EVENT_START, record, execution, execution, 0);
}

/* A resource came to be, and something is to be done about it; `execution` is what runs now. */
static inline void emit_init(struct uvh_context *context, struct uvh_record *record,
			     uvhooks_async_id execution, unsigned int flags)
{
	if (uvh_storing())
		uvh_stores_capture(context, record);
	if (uvh_hooks_on())
		tell_init(context, record, execution, flags);
}

/* A callback that was left by longjmp must not be taken for the creator. */
static struct uvh_context *checked_context(uintptr_t here)
{
	struct uvh_context *context = uvh_context();

	if (UVH_LIKELY(context != NULL))
		uvh_stack_check(context, here);
	return context;
}

/*
 * A record from the space of `loop` for a struct that has none, where nothing special is to be
 * done; else NULL, and then nothing has happened yet.
 */
static inline struct uvh_record *take_plainly(struct uvh_context *context, uintptr_t here,
					      struct uvh_space *space, uint64_t *tag,
					      const void *owner)
{
	struct uvh_record *record;

	if (UVH_UNLIKELY(here - context->top->here < UVH_STACK_SPAN || space == NULL))
		return NULL;
	if (UVH_UNLIKELY(space->user != context || space->records.free == 0 || uvh_on_memcheck))
		return NULL;
	if (*tag != 0 && UVH_UNLIKELY(uvh_record_of_tag(*tag, owner) != NULL))
		return NULL;
	record = uvh_record_at(space->records.free);
	space->records.free = record->next;
	uvh_record_set_space(record, space->number);
	space->live++;
	return record;
}

static inline bool is_cached(const struct uvh_context *context, const uv_loop_t *loop)
{
	return context->cached_loop == loop &&
	       context->cached_epoch == __atomic_load_n(&uvh_loop_epoch, __ATOMIC_ACQUIRE);
}

static inline void fill(struct uvh_record *record, void *owner, enum uvhooks_type type,
			void *callback)
{
	uvh_record_own(record, owner);
	record->arm = 0;
	record->callback[UVH_MAIN] = callback;
	record->callback[UVH_EXTRA] = NULL;
	uvh_record_set_types(record, type, UVHOOKS_FS_NONE);
}

struct uvh_record *uvh_handle_made(uintptr_t here, uv_loop_t *loop, void *handle,
				   enum uvhooks_type type, void *callback, unsigned int flags)
{
	struct uvh_context *context = checked_context(here);
	uint64_t *tag = uvh_handle_tag(handle);
	struct uvh_record *old = uvh_record_of_fresh(tag, handle);
	struct uvh_space *space = context == NULL ? NULL : uvh_space_of_loop(context, loop);
	struct uvh_record *record;

	if (old != NULL)
		uvh_end(context, old, UVHOOKS_FLAG_REUSED);
	record = space == NULL ? NULL : uvh_space_take(space, context);
	if (record == NULL) {
		*tag = 0; /* no longer garbage, whoever reads it next */
		return NULL;
	}
	fill(record, handle, type, callback);
	record->trigger = uvh_init_trigger(context);
	__atomic_store_n(&record->id, uvh_space_next_id(space), __ATOMIC_RELEASE);
	*tag = uvh_record_tag(record);
	if (UVH_UNLIKELY(uvh_watched()))
		emit_init(context, record, uvh_execution_id(context), flags);
	return record;
}

/* The same as uvh_init_trigger, where nothing special is to be done; else 0. */
static inline uvhooks_async_id plain_trigger(const struct uvh_context *context)
{
	const struct uvh_frame *top = context->top;
	const struct uvh_space *home;

	if (UVH_LIKELY(top->kind < UVH_FRAME_SCOPED_EMBEDDER))
		return top->id;
	home = __atomic_load_n(&context->home, __ATOMIC_RELAXED);
	return top->kind == UVH_FRAME_BOTTOM && context->root == 0 && home != NULL
		   ? uvh_space_root(home)
		   : 0;
}

UVH_SLOW static int handle_begun_slowly(uintptr_t here, uv_loop_t *loop, void *handle,
					enum uvhooks_type type)
{
	uvh_handle_made(here, loop, handle, type, NULL, 0);
	return 0;
}

/* What triggers it is what runs, as plain_trigger() found. */
__attribute__((noinline)) static int handle_told(struct uvh_context *context,
						 struct uvh_record *record)
{
	emit_init(context, record, record->trigger, 0);
	return 0;
}

int uvh_handle_begun(uintptr_t here, uv_loop_t *loop, void *handle, enum uvhooks_type type)
{
	struct uvh_context *context = uvh_tls.context;
	uint64_t *tag = uvh_handle_tag(handle);
	uvhooks_async_id trigger;
	struct uvh_record *record;

	if (UVH_UNLIKELY(context == NULL || !is_cached(context, loop)) ||
	    UVH_UNLIKELY((trigger = plain_trigger(context)) == 0))
		return handle_begun_slowly(here, loop, handle, type);
	record = take_plainly(context, here, context->cached_space, tag, handle);
	if (UVH_UNLIKELY(record == NULL))
		return handle_begun_slowly(here, loop, handle, type);
	fill(record, handle, type, NULL);
	record->trigger = trigger;
	__atomic_store_n(&record->id, uvh_space_next_id(context->cached_space), __ATOMIC_RELEASE);
	*tag = uvh_record_tag(record);
	return UVH_UNLIKELY(uvh_watched()) ? handle_told(context, record) : 0;
}

void uvh_handle_event(struct uvh_record *record, enum uvhooks_event_type event, void *callback)
{
	struct uvh_context *context = uvh_context();

	if (context == NULL)
		return;
	if (event == UVHOOKS_EVENT_STOP)
		uvh_tell(context, UVHOOKS_EVENT_STOP, record, uvh_execution_id(context),
			 record->arm, callback, 0);
	else
		uvh_emit(context, event, record, uvh_execution_id(context), record->arm, callback,
			 0);
}

/* Makes what was taken the record of the request. */
static inline struct uvh_record *prepare(struct uvh_record *record, void *request,
					 enum uvhooks_type type, void *callback,
					 uvhooks_async_id trigger)
{
	fill(record, request, type, callback);
	record->trigger = trigger;
	*uvh_request_tag(request) = uvh_record_tag(record);
	return record;
}

static struct uvh_record *prepare_slowly(struct uvh_context *context, struct uvh_space *space,
					 void *request, enum uvhooks_type type, void *callback,
					 uvhooks_async_id trigger)
{
	uint64_t *tag = uvh_request_tag(request);
	const uint64_t old_tag = uvh_record_of_fresh(tag, request) != NULL ? *tag : 0;
	struct uvh_record *record = space == NULL ? NULL : uvh_space_take(space, context);

	if (record == NULL)
		return NULL;
	prepare(record, request, type, callback, trigger);
	record->old_tag = old_tag;
	return record;
}

UVH_SLOW static struct uvh_record *submit_slowly(uintptr_t here, uv_loop_t *loop, void *request,
						 enum uvhooks_type type, void *callback)
{
	struct uvh_context *context = checked_context(here);

	if (context == NULL || request == NULL) /* NULL: libuv says UV_EINVAL */
		return NULL;
	return prepare_slowly(context, uvh_space_of_loop(context, loop), request, type, callback,
			      uvh_init_trigger(context));
}

struct uvh_record *uvh_submit(uintptr_t here, uv_loop_t *loop, void *request,
			      enum uvhooks_type type, void *callback)
{
	struct uvh_context *context = uvh_tls.context;
	uvhooks_async_id trigger;
	struct uvh_record *record;

	if (UVH_UNLIKELY(context == NULL || request == NULL || !is_cached(context, loop)) ||
	    UVH_UNLIKELY((trigger = plain_trigger(context)) == 0))
		return submit_slowly(here, loop, request, type, callback);
	record =
	    take_plainly(context, here, context->cached_space, uvh_request_tag(request), request);
	if (UVH_UNLIKELY(record == NULL))
		return submit_slowly(here, loop, request, type, callback);
	return prepare(record, request, type, callback, trigger);
}

UVH_SLOW static struct uvh_record *submit_on_slowly(uintptr_t here, const void *handle,
						    void *request, enum uvhooks_type type,
						    void *callback)
{
	struct uvh_context *context = checked_context(here);
	const struct uvh_record *target = uvh_record_of_handle(handle);
	uvhooks_async_id trigger;

	if (context == NULL || target == NULL)
		return NULL;
	trigger = uvh_scope_trigger(context);
	return prepare_slowly(context, &uvh_spaces[target->space], request, type, callback,
			      trigger != 0 ? trigger : target->id);
}

struct uvh_record *uvh_submit_on(uintptr_t here, const void *handle, void *request,
				 enum uvhooks_type type, void *callback)
{
	struct uvh_context *context = uvh_tls.context;
	const struct uvh_record *target = uvh_record_of_handle(handle);
	struct uvh_record *record;

	if (UVH_UNLIKELY(context == NULL || target == NULL) ||
	    UVH_UNLIKELY(uvh_scope_trigger(context) != 0))
		return submit_on_slowly(here, handle, request, type, callback);
	record = take_plainly(context, here, &uvh_spaces[target->space], uvh_request_tag(request),
			      request);
	if (UVH_UNLIKELY(record == NULL))
		return submit_on_slowly(here, handle, request, type, callback);
	return prepare(record, request, type, callback, target->id);
}

__attribute__((noinline)) static void submitted_again_or_told(struct uvh_record *record)
{
	struct uvh_context *context = uvh_context();
	struct uvh_record *old = uvh_record_of_tag(record->old_tag, record->owner);

	record->old_tag = 0;
	if (UVH_UNLIKELY(old != NULL))
		uvh_end(context, old, UVHOOKS_FLAG_REUSED);
	__atomic_store_n(&record->id, uvh_space_next_id(&uvh_spaces[record->space]),
			 __ATOMIC_RELEASE);
	if (uvh_watched())
		emit_init(context, record, uvh_execution_id(context), 0);
}

void uvh_submitted_slowly(struct uvh_record *record)
{
	struct uvh_context *context = uvh_tls.context;

	if (UVH_UNLIKELY(record->old_tag != 0 || (uvh_storing() && uvh_hooks_on()))) {
		submitted_again_or_told(record);
		return;
	}
	__atomic_store_n(&record->id, uvh_space_next_id(&uvh_spaces[record->space]),
			 __ATOMIC_RELEASE);
	if (uvh_storing())
		uvh_stores_capture(context, record);
	else
		tell_init(context, record, uvh_execution_id(context), 0);
}

void uvh_refused(struct uvh_record *record)
{
	*uvh_request_tag(record->owner) = record->old_tag;
	uvh_record_give(record);
}

void *uvh_meant(uv_loop_t *loop, enum uvhooks_type type, enum uvh_slot slot)
{
	const uint32_t limit = __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE);
	struct uvh_context *context = uvh_context();
	const struct uvh_space *space = context == NULL ? NULL : uvh_space_of_loop(context, loop);
	void *function = NULL;

	for (uint32_t index = 1; space != NULL && index < limit; index++) {
		const struct uvh_record *record = uvh_record_at(index);

		/* Of the loop that this thread uses: nobody else changes it. */
		if (__atomic_load_n(&record->id, __ATOMIC_RELAXED) == 0 ||
		    record->space != space->number || record->type != type ||
		    record->flags & UVH_RECORD_ENDED || record->callback[slot] == NULL ||
		    record->callback[slot] == function)
			continue;
		if (function != NULL) {
			function = NULL;
			break;
		}
		function = record->callback[slot];
	}
	if (function == NULL)
		uvh_count(UVH_COUNT_untracked_callbacks);
	return function;
}

struct uvh_record *uvh_lost_record(const void *owner, uint64_t tag)
{
	struct uvh_record *record = uvh_record_by_search(owner);
	bool lost = record == NULL;

	/* What the program may have overwritten is the tag; the record is ours alone. */
	if (lost)
		record = uvh_record_of_tag_alone(tag);

	uvh_count(record == NULL ? UVH_COUNT_untracked_callbacks : UVH_COUNT_recovered_callbacks);
	if (lost)
		uvh_broken("a callback came for a struct that no record names");
	return record;
}

void *uvh_enter_handle_slowly(struct uvh_scope *scope, const void *handle, unsigned int flags)
{
	struct uvh_record *record = uvh_callback_record(handle);
	void *callback = record == NULL ? NULL : record->callback[UVH_MAIN];

	if (UVH_LIKELY(callback != NULL))
		uvh_enter(scope, record, callback, flags, UVH_FRAME_CALLBACK, false);
	return callback;
}

void *uvh_enter_request_slowly(struct uvh_scope *scope, void *request)
{
	struct uvh_record *record = uvh_record_of_request(request);
	unsigned int flags;
	void *callback;

	if (UVH_UNLIKELY(record == NULL) &&
	    (record = uvh_lost_record(request, *uvh_request_tag(request))) == NULL)
		return NULL;
	callback = record->callback[UVH_MAIN];
	flags = record->flags & UVH_RECORD_CANCELLED ? UVHOOKS_FLAG_CANCELLED : 0;
	uvh_record_end(record);
	if (callback != NULL) {
		uvh_enter(scope, record, callback, flags, UVH_FRAME_CALLBACK, true);
		if (UVH_LIKELY(scope->context != NULL))
			return callback;
	}
	if (UVH_LIKELY(uvh_context() != NULL))
		uvh_end(uvh_context(), record, 0);
	return callback;
}
