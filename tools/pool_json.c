/* SPDX-License-Identifier: MIT */
/*
 * The thread pool for programs: one object. Keys are only ever added; times are in nanoseconds, and
 * `at` ones count from the start of the process's trace.
 *
 *   pools      one for each process that asked something of its pool:
 *     threads_seen, threads_at_least, threads_assumed (to be as many as the default)
 *     jobs, not_seen            on a thread: see `whole` of the kinds
 *     elapsed_ns, busy_mean, busy_max, all_busy_share
 *     saturated_ns              all threads were busy while something waited
 *     dns_limited_ns            only names waited, for the half of the threads that they may have
 *     by_busy                   how long so many threads were busy, from none on
 *     starved                   what waited so, and who held the threads meanwhile
 *     kinds                     by work and place: `queue` for a thread, `service` on it
 *     occupancy                 over time: means of busy threads and of waiting jobs
 */
#include <stdio.h>
#include <stdlib.h>

#include "pool_tell.h"
#include "stack_json.h"
#include "trigger_chain.h"

static void put_histogram(struct uvh_json *json, const char *key, const struct uvh_histogram *times)
{
	uvh_json_object(json, key);
	uvh_json_number(json, "count", (int64_t) times->count);
	uvh_json_number(json, "total_ns", times->sum_ns);
	uvh_json_number(json, "mean_ns", uvh_histogram_mean(times));
	uvh_json_number(json, "p50_ns", uvh_histogram_percentile(times, 0.5));
	uvh_json_number(json, "p99_ns", uvh_histogram_percentile(times, 0.99));
	uvh_json_number(json, "max_ns", times->max_ns);
	uvh_json_object_end(json);
}

static void put_kind(struct uvh_json *json, const struct uvh_pool_line *line)
{
	const struct uvh_pool_row *row = line->row;

	uvh_json_text(json, "kind", uvh_pool_kind_name(row->kind));
	uvh_json_text(json, "what", line->what);
	uvh_json_type(json, row->process, row->type, row->fs_type);
	uvh_json_callback(json, row->process, row->callback);
	uvh_json_frame(json, "site", line->site);
}

static void put_line(struct uvh_json *json, const struct uvh_pool_line *line, bool verbose)
{
	uvh_json_object(json, NULL);
	put_kind(json, line);
	put_histogram(json, "queue", &line->queue);
	put_histogram(json, "service", &line->service);
	if (line->untold > 0)
		put_histogram(json, "whole", &line->whole);
	uvh_json_number(json, "not_seen", (int64_t) line->untold);
	uvh_json_number(json, "cancelled", (int64_t) line->cancelled);
	uvh_json_number(json, "waiting_at_end", (int64_t) line->waiting);
	uvh_json_number(json, "waiting_for_ns", line->waiting_ns);
	uvh_json_number(json, "running_at_end", (int64_t) line->running);
	uvh_json_number(json, "running_for_ns", line->running_ns);
	if (verbose)
		uvh_json_stack(json, "stack", line->row->process, line->row->stack);
	uvh_json_object_end(json);
}

static void put_starved(struct uvh_json *json, const struct uvh_pool_tale *tale,
			const struct uvh_pool_process *process, enum uvh_pool_kind kind)
{
	struct uvh_pool_share *shares;
	size_t count;

	if (uvh_pool_waited_ns(process, kind) < UVH_POOL_MISSING_NS)
		return;
	shares = uvh_pool_shares(tale, process, kind, &count);
	uvh_json_object(json, NULL);
	uvh_json_text(json, "kind", uvh_pool_kind_name(kind));
	uvh_json_number(json, "waited_ns", uvh_pool_waited_ns(process, kind));
	uvh_json_number(json, "most_at_a_time", process->occupancy.most_waiting[kind]);
	uvh_json_array(json, "held_by");
	for (size_t i = 0; i < count; i++) {
		uvh_json_object(json, NULL);
		put_kind(json, &tale->view.lines[shares[i].line]);
		uvh_json_number(json, "held_ns", shares[i].ns);
		uvh_json_fraction(json, "share", shares[i].share);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	free(shares);
}

static void put_occupancy(struct uvh_json *json, const struct uvh_pool_process *process)
{
	const struct uvh_pool_occupancy *occupancy = &process->occupancy;
	double bucket_ns = (double) uvh_pool_bucket_ns(occupancy);

	uvh_json_object(json, "occupancy");
	uvh_json_number(json, "from_at_ns", occupancy->from_ns - process->process->start_ns);
	uvh_json_number(json, "step_ns", uvh_pool_bucket_ns(occupancy));
	uvh_json_array(json, "busy");
	for (size_t i = 0; i < UVH_POOL_BUCKETS; i++)
		uvh_json_fraction(json, NULL, (double) occupancy->buckets[i].busy_ns / bucket_ns);
	uvh_json_array_end(json);
	uvh_json_array(json, "waiting");
	for (size_t i = 0; i < UVH_POOL_BUCKETS; i++)
		uvh_json_fraction(json, NULL,
				  (double) occupancy->buckets[i].waiting_ns / bucket_ns);
	uvh_json_array_end(json);
	uvh_json_object_end(json);
}

static void put_process(struct uvh_json *json, const struct uvh_pool_tale *tale,
			const struct uvh_pool_process *process)
{
	const struct uvh_pool_occupancy *occupancy = &process->occupancy;

	uvh_json_object(json, NULL);
	uvh_json_text(json, "process", process->process->folder);
	uvh_json_number(json, "threads_seen", (int64_t) process->threads);
	uvh_json_number(json, "threads_at_least", (int64_t) uvh_pool_threads(process));
	uvh_json_bool(json, "threads_assumed", process->assumed);
	uvh_json_number(json, "jobs", (int64_t) process->jobs);
	uvh_json_number(json, "not_seen", (int64_t) process->untold);
	uvh_json_number(json, "elapsed_ns", occupancy->to_ns - occupancy->from_ns);
	uvh_json_fraction(json, "busy_mean", uvh_pool_busy_mean(process));
	uvh_json_number(json, "busy_max", occupancy->most);
	uvh_json_fraction(json, "all_busy_share", uvh_pool_all_busy(process));
	uvh_json_number(json, "saturated_ns", uvh_pool_saturated_ns(process));
	uvh_json_number(json, "dns_limited_ns", uvh_pool_slow_ns(process));
	uvh_json_array(json, "by_busy");
	for (size_t i = 0; i <= occupancy->most && i < occupancy->level_room; i++)
		uvh_json_number(json, NULL, occupancy->levels[i].ns);
	uvh_json_array_end(json);
	uvh_json_array(json, "starved");
	for (unsigned int kind = 0; kind < UVH_POOL_KINDS; kind++)
		put_starved(json, tale, process, kind);
	uvh_json_array_end(json);
	uvh_json_array(json, "kinds");
	for (size_t i = 0; i < tale->view.count; i++) {
		const struct uvh_pool_line *line = &tale->view.lines[tale->order[i]];

		if (line->row->process == process->process && uvh_pool_line_is_told(line))
			put_line(json, line, tale->verbose);
	}
	uvh_json_array_end(json);
	put_occupancy(json, process);
	uvh_json_object_end(json);
}

void uvh_pool_json(const struct uvh_pool_tale *tale)
{
	struct uvh_json *json = uvh_json_new();

	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_bool(json, "filtered", uvh_trace_filter_is_set(tale->filter));
	uvh_json_array(json, "pools");
	for (size_t i = 0; i < uvh_trace_process_count(tale->pool->trace); i++) {
		const struct uvh_pool_process *process =
		    uvh_pool_of(tale->pool, uvh_trace_process(tale->pool->trace, i));

		if (process != NULL && uvh_pool_is_told(tale, process))
			put_process(json, tale, process);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
