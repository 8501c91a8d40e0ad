/* SPDX-License-Identifier: MIT */
/* A program without libuv loads a module that has a libuv of its own. */
#include "modules.h"

int main(void)
{
	struct module module;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	module = open_module("module_static_a", RTLD_LOCAL);
	module.play();
	module.play();
	report_counters();
	return 0;
}
