/* SPDX-License-Identifier: MIT */
/* A module loaded RTLD_DEEPBIND: it finds its own libuv before any that is preloaded. */
#include "modules.h"

int main(void)
{
	struct module module;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	module = open_module("module_shared", RTLD_LOCAL | RTLD_DEEPBIND);
	module.play();
	report_counters();
	return 0;
}
