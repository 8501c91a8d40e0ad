/* SPDX-License-Identifier: MIT */
/*
 * The functions are macros too, so that they can be called without the shim. They still take what
 * any function takes, evaluate it once, and have an address, which is NULL without the shim.
 */
#include <uvhooks/local_storage.h>
#include <uvhooks/promise.h>

#include "expect.h"

static int calls;

static void *count_call(void *argument)
{
	calls++;
	return argument;
}

static struct uvhooks_local_storage storages[2] = {
    UVHOOKS_LOCAL_STORAGE(NULL, 0),
    UVHOOKS_LOCAL_STORAGE(NULL, UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS),
};

/* Of the same names as the functions: the macros leave alone what is no call. */
struct operations {
	void *(*uvhooks_local_storage_run)(struct uvhooks_local_storage *storage, void *store,
					   void *(*function)(void *argument), void *argument);
	int (*uvhooks_async_resource_create)(struct uvhooks_async_resource *resource,
					     const char *type,
					     const struct uvhooks_async_resource_options *options);
};

int main(void)
{
	struct uvhooks_async_resource resources[3], *next = resources;
	struct operations operations;
	int numbers[] = {1, 2, 3}, *number = numbers;

	/* Evaluated once. */
	EXPECT(uvhooks_async_resource_create(next++, "Job", NULL) == 0);
	EXPECT(next == resources + 1);
	EXPECT(uvhooks_local_storage_run(&storages[0], number++, count_call, numbers) != NULL);
	EXPECT(number == numbers + 1 && calls == 1);
	EXPECT(uvhooks_local_storage_enter_with(&storages[1], number++) == 0);
	EXPECT(number == numbers + 2);
	EXPECT(uvhooks_local_storage_get_store(&storages[1]) == &numbers[1]);

#ifndef __cplusplus
	/* Commas that belong to one argument. */
	EXPECT(
	    uvhooks_async_resource_create(next, "Job",
					  &(struct uvhooks_async_resource_options){
					      .size = sizeof(struct uvhooks_async_resource_options),
					      .trigger_async_id = 1,
					      .require_manual_destroy = true,
					  }) == 0);
	EXPECT(uvhooks_async_resource_emit_destroy(next) == 0);
	EXPECT(uvhooks_local_storage_run(&storages[0], (int[]){1, 2}, count_call, next) == next);
#endif

	/* A call inside a call, of the same function. */
	EXPECT(uvhooks_async_resource_run_in_async_scope(
		   resources, count_call,
		   uvhooks_async_resource_run_in_async_scope(resources, count_call, number)) ==
	       number);

	/* Addresses, and names. */
	operations.uvhooks_local_storage_run = uvhooks_local_storage_run;
	operations.uvhooks_async_resource_create = &uvhooks_async_resource_create;
	EXPECT((operations.uvhooks_local_storage_run != NULL) == uvhooks_present());
	EXPECT((operations.uvhooks_async_resource_create != NULL) == uvhooks_present());
	if (uvhooks_present())
		EXPECT((operations.uvhooks_local_storage_run)(&storages[0], number, count_call,
							      number) == number);

	EXPECT(uvhooks_async_resource_emit_destroy(&resources[0]) == 0);
	EXPECT(uvhooks_local_storage_enter_with(&storages[1], NULL) == 0);
	puts("arguments of all kinds");
	return 0;
}
