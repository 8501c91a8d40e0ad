/* SPDX-License-Identifier: MIT */
/* Hooks: what a program or plugin makes with uvhooks_create_hook. */
#ifndef UVH_HOOKS_H
#define UVH_HOOKS_H

#include "dispatch.h"

#pragma GCC visibility push(hidden)

/* Never freed, so that a set may name it for ever. */
struct uvhooks_hook {
	uvhooks_event_cb callbacks[UVHOOKS_EVENT_MAX];
	void *data;
	void *loop; /* only events of this loop; NULL: all */
	bool nested;
	const char *owner; /* the plugin that made it, "" for the program */
};

/* An exception left a callback of this hook: say whose it is, and never call it again. */
void uvh_hook_threw(struct uvhooks_hook *hook, void *exception);

/* A plugin has failed to start: what it had enabled is disabled. `owner` is compared as a pointer.
 */
void uvh_hooks_disable_of(const char *owner);

/* Hooks or local storages came to be in use, or no longer are. Called with the lock held. */
void uvh_watch(void);

/* The plugin whose init runs now, for the hooks that it makes. */
extern const char *uvh_hook_owner;

#pragma GCC visibility pop

#endif
