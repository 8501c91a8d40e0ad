/* SPDX-License-Identifier: MIT */
/* What was alive at the end, and who caused it: grouped, since thousands are often alike. */
#include "report.h"

#include <stdlib.h>

/* What its callback was: the row's, as that is never the close callback's. */
static uint64_t callback_of(const struct uvh_trace_resource *resource)
{
	const struct uvh_report_row *row = resource->user;

	if (row != NULL && row->process != NULL)
		return row->callback;
	return resource->init_callback != 0 ? resource->init_callback : resource->callback;
}

static enum uvh_report_root root_of(const struct uvh_trace_resource *last)
{
	uvhooks_async_id trigger = last->trigger_async_id;

	if (last->trigger != NULL)
		return UVH_ROOT_FAR;
	if (uvhooks_id_sequence(trigger) == 1)
		return UVH_ROOT_TOP;
	return uvhooks_id_sequence(trigger) == 0 && last->init_seen ? UVH_ROOT_LIBUV
								    : UVH_ROOT_UNKNOWN;
}

static bool is_same_link(const struct uvh_report_link *one, const struct uvh_report_link *other)
{
	return one->callback == other->callback && one->type == other->type &&
	       one->fs_type == other->fs_type;
}

/* Ancestors of one kind in a row are one link, however many: a callback that made its like. */
static void describe(const struct uvh_trace_resource *resource, struct uvh_report_live *group)
{
	const struct uvh_trace_resource *last = resource;

	group->process = resource->process;
	group->armed = resource->armed;
	for (unsigned int steps = 0; resource != NULL && steps < UVH_REPORT_STEPS; steps++) {
		struct uvh_report_link link = {
		    .callback = callback_of(resource),
		    .type = resource->type,
		    .fs_type = resource->fs_type,
		};
		unsigned int count = group->link_count;

		if (count > 1 && is_same_link(&group->links[count - 1], &link))
			group->links[count - 1].repeated = true;
		else if (count == UVH_REPORT_CHAIN)
			break;
		else
			group->links[group->link_count++] = link;
		last = resource;
		resource = resource->trigger;
	}
	group->root = root_of(last);
	group->root_space = uvhooks_id_space(last->trigger_async_id);
}

static uint32_t hash_of(const struct uvh_report_live *group)
{
	uint32_t hash = uvh_hash((uintptr_t) group->process,
				 group->root * 2u + group->armed + (group->root_space << 8));

	for (unsigned int i = 0; i < group->link_count; i++)
		hash = uvh_hash(hash + group->links[i].repeated,
				group->links[i].callback ^ ((uint64_t) group->links[i].type << 48) ^
				    ((uint64_t) (uint16_t) group->links[i].fs_type << 32));
	return hash;
}

static bool is_alike(const struct uvh_report_live *one, const struct uvh_report_live *other)
{
	if (one->process != other->process || one->link_count != other->link_count ||
	    one->root != other->root || one->root_space != other->root_space ||
	    one->armed != other->armed)
		return false;
	for (unsigned int i = 0; i < one->link_count; i++)
		if (!is_same_link(&one->links[i], &other->links[i]) ||
		    one->links[i].repeated != other->links[i].repeated)
			return false;
	return true;
}

static struct uvh_report_live *group_of(struct uvh_report *report,
					const struct uvh_report_live *wanted)
{
	uint32_t hash = hash_of(wanted);
	size_t at = 0;
	uint32_t row;

	while ((row = uvh_index_next(&report->live_index, hash, &at)) != UVH_INDEX_END)
		if (is_alike(&report->live[row], wanted))
			return &report->live[row];
	report->live = uvh_grow(report->live, &report->live_room, report->live_count + 1,
				sizeof(*report->live));
	report->live[report->live_count] = *wanted;
	uvh_index_add(&report->live_index, hash, (uint32_t) report->live_count);
	return &report->live[report->live_count++];
}

static void add_live(struct uvh_trace_resource *resource, void *data)
{
	struct uvh_report *report = data;
	struct uvh_report_live wanted = {.count = 0};
	struct uvh_report_live *group;

	if (!uvh_trace_filter_wants_resource(report->filter, resource))
		return;
	describe(resource, &wanted);
	group = group_of(report, &wanted);
	if (group->count == 0 || resource->id < group->first_id) {
		group->first_id = resource->id;
		group->first_init_ns = resource->init_ns;
	}
	group->count++;
}

/* The most first; what was made first among equals. */
static int compare(const void *one, const void *other)
{
	const struct uvh_report_live *a = one, *b = other;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	if (a->process != b->process)
		return a->process->index < b->process->index ? -1 : 1;
	return (a->first_id > b->first_id) - (a->first_id < b->first_id);
}

void uvh_report_live(struct uvh_report *report)
{
	uvh_trace_for_each_live(report->trace, add_live, report);
	if (report->live_count > 0)
		qsort(report->live, report->live_count, sizeof(*report->live), compare);
}
