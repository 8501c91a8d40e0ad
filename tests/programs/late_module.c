/* SPDX-License-Identifier: MIT */
/*
 * A program that knows nothing of libuv loads a module that needs it, RTLD_LOCAL, as an interpreter
 * does; unloads it, so that libuv goes as well; and loads it again.
 */
#include "modules.h"

int main(void)
{
	struct module module;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	for (int i = 0; i < 2; i++) {
		module = open_module("module_shared", RTLD_LOCAL);
		module.play();
		CHECK(dlclose(module.handle) == 0);
	}
	module = open_module("module_shared", RTLD_LOCAL);
	module.play();
	report_counters();
	return 0;
}
