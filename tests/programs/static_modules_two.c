/* SPDX-License-Identifier: MIT */
/* Three libuvs in one process: two private ones and the shared one, each loaded by a module. */
#include "modules.h"

int main(void)
{
	struct module modules[3];

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	modules[0] = open_module("module_static_a", RTLD_LOCAL);
	modules[0].play();
	modules[1] = open_module("module_static_b", RTLD_LOCAL);
	modules[2] = open_module("module_shared", RTLD_LOCAL);
	for (int i = 2; i >= 0; i--)
		modules[i].play();
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < i; j++)
			CHECK(modules[i].default_loop() != modules[j].default_loop());
	puts("three default loops");
	report_counters();
	return 0;
}
