/* SPDX-License-Identifier: MIT */
#include "stack_json.h"

#include <inttypes.h>
#include <stdio.h>

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void put_native(struct uvh_json *json, const struct uvh_stack_frame *frame)
{
	char address[32];

	snprintf(address, sizeof(address), "0x%" PRIx64, frame->address);
	uvh_json_text(json, "module", or_null(frame->module));
	uvh_json_text(json, "address", address);
	if (frame->inlined)
		uvh_json_bool(json, "inlined", true);
}

void uvh_json_frame(struct uvh_json *json, const char *key, const struct uvh_stack_frame *frame)
{
	static const char *const origins[] = {
	    [UVH_FRAME_OF_SCRIPT] = "script",
	    [UVH_FRAME_OF_PROGRAM] = "program",
	    [UVH_FRAME_OF_RUNTIME] = "runtime",
	};

	if (frame == NULL) {
		uvh_json_text(json, key, NULL);
		return;
	}
	uvh_json_object(json, key);
	uvh_json_text(json, "function", frame->function);
	uvh_json_text(json, "file", or_null(frame->file));
	uvh_json_number(json, "line", frame->line);
	uvh_json_text(json, "origin", origins[frame->origin]);
	if (frame->origin != UVH_FRAME_OF_SCRIPT)
		put_native(json, frame);
	uvh_json_object_end(json);
}

void uvh_json_stack(struct uvh_json *json, const char *key, const struct uvh_trace_process *process,
		    uint32_t number)
{
	const struct uvh_stack *stack = number != 0 ? uvh_stack(process, number) : NULL;

	if (stack == NULL) {
		uvh_json_text(json, key, NULL);
		return;
	}
	uvh_json_array(json, key);
	for (size_t i = 0; i < stack->count; i++)
		uvh_json_frame(json, NULL, &stack->frames[i]);
	uvh_json_array_end(json);
}
