/* SPDX-License-Identifier: MIT */
/* Stacks: the plugin that takes them, and what the shim asks it for. */
#ifndef UVH_STACKS_H
#define UVH_STACKS_H

#include <uvhooks/stacks.h>

#include "dispatch.h"

#pragma GCC visibility push(hidden)

/* There is a source: what makes or arms a resource goes the longer way. */
extern bool uvh_stacks_on;

static inline bool uvh_taking_stacks(void)
{
	return __atomic_load_n(&uvh_stacks_on, __ATOMIC_RELAXED);
}

/* The number of the stack, here and now; 0: none. */
uint32_t uvh_stack_take(unsigned int event, unsigned int type);

/* As uvh_emit(), with the stack. */
void uvh_emit_with_stack(struct uvh_context *context, enum uvhooks_event_type event,
			 const struct uvh_record *record, uvhooks_async_id execution,
			 uvhooks_async_id other, void *callback, unsigned int flags);

#pragma GCC visibility pop

#endif
