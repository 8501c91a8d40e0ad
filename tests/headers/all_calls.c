/* SPDX-License-Identifier: MIT */
/*
 * Every function of the headers, one by one; in C and in C++. What it prints is the same with the
 * shim and without it. It uses no libuv, and nothing but libc is linked.
 *
 *	all_calls             what each call says
 *	all_calls bare        checks that the shim is not there, and what that means
 *	all_calls shim        the same if it is
 */
#include <uvhooks/hooks.h>
#include <uvhooks/local_storage.h>
#include <uvhooks/promise.h>

#include <string.h>

#include "expect.h"

static int releases;

static void count_release(void *store)
{
	(void) store;
	releases++;
}

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(count_release, 0);
static char first[] = "first", second[] = "second";

static const char *current(void)
{
	const char *store = (const char *) uvhooks_local_storage_get_store(&storage);

	return store == NULL ? "none" : store;
}

static void *show(void *what)
{
	printf("%s: %s\n", (const char *) what, current());
	return what;
}

static char text_run[] = "in a run", text_exit[] = "in an exit", text_scope[] = "in a scope",
	    text_trigger[] = "in a trigger scope", text_bound[] = "in a bound function",
	    text_snapshot[] = "in a snapshot", text_reaction[] = "in a reaction";

static void *in_run(void *what)
{
	show(what);
	EXPECT(uvhooks_local_storage_run(&storage, second, show, text_run) == text_run);
	EXPECT(uvhooks_local_storage_exit(&storage, show, text_exit) == text_exit);
	EXPECT(uvhooks_local_storage_enter_with(&storage, second) == 0);
	EXPECT(uvhooks_local_storage_enter_with(&storage, second) == 0);
	return show(what);
}

static void storages(void)
{
	struct uvhooks_event event;
	struct uvhooks_snapshot snapshot;
	struct uvhooks_bound_function bound;

	EXPECT(uvhooks_local_storage_get_store(&storage) == NULL);
	EXPECT(uvhooks_local_storage_run(&storage, first, in_run, text_run) == text_run);
	printf("released: %d\n", releases);
	EXPECT(uvhooks_local_storage_run(&storage, NULL, show, text_run) == text_run);
	EXPECT(uvhooks_local_storage_enter_with(&storage, first) == 0);
	uvhooks_local_storage_disable(&storage);
	EXPECT(uvhooks_local_storage_get_store(&storage) == NULL);

	memset(&event, 0, sizeof(event));
	EXPECT(uvhooks_local_storage_store_of_event(&storage, &event) == NULL);

	uvhooks_local_storage_snapshot(&snapshot);
	EXPECT(uvhooks_local_storage_run_in_snapshot(&snapshot, show, text_snapshot) ==
	       text_snapshot);
	EXPECT(uvhooks_local_storage_release_snapshot(&snapshot) == 0);
	EXPECT(uvhooks_local_storage_release_snapshot(&snapshot) == -EALREADY);

	bound = uvhooks_local_storage_bind(&snapshot, show, text_bound);
	EXPECT(uvhooks_call_bound_function(&bound) == text_bound);
	EXPECT(uvhooks_local_storage_release_snapshot(&snapshot) == 0);
}

static void resources(void)
{
	struct uvhooks_async_resource_options options;
	struct uvhooks_async_resource resource;
	struct uvhooks_bound_function bound;

	memset(&resource, 0, sizeof(resource));
	memset(&options, 0, sizeof(options));
	EXPECT(uvhooks_async_resource_emit_destroy(&resource) == -EINVAL);
	EXPECT(uvhooks_async_resource_create(NULL, "Job", NULL) == -EINVAL);
	EXPECT(uvhooks_async_resource_create(&resource, NULL, NULL) == -EINVAL);
	EXPECT(uvhooks_async_resource_create(&resource, "", NULL) == -EINVAL);
	EXPECT(uvhooks_async_resource_create(&resource, "Job", &options) == -EINVAL);
	options.size = sizeof(options);
	options.trigger_async_id = (uvhooks_async_id) -2;
	EXPECT(uvhooks_async_resource_create(&resource, "Job", &options) == -EINVAL);
	options.trigger_async_id = UVHOOKS_ID_UNSET;
	EXPECT(uvhooks_async_resource_create(&resource, "Job", &options) == 0);
	EXPECT(uvhooks_async_resource_emit_destroy(&resource) == 0);
	EXPECT(uvhooks_async_resource_create(&resource, "Job", NULL) == 0);
	EXPECT(uvhooks_async_resource_run_in_async_scope(&resource, show, text_scope) ==
	       text_scope);
	EXPECT(uvhooks_async_resource_run_in_async_scope(NULL, show, text_scope) == text_scope);
	bound = uvhooks_async_resource_bind(&resource, show, text_bound);
	EXPECT(uvhooks_call_bound_function(&bound) == text_bound);
	EXPECT(uvhooks_default_trigger_async_id_scope(1, show, text_trigger) == text_trigger);
	EXPECT(uvhooks_async_resource_emit_destroy(&resource) == 0);
	EXPECT(uvhooks_async_resource_emit_destroy(&resource) == -EALREADY);
	EXPECT(uvhooks_async_resource_emit_destroy(NULL) == -EINVAL);
	EXPECT(uvhooks_async_resource_async_id(NULL) == 0);
	EXPECT(uvhooks_async_resource_trigger_async_id(NULL) == 0);
	if (!uvhooks_present()) {
		EXPECT(uvhooks_async_resource_async_id(&resource) == 0);
		EXPECT(uvhooks_async_resource_trigger_async_id(&resource) == 0);
	} else {
		EXPECT(uvhooks_async_resource_async_id(&resource) != 0);
		EXPECT(uvhooks_async_resource_trigger_async_id(&resource) != 0);
	}
}

static void promises(void)
{
	struct uvhooks_promise parent, child;

	EXPECT(uvhooks_promise_create(NULL) == -EINVAL);
	EXPECT(uvhooks_promise_create(&parent) == 0);
	EXPECT(uvhooks_promise_then(NULL, &child) == -EINVAL);
	EXPECT(uvhooks_promise_then(&parent, NULL) == -EINVAL);
	EXPECT(uvhooks_promise_then(&parent, &child) == 0);
	EXPECT(uvhooks_promise_resolve(NULL) == -EINVAL);
	EXPECT(uvhooks_promise_resolve(&parent) == 0);
	EXPECT(uvhooks_promise_resolve(&parent) == -EALREADY);
	EXPECT(uvhooks_promise_run_reaction(&child, show, text_reaction) == text_reaction);
	EXPECT(uvhooks_promise_resolve(&child) == -EALREADY);
	EXPECT(uvhooks_promise_run_reaction(NULL, show, text_reaction) == text_reaction);
	EXPECT(uvhooks_promise_emit_destroy(&parent) == 0);
	EXPECT(uvhooks_promise_emit_destroy(&child) == 0);
	EXPECT(uvhooks_promise_emit_destroy(&child) == -EALREADY);
	EXPECT(uvhooks_promise_emit_destroy(NULL) == -EINVAL);
}

static void count_resource(const struct uvhooks_resource *resource, void *data)
{
	(void) resource;
	++*(size_t *) data;
}

/* This program has none. */
static void see_libuv(const struct uvhooks_libuv *libuv, void *data)
{
	(void) data;
	EXPECT(libuv == NULL);
}

static void hooks(void)
{
	struct uvhooks_callbacks callbacks;
	struct uvhooks_counters counters;
	struct uvhooks_resource resource;
	struct uvhooks_hook *hook;
	size_t counted = 0;

	memset(&callbacks, 0, sizeof(callbacks));
	callbacks.size = sizeof(callbacks);
	memset(&counters, 0, sizeof(counters));
	counters.size = sizeof(counters);
	memset(&resource, 0xA5, sizeof(resource));
	resource.size = sizeof(resource);
	EXPECT(uvhooks_create_hook(NULL, NULL) == NULL);
	hook = uvhooks_create_hook(&callbacks, NULL);
	EXPECT(uvhooks_for_each_resource(count_resource, &counted) == counted);
	EXPECT(uvhooks_for_each_libuv(see_libuv, NULL) == 0);
	EXPECT(uvhooks_execution_async_resource(NULL) == -EINVAL);
	EXPECT(uvhooks_execution_async_resource(&resource) == 0);
	EXPECT(resource.size == sizeof(resource) && resource.type == UVHOOKS_NONE);
	EXPECT(resource.pointer == NULL && resource.fs_type == UVHOOKS_FS_NONE);
	if (uvhooks_present()) {
		EXPECT(strcmp(uvhooks_version(), UVHOOKS_VERSION) == 0);
		EXPECT(uvhooks_hook_enable(hook) == 0);
		EXPECT(uvhooks_hook_disable(hook) == 0);
		EXPECT(uvhooks_get_counters(&counters) == 0);
		EXPECT(uvhooks_execution_async_id() == 1);
	} else {
		EXPECT(uvhooks_version()[0] == '\0');
		EXPECT(hook == NULL);
		EXPECT(uvhooks_hook_enable(hook) == -ENOSYS);
		EXPECT(uvhooks_hook_disable(hook) == -ENOSYS);
		EXPECT(uvhooks_get_counters(&counters) == -ENOSYS);
		EXPECT(uvhooks_execution_async_id() == 0);
		EXPECT(uvhooks_trigger_async_id() == 0);
		EXPECT(counted == 0);
		EXPECT(resource.async_id == 0 && resource.trigger_async_id == 0);
	}
	EXPECT(strcmp(uvhooks_type_name(UVHOOKS_TYPE_NAMED + 60000), "UNKNOWN") == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return uvhooks_present() == (strcmp(argv[1], "shim") == 0) ? 0 : 3;
	storages();
	resources();
	promises();
	hooks();
	puts("all said what they should");
	return 0;
}
