/* SPDX-License-Identifier: MIT */
/*
 * What keeps loops alive, for programs: one object. Keys are only ever added, times are in
 * nanoseconds and say so (`_ns`), ids are strings as in the log. `at_ns` counts from the start of
 * the process's trace.
 *
 *   version   of this format: 1
 *   filtered  whether filters were given
 *   loops     each with `alive`, `keeps` (groups of what keeps it alive) and `others` (open, but
 *             not keeping it alive), each group with its `standing`; `told`: whether it is
 *             told of all that keeps it alive, rather than concluded from events; `busy`: what was
 * open when uv_loop_close said UV_EBUSY, null if it never did
 *
 * The keys of a group are in live_print.c.
 */
#include "why.h"

static void put_groups(struct uvh_json *json, const char *key, const struct uvh_live_groups *groups,
		       unsigned int least, unsigned int most, int64_t now_ns)
{
	static const char *const standings[] = {
	    [UVH_LIVE_ACTIVE] = "active",     [UVH_LIVE_PENDING] = "pending",
	    [UVH_LIVE_CLOSING] = "closing",   [UVH_LIVE_UNREFERENCED] = "unreferenced",
	    [UVH_LIVE_INACTIVE] = "inactive",
	};

	uvh_json_array(json, key);
	for (size_t i = 0; i < groups->count; i++) {
		if (groups->groups[i].kind < least || groups->groups[i].kind > most)
			continue;
		uvh_json_object(json, NULL);
		uvh_json_text(json, "standing", standings[groups->groups[i].kind]);
		uvh_live_json_group(json, &groups->groups[i], now_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void put_busy(struct uvh_json *json, const struct uvh_why_loop *loop)
{
	const struct uvh_why_busy *busy = &loop->busy;

	if (busy->time_ns == 0) {
		uvh_json_text(json, "busy", NULL);
		return;
	}
	uvh_json_object(json, "busy");
	uvh_json_number(json, "at_ns", busy->time_ns - loop->process->start_ns);
	uvh_json_number(json, "count", (int64_t) busy->count);
	uvh_json_number(json, "still_open", (int64_t) busy->still_open);
	uvh_json_array(json, "open");
	for (size_t i = 0; i < busy->groups.count; i++) {
		uvh_json_object(json, NULL);
		uvh_live_json_group(json, &busy->groups.groups[i], busy->time_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
}

static void put_loop(struct uvh_json *json, const struct uvh_why *why,
		     const struct uvh_why_loop *loop)
{
	int64_t now_ns = uvh_why_now(why, loop->process);

	uvh_json_object(json, NULL);
	uvh_json_text(json, "process", loop->process->folder);
	uvh_json_number(json, "pid", loop->process->pid);
	uvh_json_text(json, "program", loop->process->program);
	uvh_json_bool(json, "ended", loop->process->ended);
	uvh_json_bool(json, "has_stacks", loop->process->has_stacks);
	uvh_json_number(json, "loop", loop->space);
	uvh_json_bool(json, "running", loop->running > 0);
	uvh_json_number(json, "at_ns", now_ns - loop->process->start_ns);
	uvh_json_bool(json, "told", loop->told);
	uvh_json_bool(json, "alive", uvh_why_keepers(loop) > 0);
	put_groups(json, "keeps", &loop->groups, 0, UVH_LIVE_CLOSING, now_ns);
	put_groups(json, "others", &loop->groups, UVH_LIVE_UNREFERENCED, UVH_LIVE_INACTIVE, now_ns);
	put_busy(json, loop);
	uvh_json_object_end(json);
}

void uvh_why_json(const struct uvh_why *why)
{
	struct uvh_json *json = uvh_json_new();

	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_bool(json, "filtered", uvh_trace_filter_is_set(why->filter));
	uvh_json_array(json, "loops");
	for (size_t i = 0; i < why->count; i++)
		if (uvh_trace_filter_wants_process(why->filter, why->loops[i]->process))
			put_loop(json, why, why->loops[i]);
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
