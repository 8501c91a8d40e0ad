/* SPDX-License-Identifier: MIT */
/*
 * The embedder API: Node's AsyncResource for C and C++.
 *
 * libuv's own handles and requests are traced without any help. What a program defers by
 * itself (a job in its own queue, a statement that waits for a connection of a pool) is an
 * async resource too, and the program says so:
 *
 *	struct job {
 *		struct uvhooks_async_resource resource;
 *		...
 *	};
 *
 *	uvhooks_async_resource_create(&job->resource, "Job", NULL);
 *	push(queue, job);
 *	...
 *	job = pop(queue);
 *	uvhooks_async_resource_run_in_async_scope(&job->resource, do_job, job);
 *	uvhooks_async_resource_emit_destroy(&job->resource);
 *
 * While do_job runs, execution and trigger id are the job's, what it creates is triggered by
 * it, and local storages (see local_storage.h) have the stores that they had when the job was
 * created, whichever thread it runs on.
 *
 * A program that uses this header links nothing. With libuvhooks.so in the process the calls
 * are its own; without it they check their arguments as it would, call the functions that they
 * are given, and do nothing else: every async id is 0.
 *
 * That is found out by weak symbols. Where code is compiled with -fno-pie by clang, add -fno-plt:
 * without it such code decides while it is linked, and the shim can never be there. (gcc is told by
 * this header.)
 */
#ifndef UVHOOKS_ASYNC_RESOURCE_H
#define UVHOOKS_ASYNC_RESOURCE_H

#include <uvhooks/without_shim.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An async resource; the memory is the program's, and this struct must stay where it is from create
 * until emit_destroy. The ids may be read.
 */
struct uvhooks_async_resource {
	uvhooks_async_id async_id;         /* 0: not traced */
	uvhooks_async_id trigger_async_id; /* the resource that caused it */
	/* not the program's, from here on */
	uint32_t record;
	uint16_t type;
	uint8_t state; /* enum uvhooks_resource_state */
	uint8_t reserved;
};

/* No values that memory is likely to hold which was never created. */
enum uvhooks_resource_state { UVHOOKS_RESOURCE_CREATED = 0xA5, UVHOOKS_RESOURCE_DESTROYED = 0x5B };

/* Longer names of types are cut, and what a log could not print in one line becomes '?'. */
#define UVHOOKS_TYPE_NAME_BYTES 64

struct uvhooks_async_resource_options {
	size_t size; /* sizeof(struct uvhooks_async_resource_options) */
	/* the resource that caused it; 0, or UVHOOKS_ID_UNSET: what runs now */
	uvhooks_async_id trigger_async_id;
	/* true: it lives until emit_destroy; false: its destroy also comes, flagged, when the loop
	   closes or the thread ends that it was created on */
	bool require_manual_destroy;
};

/*
 * Makes `resource` an async resource and emits init. `type` is any name, which is copied;
 * `options` may be NULL. The trigger is, in this order: the one in the options, that of an
 * enclosing uvhooks_default_trigger_async_id_scope, the execution async id.
 *
 * 0, or -EINVAL: `resource` or `type` is NULL, `type` is empty, the trigger is no async id, the
 * size of the options none that is known. Where there is no memory to trace it this says 0 all the
 * same: its ids are 0, and it is counted (records_exhausted).
 *
 * Node: new AsyncResource(type, { triggerAsyncId, requireManualDestroy }). Thread: any. Since: 0.1.
 */
UVHOOKS_API int uvhooks_async_resource_create(struct uvhooks_async_resource *resource,
					      const char *type,
					      const struct uvhooks_async_resource_options *options);

/*
 * Emits before, calls `function(argument)` and emits after, also if a C++ exception, pthread_exit
 * or cancellation leaves the function. Returns what it returns. It is called in any case; nothing
 * is emitted if the resource was never created or is not traced. After emit_destroy it is allowed,
 * and flagged (AFTER_DESTROY) once the destroy has been delivered.
 *
 * Node: asyncResource.runInAsyncScope(). Thread: any, also several at once. Since: 0.1.
 */
UVHOOKS_API void *uvhooks_async_resource_run_in_async_scope(struct uvhooks_async_resource *resource,
							    void *(*function)(void *argument),
							    void *argument);

/*
 * The resource has ended: destroy is emitted, once no callback is on this thread's stack. From then
 * on the memory of `resource` is the program's again. 0, -EALREADY if that was said before (and
 * then there is no event), -EINVAL if it was never created.
 *
 * Node: asyncResource.emitDestroy(), which emits a second destroy. Thread: any, of two at once one
 * wins. Since: 0.1.
 */
UVHOOKS_API int uvhooks_async_resource_emit_destroy(struct uvhooks_async_resource *resource);

/*
 * The ids of a resource; 0 if it is NULL or not traced. They can be asked for after its destroy.
 *
 * Node: asyncResource.asyncId(), asyncResource.triggerAsyncId(). Thread: any. Since: 0.1.
 */
static inline uvhooks_async_id
uvhooks_async_resource_async_id(const struct uvhooks_async_resource *resource)
{
	return resource == NULL ? 0 : resource->async_id;
}

static inline uvhooks_async_id
uvhooks_async_resource_trigger_async_id(const struct uvhooks_async_resource *resource)
{
	return resource == NULL ? 0 : resource->trigger_async_id;
}

/* A function, its argument, and the resource in whose scope it is to run. */
struct uvhooks_bound_function {
	struct uvhooks_async_resource *resource;
	void *(*function)(void *argument);
	void *argument;
};

/*
 * Binds a function and its argument to a resource; the resource must outlive the calls. To be
 * called by uvhooks_call_bound_function, whose own type is that of such a function: so it can be
 * handed, with the bound function as its argument, to whatever takes a function and an argument.
 *
 * Node: asyncResource.bind(fn). Thread: any, also several at once. Since: 0.1.
 */
static inline struct uvhooks_bound_function
uvhooks_async_resource_bind(struct uvhooks_async_resource *resource,
			    void *(*function)(void *argument), void *argument)
{
	struct uvhooks_bound_function bound = {resource, function, argument};

	return bound;
}

static inline void *uvhooks_call_bound_function(void *bound_function);

/*
 * Calls `function(argument)` and returns what it returns. Until then whatever is created on this
 * thread, libuv's handles and requests among it, is triggered by `trigger` unless it names a
 * trigger of its own. Execution ids are not changed. As in Node it also holds in what
 * uvhooks_async_resource_run_in_async_scope calls from there; it does not in what libuv calls. With
 * `trigger` 0, UVHOOKS_ID_UNSET or what is no async id the function is just called.
 *
 * Node: defaultTriggerAsyncIdScope(), which only its own modules can call. Thread: any, for that
 * thread. Since: 0.1.
 */
UVHOOKS_API void *uvhooks_default_trigger_async_id_scope(uvhooks_async_id trigger,
							 void *(*function)(void *argument),
							 void *argument);

/* The checks of create and emit_destroy, for the shim and without it. */

static inline int uvhooks_async_resource_check(const struct uvhooks_async_resource *resource,
					       const char *type,
					       const struct uvhooks_async_resource_options *options)
{
	if (resource == NULL || type == NULL || type[0] == '\0')
		return -EINVAL;
	if (options != NULL && (options->size < sizeof(*options) ||
				!uvhooks_id_is_valid_trigger(options->trigger_async_id)))
		return -EINVAL;
	return 0;
}

static inline int uvhooks_async_resource_end(struct uvhooks_async_resource *resource)
{
	uint8_t state = UVHOOKS_RESOURCE_CREATED;

	if (resource == NULL)
		return -EINVAL;
	if (__atomic_compare_exchange_n(&resource->state, &state,
					(uint8_t) UVHOOKS_RESOURCE_DESTROYED, false,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return 0;
	return state == UVHOOKS_RESOURCE_DESTROYED ? -EALREADY : -EINVAL;
}

/* Without the shim; see without_shim.h. */

static inline int uvhooks_bare_create(struct uvhooks_async_resource *resource, const char *type,
				      const struct uvhooks_async_resource_options *options)
{
	const struct uvhooks_async_resource untraced = {0, 0, 0, 0, UVHOOKS_RESOURCE_CREATED, 0};
	int result = uvhooks_async_resource_check(resource, type, options);

	if (result == 0)
		*resource = untraced;
	return result;
}

static inline void *uvhooks_bare_run_in_async_scope(struct uvhooks_async_resource *resource,
						    void *(*function)(void *argument),
						    void *argument)
{
	(void) resource;
	return uvhooks_bare_scope(0, NULL, NULL, function, argument);
}

static inline void *uvhooks_bare_trigger_scope(uvhooks_async_id trigger,
					       void *(*function)(void *argument), void *argument)
{
	(void) trigger;
	return function(argument);
}

#ifndef UVHOOKS_SHIM
#define uvhooks_async_resource_create(...)                                                         \
	UVHOOKS_CALL(uvhooks_async_resource_create, uvhooks_bare_create, __VA_ARGS__)
#define uvhooks_async_resource_run_in_async_scope(...)                                             \
	UVHOOKS_CALL(uvhooks_async_resource_run_in_async_scope, uvhooks_bare_run_in_async_scope,   \
		     __VA_ARGS__)
#define uvhooks_async_resource_emit_destroy(...)                                                   \
	UVHOOKS_CALL(uvhooks_async_resource_emit_destroy, uvhooks_async_resource_end, __VA_ARGS__)
#define uvhooks_default_trigger_async_id_scope(...)                                                \
	UVHOOKS_CALL(uvhooks_default_trigger_async_id_scope, uvhooks_bare_trigger_scope,           \
		     __VA_ARGS__)
#endif

static inline void *uvhooks_call_bound_function(void *bound_function)
{
	const struct uvhooks_bound_function *bound =
	    (const struct uvhooks_bound_function *) bound_function;

	return uvhooks_async_resource_run_in_async_scope(bound->resource, bound->function,
							 bound->argument);
}

#ifdef __cplusplus
}
#endif

#endif
