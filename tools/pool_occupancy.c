/* SPDX-License-Identifier: MIT */
/*
 * How many threads of the pool were held at a time, by whom, and what waited meanwhile.
 *
 * Changes become known late: when a job of libuv's own has ended, it is known when it began. So
 * they are kept until nothing before them can come any more, sorted, and counted.
 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_EDGES 65536

struct uvh_pool_edge {
	int64_t time_ns;
	uint32_t row;
	uint32_t number; /* what was told first counts first, of the same moment */
	uint8_t kind;
	uint8_t change;
};

void uvh_pool_occupancy_begin(struct uvh_pool_occupancy *occupancy, int64_t from_ns, int64_t to_ns)
{
	occupancy->from_ns = from_ns;
	occupancy->to_ns = to_ns > from_ns ? to_ns : from_ns;
	occupancy->now_ns = from_ns;
	occupancy->edges_wanted = FIRST_EDGES;
	occupancy->buckets = uvh_zeros(UVH_POOL_BUCKETS, sizeof(*occupancy->buckets));
}

void uvh_pool_occupancy_change(struct uvh_pool_occupancy *occupancy, enum uvh_pool_change change,
			       int64_t time_ns, enum uvh_pool_kind kind, uint32_t row)
{
	occupancy->edges = uvh_grow(occupancy->edges, &occupancy->edge_room,
				    occupancy->edge_count + 1, sizeof(*occupancy->edges));
	occupancy->edges[occupancy->edge_count] = (struct uvh_pool_edge){
	    .time_ns = time_ns,
	    .row = row,
	    .number = (uint32_t) occupancy->edge_count,
	    .kind = (uint8_t) kind,
	    .change = (uint8_t) change,
	};
	occupancy->edge_count++;
}

bool uvh_pool_occupancy_is_full(const struct uvh_pool_occupancy *occupancy)
{
	return occupancy->edge_count >= occupancy->edges_wanted;
}

static int compare_edges(const void *one, const void *other)
{
	const struct uvh_pool_edge *a = one, *b = other;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static void hold(struct uvh_pool_occupancy *occupancy, uint32_t row, bool slow)
{
	size_t i = 0;

	while (i < occupancy->holder_count && occupancy->holders[i].row != row)
		i++;
	if (i == occupancy->holder_count) {
		occupancy->holders =
		    uvh_grow(occupancy->holders, &occupancy->holder_room,
			     occupancy->holder_count + 1, sizeof(*occupancy->holders));
		occupancy->holders[i] = (struct uvh_pool_holder){.row = row, .slow = slow};
		occupancy->holder_count++;
	}
	occupancy->holders[i].threads++;
	occupancy->slow_busy += slow;
	if (++occupancy->busy > occupancy->most)
		occupancy->most = occupancy->busy;
	if (occupancy->slow_busy > occupancy->most_slow)
		occupancy->most_slow = occupancy->slow_busy;
}

static void let_go(struct uvh_pool_occupancy *occupancy, uint32_t row, bool slow)
{
	for (size_t i = 0; i < occupancy->holder_count; i++) {
		struct uvh_pool_holder *holder = &occupancy->holders[i];

		if (holder->row != row)
			continue;
		if (--holder->threads == 0)
			*holder = occupancy->holders[--occupancy->holder_count];
		occupancy->busy--;
		occupancy->slow_busy -= slow;
		return;
	}
}

/*
 * Who kept from running what waits. Slow work waits for slow work if that has half of the threads;
 * and where not all threads are busy, all else is only about to be taken.
 */
static void blame(struct uvh_pool_occupancy *occupancy, bool slow_only, int64_t ns)
{
	bool by_slow = slow_only && occupancy->slow_busy >= uvh_pool_slow_threads(occupancy->most);

	if (!by_slow && occupancy->busy < occupancy->most)
		return;
	for (size_t i = 0; i < occupancy->holder_count; i++) {
		const struct uvh_pool_holder *holder = &occupancy->holders[i];
		struct uvh_pool_held *held;

		if (by_slow && !holder->slow)
			continue;
		occupancy->held = uvh_grow(occupancy->held, &occupancy->held_room,
					   (size_t) holder->row + 1, sizeof(*occupancy->held));
		held = &occupancy->held[holder->row];
		for (unsigned int kind = 0; kind < UVH_POOL_KINDS; kind++)
			if (occupancy->waiting[kind] > 0)
				held->ns[kind] += ns * holder->threads;
	}
}

static void fill_buckets(struct uvh_pool_occupancy *occupancy, int64_t begin_ns, int64_t end_ns,
			 unsigned int waiting)
{
	int64_t length_ns = uvh_pool_bucket_ns(occupancy);

	while (begin_ns < end_ns) {
		int64_t number = (begin_ns - occupancy->from_ns) / length_ns;
		int64_t until_ns = occupancy->from_ns + (number + 1) * length_ns;
		struct uvh_pool_bucket *bucket = &occupancy->buckets[number];

		if (until_ns > end_ns)
			until_ns = end_ns;
		bucket->busy_ns += (until_ns - begin_ns) * occupancy->busy;
		bucket->waiting_ns += (until_ns - begin_ns) * waiting;
		begin_ns = until_ns;
	}
}

/* Everything has been as it is until now. */
static void pass(struct uvh_pool_occupancy *occupancy, int64_t now_ns)
{
	const unsigned int waiting = occupancy->all_waiting;
	const unsigned int fast = waiting - occupancy->waiting[UVH_POOL_DNS];
	struct uvh_pool_level *level;
	int64_t ns;

	if (now_ns > occupancy->to_ns)
		now_ns = occupancy->to_ns;
	if (now_ns <= occupancy->now_ns)
		return;
	ns = now_ns - occupancy->now_ns;
	fill_buckets(occupancy, occupancy->now_ns, now_ns, waiting);
	occupancy->now_ns = now_ns;
	if (occupancy->begin_ns == 0)
		return;
	occupancy->levels = uvh_grow(occupancy->levels, &occupancy->level_room,
				     (size_t) occupancy->busy + 1, sizeof(*occupancy->levels));
	level = &occupancy->levels[occupancy->busy];
	level->ns += ns;
	if (waiting == 0)
		return;
	level->waited_ns += ns;
	level->slow_ns += fast == 0 ? ns : 0;
	for (unsigned int kind = 0; kind < UVH_POOL_KINDS; kind++)
		level->waits_ns[kind] += ns * occupancy->waiting[kind];
	blame(occupancy, fast == 0, ns);
}

static void apply(struct uvh_pool_occupancy *occupancy, const struct uvh_pool_edge *edge)
{
	unsigned int *waiting = &occupancy->waiting[edge->kind];
	bool slow = edge->kind == UVH_POOL_DNS;

	switch ((enum uvh_pool_change) edge->change) {
	case UVH_POOL_WAITS:
		if (++*waiting > occupancy->most_waiting[edge->kind])
			occupancy->most_waiting[edge->kind] = *waiting;
		if (++occupancy->all_waiting > occupancy->most_all_waiting)
			occupancy->most_all_waiting = occupancy->all_waiting;
		break;
	case UVH_POOL_BEGINS:
		hold(occupancy, edge->row, slow);
		if (occupancy->begin_ns == 0)
			occupancy->begin_ns = edge->time_ns;
		break;
	case UVH_POOL_LEAVES:
		--*waiting;
		--occupancy->all_waiting;
		break;
	case UVH_POOL_ENDS:
		let_go(occupancy, edge->row, slow);
		break;
	}
}

void uvh_pool_occupancy_count(struct uvh_pool_occupancy *occupancy, int64_t until_ns)
{
	size_t i;

	if (occupancy->edge_count > 1)
		qsort(occupancy->edges, occupancy->edge_count, sizeof(*occupancy->edges),
		      compare_edges);
	for (i = 0; i < occupancy->edge_count && occupancy->edges[i].time_ns < until_ns; i++) {
		pass(occupancy, occupancy->edges[i].time_ns);
		apply(occupancy, &occupancy->edges[i]);
	}
	occupancy->edge_count -= i;
	if (i > 0 && occupancy->edge_count > 0)
		memmove(occupancy->edges, occupancy->edges + i,
			occupancy->edge_count * sizeof(*occupancy->edges));
	for (i = 0; i < occupancy->edge_count; i++)
		occupancy->edges[i].number = (uint32_t) i;
}

void uvh_pool_occupancy_end(struct uvh_pool_occupancy *occupancy)
{
	uvh_pool_occupancy_count(occupancy, INT64_MAX);
	pass(occupancy, occupancy->to_ns);
}

void uvh_pool_occupancy_free(struct uvh_pool_occupancy *occupancy)
{
	free(occupancy->levels);
	free(occupancy->holders);
	free(occupancy->held);
	free(occupancy->buckets);
	free(occupancy->edges);
}

static const struct uvh_pool_level *level_of(const struct uvh_pool_process *process, size_t busy)
{
	static const struct uvh_pool_level never;

	return busy < process->occupancy.level_room ? &process->occupancy.levels[busy] : &never;
}

size_t uvh_pool_threads(const struct uvh_pool_process *process)
{
	const struct uvh_pool_occupancy *occupancy = &process->occupancy;
	size_t threads = occupancy->most_slow == 0 ? 0 : occupancy->most_slow * 2 - 1;

	if (threads < occupancy->most || uvh_pool_is_exact(process))
		threads = occupancy->most;
	return threads < process->threads ? process->threads : threads;
}

bool uvh_pool_is_exact(const struct uvh_pool_process *process)
{
	const struct uvh_pool_level *level = level_of(process, process->occupancy.most);

	return process->occupancy.most >= process->threads &&
	       level->waited_ns - level->slow_ns >= UVH_POOL_MISSING_NS;
}

double uvh_pool_busy_mean(const struct uvh_pool_process *process)
{
	double weighted = 0, all = 0;

	for (size_t busy = 0; busy < process->occupancy.level_room; busy++) {
		weighted += (double) level_of(process, busy)->ns * (double) busy;
		all += (double) level_of(process, busy)->ns;
	}
	return all > 0 ? weighted / all : 0;
}

double uvh_pool_all_busy(const struct uvh_pool_process *process)
{
	double all = 0;

	for (size_t busy = 0; busy < process->occupancy.level_room; busy++)
		all += (double) level_of(process, busy)->ns;
	return all > 0 ? (double) level_of(process, uvh_pool_threads(process))->ns / all : 0;
}

int64_t uvh_pool_saturated_ns(const struct uvh_pool_process *process)
{
	return level_of(process, uvh_pool_threads(process))->waited_ns;
}

int64_t uvh_pool_waited_ns(const struct uvh_pool_process *process, enum uvh_pool_kind kind)
{
	const size_t threads = uvh_pool_threads(process);
	int64_t ns = level_of(process, threads)->waits_ns[kind];

	/* Of what waits while threads are idle, all but slow work is about to be taken. */
	for (size_t busy = 0; kind == UVH_POOL_DNS && busy < threads; busy++)
		ns += level_of(process, busy)->waits_ns[kind];
	return ns;
}

int64_t uvh_pool_slow_ns(const struct uvh_pool_process *process)
{
	int64_t ns = 0;

	for (size_t busy = 0; busy < uvh_pool_threads(process); busy++)
		ns += level_of(process, busy)->slow_ns;
	return ns;
}
