/* SPDX-License-Identifier: MIT */
/* Where resources are made, and how many from there were alive at what time. */
#include "leaks.h"

#include <stdlib.h>

#define SITES_MAX 65536

static uint32_t hash_of(const struct uvh_leaks_site *site)
{
	return uvh_hash((uintptr_t) site->process ^ ((uint64_t) site->stack << 16) ^ site->type,
			site->maker);
}

static bool is_same(const struct uvh_leaks_site *one, const struct uvh_leaks_site *other)
{
	return one->process == other->process && one->stack == other->stack &&
	       one->type == other->type && one->maker == other->maker;
}

/* Number 0 is none. */
static uint32_t add_site(struct uvh_leaks *leaks, const struct uvh_leaks_site *site)
{
	leaks->sites =
	    uvh_grow(leaks->sites, &leaks->site_room, leaks->site_count + 1, sizeof(*leaks->sites));
	leaks->sites[leaks->site_count] = *site;
	return (uint32_t) ++leaks->site_count;
}

static uint32_t number_of(struct uvh_leaks *leaks, const struct uvh_leaks_site *wanted)
{
	uint32_t hash = hash_of(wanted), row;
	size_t at = 0;

	if (leaks->site_count == 0)
		add_site(leaks, &(struct uvh_leaks_site){.process = NULL});
	while ((row = uvh_index_next(&leaks->site_index, hash, &at)) != UVH_INDEX_END)
		if (is_same(&leaks->sites[row], wanted))
			return row + 1;
	if (leaks->site_count >= SITES_MAX)
		return 1;
	row = add_site(leaks, wanted);
	uvh_index_add(&leaks->site_index, hash, row - 1);
	return row;
}

/* The part of `count` that a time falls into. */
static unsigned int part_of(const struct uvh_leaks *leaks, const struct uvh_trace_process *process,
			    int64_t time_ns, unsigned int count)
{
	int64_t span_ns = uvh_why_now(&leaks->why, process) - process->start_ns;
	double part = span_ns > 0 ? (double) (time_ns - process->start_ns) / (double) span_ns : 0;

	part *= count;
	return part < 0 ? 0 : part >= count ? count - 1 : (unsigned int) part;
}

static void fill(struct uvh_leaks_site *site, unsigned int part)
{
	while (site->part < part)
		site->at_end_of[site->part++] = site->live;
}

static void count(struct uvh_leaks *leaks, uint32_t number, const struct uvh_trace_event *event,
		  int change)
{
	struct uvh_leaks_site *site = &leaks->sites[number - 1];

	fill(site, part_of(leaks, event->process, event->time_ns, UVH_LEAKS_PARTS));
	site->live += (uint64_t) change;
}

/* What was there before it was first heard of was so from the beginning on. */
static void count_before(struct uvh_leaks_site *site)
{
	for (unsigned int part = 0; part < site->part; part++)
		site->at_end_of[part]++;
}

static uint64_t maker_of(const struct uvh_leaks *leaks, const struct uvh_trace_resource *resource)
{
	const struct uvh_trace_resource *maker =
	    uvh_trace_find(leaks->why.trace, resource->process, resource->execution_async_id);

	return maker != NULL ? uvh_live_callback(maker) : 0;
}

/* It counts for its site from now on; again when more has become known of that. */
static void assign(struct uvh_leaks *leaks, struct uvh_live *live,
		   const struct uvh_trace_event *event)
{
	const struct uvh_trace_resource *resource = event->resource;
	struct uvh_leaks_site wanted = {
	    .process = event->process,
	    .stack = resource->init_stack,
	    .type = resource->type,
	    .maker = resource->init_stack == 0 ? maker_of(leaks, resource) : 0,
	};
	uint32_t number = number_of(leaks, &wanted);

	if (number == live->site)
		return;
	if (live->site != 0) {
		count(leaks, live->site, event, -1);
		leaks->sites[live->site - 1].made--;
	}
	live->site = number;
	count(leaks, number, event, 1);
	leaks->sites[number - 1].made++;
	if (!resource->init_seen)
		count_before(&leaks->sites[number - 1]);
}

void uvh_leaks_sites_add(struct uvh_leaks *leaks, const struct uvh_trace_event *event)
{
	struct uvh_live *live;

	if (event->resource == NULL || event->resource->user == NULL)
		return;
	live = event->resource->user;
	if (event->event == UVHOOKS_EVENT_DESTROY || event->resource->destroyed) {
		if (live->site != 0)
			count(leaks, live->site, event, -1);
		live->site = 0;
		return;
	}
	if (live->site == 0 || event->event == UVHOOKS_EVENT_TYPE_CHANGE ||
	    event->event == UVH_TRACE_STACK)
		assign(leaks, live, event);
}

/* The sites of a group, each once. */
static void add_sites(struct uvh_leaks *leaks, const struct uvh_live_group *group,
		      struct uvh_leaks_growth *growth)
{
	leaks->serial++;
	for (size_t i = 0; i < group->count; i++) {
		struct uvh_leaks_site *site;

		if (group->items[i].site == 0)
			continue;
		site = &leaks->sites[group->items[i].site - 1];
		if (site->counted_in == leaks->serial)
			continue;
		site->counted_in = leaks->serial;
		fill(site, UVH_LEAKS_PARTS);
		growth->made += site->made;
		growth->live += site->live;
		for (unsigned int part = 0; part < UVH_LEAKS_PARTS; part++)
			growth->at_end_of[part] += site->at_end_of[part];
	}
}

void uvh_leaks_growth(struct uvh_leaks *leaks, const struct uvh_live_group *group,
		      struct uvh_leaks_growth *growth)
{
	int64_t first_ns = INT64_MAX, last_ns = 0;
	uint32_t parts = 0;

	*growth = (struct uvh_leaks_growth){.made = 0};
	add_sites(leaks, group, growth);
	for (size_t i = 0; i < group->count; i++) {
		int64_t init_ns = group->items[i].init_ns;

		if (init_ns == 0)
			continue;
		first_ns = init_ns < first_ns ? init_ns : first_ns;
		last_ns = init_ns > last_ns ? init_ns : last_ns;
		parts |= 1u << part_of(leaks, group->process, init_ns, UVH_LEAKS_STEPS);
	}
	growth->steps = (unsigned int) __builtin_popcount(parts);
	growth->still = parts >> (UVH_LEAKS_STEPS - 2) != 0;
	if (last_ns > first_ns)
		growth->per_second =
		    (double) (group->count - 1) * 1e9 / (double) (last_ns - first_ns);
}

void uvh_leaks_sites_free(struct uvh_leaks *leaks)
{
	free(leaks->sites);
	uvh_index_free(&leaks->site_index);
}
