/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "emit.h"
#include "object.h"
#include "hooks.h"

/* This file is the first that has any of them: the line begins here. */
__asm__(".pushsection uvh_hot, \"aw\"\n\t.balign 64\n\t.popsection");

UVH_HOT const struct uvh_hook_set *uvh_hook_set;
UVH_HOT bool uvh_watching;

/*
 * What a hook enables or disables holds from the next outermost event on: events that it causes
 * itself still go to the hooks that were in force.
 */
static inline const struct uvh_hook_set *set_in_force(const struct uvh_context *context)
{
	return UVH_LIKELY(!uvh_tls.in_hook) ? uvh_hooks() : context->frozen;
}

/*
 * A hook that makes something for each that is made, and asked to hear of it, would never end: so
 * deep in itself it hears of nothing more. Two for each one are 256 calls by then.
 */
#define NESTING_MAX 8

static bool is_too_deep(const struct uvh_context *context)
{
	if (UVH_LIKELY(context->nesting <= NESTING_MAX))
		return false;
	uvh_count(UVH_COUNT_hooks_too_deep);
	return true;
}

static void call_hooks(struct uvh_context *context, const struct uvh_hook_set *set,
		       const struct uvhooks_event *event)
{
	const struct uvh_hook_set *frozen = context->frozen;
	const uint32_t special = uvh_tls.special;
	const uint8_t quiet = uvh_tls.quiet;
	const int saved_errno = *context->errno_here;

	context->frozen = set;
	uvh_tls.in_hook = true;
	for (const struct uvh_hook_call *call = set->first[event->event];
	     call != set->first[event->event + 1]; call++) {
		void *exception;

		if (call->loop != NULL && call->loop != event->loop)
			continue;
		context->nesting += call->nested;
		uvh_tls.quiet = call->nested && !is_too_deep(context) ? quiet : 1;
		exception = uvh_guarded_call(event, call->data, call->callback);
		context->nesting -= call->nested;
		if (UVH_UNLIKELY(exception != NULL))
			uvh_hook_threw(call->hook, exception);
	}
	uvh_tls.special = special;
	context->frozen = frozen;
	*context->errno_here = saved_errno;
}

void uvh_dispatch(struct uvh_context *context, struct uvhooks_event *event)
{
	const struct uvh_hook_set *set = set_in_force(context);
	const struct uvh_hook_call *plain;

	if (set == NULL || set->first[event->event] == set->first[event->event + 1])
		return;
	plain = uvh_plain_call(set, event->event);
	event->size = sizeof(*event);
	event->thread_id = context->thread_id;
	if (UVH_LIKELY(plain != NULL))
		uvh_call_plainly(context, set, plain, event);
	else
		call_hooks(context, set, event);
}

void *uvh_emit_generally(struct uvh_context *context, uint64_t head,
			 const struct uvh_record *record, uvhooks_async_id execution,
			 uvhooks_async_id other, void *callback)
{
	const struct uvh_hook_set *set = set_in_force(context);
	struct uvh_hook_call *const *first;
	struct uvhooks_event event;

	if (set == NULL)
		return callback;
	first = &set->first[head >> 32 & 0xffff];
	if (first[0] == first[1])
		return callback;
	uvh_describe(&event, context, head, record, execution, other, callback);
	call_hooks(context, set, &event);
	return callback;
}

void *uvh_emit_event(struct uvh_context *context, uint64_t head, const struct uvh_record *record,
		     uvhooks_async_id execution, uvhooks_async_id other, void *callback)
{
	return uvh_emit_inline(context, head, record, execution, other, callback);
}

void uvh_plain_call_threw(const struct uvhooks_event *event, void *exception)
{
	uvh_hook_threw(uvh_tls.context->frozen->plain[event->event]->hook, exception);
}

struct finder {
	const char *name;
	void *function;
};

static int find_function(struct dl_phdr_info *info, size_t size, void *data)
{
	struct finder *finder = data;
	struct uvh_object object;

	(void) size;
	if (uvh_object_read(&object, info))
		finder->function = uvh_object_function(&object, finder->name);
	return finder->function != NULL;
}

void uvh_exception_drop(void *exception)
{
	struct finder begin = {"__cxa_begin_catch", NULL};
	struct finder end = {"__cxa_end_catch", NULL};

	dl_iterate_phdr(find_function, &begin);
	dl_iterate_phdr(find_function, &end);
	/* Not C++'s, or its runtime is linked in without symbols: the object is left. */
	if (begin.function == NULL || end.function == NULL)
		return;
	((void *(*) (void *) ) begin.function)(exception);
	((void (*)(void)) end.function)();
}
