/* SPDX-License-Identifier: MIT */
/*
 * What the programs that use the embedder API share: short names, and a hook of the program's own.
 *
 * What such a hook hears is kept as text, "event Type", and compared only where there is a shim: so
 * that the bare run says the same. Other threads' events must not come meanwhile.
 */
#ifndef EMBEDDER_H
#define EMBEDDER_H

#include <uvhooks/async_resource.h>
#include <uvhooks/promise.h>

#include "program.h"

typedef struct uvhooks_async_resource resource_t;

HELPER void make(resource_t *resource, const char *type)
{
	CHECK_OK(uvhooks_async_resource_create(resource, type, NULL));
}

HELPER void make_triggered(resource_t *resource, const char *type, uvhooks_async_id trigger)
{
	struct uvhooks_async_resource_options options = {sizeof options, trigger, false};

	CHECK_OK(uvhooks_async_resource_create(resource, type, &options));
}

HELPER void make_manual(resource_t *resource, const char *type)
{
	struct uvhooks_async_resource_options options = {sizeof options, UVHOOKS_ID_UNSET, true};

	CHECK_OK(uvhooks_async_resource_create(resource, type, &options));
}

HELPER void *run_in(resource_t *resource, void *(*function)(void *argument), void *argument)
{
	return uvhooks_async_resource_run_in_async_scope(resource, function, argument);
}

HELPER void end(resource_t *resource)
{
	CHECK_OK(uvhooks_async_resource_emit_destroy(resource));
}

/* Makes and ends one, for the trigger that its init has. */
HELPER void mark(const char *type)
{
	resource_t resource;

	make(&resource, type);
	end(&resource);
}

/* Do the current ids have these values? There are none without the shim. */
HELPER bool ids_are(uvhooks_async_id execution, uvhooks_async_id trigger)
{
	if (!uvhooks_present())
		return uvhooks_execution_async_id() == 0 && uvhooks_trigger_async_id() == 0;
	return uvhooks_execution_async_id() == execution && uvhooks_trigger_async_id() == trigger;
}

HELPER bool ids_are_of(const resource_t *resource)
{
	return ids_are(uvhooks_async_resource_async_id(resource),
		       uvhooks_async_resource_trigger_async_id(resource));
}

HELPER bool at_top_level(void)
{
	return uvhooks_id_sequence(uvhooks_execution_async_id()) == (uvhooks_present() ? 1 : 0);
}

__attribute__((unused)) static void (*called_in_callback)(void);

HELPER void close_calling_timer(uv_timer_t *timer)
{
	called_in_callback();
	uv_close((uv_handle_t *) timer, NULL);
}

/* Calls a function in the callback of a timer, TIMERWRAP, that then closes. */
HELPER void call_in_callback(uv_loop_t *loop, void (*function)(void))
{
	static uv_timer_t timer;

	called_in_callback = function;
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, close_calling_timer, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

__attribute__((unused)) static char heard[4096];

/* The name of the hook, if it has one, is its data. */
HELPER void hear(const struct uvhooks_event *event, void *name)
{
	size_t length = strlen(heard);

	snprintf(heard + length, sizeof heard - length, "%s%s%s %s", length > 0 ? ", " : "",
		 name != NULL ? (const char *) name : "", uvhooks_event_name(event->event),
		 uvhooks_type_name(event->type));
}

HELPER struct uvhooks_callbacks hearing(uint32_t flags)
{
	struct uvhooks_callbacks callbacks;

	memset(&callbacks, 0, sizeof callbacks);
	callbacks.size = sizeof callbacks;
	callbacks.flags = flags;
	callbacks.init = hear;
	callbacks.before = hear;
	callbacks.after = hear;
	callbacks.destroy = hear;
	callbacks.promise_resolve = hear;
	return callbacks;
}

/* A hook that hears all of Node's events. NULL without the shim, as enable and disable can bear. */
HELPER struct uvhooks_hook *make_hearing_hook(const char *name)
{
	const struct uvhooks_callbacks callbacks = hearing(0);

	heard[0] = '\0';
	return uvhooks_create_hook(&callbacks, (void *) name);
}

/* Hooks are never freed, and those of an earlier scene are disabled. */
HELPER void enable(struct uvhooks_hook *hook)
{
	CHECK_RESULT(uvhooks_hook_enable(hook), uvhooks_present() ? 0 : -ENOSYS);
}

HELPER void disable(struct uvhooks_hook *hook)
{
	CHECK_RESULT(uvhooks_hook_disable(hook), uvhooks_present() ? 0 : -ENOSYS);
}

#define CHECK_HEARD(text)                                                                          \
	do {                                                                                       \
		if (uvhooks_present() && strcmp(heard, text) != 0) {                               \
			fflush(stdout);                                                            \
			fprintf(stderr, "%s:%d: heard: %s\n  expected: %s\n", __FILE__, __LINE__,  \
				heard, text);                                                      \
			_exit(1);                                                                  \
		}                                                                                  \
		heard[0] = '\0';                                                                   \
	} while (0)

#endif
