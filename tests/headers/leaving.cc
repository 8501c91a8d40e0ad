/* SPDX-License-Identifier: MIT */
/* C++ exceptions through everything that calls a function. */
#include <uvhooks/local_storage.h>
#include <uvhooks/promise.h>

#include <stdexcept>

#include "expect.h"

static int releases;

static void count_release(void *)
{
	releases++;
}

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(count_release, 0);
static char outer[] = "outer", inner[] = "inner";

static const char *current()
{
	const void *store = uvhooks_local_storage_get_store(&storage);

	return store == nullptr ? "none" : static_cast<const char *>(store);
}

static void *throw_text(void *text)
{
	throw std::runtime_error(static_cast<const char *>(text));
}

static void *enter_and_throw(void *text)
{
	EXPECT(uvhooks_local_storage_enter_with(&storage, inner) == 0);
	return throw_text(text);
}

struct way {
	const char *name;
	void (*go)(void *text);
};

static uvhooks_async_resource resource;
static uvhooks_promise promise;

static void through_run(void *text)
{
	uvhooks_local_storage_run(&storage, inner, throw_text, text);
}

static void through_exit(void *text)
{
	uvhooks_local_storage_exit(&storage, throw_text, text);
}

static void through_entered(void *text)
{
	uvhooks_async_resource_run_in_async_scope(&resource, enter_and_throw, text);
}

static void through_scope(void *text)
{
	uvhooks_async_resource_run_in_async_scope(&resource, throw_text, text);
}

static void through_trigger_scope(void *text)
{
	uvhooks_default_trigger_async_id_scope(1, throw_text, text);
}

/* Not settled by it, unlike one whose function returns. */
static void through_reaction(void *text)
{
	uvhooks_promise_run_reaction(&promise, throw_text, text);
}

static const way ways[] = {
    {"run", through_run},
    {"exit", through_exit},
    {"entered", through_entered},
    {"scope", through_scope},
    {"trigger scope", through_trigger_scope},
    {"reaction", through_reaction},
};

static void *try_all(void *)
{
	char text[] = "out of all";

	for (const way &each : ways) {
		try {
			each.go(const_cast<char *>(each.name));
			EXPECT(false && "it must not return");
		} catch (const std::runtime_error &error) {
			printf("caught in %s: %s\n", current(), error.what());
		}
	}
	return throw_text(text);
}

int main()
{
	EXPECT(uvhooks_async_resource_create(&resource, "Job", nullptr) == 0);
	EXPECT(uvhooks_promise_create(&promise) == 0);
	try {
		uvhooks_local_storage_run(&storage, outer, try_all, nullptr);
		EXPECT(false && "it must not return");
	} catch (const std::runtime_error &error) {
		printf("caught in %s: %s\n", current(), error.what());
	}
	EXPECT(uvhooks_promise_resolve(&promise) == 0);
	EXPECT(uvhooks_promise_emit_destroy(&promise) == 0);
	EXPECT(uvhooks_async_resource_emit_destroy(&resource) == 0);
	printf("released: %d\n", releases);
	return 0;
}
