/* SPDX-License-Identifier: MIT */
/* Resources that are alive when the process exits: nothing ends them. */
#include "embedder.h"

static resource_t automatic;
static resource_t manual;

static void *leave(void *argument)
{
	puts("exits in its scope");
	exit(argument == NULL);
}

/* With an argument of any kind it returns from main, else it exits in a scope. */
int main(int argc, char **argv)
{
	(void) argv;
	make(&automatic, "Automatic");
	make_manual(&manual, "Manual");
	report_counters();
	if (argc > 1)
		return 0;
	run_in(&automatic, leave, &manual);
}
