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

static uint32_t hash_of(const struct uvh_report_live *group)
{
	return uvh_chain_hash(&group->chain) ^ group->armed;
}

static bool is_alike(const struct uvh_report_live *one, const struct uvh_report_live *other)
{
	return one->armed == other->armed && uvh_chain_is_alike(&one->chain, &other->chain);
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
	struct uvh_report_live wanted = {.process = resource->process, .armed = resource->armed};
	struct uvh_report_live *group;

	if (!uvh_trace_filter_wants_resource(report->filter, resource))
		return;
	uvh_chain_of(resource, callback_of, &wanted.chain);
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
