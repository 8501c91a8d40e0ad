/* SPDX-License-Identifier: MIT */
/*
 * Callbacks that ran too long, for programs: one object. Keys are only ever added; times are in
 * nanoseconds, and `at` ones count from the start of the process's trace.
 *
 *   over_ns                    what is too long
 *   callbacks                  of loops, be they long or not
 *   elapsed_ns, blocked_ns     of all loops together
 *   longest                    of all callbacks; null: there was none
 *   stalls                     by callback, type and the place where the resource was made:
 *     total_ns                 that they ran themselves; `share` is of their loop's time
 *     open_ns                  one still ran when the trace or the window ended, for so long
 *     made, armed              where; `chain` and `triggers`: by whose callback, up to top level
 *     inside                   what the watchdog saw, by stack; `calls`: synchronous ones
 *   calls                      of the file system, synchronous, on loop threads
 *   open                       had not returned at the end, and no more is known
 *   loops                      how long each ran, and was blocked
 */
#include "stack_json.h"
#include "stalls.h"

static void put_place(struct uvh_json *json, const char *key,
		      const struct uvh_trace_process *process, uint32_t number)
{
	const struct uvh_stack *stack = uvh_stack(process, number);

	uvh_json_frame(json, key, stack == NULL ? NULL : stack->site);
}

static void put_call(struct uvh_json *json, const struct uvh_trace_process *process,
		     const struct uvh_stall_call *call)
{
	uvh_json_object(json, NULL);
	uvh_json_text(json, "call", uvhooks_fs_name(call->fs_type));
	uvh_json_number(json, "count", (int64_t) call->count);
	uvh_json_number(json, "total_ns", call->ns);
	uvh_json_number(json, "longest_ns", call->longest_ns);
	if (process != NULL) {
		put_place(json, "site", process, call->stack);
		uvh_json_stack(json, "stack", process, call->stack);
	}
	uvh_json_object_end(json);
}

static void put_inside(struct uvh_json *json, const struct uvh_stall_row *row)
{
	uvh_json_array(json, "inside");
	for (size_t i = 0; i < row->inside.sample_count; i++) {
		const struct uvh_stall_sample *sample = &row->inside.samples[i];

		if (sample->count == 0)
			continue;
		uvh_json_object(json, NULL);
		uvh_json_number(json, "samples", (int64_t) sample->count);
		put_place(json, "site", row->process, sample->stack);
		uvh_json_stack(json, "stack", row->process, sample->stack);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_array(json, "calls");
	for (size_t i = 0; i < row->inside.call_count; i++)
		put_call(json, row->process, &row->inside.calls[i]);
	uvh_json_array_end(json);
	uvh_json_number(json, "calls_ns", row->fs_ns);
}

static void put_triggers(struct uvh_json *json, const struct uvh_stall_row *row)
{
	uvh_json_array(json, "triggers");
	for (unsigned int i = 0; i < row->link_count; i++) {
		const struct uvh_stall_link *link = &row->links[i];

		uvh_json_object(json, NULL);
		uvh_json_id(json, "id", link->id);
		uvh_json_type(json, row->process, link->type, link->fs_type);
		uvh_json_callback(json, row->process, link->callback);
		uvh_json_number(json, "alike", link->count);
		put_place(json, "made", row->process, link->stack);
		uvh_json_stack(json, "made_stack", row->process, link->stack);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void put_row(struct uvh_json *json, struct uvh_stalls *stalls,
		    const struct uvh_stall_row *row)
{
	uvh_json_object(json, NULL);
	uvh_json_text(json, "process", row->process->folder);
	uvh_json_callback(json, row->process, row->callback);
	uvh_json_type(json, row->process, row->type, row->fs_type);
	uvh_json_number(json, "count", (int64_t) row->count);
	uvh_json_number(json, "total_ns", row->total_ns);
	uvh_json_fraction(json, "share", uvh_stalls_share(stalls, row));
	uvh_json_number(json, "longest_ns", row->longest_ns);
	uvh_json_number(json, "longest_at_ns", row->begin_ns - row->process->start_ns);
	uvh_json_id(json, "longest_id", row->id);
	uvh_json_number(json, "open_ns", row->open_ns);
	put_place(json, "made", row->process, row->init_stack);
	uvh_json_stack(json, "made_stack", row->process, row->init_stack);
	put_place(json, "armed", row->process, row->start_stack);
	uvh_json_stack(json, "armed_stack", row->process, row->start_stack);
	uvh_chain_json(json, &row->chain);
	put_triggers(json, row);
	put_inside(json, row);
	uvh_json_object_end(json);
}

static void put_longest(struct uvh_json *json, const struct uvh_stall_row *longest)
{
	if (longest->longest_ns == 0) {
		uvh_json_text(json, "longest", NULL);
		return;
	}
	uvh_json_object(json, "longest");
	uvh_json_text(json, "process", longest->process->folder);
	uvh_json_callback(json, longest->process, longest->callback);
	uvh_json_type(json, longest->process, longest->type, longest->fs_type);
	uvh_json_id(json, "id", longest->id);
	uvh_json_number(json, "ns", longest->longest_ns);
	uvh_json_number(json, "at_ns", longest->begin_ns - longest->process->start_ns);
	uvh_json_object_end(json);
}

static void put_open(struct uvh_json *json, const struct uvh_stalls *stalls)
{
	uvh_json_array(json, "open");
	for (size_t i = 0; i < stalls->open_count; i++) {
		const struct uvh_stall_open *open = &stalls->open[i];

		uvh_json_object(json, NULL);
		uvh_json_text(json, "process", open->process->folder);
		uvh_json_id(json, "id", open->id);
		uvh_json_callback(json, open->process, open->callback);
		uvh_json_type(json, open->process, open->type, open->fs_type);
		uvh_json_number(json, "at_ns", open->begin_ns - open->process->start_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void put_loops(struct uvh_json *json, const struct uvh_stalls *stalls)
{
	uvh_json_array(json, "loops");
	for (size_t i = 0; i < stalls->loop_count; i++) {
		const struct uvh_stall_loop *loop = &stalls->loops[i];

		uvh_json_object(json, NULL);
		uvh_json_text(json, "process", loop->process->folder);
		uvh_json_number(json, "loop", loop->space);
		uvh_json_number(json, "elapsed_ns", loop->elapsed_ns);
		uvh_json_number(json, "blocked_ns", loop->blocked_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

void uvh_stalls_json(struct uvh_stalls *stalls)
{
	struct uvh_json *json = uvh_json_new();

	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_bool(json, "filtered", uvh_trace_filter_is_set(stalls->filter));
	uvh_json_number(json, "over_ns", stalls->over_ns);
	uvh_json_number(json, "callbacks", (int64_t) stalls->callbacks);
	uvh_json_number(json, "elapsed_ns", stalls->elapsed_ns);
	uvh_json_number(json, "blocked_ns", uvh_stalls_blocked_ns(stalls));
	uvh_json_bool(json, "watched", stalls->samples_seen);
	put_longest(json, &stalls->longest);
	uvh_json_array(json, "stalls");
	for (size_t i = 0; i < stalls->row_count; i++)
		put_row(json, stalls, stalls->rows[i]);
	uvh_json_array_end(json);
	uvh_json_array(json, "calls");
	for (size_t i = 0; i < stalls->calls.call_count; i++)
		put_call(json, NULL, &stalls->calls.calls[i]);
	uvh_json_array_end(json);
	put_open(json, stalls);
	put_loops(json, stalls);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
