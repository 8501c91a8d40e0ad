/* SPDX-License-Identifier: MIT */
/*
 * Threads. A thread is a resource: its top-level code runs in it. It is no frame on the stack,
 * though: what the thread does in uv_run has no callback below it, and destroys need not wait for
 * the thread's end.
 */
#include "wrap.h"

static void emit_thread(struct uvh_context *context, const struct uvh_record *record,
			enum uvhooks_event_type event, uvhooks_async_id execution,
			unsigned int flags)
{
	if (UVH_UNLIKELY(uvh_hooks_on()))
		uvh_emit(context, event, record, execution, 0,
			 event == UVHOOKS_EVENT_DESTROY ? NULL : record->callback[UVH_MAIN], flags);
}

struct thread_scope {
	struct uvh_context *context;
	struct uvh_record *record;
	bool returned;
};

/* The entry function has returned, or pthread_exit or cancellation went through it. */
static void leave_thread(struct thread_scope *scope)
{
	struct uvh_context *context = scope->context;
	struct uvh_record *record = scope->record;
	unsigned int flags = scope->returned ? 0 : UVHOOKS_FLAG_UNWOUND;

	if (context != NULL) {
		uvh_unwind_all(context, UVHOOKS_FLAG_UNWOUND);
		emit_thread(context, record, UVHOOKS_EVENT_AFTER, record->id, flags);
		context->root = context->root_trigger = 0;
		context->root_record = NULL;
		uvh_end_now(context, record, 0);
	} else {
		uvh_give(record);
	}
}

static void tramp_thread(void *data)
{
	struct uvh_record *record = data;
	uv_thread_cb entry = (uv_thread_cb) record->callback[UVH_MAIN];
	void *arg = record->callback[UVH_EXTRA];
	struct thread_scope scope __attribute__((cleanup(leave_thread))) = {
	    .context = uvh_context(),
	    .record = record,
	};

	if (scope.context != NULL) {
		scope.context->root = record->id;
		scope.context->root_trigger = record->trigger;
		scope.context->root_record = record;
		uvh_stores_begin_thread(scope.context, record);
		emit_thread(scope.context, record, UVHOOKS_EVENT_BEFORE, record->id, 0);
	}
	entry(arg);
	scope.returned = true;
}

/* The thread may run before its creator returns, so the resource comes to be first. */
static struct uvh_record *thread_begins(uintptr_t here, uv_thread_cb entry, void *arg)
{
	struct uvh_context *context = uvh_context();
	struct uvh_space *home = context == NULL ? NULL : uvh_home(context);
	struct uvh_record *record = home == NULL ? NULL : uvh_pooled_take(context);

	if (record == NULL)
		return NULL;
	uvh_stack_check(context, here);
	record->trigger = uvh_init_trigger(context);
	record->arm = 0;
	record->callback[UVH_MAIN] = (void *) entry;
	record->callback[UVH_EXTRA] = arg;
	uvh_record_set_space(record, home->number);
	record->type = UVHOOKS_UVTHREAD;
	record->fs_type = UVHOOKS_FS_NONE;
	__atomic_store_n(&record->id, uvh_space_next_id(home), __ATOMIC_RELEASE);
	if (uvh_storing())
		uvh_stores_capture_slowly(context, record);
	emit_thread(context, record, UVHOOKS_EVENT_INIT, uvh_execution_id(context), 0);
	return record;
}

static int thread_begun(struct uvh_record *record, int result)
{
	struct uvh_context *context = uvh_context();

	if (UVH_UNLIKELY(result != 0)) {
		emit_thread(context, record, UVHOOKS_EVENT_DESTROY, uvh_space_base(record->space),
			    UVHOOKS_FLAG_FAILED);
		uvh_give(record);
	}
	return result;
}

UVH_EXPORT int uv_thread_create(uv_thread_t *tid, uv_thread_cb entry, void *arg)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : thread_begins(UVH_HERE(), entry, arg);

	if (record == NULL)
		return UVH_CALL(real->uv_thread_create(tid, entry, arg));
	return thread_begun(record, UVH_CALL(real->uv_thread_create(tid, tramp_thread, record)));
}

UVH_EXPORT int uv_thread_create_ex(uv_thread_t *tid, const uv_thread_options_t *params,
				   uv_thread_cb entry, void *arg)
{
	UVH_ENTER();
	struct uvh_record *record = pass ? NULL : thread_begins(UVH_HERE(), entry, arg);

	if (record == NULL)
		return UVH_CALL(real->uv_thread_create_ex(tid, params, entry, arg));
	return thread_begun(record,
			    UVH_CALL(real->uv_thread_create_ex(tid, params, tramp_thread, record)));
}
