/* SPDX-License-Identifier: MIT */
/* The resources of the program itself: AsyncResource, promises, trigger scopes. */
#ifndef UVH_EMBEDDER_H
#define UVH_EMBEDDER_H

#include "context.h"

#pragma GCC visibility push(hidden)

/*
 * Their loop is closed or their thread ends: those of the space that were not asked to be destroyed
 * by hand end now, flagged.
 */
void uvh_embedders_end(struct uvh_context *context, struct uvh_space *space, unsigned int flags);

#pragma GCC visibility pop

#endif
