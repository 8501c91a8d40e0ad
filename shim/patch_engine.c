/* SPDX-License-Identifier: MIT */
#include "patch_engine.h"

extern const struct uvh_patch_engine uvhooks_patch_engine;

__attribute__((visibility("default"))) const struct uvh_patch_engine uvhooks_patch_engine = {
    .size = sizeof(uvhooks_patch_engine),
    .move_function = uvh_move_function,
    .move_jump = uvh_move_jump,
    .refusal_text = uvh_move_refusal_text,
};
