/* SPDX-License-Identifier: MIT */
/* The public hook API. */
#include <errno.h>
#include <string.h>

#include "context.h"
#include "hooks.h"
#include "init.h"
#include "stacks.h"
#include "storage.h"
#include "trace_sink.h"

const char *uvh_hook_owner = "";

static struct uvhooks_hook *all_hooks, **last_hook = &all_hooks;
static uint32_t hook_count;

static void nothing(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
}

const char *uvhooks_version(void)
{
	return UVHOOKS_VERSION;
}

struct uvhooks_hook *uvhooks_create_hook(const struct uvhooks_callbacks *callbacks, void *data)
{
	struct uvhooks_hook *hook;

	if (callbacks == NULL || callbacks->size < sizeof(*callbacks))
		return NULL;
	hook = uvh_keep(sizeof(*hook));
	if (hook == NULL)
		return NULL;
#define XX(name, text) hook->callbacks[UVHOOKS_EVENT_##name] = callbacks->text;
	UVHOOKS_EVENT_MAP(XX)
#undef XX
	hook->data = data;
	hook->loop = callbacks->loop;
	hook->nested = (callbacks->flags & UVHOOKS_HOOK_NESTED) != 0;
	hook->sinks =
	    (callbacks->flags & UVHOOKS_HOOK_SINKS) != 0 && !hook->nested && hook->loop == NULL;
	hook->owner = uvh_hook_owner;
	uvh_lock();
	hook->number = ++hook_count;
	*last_hook = hook;
	last_hook = &hook->next;
	uvh_unlock();
	return hook;
}

/* The set of these hooks: an earlier one if there was the same, else new. Lock held. */
static const struct uvh_hook_set *set_of(struct uvhooks_hook **hooks, size_t count)
{
	struct uvhooks_hook *last = hooks[count - 1];
	struct uvh_hook_call *call;
	struct uvh_hook_set *set;
	size_t calls = 0;

	for (const struct uvh_hook_set *old = last->sets; old != NULL; old = old->next)
		if (old->count == count && memcmp(old->hooks, hooks, count * sizeof(*hooks)) == 0)
			return old;
	for (size_t i = 0; i < count; i++)
		for (int event = 0; event < UVHOOKS_EVENT_MAX; event++)
			calls += hooks[i]->callbacks[event] != NULL;
	set = uvh_keep(sizeof(*set) + calls * sizeof(*call) + count * sizeof(*hooks));
	if (set == NULL)
		return NULL;
	set->count = count;
	set->hooks = (struct uvhooks_hook **) &set->calls[calls];
	memcpy(set->hooks, hooks, count * sizeof(*hooks));
	call = set->calls;
	for (int event = 0; event < UVHOOKS_EVENT_MAX; event++) {
		set->first[event] = call;
		for (size_t i = 0; i < count; i++)
			if (hooks[i]->callbacks[event] != NULL)
				*call++ = (struct uvh_hook_call){
				    .callback = hooks[i]->callbacks[event],
				    .data = hooks[i]->data,
				    .loop = hooks[i]->loop,
				    .hook = hooks[i],
				    .nested = hooks[i]->nested,
				};
	}
	set->first[UVHOOKS_EVENT_MAX] = call;
	for (int event = 0; event < UVHOOKS_EVENT_MAX; event++) {
		call = set->first[event];
		if (call + 1 == set->first[event + 1] && call->loop == NULL && !call->nested)
			set->plain[event] = call;
	}
	set->next = last->sets;
	last->sets = set;
	return set;
}

void uvh_watch(void)
{
	__atomic_store_n(&uvh_watching, uvh_hooks_on() || uvh_storing(), __ATOMIC_RELEASE);
}

/* No event goes to a sink alone from where another hook is to hear of it. */
static void publish(const struct uvh_hook_set *set)
{
	const bool alone = set != NULL && set->count == 1 && set->hooks[0]->sinks;

	__atomic_store_n(&uvh_sink_hook, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&uvh_hook_set, set, __ATOMIC_RELEASE);
	__atomic_store_n(&uvh_sink_hook, alone ? set->hooks[0] : NULL, __ATOMIC_RELEASE);
	uvh_watch();
}

#define HOOK_MAX 256

static int change(struct uvhooks_hook *hook, bool enable)
{
	static struct uvhooks_hook *hooks[HOOK_MAX]; /* off the program's stack; under the lock */
	const struct uvh_hook_set *set;
	bool enabled = false;
	size_t count = 0;
	int result = 0;

	if (hook == NULL)
		return -EINVAL;
	uvh_lock();
	if (enable && uvh_is_off()) {
		uvh_unlock();
		return -EPERM;
	}
	for (size_t i = 0; uvh_hook_set != NULL && i < uvh_hook_set->count; i++) {
		if (uvh_hook_set->hooks[i] == hook)
			enabled = true;
		else
			hooks[count++] = uvh_hook_set->hooks[i];
	}
	if (enabled != enable) {
		if (enable && count < HOOK_MAX)
			hooks[count++] = hook;
		else if (enable)
			result = -ENOMEM;
		set = result != 0 || count == 0 ? NULL : set_of(hooks, count);
		if (set == NULL && count != 0)
			result = -ENOMEM;
		if (result == 0)
			publish(set);
	}
	uvh_unlock();
	return result;
}

int uvhooks_hook_enable(struct uvhooks_hook *hook)
{
	return change(hook, true);
}

int uvhooks_hook_disable(struct uvhooks_hook *hook)
{
	return change(hook, false);
}

void uvh_hooks_disable_of(const char *owner)
{
	struct uvhooks_hook *hook;

	do {
		const struct uvh_hook_set *set = __atomic_load_n(&uvh_hook_set, __ATOMIC_ACQUIRE);

		hook = NULL;
		for (size_t i = 0; set != NULL && hook == NULL && i < set->count; i++)
			if (set->hooks[i]->owner == owner)
				hook = set->hooks[i];
	} while (hook != NULL && uvhooks_hook_disable(hook) == 0);
}

/* Called with the lock held. */
static bool is_enabled(const struct uvhooks_hook *hook)
{
	for (size_t i = 0; uvh_hook_set != NULL && i < uvh_hook_set->count; i++)
		if (uvh_hook_set->hooks[i] == hook)
			return true;
	return false;
}

int uvh_hook_switch(uint32_t number, bool enable)
{
	struct uvhooks_hook *hook;
	int result = -ENOENT;

	uvh_lock();
	for (hook = all_hooks; hook != NULL && hook->number != number;)
		hook = hook->next;
	if (hook != NULL && (result = change(hook, enable)) == 0)
		hook->switched_off = false;
	uvh_unlock();
	return result;
}

int uvh_hooks_switch_of(const char *owner, bool enable)
{
	int result = -ENOENT;

	uvh_lock();
	for (struct uvhooks_hook *hook = all_hooks; hook != NULL; hook = hook->next) {
		if (strcmp(hook->owner, owner) != 0)
			continue;
		if (result == -ENOENT)
			result = 0;
		if (enable ? !hook->switched_off : !is_enabled(hook))
			continue;
		result = change(hook, enable);
		if (result != 0)
			break;
		hook->switched_off = !enable;
	}
	uvh_unlock();
	return result;
}

void uvh_hooks_tell(void (*tell)(const struct uvhooks_hook *hook, bool enabled, void *data),
		    void *data)
{
	uvh_lock();
	for (const struct uvhooks_hook *hook = all_hooks; hook != NULL; hook = hook->next)
		tell(hook, is_enabled(hook), data);
	uvh_unlock();
}

static void silence(struct uvh_hook_set *set, const struct uvhooks_hook *hook)
{
	for (struct uvh_hook_call *call = set->calls; call != set->first[UVHOOKS_EVENT_MAX]; call++)
		if (call->hook == hook)
			__atomic_store_n(&call->callback, nothing, __ATOMIC_RELAXED);
}

void uvh_hook_threw(struct uvhooks_hook *hook, void *exception)
{
	uvh_count(UVH_COUNT_hooks_thrown);
	uvh_message("an exception left a hook of %s%s; that hook is disabled now",
		    hook->owner[0] == '\0' ? "the program" : "plugin ", hook->owner);
	uvhooks_hook_disable(hook);
	/* Sets in force on other threads name it still. */
	uvh_lock();
	for (const struct uvhooks_hook *last = all_hooks; last != NULL; last = last->next)
		for (struct uvh_hook_set *set = last->sets; set != NULL; set = set->next)
			silence(set, hook);
	uvh_unlock();
	for (int event = 0; event < UVHOOKS_EVENT_MAX; event++)
		hook->callbacks[event] = NULL;
	uvh_exception_drop(exception);
}

uvhooks_async_id uvhooks_execution_async_id(void)
{
	struct uvh_context *context = uvh_context();

	if (context == NULL)
		return 0;
	uvh_stack_check(context, UVH_HERE());
	return uvh_execution_id(context);
}

uvhooks_async_id uvhooks_trigger_async_id(void)
{
	struct uvh_context *context = uvh_context();

	if (context == NULL)
		return 0;
	uvh_stack_check(context, UVH_HERE());
	return uvh_execution_trigger(context);
}

static bool usable(const struct uvhooks_resource *resource)
{
	return resource != NULL && resource->size >= sizeof(*resource);
}

static void describe_places(const struct uvh_places *places, struct uvhooks_resource *resource)
{
	if (__atomic_load_n(&places->id, __ATOMIC_ACQUIRE) != resource->async_id)
		return;
	resource->init_stack = __atomic_load_n(&places->init_stack, __ATOMIC_RELAXED);
	resource->start_stack = __atomic_load_n(&places->start_stack, __ATOMIC_RELAXED);
}

/*
 * Not for the thread sanitizer: a walk over all resources reads those of other threads while these
 * change them, and then finds out whether it was the same one throughout.
 */
__attribute__((no_sanitize("thread"))) static void describe(const struct uvh_record *record,
							    struct uvhooks_resource *resource)
{
	*resource = (struct uvhooks_resource){
	    .size = sizeof(*resource),
	    .type = record->type,
	    .fs_type = record->fs_type,
	    .async_id = __atomic_load_n(&record->id, __ATOMIC_ACQUIRE),
	    .trigger_async_id = record->trigger,
	    .arm_async_id = __atomic_load_n(&record->arm, __ATOMIC_RELAXED),
	    .pointer = record->owner,
	    .loop = record->type == UVHOOKS_UVTHREAD ? NULL : uvh_loop_of_space(record->space),
	    .callback = record->flags & UVH_RECORD_EMBEDDER ? NULL : record->callback[UVH_MAIN],
	};
	if (uvh_taking_stacks())
		describe_places(uvh_places(record), resource);
}

int uvhooks_execution_async_resource(struct uvhooks_resource *resource)
{
	struct uvh_context *context = uvh_context();
	const struct uvh_record *record = NULL;

	if (!usable(resource))
		return -EINVAL;
	if (context != NULL) {
		uvh_stack_check(context, UVH_HERE());
		record =
		    context->top != context->frames ? context->top->record : context->root_record;
	}
	if (record != NULL) {
		describe(record, resource);
		if (record->flags & UVH_RECORD_EMBEDDER) /* has none, but for what runs */
			resource->callback = context->top->callback;
		return 0;
	}
	*resource = (struct uvhooks_resource){
	    .size = sizeof(*resource),
	    .type = UVHOOKS_NONE,
	    .fs_type = UVHOOKS_FS_NONE,
	    .async_id = uvhooks_execution_async_id(),
	    .trigger_async_id = uvhooks_trigger_async_id(),
	};
	return 0;
}

/* However the walk is left: an exception of the program's may pass through. */
static void restore_quiet(const uint8_t *quiet)
{
	uvh_tls.quiet = *quiet;
}

/*
 * Other threads' records change under the walk. One is described only if it has the same id before
 * and after: then it was alive throughout, and what never changes of it was read whole.
 */
size_t uvhooks_for_each_resource(uvhooks_resource_cb callback, void *data)
{
	uint32_t limit = __atomic_load_n(&uvh_record_limit, __ATOMIC_ACQUIRE);
	const uint8_t quiet __attribute__((cleanup(restore_quiet))) = uvh_tls.quiet;
	size_t count = 0;

	if (callback == NULL)
		return 0;
	for (uint32_t index = 1; index < limit; index++) {
		const struct uvh_record *record = uvh_record_at(index);
		struct uvhooks_resource resource;

		if (__atomic_load_n(&record->id, __ATOMIC_ACQUIRE) == 0)
			continue;
		describe(record, &resource);
		if (__atomic_load_n(&record->id, __ATOMIC_ACQUIRE) != resource.async_id ||
		    resource.async_id == 0 ||
		    (__atomic_load_n(&record->flags, __ATOMIC_RELAXED) &
		     (UVH_RECORD_QUEUED | UVH_RECORD_DESTROYED)))
			continue;
		uvh_tls.quiet = 1;
		callback(&resource, data);
		uvh_tls.quiet = quiet;
		count++;
	}
	return count;
}
