/* SPDX-License-Identifier: MIT */
/*
 * What libuvhooks-patch.so exports: moving instructions needs a decoder, and libuvhooks.so needs
 * nothing but libc. So this part is loaded only into processes in which a function is patched.
 */
#ifndef UVH_PATCH_ENGINE_H
#define UVH_PATCH_ENGINE_H

#include "patch_move.h"

struct uvh_patch_engine {
	size_t size; /* of this struct, for an engine that does not belong to this shim */
	__typeof__(uvh_move_function) *move_function;
	__typeof__(uvh_move_jump) *move_jump;
	__typeof__(uvh_move_refusal_text) *refusal_text;
};

#define UVH_PATCH_ENGINE_FILE   "libuvhooks-patch.so"
#define UVH_PATCH_ENGINE_SYMBOL "uvhooks_patch_engine"

#endif
