/* SPDX-License-Identifier: MIT */
/*
 * libuvhooks.so and the environment that brings it into a program.
 */
#ifndef UVH_PRELOAD_H
#define UVH_PRELOAD_H

#include <limits.h>
#include <stdbool.h>

#include "../shim/patch_engine.h"
#include "loader.h"

/*
 * Finds the libuvhooks.so that belongs to this command: beside it in the build folder, or where it
 * was installed with it. 0, or -1 and the reason in `text`.
 */
int uvh_shim_find(char path[PATH_MAX], char text[UVH_TEXT_BYTES]);

/* Is this the path of a libuvhooks.so, this one or another? */
bool uvh_is_shim(const char *path);

/*
 * Loads the patch engine that the shim will load, from beside it. It is used for its judgement
 * here: so what is said of a function is what the shim finds. NULL, and the reason in `text`.
 */
const struct uvh_patch_engine *uvh_engine_load(char text[UVH_TEXT_BYTES]);

/*
 * Holds a text as UVHOOKS_PLUGINS would have it against the shim, in a child: nothing of the
 * plugins stays in this process. 0, or -1 and the reason in `text`; -2 if one has ended the child.
 */
int uvh_plugins_check(const char *shim, const char *plugins, char text[UVH_TEXT_BYTES]);

/* Is a plugin of this name among them, or a file NAME.so? `plugins` may be NULL. */
bool uvh_plugins_have(const char *plugins, const char *name);

/*
 * Adds a plugin, as `run -p` has it, to the end of `plugins` (NULL: there is none yet) and returns
 * the new text; NULL if memory is short. A relative path is made absolute, so that a process of
 * the tree that works in another folder finds the plugin, too.
 */
char *uvh_plugins_add(char *plugins, const char *plugin);

/*
 * Puts the shim into LD_PRELOAD. What is there stays, in its order, but for an ASan runtime, which
 * insists on being the very first, and another libuvhooks.so, since two would trace each other.
 * `asan` is the runtime that the program links, or "". 0 or -errno.
 */
int uvh_preload(const char *shim, const char *asan);

#endif
