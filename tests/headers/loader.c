/* SPDX-License-Identifier: MIT */
/* loader LIBRARY bare|shim: loads library.c, privately, and calls it. Knows nothing of uvhooks. */
#include <dlfcn.h>
#include <string.h>

#include "expect.h"

int main(int argc, char **argv)
{
	int (*library_main)(const char *expected);
	void *library, *symbol;

	EXPECT(argc == 3);
	library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		fprintf(stderr, "%s\n", dlerror());
	EXPECT(library != NULL);
	symbol = dlsym(library, "library_main");
	EXPECT(symbol != NULL);
	memcpy(&library_main, &symbol, sizeof(symbol));
	return library_main(argv[2]);
}
