/* SPDX-License-Identifier: MIT */
/*
 * Promises for C and C++: async resources of type PROMISE, with the one event more that Node
 * has for them. Any deferred value will do: a future, a coroutine, a callback chain.
 *
 *	uvhooks_promise_create(&fetched);
 *	uvhooks_promise_then(&fetched, &parsed);
 *	...
 *	uvhooks_promise_resolve(&fetched);
 *	uvhooks_promise_run_reaction(&parsed, parse, document);
 *
 * What Node emits for `fetch().then(parse)`: init of both, the second triggered by the first;
 * that the first is resolved; before and after around parse, with the second's ids, and within
 * them that the second is resolved. As with all of the embedder API nothing needs to be
 * linked; see async_resource.h.
 */
#ifndef UVHOOKS_PROMISE_H
#define UVHOOKS_PROMISE_H

#include <uvhooks/async_resource.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The memory is the program's, as that of an async resource; whose functions take `&p->resource`.
 */
struct uvhooks_promise {
	struct uvhooks_async_resource resource;
	uint8_t resolved;
};

/*
 * Emits promise_resolve, and nothing if the resource is not traced: what uvhooks_promise_resolve()
 * below calls once, and which is called by nobody else.
 *
 * Thread: any. Since: 0.1.
 */
UVHOOKS_API void uvhooks_promise_emit_resolve(const struct uvhooks_async_resource *resource);

#ifndef UVHOOKS_SHIM

static inline void uvhooks_bare_emit_resolve(const struct uvhooks_async_resource *resource)
{
	(void) resource;
}

#define uvhooks_promise_emit_resolve(...)                                                          \
	UVHOOKS_CALL(uvhooks_promise_emit_resolve, uvhooks_bare_emit_resolve, __VA_ARGS__)
#endif

/*
 * A promise that what runs now triggers. 0, or -EINVAL if it is NULL.
 *
 * Node: new Promise(). Thread: any. Since: 0.1.
 */
static inline int uvhooks_promise_create(struct uvhooks_promise *promise)
{
	if (promise == NULL)
		return -EINVAL;
	promise->resolved = 0;
	return uvhooks_async_resource_create(&promise->resource, "PROMISE", NULL);
}

/*
 * Makes `child`, the promise of a reaction to `parent`, which triggers it. 0, or -EINVAL if either
 * is NULL.
 *
 * Node: parent.then(). Thread: any. Since: 0.1.
 */
static inline int uvhooks_promise_then(const struct uvhooks_promise *parent,
				       struct uvhooks_promise *child)
{
	struct uvhooks_async_resource_options options;

	if (parent == NULL || child == NULL)
		return -EINVAL;
	options.size = sizeof(options);
	options.trigger_async_id = parent->resource.async_id;
	options.require_manual_destroy = false;
	child->resolved = 0;
	return uvhooks_async_resource_create(&child->resource, "PROMISE", &options);
}

/*
 * The promise is settled, be it fulfilled or rejected: emits promise_resolve. 0, -EALREADY if it
 * was before (and then there is no event), -EINVAL if it is NULL.
 *
 * Node: resolve(), reject(). Thread: any, of two at once one wins. Since: 0.1.
 */
static inline int uvhooks_promise_resolve(struct uvhooks_promise *promise)
{
	if (promise == NULL)
		return -EINVAL;
	if (__atomic_exchange_n(&promise->resolved, (uint8_t) 1, __ATOMIC_ACQ_REL) != 0)
		return -EALREADY;
	uvhooks_promise_emit_resolve(&promise->resource);
	return 0;
}

/*
 * Calls `function(argument)` in the promise's scope and resolves the promise, unless that was done
 * meanwhile or an exception leaves the function. Returns what it returns.
 *
 * Node: the job that calls what then() was given. Thread: any. Since: 0.1.
 */
UVHOOKS_API void *uvhooks_promise_run_reaction(struct uvhooks_promise *promise,
					       void *(*function)(void *argument), void *argument);

/*
 * Nobody can wait for the promise any more: emits its destroy, as
 * uvhooks_async_resource_emit_destroy does, and with the same results.
 *
 * Node: the garbage collector. Thread: any. Since: 0.1.
 */
static inline int uvhooks_promise_emit_destroy(struct uvhooks_promise *promise)
{
	return promise == NULL ? -EINVAL : uvhooks_async_resource_emit_destroy(&promise->resource);
}

/* Without the shim; see without_shim.h. */

static inline void *uvhooks_bare_run_reaction(struct uvhooks_promise *promise,
					      void *(*function)(void *argument), void *argument)
{
	void *result = uvhooks_bare_run_in_async_scope(NULL, function, argument);

	uvhooks_promise_resolve(promise);
	return result;
}

#ifndef UVHOOKS_SHIM
#define uvhooks_promise_run_reaction(...)                                                          \
	UVHOOKS_CALL(uvhooks_promise_run_reaction, uvhooks_bare_run_reaction, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif

#endif
