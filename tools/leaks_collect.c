/* SPDX-License-Identifier: MIT */
/* What is alive at the end, and which of it is suspected. */
#include "leaks.h"

#include <stdlib.h>

#define MS_NS INT64_C(1000000)

/* A request is late that takes so long, and twice as long as any of its kind that was completed. */
#define LATE_NS       (100 * MS_NS)
#define LATE_ALONE_NS (1000 * MS_NS) /* where none was */

static struct uvh_leaks_request *requests_like(struct uvh_leaks *leaks,
					       const struct uvh_trace_resource *resource)
{
	uint32_t hash = uvh_hash((uintptr_t) resource->process,
				 (uint64_t) resource->type << 16 | (uint16_t) resource->fs_type);
	struct uvh_leaks_request *request;
	size_t at = 0;
	uint32_t row;

	while ((row = uvh_index_next(&leaks->request_index, hash, &at)) != UVH_INDEX_END) {
		request = &leaks->requests[row];
		if (request->process == resource->process && request->type == resource->type &&
		    request->fs_type == resource->fs_type)
			return request;
	}
	leaks->requests = uvh_grow(leaks->requests, &leaks->request_room, leaks->request_count + 1,
				   sizeof(*leaks->requests));
	uvh_index_add(&leaks->request_index, hash, (uint32_t) leaks->request_count);
	request = &leaks->requests[leaks->request_count++];
	request->process = resource->process;
	request->type = resource->type;
	request->fs_type = resource->fs_type;
	return request;
}

static void add_completed(struct uvh_leaks *leaks, const struct uvh_trace_event *event)
{
	struct uvh_leaks_request *request = requests_like(leaks, event->resource);
	int64_t took_ns = event->time_ns - event->resource->init_ns;

	if (event->resource->init_seen && took_ns > request->longest_ns)
		request->longest_ns = took_ns;
}

/*
 * libuv looks for children among its open handles: of one whose handle was closed before nobody
 * will ever ask how it ended. Without an exit callback it is not known whether it had.
 */
static bool is_lost_child(const struct uvh_trace_resource *resource)
{
	const struct uvh_live *live = resource->user;

	return resource->type == UVHOOKS_PROCESSWRAP && live != NULL && live->callback != 0 &&
	       !live->ran && !live->failed;
}

/* What lived on until the last eighth of the time, in which a program may close all that it has. */
static bool is_closed_late(const struct uvh_leaks *leaks, const struct uvh_trace_event *event)
{
	int64_t now_ns = uvh_why_now(&leaks->why, event->process);
	int64_t late_ns = now_ns - (now_ns - event->process->start_ns) / 8;

	return event->resource->init_seen && event->resource->init_ns < late_ns &&
	       event->time_ns >= late_ns;
}

static void add_destroyed(struct uvh_leaks *leaks, const struct uvh_trace_event *event)
{
	if (!uvh_trace_filter_wants_resource(leaks->why.filter, event->resource))
		return;
	if (is_lost_child(event->resource))
		uvh_live_groups_add(&leaks->groups, event->resource, UVH_LEAKS_CHILD,
				    event->time_ns);
	else if (is_closed_late(leaks, event))
		uvh_live_groups_add(&leaks->groups, event->resource, UVH_LEAKS_CLOSED,
				    event->time_ns);
}

void uvh_leaks_add(struct uvh_leaks *leaks, const struct uvh_trace_event *event)
{
	uvh_why_add(&leaks->why, event);
	if (event->event == UVHOOKS_EVENT_DESTROY)
		add_destroyed(leaks, event);
	if (event->event == UVHOOKS_EVENT_BEFORE &&
	    uvhooks_type_kind(event->type) == UVHOOKS_KIND_REQUEST)
		add_completed(leaks, event);
	uvh_leaks_sites_add(leaks, event);
}

/* Not where the loop went on afterwards: it was asked too early, perhaps. */
static bool is_busy(const struct uvh_leaks *leaks, const struct uvh_trace_resource *resource)
{
	const struct uvh_live *live = resource->user;
	const struct uvh_why_loop *loop;

	if (live == NULL || !live->was_busy)
		return false;
	loop = uvh_why_find(&leaks->why, resource->process, uvhooks_id_space(resource->id));
	return loop != NULL && loop->busy.time_ns > loop->enter_ns;
}

static bool is_late(struct uvh_leaks *leaks, const struct uvh_trace_resource *resource)
{
	int64_t age_ns = uvh_why_now(&leaks->why, resource->process) - resource->init_ns;
	int64_t longest_ns = requests_like(leaks, resource)->longest_ns;

	if (longest_ns == 0)
		return age_ns > LATE_ALONE_NS;
	return age_ns > LATE_NS && age_ns / 2 > longest_ns;
}

static enum uvh_leaks_kind kind_of(struct uvh_leaks *leaks,
				   const struct uvh_trace_resource *resource)
{
	enum uvh_live_standing standing;

	if (!uvh_live_is_of_loop(resource))
		return UVH_LEAKS_ALIVE;
	standing = uvh_live_standing(resource);
	if (is_busy(leaks, resource))
		return UVH_LEAKS_BUSY;
	if (standing == UVH_LIVE_PENDING)
		return is_late(leaks, resource) ? UVH_LEAKS_PENDING : UVH_LEAKS_ALIVE;
	if (standing == UVH_LIVE_CLOSING)
		return is_lost_child(resource) ? UVH_LEAKS_CHILD : UVH_LEAKS_ALIVE;
	if (standing == UVH_LIVE_INACTIVE &&
	    uvhooks_type_kind(resource->type) == UVHOOKS_KIND_HANDLE)
		return UVH_LEAKS_INACTIVE;
	return UVH_LEAKS_ALIVE;
}

static void add_live(struct uvh_trace_resource *resource, void *data)
{
	struct uvh_leaks *leaks = data;
	int64_t now_ns = uvh_why_now(&leaks->why, resource->process);

	/* With --to, one event more was read. */
	if (resource->init_ns <= now_ns &&
	    uvh_trace_filter_wants_resource(leaks->why.filter, resource))
		uvh_live_groups_add(&leaks->groups, resource, kind_of(leaks, resource), now_ns);
}

/* What only the many of a place make suspicious. */
static void judge(struct uvh_leaks *leaks, struct uvh_live_group *group)
{
	struct uvh_leaks_growth growth;

	if (UVH_LEAKS_SUSPECTED(group->kind) || group->count < leaks->least)
		return;
	uvh_leaks_growth(leaks, group, &growth);
	if (group->kind == UVH_LEAKS_CLOSED) {
		/* Most of what was made there: else it is a place that closes what it makes. */
		if (growth.steps >= UVH_LEAKS_STEPS / 2 && group->count >= growth.made / 4 * 3)
			group->kind = UVH_LEAKS_LATE;
	} else if (growth.steps >= UVH_LEAKS_STEPS / 2)
		group->kind = UVH_LEAKS_GROWS;
	else if (group->kind == UVH_LEAKS_INACTIVE)
		group->kind = UVH_LEAKS_STOPPED;
}

void uvh_leaks_end(struct uvh_leaks *leaks)
{
	uvh_trace_for_each_live(leaks->why.trace, add_live, leaks);
	for (size_t i = 0; i < leaks->groups.count; i++)
		judge(leaks, &leaks->groups.groups[i]);
	uvh_live_groups_sort(&leaks->groups);
}

void uvh_leaks_free(struct uvh_leaks *leaks)
{
	uvh_live_groups_free(&leaks->groups);
	uvh_leaks_sites_free(leaks);
	free(leaks->requests);
	uvh_index_free(&leaks->request_index);
	uvh_why_free(&leaks->why);
}
