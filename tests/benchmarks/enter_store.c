/* SPDX-License-Identifier: MIT */
/*
 * To be preloaded, behind the shim: a store of a local storage is there before a benchmark begins,
 * and so is carried by all that it makes. The benchmarks know nothing of it.
 */
#include <stddef.h>
#include <uvhooks/local_storage.h>

int benchmark_enter_store(void);

int benchmark_enter_store(void)
{
	static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(NULL, 0);
	static int store;
	int result = uvhooks_present() ? 0 : -ENOSYS;

	if (result == 0)
		result = uvhooks_local_storage_enter_with(&storage, &store);
	if (result == 0 && uvhooks_local_storage_get_store(&storage) != &store)
		result = -EINVAL;
	return result;
}
