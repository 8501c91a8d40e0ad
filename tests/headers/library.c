/* SPDX-License-Identifier: MIT */
/* A library that uses the headers, linked to nothing: see loader.c. */
#include <uvhooks/local_storage.h>

#include "expect.h"

#ifdef __cplusplus
extern "C" {
#endif

int library_main(const char *expected);

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(NULL, 0);

static void *look(void *argument)
{
	return uvhooks_local_storage_get_store(&storage) == argument ? argument : NULL;
}

/* Whether the shim is there, as its user says. */
int library_main(const char *expected)
{
	struct uvhooks_async_resource resource;
	char store[] = "store";

	EXPECT(uvhooks_local_storage_run(&storage, store, look, store) == store);
	EXPECT(uvhooks_async_resource_create(&resource, "Job", NULL) == 0);
	EXPECT(uvhooks_present() == (expected[0] == 's'));
	EXPECT((uvhooks_async_resource_async_id(&resource) != 0) == uvhooks_present());
	EXPECT(uvhooks_async_resource_emit_destroy(&resource) == 0);
	puts("the library is content");
	return 0;
}

#ifdef __cplusplus
}
#endif
