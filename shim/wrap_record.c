/* SPDX-License-Identifier: MIT */
/* The life of a record, as all wrappers share it. */
#include "wrap.h"

static void emit_init(struct uvh_context *context, const struct uvh_record *record,
		      unsigned int flags)
{
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_emit(context, UVHOOKS_EVENT_INIT, record, uvh_execution_id(context), 0,
			 record->callback[UVH_MAIN], flags);
}

/* A callback that was left by longjmp must not be taken for the creator. */
static struct uvh_context *checked_context(uintptr_t here)
{
	struct uvh_context *context = uvh_context();

	if (UVH_LIKELY(context != NULL))
		uvh_stack_check(context, here);
	return context;
}

/* A record of the space for a struct, whose tag now leads to it; no id yet. */
static struct uvh_record *take_record(struct uvh_context *context, struct uvh_space *space,
				      uint64_t *tag, void *owner, enum uvhooks_type type,
				      void *callback)
{
	struct uvh_record *record = space == NULL ? NULL : uvh_space_take(space, context);

	if (record == NULL)
		return NULL;
	uvh_record_own(record, owner);
	record->arm = 0;
	record->callback[UVH_MAIN] = callback;
	record->callback[UVH_EXTRA] = NULL;
	record->callback[UVH_CLOSE] = NULL;
	record->type = (uint8_t) type;
	record->fs_type = UVHOOKS_FS_NONE;
	*tag = uvh_record_tag(record);
	return record;
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
	record = take_record(context, space, tag, handle, type, callback);
	if (record == NULL) {
		*tag = 0; /* no longer garbage, whoever reads it next */
		return NULL;
	}
	record->trigger = uvh_execution_id(context);
	__atomic_store_n(&record->id, uvh_space_next_id(space), __ATOMIC_RELEASE);
	emit_init(context, record, flags);
	return record;
}

void uvh_handle_event(struct uvh_record *record, enum uvhooks_event_type event, void *callback)
{
	struct uvh_context *context = uvh_context();

	if (context != NULL)
		uvh_emit(context, event, record, uvh_execution_id(context), record->arm, callback,
			 0);
}

static bool prepare(struct uvh_submission *submission, struct uvh_context *context,
		    struct uvh_space *space, void *request, enum uvhooks_type type, void *callback)
{
	uint64_t *tag = uvh_request_tag(request);

	submission->context = context;
	submission->tag = tag;
	submission->old = uvh_record_of_fresh(tag, request);
	submission->old_tag = *tag;
	submission->record = take_record(context, space, tag, request, type, callback);
	return submission->record != NULL;
}

bool uvh_submit(uintptr_t here, struct uvh_submission *submission, uv_loop_t *loop, void *request,
		enum uvhooks_type type, void *callback)
{
	struct uvh_context *context = checked_context(here);
	struct uvh_space *space;

	if (UVH_UNLIKELY(context == NULL || request == NULL)) { /* NULL: libuv says UV_EINVAL */
		submission->record = NULL;
		return false;
	}
	space = uvh_space_of_loop(context, loop);
	return prepare(submission, context, space, request, type, callback);
}

bool uvh_submit_on(uintptr_t here, struct uvh_submission *submission, const void *handle,
		   void *request, enum uvhooks_type type, void *callback, uvhooks_async_id *trigger)
{
	struct uvh_record *target = uvh_record_of_handle(handle);
	struct uvh_context *context = checked_context(here);

	if (target == NULL || context == NULL) {
		submission->record = NULL;
		return false;
	}
	*trigger = target->id;
	return prepare(submission, context, &uvh_spaces[target->space], request, type, callback);
}

void uvh_submitted(struct uvh_submission *submission, uvhooks_async_id trigger)
{
	struct uvh_context *context = submission->context;
	struct uvh_record *record = submission->record;

	if (UVH_UNLIKELY(submission->old != NULL))
		uvh_end(context, submission->old, UVHOOKS_FLAG_REUSED);
	record->trigger = trigger != 0 ? trigger : uvh_execution_id(context);
	__atomic_store_n(&record->id, uvh_space_next_id(&uvh_spaces[record->space]),
			 __ATOMIC_RELEASE);
	emit_init(context, record, 0);
}

void uvh_refused(struct uvh_submission *submission)
{
	uvh_record_give(submission->record);
	*submission->tag = submission->old_tag;
	submission->record = NULL;
}

struct uvh_record *uvh_lost_record(const void *owner)
{
	struct uvh_record *record = uvh_record_by_search(owner);

	uvh_count(record == NULL ? UVH_COUNT_untracked_callbacks : UVH_COUNT_recovered_callbacks);
	uvh_broken("a callback came for a struct without a record");
	return record;
}

void *uvh_enter_request(struct uvh_scope *scope, void *request)
{
	struct uvh_record *record = uvh_record_of_request(request);
	unsigned int flags;
	void *callback;

	if (UVH_UNLIKELY(record == NULL) && (record = uvh_lost_record(request)) == NULL)
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
