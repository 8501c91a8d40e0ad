/* SPDX-License-Identifier: MIT */
/* Stacks in JSON: the same keys in every verb. */
#ifndef UVH_STACK_JSON_H
#define UVH_STACK_JSON_H

#include "json.h"
#include "stack_frames.h"

/* One object: function, file (null: unknown), line (0: unknown), origin, and more of native ones.
 */
void uvh_json_frame(struct uvh_json *json, const char *key, const struct uvh_stack_frame *frame);

/* An array of frames, the innermost first; null for number 0 and what is not in the trace. */
void uvh_json_stack(struct uvh_json *json, const char *key, const struct uvh_trace_process *process,
		    uint32_t number);

#endif
