/* SPDX-License-Identifier: MIT */
/* ELF objects in memory: the C library of this very process is the specimen. */
#include <dlfcn.h>
#include <string.h>

#include "check.h"
#include "object.h"

static bool no_name(const char *name)
{
	(void) name;
	return false;
}

int main(void)
{
	struct uvh_object libc, self;
	void *handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	CHECK(handle != NULL);
	CHECK(uvh_object_at(&libc, (uintptr_t) dlsym(handle, "fopen")));
	CHECK(strcmp(libc.soname, "libc.so.6") == 0);
	CHECK(uvh_object_function(&libc, "fopen") == dlsym(handle, "fopen"));
	CHECK(uvh_object_function(&libc, "getpid") == dlsym(handle, "getpid"));
	CHECK(uvh_object_function(&libc, "no_such_function") == NULL);
	CHECK(uvh_object_function(&libc, "") == NULL);
	/* Data is no function. */
	CHECK(uvh_object_function(&libc, "environ") == NULL);
	CHECK(!uvh_object_exports_only(&libc, "mem"));
	CHECK(uvh_object_exports_only(&libc, ""));

	CHECK(uvh_object_at(&self, (uintptr_t) main));
	CHECK(self.path[0] == '\0');
	CHECK(uvh_object_function(&self, "fopen") == NULL);
	CHECK(!uvh_object_at(&self, 16));
	CHECK(uvh_object_rebind(&libc, &libc, no_name));
	CHECK_DONE();
}
