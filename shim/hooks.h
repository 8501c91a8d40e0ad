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
	bool sinks;                /* UVHOOKS_HOOK_SINKS */
	const char *owner;         /* the plugin that made it, "" for the program */
	struct uvhooks_hook *next; /* all hooks */
	struct uvh_hook_set *sets; /* those that it is the last of: none is ever freed */
	uint32_t number;           /* from 1 on */
	bool switched_off;         /* from outside, by uvh_hooks_switch_of */
};

/* An exception left a callback of this hook: say whose it is, and never call it again. */
void uvh_hook_threw(struct uvhooks_hook *hook, void *exception);

/* A plugin has failed to start: what it had enabled is disabled. `owner` is compared as a pointer.
 */
void uvh_hooks_disable_of(const char *owner);

/*
 * Enables or disables a hook by its number, or those that the plugin of this name had enabled. 0,
 * -ENOENT, or what uvhooks_hook_enable says.
 */
int uvh_hook_switch(uint32_t number, bool enable);
int uvh_hooks_switch_of(const char *owner, bool enable);

/* Calls `tell` for each hook, in the order in which they were made. */
void uvh_hooks_tell(void (*tell)(const struct uvhooks_hook *hook, bool enabled, void *data),
		    void *data);

/* Hooks or local storages came to be in use, or no longer are. Called with the lock held. */
void uvh_watch(void);

/* The plugin whose init runs now, for the hooks that it makes. */
extern const char *uvh_hook_owner;

#pragma GCC visibility pop

#endif
