/* SPDX-License-Identifier: MIT */
/* The life of a record, as all wrappers share it. */
#include "emit.h"
#include "wrap.h"

/* Apart, so that who makes a resource saves no registers for it. */
__attribute__((noinline)) static void tell_init(struct uvh_context *context,
						const struct uvh_record *record,
						uvhooks_async_id execution, unsigned int flags)
{
	uvh_emit_placed(context, UVHOOKS_EVENT_INIT, record, execution, 0,
			record->callback[UVH_MAIN], flags);
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
	if (UVH_UNLIKELY(space->user != context || space->records.free == 0 || uvh_on_memcheck ||
			 uvh_record_of_tag(*tag, owner) != NULL))
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

UVH_SLOW static int handle_begun_slowly(uintptr_t here, uv_loop_t *loop, void *handle,
					enum uvhooks_type type)
{
	uvh_handle_made(here, loop, handle, type, NULL, 0);
	return 0;
}

int uvh_handle_begun(uintptr_t here, uv_loop_t *loop, void *handle, enum uvhooks_type type)
{
	struct uvh_context *context = uvh_tls.context;
	uint64_t *tag = uvh_handle_tag(handle);
	struct uvh_record *record;

	if (UVH_UNLIKELY(context == NULL || !is_cached(context, loop)))
		return handle_begun_slowly(here, loop, handle, type);
	record = take_plainly(context, here, context->cached_space, tag, handle);
	if (UVH_UNLIKELY(record == NULL))
		return handle_begun_slowly(here, loop, handle, type);
	fill(record, handle, type, NULL);
	record->trigger = uvh_init_trigger(context);
	__atomic_store_n(&record->id, uvh_space_next_id(context->cached_space), __ATOMIC_RELEASE);
	*tag = uvh_record_tag(record);
	if (UVH_UNLIKELY(uvh_watched())) /* unless a scope says another, the creator is what runs */
		emit_init(context, record,
			  UVH_LIKELY(uvh_scope_trigger(context) == 0) ? record->trigger
								      : uvh_execution_id(context),
			  0);
	return 0;
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

/* `trigger` is 0 where it is the execution id. */
UVH_SLOW static bool submit_slowly(uintptr_t here, struct uvh_submission *submission,
				   struct uvh_space *space, void *request, uvhooks_async_id trigger)
{
	struct uvh_context *context = checked_context(here);
	uint64_t *tag = uvh_request_tag(request);
	struct uvh_record *record;

	submission->record = NULL;
	submission->space = space;
	submission->old = uvh_record_of_fresh(tag, request);
	submission->old_tag = *tag;
	if (space == NULL || (record = uvh_space_take(space, context)) == NULL)
		return false;
	record->trigger = trigger != 0 ? trigger : uvh_init_trigger(context);
	submission->record = record;
	return true;
}

/* Makes what was taken the record of the request. */
static inline bool submit(struct uvh_submission *submission, void *request, enum uvhooks_type type,
			  void *callback)
{
	fill(submission->record, request, type, callback);
	*uvh_request_tag(request) = uvh_record_tag(submission->record);
	return true;
}

static inline bool submit_plainly(struct uvh_context *context, uintptr_t here,
				  struct uvh_submission *submission, struct uvh_space *space,
				  void *request)
{
	struct uvh_record *record =
	    take_plainly(context, here, space, uvh_request_tag(request), request);

	submission->record = record;
	submission->space = space;
	submission->old = NULL;
	submission->old_tag = *uvh_request_tag(request);
	return record != NULL;
}

bool uvh_submit(uintptr_t here, struct uvh_submission *submission, uv_loop_t *loop, void *request,
		enum uvhooks_type type, void *callback)
{
	struct uvh_context *context = uvh_context();
	struct uvh_space *space;

	submission->record = NULL;
	if (UVH_UNLIKELY(context == NULL || request == NULL)) /* NULL: libuv says UV_EINVAL */
		return false;
	space = uvh_space_of_loop(context, loop);
	if (UVH_LIKELY(submit_plainly(context, here, submission, space, request)))
		submission->record->trigger = uvh_init_trigger(context);
	else if (!submit_slowly(here, submission, space, request, 0))
		return false;
	return submit(submission, request, type, callback);
}

bool uvh_submit_on(uintptr_t here, struct uvh_submission *submission, const void *handle,
		   void *request, enum uvhooks_type type, void *callback)
{
	struct uvh_context *context = uvh_context();
	struct uvh_record *target = uvh_record_of_handle(handle);
	uvhooks_async_id trigger;
	struct uvh_space *space;

	submission->record = NULL;
	if (UVH_UNLIKELY(target == NULL || context == NULL))
		return false;
	space = &uvh_spaces[target->space];
	trigger = uvh_scope_trigger(context);
	if (UVH_LIKELY(trigger == 0))
		trigger = target->id;
	if (UVH_LIKELY(submit_plainly(context, here, submission, space, request)))
		submission->record->trigger = trigger;
	else if (!submit_slowly(here, submission, space, request, trigger))
		return false;
	return submit(submission, request, type, callback);
}

__attribute__((noinline)) static void submitted_again_or_told(struct uvh_submission *submission)
{
	struct uvh_context *context = uvh_context();
	struct uvh_record *record = submission->record;

	if (UVH_UNLIKELY(submission->old != NULL))
		uvh_end(context, submission->old, UVHOOKS_FLAG_REUSED);
	__atomic_store_n(&record->id, uvh_space_next_id(submission->space), __ATOMIC_RELEASE);
	if (uvh_watched())
		emit_init(context, record, uvh_execution_id(context), 0);
}

void uvh_submitted_slowly(struct uvh_submission *submission)
{
	struct uvh_context *context = uvh_tls.context;
	struct uvh_record *record = submission->record;

	if (UVH_UNLIKELY(submission->old != NULL || (uvh_storing() && uvh_hooks_on()))) {
		submitted_again_or_told(submission);
		return;
	}
	__atomic_store_n(&record->id, uvh_space_next_id(submission->space), __ATOMIC_RELEASE);
	if (uvh_storing())
		uvh_stores_capture(context, record);
	else
		tell_init(context, record, uvh_execution_id(context), 0);
}

void uvh_refused(struct uvh_submission *submission)
{
	*uvh_request_tag(submission->record->owner) = submission->old_tag;
	uvh_record_give(submission->record);
	submission->record = NULL;
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
