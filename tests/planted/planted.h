/* SPDX-License-Identifier: MIT */
/* What the programs with a planted fault share. */
#ifndef PLANTED_H
#define PLANTED_H

#include <signal.h>
#include <stdbool.h>

#include "../programs/program.h"

/* Is the program to run with its fault? Not with the word `fixed`. */
HELPER bool has_fault(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	return argc < 2 || strcmp(argv[1], "fixed") != 0;
}

HELPER void lose_patience(uv_timer_t *timer)
{
	(void) timer;
	printf("killed\n");
	raise(SIGKILL);
}

/*
 * Somebody kills the program when it has not ended after a while, which is long where it will end.
 * The timer is not referenced, so it keeps no loop alive.
 */
HELPER void kill_unless_it_ends(uv_loop_t *loop, uv_timer_t *patience, bool faulty)
{
	CHECK_OK(uv_timer_init(loop, patience));
	CHECK_OK(uv_timer_start(patience, lose_patience, faulty ? 50 : 60000, 0));
	uv_unref((uv_handle_t *) patience);
}

#endif
