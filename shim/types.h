/* SPDX-License-Identifier: MIT */
/* Names that the program gives to types of its own, and their numbers. */
#ifndef UVH_TYPES_H
#define UVH_TYPES_H

#include <uvhooks/async_resource.h>

#include "ground.h"

#pragma GCC visibility push(hidden)

struct uvh_context;

/* The number of a type by that name, new if it is; UVHOOKS_EMBEDDER if there is none left. */
uint16_t uvh_type_of_name(struct uvh_context *context, const char *name);

/* Where the names are, by number from UVHOOKS_TYPE_NAMED on; NULL there as long as there are none.
 */
const char ***uvh_type_names(void);

#pragma GCC visibility pop

#endif
