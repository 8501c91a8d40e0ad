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

/*
 * The same while the program runs, as somebody outside asks, but that a plugin that was started
 * already gets its options as new ones. `may_load`: it need not have been. The text is cut up. 0,
 * or a negative errno and the reason, of the first that fails: those behind it are left alone.
 */
int uvh_plugins_request(char *plugins, bool may_load, char *error, size_t error_bytes);

/* Calls `tell` for each plugin that was started, with what it says of itself, or "". */
void uvh_plugins_tell(void (*tell)(const char *name, const char *said, void *data), void *data);

#pragma GCC visibility pop

#endif
