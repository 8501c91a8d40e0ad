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

/* What a dispatch needs of a hook, for one event. */
struct uvh_hook_call {
	uvhooks_event_cb callback; /* never NULL; of a hook that threw, one that does nothing */
	void *data;
	void *loop; /* only events of this loop; NULL: all */
	struct uvhooks_hook *hook;
	bool nested;
};

struct uvh_hook_set {
	struct uvh_hook_set *next; /* of the same last hook */
	size_t count;
	struct uvhooks_hook **hooks; /* in the order in which they were enabled */
	/* the only call of an event, if it is for all loops and not nested; else NULL */
	const struct uvh_hook_call *plain[UVHOOKS_EVENT_MAX];
	/* the calls of event e are from first[e] until before first[e + 1] */
	struct uvh_hook_call *first[UVHOOKS_EVENT_MAX + 1];
	struct uvh_hook_call calls[];
};

/* NULL while no hook is enabled: the one branch that a dormant shim pays per event. */
extern const struct uvh_hook_set *uvh_hook_set;

static inline bool uvh_hooks_on(void)
{
	return __atomic_load_n(&uvh_hook_set, __ATOMIC_RELAXED) != NULL;
}

/* The same, for who goes on to call them. */
static inline const struct uvh_hook_set *uvh_hooks(void)
{
	return __atomic_load_n(&uvh_hook_set, __ATOMIC_ACQUIRE);
}

/* The only hook of that set, if it has sinks (trace_sink.h); else NULL. */
extern const struct uvhooks_hook *uvh_sink_hook;

/* Where uvh_hooks_on(): may an event go to its thread's sink? */
static inline bool uvh_sinks_on(void)
{
	return __atomic_load_n(&uvh_sink_hook, __ATOMIC_RELAXED) != NULL;
}

/* Does any hook want events of this kind? */
static inline bool uvh_is_wanted(enum uvhooks_event_type event)
{
	const struct uvh_hook_set *set = __atomic_load_n(&uvh_hook_set, __ATOMIC_ACQUIRE);

	return set != NULL && set->first[event] != set->first[event + 1];
}

/* A store of a local storage was entered once: resources carry stores. */
extern bool uvh_store_entered;

static inline bool uvh_storing(void)
{
#ifdef UVH_NO_STORAGE /* the baseline of a benchmark */
	return false;
#else
	return __atomic_load_n(&uvh_store_entered, __ATOMIC_RELAXED);
#endif
}

/* Either of them: the one branch where a resource is made or armed. */
extern bool uvh_watching;

static inline bool uvh_watched(void)
{
	return __atomic_load_n(&uvh_watching, __ATOMIC_RELAXED);
}

/*
 * Calls the hooks that want the event; the caller has filled all but size and thread_id. errno is
 * preserved.
 */
void uvh_dispatch(struct uvh_context *context, struct uvhooks_event *event);

/* Returns `callback`, so that a caller need not keep it. */
void *uvh_emit_event(struct uvh_context *context, uint64_t head, const struct uvh_record *record,
		     uvhooks_async_id execution, uvhooks_async_id other, void *callback);

/* size, event and flags, as they stand in struct uvhooks_event. */
static inline uint64_t uvh_head(enum uvhooks_event_type event, unsigned int flags)
{
	return sizeof(struct uvhooks_event) | (uint64_t) event << 32 | (uint64_t) flags << 48;
}

/* The same for an event of a record; `other` and `callback` as in struct uvhooks_event. */
static inline void *uvh_emit(struct uvh_context *context, enum uvhooks_event_type event,
			     const struct uvh_record *record, uvhooks_async_id execution,
			     uvhooks_async_id other, void *callback, unsigned int flags)
{
	return uvh_emit_event(context, uvh_head(event, flags), record, execution, other, callback);
}

/*
 * Calls a hook; returns the C++ exception that left it, or NULL. In assembler where the machine
 * has it (guard_*.S), since C cannot catch.
 */
void *uvh_guarded_call(const struct uvhooks_event *event, void *data, uvhooks_event_cb callback);

/* Ends an exception as a catch block would. */
void uvh_exception_drop(void *exception);

#pragma GCC visibility pop

#endif
