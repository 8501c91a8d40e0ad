/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "context.h"
#include "object.h"
#include "hooks.h"

const struct uvh_hook_set *uvh_hook_set;

void uvh_dispatch(struct uvh_context *context, struct uvhooks_event *event)
{
	const struct uvh_hook_set *set = context->frozen;
	uint8_t quiet = uvh_tls.quiet;
	int saved_errno;

	/*
	 * What a hook enables or disables holds from the next outermost event on: events that it
	 * causes itself still go to the hooks that were in force.
	 */
	if (context->dispatching == 0)
		set = __atomic_load_n(&uvh_hook_set, __ATOMIC_ACQUIRE);
	if (set == NULL || !(set->mask & (1u << event->event)))
		return;
	saved_errno = errno;
	event->size = sizeof(*event);
	event->thread_id = context->thread_id;
	context->frozen = set;
	context->dispatching++;
	for (size_t i = 0; i < set->count; i++) {
		struct uvhooks_hook *hook = set->hooks[i];
		uvhooks_event_cb callback = hook->callbacks[event->event];
		void *exception;

		if (callback == NULL || (hook->loop != NULL && hook->loop != event->loop))
			continue;
		uvh_tls.quiet = hook->nested ? quiet : 1;
		exception = uvh_guarded_call(callback, event, hook->data);
		if (UVH_UNLIKELY(exception != NULL))
			uvh_hook_threw(hook, exception);
	}
	uvh_tls.quiet = quiet;
	context->dispatching--;
	errno = saved_errno;
}

void uvh_emit(struct uvh_context *context, enum uvhooks_event_type type,
	      const struct uvh_record *record, uvhooks_async_id execution, uvhooks_async_id other,
	      void *callback, unsigned int flags)
{
	struct uvhooks_event event;

	event.event = (uint16_t) type;
	event.flags = (uint16_t) flags;
	event.async_id = record->id;
	event.trigger_async_id = record->trigger;
	event.execution_async_id = execution;
	event.other_async_id = other;
	event.type = record->type;
	event.fs_type = record->fs_type;
	event.pointer = record->owner;
	event.loop = record->flags & UVH_RECORD_POOLED ? NULL : uvh_spaces[record->space].loop;
	event.callback = callback;
	uvh_dispatch(context, &event);
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
