/* SPDX-License-Identifier: MIT */
/*
 * What was never closed, for programs: one object. Keys are only ever added, times are in
 * nanoseconds and say so (`_ns`), ids are strings as in the log.
 *
 *   version    of this format: 1
 *   filtered   whether filters were given
 *   least      so many of one place are many
 *   suspected  is there any leak?
 *   groups     all that is alive, each with its `verdict` (busy, grows, late, stopped, pending,
 *              child; null: not suspected) and `growth`: how many were made at its places (`made`)
 * and are alive (`live`), how many were alive at the end of each `step_ns` (`alive`), how many that
 * stay are made a second, and whether that goes on
 *
 * The other keys of a group are in live_print.c.
 */
#include "leaks.h"

static void put_growth(struct uvh_json *json, struct uvh_leaks *leaks,
		       const struct uvh_live_group *group)
{
	int64_t span_ns = uvh_why_now(&leaks->why, group->process) - group->process->start_ns;
	struct uvh_leaks_growth growth;

	uvh_leaks_growth(leaks, group, &growth);
	uvh_json_object(json, "growth");
	uvh_json_number(json, "made", (int64_t) growth.made);
	uvh_json_number(json, "live", (int64_t) growth.live);
	uvh_json_fraction(json, "per_second", growth.per_second);
	uvh_json_bool(json, "goes_on", growth.still);
	uvh_json_number(json, "step_ns", span_ns / UVH_LEAKS_PARTS);
	uvh_json_array(json, "alive");
	for (unsigned int part = 0; part < UVH_LEAKS_PARTS; part++)
		uvh_json_number(json, NULL, (int64_t) growth.at_end_of[part]);
	uvh_json_array_end(json);
	uvh_json_object_end(json);
}

static void put_group(struct uvh_json *json, struct uvh_leaks *leaks,
		      const struct uvh_live_group *group)
{
	static const char *const verdicts[] = {
	    [UVH_LEAKS_BUSY] = "busy",       [UVH_LEAKS_GROWS] = "grows",
	    [UVH_LEAKS_LATE] = "late",       [UVH_LEAKS_STOPPED] = "stopped",
	    [UVH_LEAKS_PENDING] = "pending", [UVH_LEAKS_CHILD] = "child",
	    [UVH_LEAKS_INACTIVE] = NULL,     [UVH_LEAKS_ALIVE] = NULL,
	};

	uvh_json_object(json, NULL);
	uvh_json_text(json, "verdict", verdicts[group->kind]);
	uvh_live_json_group(json, group, uvh_why_now(&leaks->why, group->process));
	put_growth(json, leaks, group);
	uvh_json_object_end(json);
}

void uvh_leaks_json(struct uvh_leaks *leaks)
{
	struct uvh_json *json = uvh_json_new();
	bool suspected = false;

	for (size_t i = 0; i < leaks->groups.count; i++)
		suspected |= UVH_LEAKS_SUSPECTED(leaks->groups.groups[i].kind);
	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_bool(json, "filtered", uvh_trace_filter_is_set(leaks->why.filter));
	uvh_json_number(json, "least", (int64_t) leaks->least);
	uvh_json_bool(json, "suspected", suspected);
	uvh_json_array(json, "groups");
	for (size_t i = 0; i < leaks->groups.count; i++)
		if (leaks->groups.groups[i].kind != UVH_LEAKS_CLOSED)
			put_group(json, leaks, &leaks->groups.groups[i]);
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
