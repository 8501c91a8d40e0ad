/* SPDX-License-Identifier: MIT */
/* The embedder API: async resources, promises, trigger scopes. */
#include <uvhooks/async_resource.h>
#include <uvhooks/promise.h>

#include "embedder.h"
#include "emit.h"
#include "init.h"
#include "types.h"

/*
 * The record of a resource until its destroy is delivered, else NULL. Ids are never given twice, so
 * the id tells, whatever the program's struct holds and whoever has the record now.
 */
static inline struct uvh_record *record_of(const struct uvhooks_async_resource *resource)
{
	struct uvh_record *record;

	if (UVH_UNLIKELY(resource == NULL || resource->async_id == 0 ||
			 resource->record >= __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE)))
		return NULL;
	record = uvh_record_at(resource->record);
	return UVH_LIKELY(__atomic_load_n(&record->id, __ATOMIC_ACQUIRE) == resource->async_id)
		   ? record
		   : NULL;
}

/* Where the ids of this thread's resources come from. */
static struct uvh_space *space_of(struct uvh_context *context)
{
	struct uvh_space *space = uvh_current_space(context);

	if (space == NULL)
		space = uvh_home(context);
	if (space != NULL && UVH_UNLIKELY(space->user != context))
		uvh_space_moved(space, context);
	return space;
}

static struct uvh_record *make_record(struct uvh_context *context, void *owner, uint16_t type,
				      uint16_t space, uvhooks_async_id trigger)
{
	struct uvh_record *record = uvh_pooled_take(context);

	if (record == NULL)
		return NULL;
	uvh_record_own(record, owner);
	record->arm = 0;
	record->callback[UVH_MAIN] = record->callback[UVH_EXTRA] = NULL;
	record->type = type;
	record->fs_type = UVHOOKS_FS_NONE;
	record->trigger = trigger;
	uvh_record_flag(record, UVH_RECORD_EMBEDDER);
	uvh_record_set_space(record, space);
	return record;
}

int uvhooks_async_resource_create(struct uvhooks_async_resource *resource, const char *type,
				  const struct uvhooks_async_resource_options *options)
{
	int result = uvhooks_async_resource_check(resource, type, options);
	uvhooks_async_id trigger = options == NULL ? 0 : options->trigger_async_id;
	struct uvh_context *context;
	struct uvh_space *space;
	struct uvh_record *record;

	if (result != 0)
		return result;
	*resource = (struct uvhooks_async_resource){.state = UVHOOKS_RESOURCE_CREATED};
	context = uvh_tls.quiet ? NULL : uvh_embedding_context(UVH_HERE());
	space = context == NULL ? NULL : space_of(context);
	if (UVH_UNLIKELY(space == NULL))
		return 0;
	if (trigger == 0 || trigger == UVHOOKS_ID_UNSET)
		trigger = uvh_init_trigger(context);
	resource->type = uvh_type_of_name(context, type);
	record = make_record(context, resource, resource->type, space->number, trigger);
	if (UVH_UNLIKELY(record == NULL))
		return 0;
	__atomic_store_n(&record->live_tag, record->tag, __ATOMIC_RELAXED);
	if (options != NULL && options->require_manual_destroy)
		uvh_record_flag(record, UVH_RECORD_MANUAL);
	else
		space->embedders_made++;
	resource->record = record->index;
	resource->trigger_async_id = trigger;
	resource->async_id = uvh_space_next_id(space);
	__atomic_store_n(&record->id, resource->async_id, __ATOMIC_RELEASE);
	if (UVH_UNLIKELY(uvh_watched())) {
		if (uvh_storing())
			uvh_stores_capture_slowly(context, record);
		if (uvh_hooks_on())
			uvh_emit(context, UVHOOKS_EVENT_INIT, record, uvh_execution_id(context), 0,
				 NULL, 0);
	}
	return 0;
}

/*
 * The frame of a resource's scope, before anybody hears of it. Its ids are the program's struct's:
 * another thread may end the resource meanwhile, and then the record is another's.
 */
static inline void become_scope(struct uvh_frame *frame, const struct uvh_record *record,
				const struct uvhooks_async_resource *resource)
{
	const struct uvh_frame *below = frame - 1;

	frame->id = resource->async_id;
	frame->trigger = resource->trigger_async_id;
	frame->type = resource->type;
	frame->kind = UVH_FRAME_EMBEDDER;
	frame->stores = NULL;
	frame->state |= UVH_FRAME_STORES;
	if (UVH_UNLIKELY(uvh_storing()))
		uvh_stores_begin_embedder(frame, record, resource->async_id);
	/* A default trigger holds also in here, as in Node. */
	if (UVH_UNLIKELY(below->kind == UVH_FRAME_SCOPE ||
			 below->kind == UVH_FRAME_SCOPED_EMBEDDER) &&
	    below->init_trigger != 0) {
		frame->init_trigger = below->init_trigger;
		frame->kind = UVH_FRAME_SCOPED_EMBEDDER;
	}
}

/* What runs in a resource's scope; and the promise that it then resolves, or NULL. */
struct job {
	void *(*function)(void *argument);
	void *argument;
	struct uvhooks_promise *promise;
};

static inline void *do_job(const struct job *job)
{
	void *result = job->function(job->argument);

	if (UVH_UNLIKELY(job->promise != NULL))
		uvhooks_promise_resolve(job->promise);
	return result;
}

/* Enters the scope wherever it can be entered at all. */
static void enter(struct uvh_scope *scope, struct uvh_context *context, struct uvh_record *record,
		  const struct uvhooks_async_resource *resource, void *function, bool destroyed)
{
	struct uvh_frame *frame = uvh_place(scope, context);

	if (UVH_UNLIKELY(frame == NULL)) {
		uvh_count(UVH_COUNT_stack_exhausted);
		return;
	}
	uvh_tls.in_libuv = 0;
	*frame = (struct uvh_frame){
	    .here = scope->here,
	    .record = record,
	    .callback = function,
	    .state = UVH_FRAME_IN_CALLBACK | (destroyed ? UVH_FRAME_ENDS : 0),
	    .flags = destroyed ? UVHOOKS_FLAG_AFTER_DESTROY : 0,
	};
	become_scope(frame, record, resource);
	uvh_push(context, frame);
	uvh_entered(scope, function);
}

/* A record for the scope of a resource whose destroy was delivered: it has only the ids. */
static struct uvh_record *make_destroyed(struct uvh_context *context,
					 const struct uvhooks_async_resource *resource)
{
	struct uvh_record *record = make_record(context, (void *) resource, resource->type,
						(uint16_t) uvhooks_id_space(resource->async_id),
						resource->trigger_async_id);

	if (record == NULL)
		return NULL;
	uvh_record_flag(record, UVH_RECORD_MANUAL | UVH_RECORD_ENDED | UVH_RECORD_DESTROYED);
	__atomic_store_n(&record->id, resource->async_id, __ATOMIC_RELEASE);
	return record;
}

/* Of nothing that is known, or while the shim is off: what is entered in it ends with it. */
static void *run_apart(struct uvh_context *context, const struct job *job)
{
	void *result;

	UVH_SCOPE_LEFT_BY(scope, uvh_leave_slowly);
	scope.here = UVH_HERE();
	uvh_enter_scope(&scope, context);
	result = do_job(job);
	scope.returned = true;
	return result;
}

UVH_SLOW static void *run_slowly(const struct uvhooks_async_resource *resource,
				 struct uvh_record *record, const struct job *job)
{
	struct uvh_context *context = uvh_tls.quiet ? NULL : uvh_storing_context(UVH_HERE());
	const bool destroyed = record == NULL;
	void *result;

	if (context == NULL)
		return do_job(job);
	if (uvh_is_off() || resource == NULL || resource->async_id == 0)
		return run_apart(context, job);
	if (destroyed && (record = make_destroyed(context, resource)) == NULL)
		return run_apart(context, job);

	UVH_SCOPE_LEFT_BY(scope, uvh_leave_slowly);
	scope.here = UVH_HERE();
	enter(&scope, context, record, resource, (void *) job->function, destroyed);
	result = do_job(job);
	scope.returned = true;
	return result;
}

/* In the exported functions themselves, whose frame is that of the scope. */
UVH_INLINE void *run(const struct uvhooks_async_resource *resource, const struct job *job)
{
	struct uvh_record *record = record_of(resource);
	void *result;

	UVH_SCOPE(scope);
	if (UVH_UNLIKELY(record == NULL) || UVH_UNLIKELY(uvh_tls.quiet) ||
	    UVH_UNLIKELY(!uvh_enter_plainly(&scope, record, (void *) job->function, 0, false))) {
		result = run_slowly(resource, record, job);
	} else {
		become_scope(scope.context->top, record, resource);
		uvh_entered(&scope, (void *) job->function);
		result = do_job(job);
	}
	scope.returned = true;
	return result;
}

void *uvhooks_async_resource_run_in_async_scope(struct uvhooks_async_resource *resource,
						void *(*function)(void *argument), void *argument)
{
	const struct job job = {function, argument, NULL};

	return run(resource, &job);
}

void *uvhooks_promise_run_reaction(struct uvhooks_promise *promise,
				   void *(*function)(void *argument), void *argument)
{
	const struct job job = {function, argument, promise};

	return run(promise == NULL ? NULL : &promise->resource, &job);
}

/* The event of a resource's end, from whoever is the first to say so. */
static void end(struct uvh_context *context, struct uvh_record *record, unsigned int flags)
{
	uvh_record_flag(record, UVH_RECORD_ENDED);
	if (!(record->flags & UVH_RECORD_MANUAL))
		__atomic_add_fetch(&uvh_spaces[record->space].embedders_ended, 1, __ATOMIC_RELAXED);
	if (flags & UVHOOKS_FLAG_THREAD_ENDED)
		uvh_end_now(context, record, flags);
	else
		uvh_end(context, record, flags);
}

/*
 * A resource may be ended by the program on one thread and with its loop on another: who changes
 * the tag from what it was while the resource lived has ended it.
 */
static bool claim(struct uvh_record *record, uvhooks_async_id id)
{
	uint64_t tag = __atomic_load_n(&record->live_tag, __ATOMIC_RELAXED);

	return __atomic_load_n(&record->id, __ATOMIC_ACQUIRE) == id &&
	       __atomic_compare_exchange_n(&record->tag, &tag, tag + (UINT64_C(1) << 32), false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

int uvhooks_async_resource_emit_destroy(struct uvhooks_async_resource *resource)
{
	int result = uvhooks_async_resource_end(resource);
	struct uvh_record *record = result == 0 ? record_of(resource) : NULL;
	struct uvh_context *context = record == NULL ? NULL : uvh_embedding_context(UVH_HERE());

	if (context != NULL && claim(record, resource->async_id))
		end(context, record, 0);
	return result;
}

void uvh_embedders_end(struct uvh_context *context, struct uvh_space *space, unsigned int flags)
{
	uint32_t limit = __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE);

	for (uint32_t index = 1; index < limit; index++) {
		struct uvh_record *record = uvh_record_at(index);
		uvhooks_async_id id = __atomic_load_n(&record->id, __ATOMIC_ACQUIRE);

		/* Counts of other threads' ends may lag: they only make the walk longer. */
		if (space->embedders_made ==
		    __atomic_load_n(&space->embedders_ended, __ATOMIC_RELAXED))
			return;
		if (id != 0 && uvhooks_id_space(id) == space->number &&
		    (__atomic_load_n(&record->flags, __ATOMIC_RELAXED) &
		     (UVH_RECORD_EMBEDDER | UVH_RECORD_MANUAL | UVH_RECORD_ENDED)) ==
			UVH_RECORD_EMBEDDER &&
		    claim(record, id))
			end(context, record, flags);
	}
}

static void *run_in_trigger_scope(struct uvh_context *context, uvhooks_async_id trigger,
				  void *(*function)(void *argument), void *argument)
{
	void *result;

	UVH_SCOPE_LEFT_BY(scope, uvh_leave_slowly);
	scope.here = UVH_HERE();
	if (UVH_LIKELY(uvh_enter_scope(&scope, context)))
		context->top->init_trigger = trigger;
	result = function(argument);
	scope.returned = true;
	return result;
}

void *uvhooks_default_trigger_async_id_scope(uvhooks_async_id trigger,
					     void *(*function)(void *argument), void *argument)
{
	struct uvh_context *context = uvh_embedding_context(UVH_HERE());

	if (context == NULL || trigger == 0 || trigger == UVHOOKS_ID_UNSET ||
	    !uvhooks_id_is_valid_trigger(trigger))
		return function(argument);
	return run_in_trigger_scope(context, trigger, function, argument);
}

void uvhooks_promise_emit_resolve(const struct uvhooks_async_resource *resource)
{
	const struct uvh_record *record = uvh_tls.quiet ? NULL : record_of(resource);
	struct uvh_context *context = record == NULL ? NULL : uvh_embedding_context(UVH_HERE());

	if (context != NULL && uvh_hooks_on())
		uvh_emit(context, UVHOOKS_EVENT_PROMISE_RESOLVE, record, uvh_execution_id(context),
			 0, NULL, 0);
}
