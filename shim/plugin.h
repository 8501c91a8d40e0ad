/* SPDX-License-Identifier: MIT */
/* Plugins: shared objects named in UVHOOKS_PLUGINS. */
#ifndef UVH_PLUGIN_H
#define UVH_PLUGIN_H

#include <uvhooks/plugin.h>

#pragma GCC visibility push(hidden)

/*
 * Loads and starts each plugin of the text. One that fails is counted, named on stderr with the
 * reason, and takes part in nothing; the others and the program go on.
 */
void uvh_plugins_load(const char *plugins);

#pragma GCC visibility pop

#endif
