/* SPDX-License-Identifier: MIT */
/*
 * Whose code a frame of a stack is: the program's own, or of what every such program runs on.
 */
#ifndef UVH_STACK_ORIGIN_H
#define UVH_STACK_ORIGIN_H

#include "stack_frames.h"

/* By what else is known of a native frame, or a script's (its address is 0). */
enum uvh_frame_origin uvh_stack_origin(const struct uvh_stack_frame *frame);

/* The frame that people mean by "where"; NULL where there are none. */
const struct uvh_stack_frame *uvh_stack_site(const struct uvh_stack_frame *frames, size_t count);

#endif
