/* SPDX-License-Identifier: MIT */
#include "command.h"

int uvh_cmd_top(int argc, char **argv)
{
	(void) argc;
	(void) argv;
	return UVH_FAILED;
}
