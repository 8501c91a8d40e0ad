/* SPDX-License-Identifier: MIT */
/*
 * The report for programs: one object. Keys are only ever added, times are in nanoseconds and say
 * so (`_ns`), ids are strings as in the log. `at_ns` counts from the start of the process's trace.
 *
 *   version         of this format: 1
 *   damaged_parts   of the trace, that could not be read
 *   filtered        whether filters were given: then only what passed is counted below
 *   events, events_by_kind
 *   processes       each with its threads, what was lost in each, and the counters of losses
 *   types           by type: made, live (at the end), and RUNS
 *   callbacks       by callback and type: RUNS; `callback` is null where there is none
 *   loops           busy_ns of elapsed_ns in callbacks, the longest of them, timer_delay
 *   requests        by type and call: `wait` from init to the first callback, and `run`
 *   thread_pools    of work `queue` from init to work_begin, `service` to work_end, `return`
 *                   to before; `kinds`: likewise, of libuv's own work, too
 *   wakeups         by async handle and kind of sender
 *   live            at the end: how many, and the chain of triggers, the nearest first
 *
 * RUNS: runs, total_ns, self_ns (without what ran inside), and of each run mean, p50, p99 and max.
 */
#include "json.h"
#include "report.h"
#include "terminal.h"

static void put_times(struct uvh_json *json, const struct uvh_histogram *times)
{
	uvh_json_number(json, "mean_ns", uvh_histogram_mean(times));
	uvh_json_number(json, "p50_ns", uvh_histogram_percentile(times, 0.5));
	uvh_json_number(json, "p99_ns", uvh_histogram_percentile(times, 0.99));
	uvh_json_number(json, "max_ns", times->max_ns);
}

static void put_histogram(struct uvh_json *json, const char *key, const struct uvh_histogram *times)
{
	uvh_json_object(json, key);
	uvh_json_number(json, "count", (int64_t) times->count);
	put_times(json, times);
	uvh_json_object_end(json);
}

static void put_threads(struct uvh_json *json, struct uvh_trace_process *process)
{
	uvh_json_array(json, "threads");
	for (size_t i = 0; i < uvh_trace_thread_count(process); i++) {
		struct uvh_trace_thread *thread = uvh_trace_thread(process, i);

		uvh_json_object(json, NULL);
		uvh_json_number(json, "thread", thread->thread_id);
		uvh_json_text(json, "name", thread->name);
		uvh_json_number(json, "events", (int64_t) uvh_report_thread(thread)->events);
		uvh_json_number(json, "events_discarded", (int64_t) thread->events_discarded);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void put_process(struct uvh_json *json, const struct uvh_report *report,
			struct uvh_trace_process *process)
{
	char version[UVH_TEXT_ROOM];

	uvh_json_object(json, NULL);
	uvh_json_text(json, "folder", process->folder);
	uvh_json_text(json, "parent", process->parent == NULL ? NULL : process->parent->folder);
	uvh_json_text(json, "program", process->program);
	uvh_json_text(json, "command", process->command);
	uvh_json_text(json, "hostname", process->hostname);
	uvh_json_number(json, "pid", process->pid);
	uvh_json_text(
	    json, "libuv_version",
	    process->libuv_version == 0 ? NULL : uvh_version_text(process->libuv_version, version));
	uvh_json_bool(json, "flight_recorder", process->flight_recorder);
	uvh_json_bool(json, "ended", process->ended);
	uvh_json_bool(json, "stopped", process->stopped);
	uvh_json_number(json, "start_ns", process->start_ns);
	uvh_json_number(json, "duration_ns", uvh_report_duration(report, process));
	uvh_json_number(json, "events", (int64_t) uvh_report_process(process)->events);
	uvh_json_number(json, "events_discarded", (int64_t) process->events_discarded);
	uvh_json_object(json, "counters");
	for (size_t i = 0; i < process->counter_count; i++)
		uvh_json_number(json, process->counters[i].name,
				(int64_t) process->counters[i].value);
	uvh_json_object_end(json);
	put_threads(json, process);
	uvh_json_object_end(json);
}

static void put_runs(struct uvh_json *json, const struct uvh_report_line *line)
{
	uvh_json_number(json, "runs", (int64_t) line->runs);
	uvh_json_number(json, "total_ns", line->run.sum_ns);
	uvh_json_number(json, "self_ns", line->self_ns);
	put_times(json, &line->run);
}

static void put_types(struct uvh_json *json, const struct uvh_report *report,
		      const struct uvh_report_style *style)
{
	struct uvh_report_view view;

	uvh_report_view_types(report, style->sort, &view);
	uvh_json_array(json, "types");
	for (size_t i = 0; i < view.count && i < style->top; i++) {
		uvh_json_object(json, NULL);
		uvh_json_text(json, "type", view.lines[i].type);
		uvh_json_text(json, "uv_type", view.lines[i].uv_type);
		uvh_json_number(json, "made", (int64_t) view.lines[i].made);
		uvh_json_number(json, "live", (int64_t) view.lines[i].live);
		put_runs(json, &view.lines[i]);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_report_view_free(&view);
}

static void put_callbacks(struct uvh_json *json, const struct uvh_report *report,
			  const struct uvh_report_style *style)
{
	struct uvh_report_view view;

	uvh_report_view_callbacks(report, style->sort, &view);
	uvh_json_array(json, "callbacks");
	for (size_t i = 0; i < view.count && i < style->top; i++) {
		uvh_json_object(json, NULL);
		uvh_json_text(json, "callback",
			      view.lines[i].address == 0 ? NULL : view.lines[i].callback);
		uvh_json_text(json, "type", view.lines[i].type);
		uvh_json_text(json, "uv_type", view.lines[i].uv_type);
		uvh_json_text(json, "program", view.lines[i].program);
		put_runs(json, &view.lines[i]);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_report_view_free(&view);
}

static void put_waits(struct uvh_json *json, const struct uvh_report *report,
		      const struct uvh_report_style *style)
{
	struct uvh_report_view view;

	uvh_report_view_waits(report, &view);
	uvh_json_array(json, "requests");
	for (size_t i = 0; i < view.count && i < style->top; i++) {
		uvh_json_object(json, NULL);
		uvh_json_text(json, "type", view.lines[i].type);
		uvh_json_text(json, "uv_type", view.lines[i].uv_type);
		if (view.lines[i].call != NULL)
			uvh_json_text(json, "call", view.lines[i].call);
		put_histogram(json, "wait", &view.lines[i].wait);
		put_histogram(json, "run", &view.lines[i].run);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_report_view_free(&view);
}

static void put_moments(struct uvh_json *json, const char *key, const char *duration_key,
			const struct uvh_report_loop *loop, const struct uvh_report_moment *moments,
			size_t count)
{
	uvh_json_array(json, key);
	for (size_t i = 0; i < count && moments[i].ns > 0; i++) {
		uvh_json_object(json, NULL);
		uvh_json_number(json, duration_key, moments[i].ns);
		uvh_json_number(json, "at_ns", moments[i].begin_ns - loop->process->start_ns);
		uvh_json_id(json, "id", moments[i].id);
		uvh_json_type(json, loop->process, moments[i].type, moments[i].fs_type);
		uvh_json_callback(json, loop->process, moments[i].callback);
		if (moments[i].unfinished)
			uvh_json_bool(json, "unfinished", true);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void put_loop(struct uvh_json *json, const struct uvh_report_loop *loop)
{
	uvh_json_object(json, NULL);
	uvh_json_text(json, "process", loop->process->folder);
	uvh_json_number(json, "loop", loop->space);
	uvh_json_bool(json, "ran_before", loop->assumed);
	uvh_json_number(json, "runs", (int64_t) loop->runs);
	uvh_json_number(json, "elapsed_ns", loop->elapsed_ns);
	uvh_json_number(json, "busy_ns", loop->busy_ns);
	uvh_json_fraction(json, "utilization",
			  loop->elapsed_ns > 0 ? (double) loop->busy_ns / (double) loop->elapsed_ns
					       : 0);
	uvh_json_number(json, "callbacks", (int64_t) loop->callbacks);
	uvh_json_number(json, "bursts", (int64_t) loop->bursts);
	uvh_json_number(json, "iterations_at_least", (int64_t) loop->iterations);
	put_moments(json, "longest", "run_ns", loop, loop->longest, UVH_REPORT_LONGEST);
	put_histogram(json, "timer_delay", &loop->delay);
	put_moments(json, "latest_timers", "delay_ns", loop, loop->latest, UVH_REPORT_LATEST);
	uvh_json_object_end(json);
}

static void put_pool(struct uvh_json *json, const struct uvh_report *report,
		     const struct uvh_pool_process *pool)
{
	struct uvh_report_pool_times times;

	uvh_json_object(json, NULL);
	uvh_json_text(json, "process", pool->process->folder);
	uvh_json_number(json, "threads", (int64_t) pool->threads);
	uvh_json_fraction(json, "busy_mean", uvh_pool_busy_mean(pool));
	uvh_json_number(json, "busy_max", pool->occupancy.most);
	uvh_json_fraction(json, "all_busy_share", uvh_pool_all_busy(pool));
	uvh_json_number(json, "saturated_ns", uvh_pool_saturated_ns(pool));
	uvh_report_pool_times(report, pool->process, UVH_POOL_WORK, &times);
	put_histogram(json, "queue", &times.queue);
	put_histogram(json, "service", &times.service);
	uvh_report_pool_times_free(&times);
	put_histogram(json, "return", &pool->back);
	uvh_json_array(json, "kinds");
	for (unsigned int kind = 0; kind < UVH_POOL_KINDS; kind++) {
		uvh_report_pool_times(report, pool->process, kind, &times);
		if (times.queue.count + times.service.count > 0) {
			uvh_json_object(json, NULL);
			uvh_json_text(json, "kind", uvh_pool_kind_name(kind));
			put_histogram(json, "queue", &times.queue);
			put_histogram(json, "service", &times.service);
			uvh_json_object_end(json);
		}
		uvh_report_pool_times_free(&times);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
}

static void put_processes(struct uvh_json *json, const struct uvh_report *report)
{
	const size_t count = uvh_trace_process_count(report->trace);

	uvh_json_array(json, "processes");
	for (size_t i = 0; i < count; i++)
		if (uvh_trace_filter_wants_process(report->filter,
						   uvh_trace_process(report->trace, i)))
			put_process(json, report, uvh_trace_process(report->trace, i));
	uvh_json_array_end(json);
}

static void put_loops(struct uvh_json *json, const struct uvh_report *report)
{
	uvh_json_array(json, "loops");
	for (size_t i = 0; i < uvh_trace_process_count(report->trace); i++) {
		const struct uvh_report_process *state =
		    uvh_report_process(uvh_trace_process(report->trace, i));

		for (size_t space = 0; space < state->loop_room; space++)
			if (state->loops[space] != NULL && state->loops[space]->callbacks > 0)
				put_loop(json, state->loops[space]);
	}
	uvh_json_array_end(json);
}

static void put_pools(struct uvh_json *json, const struct uvh_report *report)
{
	uvh_json_array(json, "thread_pools");
	for (size_t i = 0; i < uvh_trace_process_count(report->trace); i++) {
		const struct uvh_pool_process *pool =
		    uvh_report_pool(report, uvh_trace_process(report->trace, i));

		if (pool != NULL)
			put_pool(json, report, pool);
	}
	uvh_json_array_end(json);
}

static void put_wakeups(struct uvh_json *json, const struct uvh_report *report)
{
	uvh_json_array(json, "wakeups");
	for (size_t i = 0; i < report->wakeup_count; i++) {
		const struct uvh_report_wakeup *wakeup = &report->wakeups[i];

		uvh_json_object(json, NULL);
		uvh_json_text(json, "process", wakeup->process->folder);
		if (wakeup->id == 0)
			uvh_json_text(json, "id", NULL);
		else
			uvh_json_id(json, "id", wakeup->id);
		uvh_json_callback(json, wakeup->process, wakeup->callback);
		uvh_json_number(json, "count", (int64_t) wakeup->count);
		uvh_json_number(json, "sender_loop", wakeup->sender_space);
		uvh_json_text(json, "sender_type",
			      wakeup->sender_type == UVHOOKS_NONE
				  ? NULL
				  : uvh_trace_type_name(wakeup->process, wakeup->sender_type));
		uvh_json_bool(json, "sender_is_top_level", wakeup->sender_is_top);
		uvh_json_bool(json, "across_threads", uvh_report_wakeup_crosses(wakeup));
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void put_live(struct uvh_json *json, const struct uvh_report *report,
		     const struct uvh_report_style *style)
{
	uvh_json_array(json, "live");
	for (size_t i = 0; i < report->live_count && i < style->top; i++) {
		const struct uvh_report_live *group = &report->live[i];

		uvh_json_object(json, NULL);
		uvh_json_text(json, "process", group->process->folder);
		uvh_json_number(json, "count", (int64_t) group->count);
		uvh_json_type(json, group->process, group->chain.links[0].type,
			      group->chain.links[0].fs_type);
		uvh_json_callback(json, group->process, group->chain.links[0].callback);
		uvh_json_bool(json, "armed", group->armed);
		uvh_json_id(json, "first_id", group->first_id);
		uvh_json_number(json, "first_init_ns",
				group->first_init_ns == 0
				    ? 0
				    : group->first_init_ns - group->process->start_ns);
		uvh_chain_json(json, &group->chain);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

void uvh_report_json(const struct uvh_report *report, const struct uvh_report_style *style)
{
	struct uvh_json *json = uvh_json_new();

	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_number(json, "damaged_parts", (int64_t) report->damaged);
	uvh_json_bool(json, "filtered", uvh_trace_filter_is_set(report->filter));
	uvh_json_number(json, "events", (int64_t) report->events);
	uvh_json_object(json, "events_by_kind");
	for (unsigned int event = 0; event < UVHOOKS_EVENT_MAX; event++)
		uvh_json_number(json, uvhooks_event_name(event), (int64_t) report->by_event[event]);
	uvh_json_object_end(json);
	put_processes(json, report);
	put_types(json, report, style);
	put_callbacks(json, report, style);
	put_loops(json, report);
	put_waits(json, report, style);
	put_pools(json, report);
	put_wakeups(json, report);
	put_live(json, report, style);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
