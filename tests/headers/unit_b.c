/* SPDX-License-Identifier: MIT */
/* The other one of two files: see unit_a.c. It is compiled as C and as C++. */
#include <uvhooks/local_storage.h>

#include "expect.h"
#include "units.h"

void *unit_b_sees(void)
{
	return uvhooks_local_storage_get_store(&unit_storage);
}

void unit_b_enters(void *store)
{
	EXPECT(uvhooks_local_storage_enter_with(&unit_storage, store) == 0);
}

void *unit_b_runs(void *store, void *(*function)(void *argument))
{
	return uvhooks_local_storage_run(&unit_storage, store, function, NULL);
}
