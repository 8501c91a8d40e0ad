/* SPDX-License-Identifier: MIT */
/* A plugin for an ABI that does not exist yet. Its init must never run. */
#include <stdlib.h>
#include <uvhooks/plugin.h>

static int never(struct uvhooks_plugin_args *args)
{
	(void) args;
	abort();
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI + 998,
    .name = "wrong_abi",
    .summary = "comes from the future",
    .init = never,
};
