/* SPDX-License-Identifier: MIT */
/* Loading modules that lie beside the program. */
#ifndef MODULES_H
#define MODULES_H

#include "program.h"

#include <dlfcn.h>
#include <libgen.h>

struct module {
	void *handle;
	void (*play)(void);
	uv_loop_t *(*default_loop)(void);
};

HELPER struct module open_module(const char *name, int flags)
{
	struct module module;
	char own_path[4096];
	char path[4200];
	ssize_t bytes = readlink("/proc/self/exe", own_path, sizeof own_path - 1);

	CHECK(bytes > 0);
	own_path[bytes] = '\0';
	snprintf(path, sizeof path, "%s/%s.so", dirname(own_path), name);
	module.handle = dlopen(path, RTLD_NOW | flags);
	if (module.handle == NULL)
		fprintf(stderr, "%s\n", dlerror());
	CHECK(module.handle != NULL);
	*(void **) &module.play = dlsym(module.handle, "module_play");
	*(void **) &module.default_loop = dlsym(module.handle, "module_default_loop");
	CHECK(module.play != NULL && module.default_loop != NULL);
	return module;
}

#endif
