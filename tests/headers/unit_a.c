/* SPDX-License-Identifier: MIT */
/* Two files of one program, which share the stores: this one enters, and the other one looks. */
#include <uvhooks/local_storage.h>

#include "expect.h"
#include "units.h"

static int releases;

static void count_release(void *store)
{
	(void) store;
	releases++;
}

struct uvhooks_local_storage unit_storage = UVHOOKS_LOCAL_STORAGE(count_release, 0);

static char here[] = "here", there[] = "there";

static void *in_run(void *argument)
{
	EXPECT(unit_b_sees() == here);
	unit_b_enters(there);
	EXPECT(uvhooks_local_storage_get_store(&unit_storage) == there);
	unit_b_enters(NULL);
	EXPECT(uvhooks_local_storage_get_store(&unit_storage) == NULL);
	unit_b_enters(here);
	EXPECT(unit_b_runs(there, unit_a_sees) == there);
	EXPECT(unit_b_sees() == here);
	return argument;
}

void *unit_a_sees(void *argument)
{
	(void) argument;
	return uvhooks_local_storage_get_store(&unit_storage);
}

int main(void)
{
	EXPECT(unit_b_sees() == NULL);
	uvhooks_local_storage_run(&unit_storage, here, in_run, NULL);
	EXPECT(unit_b_sees() == NULL);
	printf("two files, %d stores released\n", releases);
	return 0;
}
