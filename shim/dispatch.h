/* SPDX-License-Identifier: MIT */
/*
 * From an event to the hooks.
 *
 * The enabled hooks are an immutable set; enabling or disabling publishes another. A set is never
 * freed, and one that equals an earlier set is that set again, so there are only as many as there
 * are combinations in use.
 */
#ifndef UVH_DISPATCH_H
#define UVH_DISPATCH_H

#include "ground.h"

#pragma GCC visibility push(hidden)

struct uvh_context;
struct uvh_record;

struct uvh_hook_set {
	const struct uvh_hook_set *next; /* all sets ever made */
	uint32_t mask;                   /* 1 << event, for the events that anyone wants */
	size_t count;
	struct uvhooks_hook *hooks[]; /* in the order in which they were enabled */
};

/* NULL while no hook is enabled: the one branch that a dormant shim pays per event. */
extern const struct uvh_hook_set *uvh_hook_set;

static inline bool uvh_hooks_on(void)
{
	return __atomic_load_n(&uvh_hook_set, __ATOMIC_RELAXED) != NULL;
}

/*
 * Calls the hooks that want the event; the caller has filled all but size and thread_id. errno is
 * preserved.
 */
void uvh_dispatch(struct uvh_context *context, struct uvhooks_event *event);

/* The same for an event of a record; `other` and `callback` as in struct uvhooks_event. */
void uvh_emit(struct uvh_context *context, enum uvhooks_event_type event,
	      const struct uvh_record *record, uvhooks_async_id execution, uvhooks_async_id other,
	      void *callback, unsigned int flags);

/*
 * Calls a hook; returns the C++ exception that left it, or NULL. In assembler where the machine
 * has it (guard_*.S), since C cannot catch.
 */
void *uvh_guarded_call(uvhooks_event_cb callback, const struct uvhooks_event *event, void *data);

/* Ends an exception as a catch block would. */
void uvh_exception_drop(void *exception);

#pragma GCC visibility pop

#endif
