/* SPDX-License-Identifier: MIT */
/* What each event adds. This is run for every event of a trace: nothing here may be slow. */
#include "report.h"

#include <stdlib.h>

struct uvh_report_process *uvh_report_process(struct uvh_trace_process *process)
{
	if (process->user == NULL)
		process->user = uvh_zeros(1, sizeof(struct uvh_report_process));
	return process->user;
}

struct uvh_report_thread *uvh_report_thread(struct uvh_trace_thread *thread)
{
	if (thread->user == NULL)
		thread->user = uvh_zeros(1, sizeof(struct uvh_report_thread));
	return thread->user;
}

void uvh_report_begin(struct uvh_report *report, struct uvh_trace *trace,
		      struct uvh_trace_filter *filter)
{
	*report = (struct uvh_report){.trace = trace, .filter = filter};
	uvh_trace_filter_window(filter, trace, &report->from_ns, &report->to_ns);
	uvh_pool_begin(&report->pool, trace, report->from_ns, report->to_ns);
}

/* A request waits for its callback, and so does a task that a program keeps in a queue. */
static bool is_waiting_kind(unsigned int type)
{
	enum uvhooks_kind kind = uvhooks_type_kind(type);

	return kind == UVHOOKS_KIND_REQUEST || kind == UVHOOKS_KIND_EMBEDDER;
}

static struct uvh_report_row *add_row(struct uvh_report *report, uint32_t hash,
				      const struct uvh_trace_event *event)
{
	struct uvh_report_row *row = uvh_zeros(1, sizeof(*row));

	row->process = event->process;
	row->callback = event->callback;
	row->type = event->type;
	row->fs_type = event->fs_type;
	row->waits = is_waiting_kind(event->type);
	report->rows =
	    uvh_grow(report->rows, &report->row_room, report->row_count + 1, sizeof(*report->rows));
	report->rows[report->row_count] = row;
	uvh_index_add(&report->row_index, hash, (uint32_t) report->row_count++);
	return row;
}

static bool is_row(const struct uvh_report_row *row, const struct uvh_trace_event *event)
{
	return row->callback == event->callback && row->type == event->type &&
	       row->fs_type == event->fs_type && row->process == event->process;
}

static struct uvh_report_row *find_row(struct uvh_report *report,
				       const struct uvh_trace_event *event)
{
	uint32_t hash = uvh_hash(event->callback, (uintptr_t) event->process + event->type);
	size_t at = 0;
	uint32_t row;

	while ((row = uvh_index_next(&report->row_index, hash, &at)) != UVH_INDEX_END)
		if (is_row(report->rows[row], event))
			return report->rows[row];
	return add_row(report, hash, event);
}

/*
 * The row of a callback. The resource keeps it, but not that of its close callback: a resource is
 * known by what it did.
 */
static struct uvh_report_row *row_of(struct uvh_report *report, const struct uvh_trace_event *event)
{
	struct uvh_report_row *row = event->resource->user;

	if (row != NULL && is_row(row, event))
		return row;
	row = find_row(report, event);
	if ((event->flags & UVHOOKS_FLAG_CLOSING) == 0)
		event->resource->user = row;
	return row;
}

static struct uvh_report_type *type_of(struct uvh_trace_process *process, unsigned int type)
{
	struct uvh_report_process *state = uvh_report_process(process);

	state->types =
	    uvh_grow(state->types, &state->type_room, (size_t) type + 1, sizeof(*state->types));
	return &state->types[type];
}

/* Of no process: it says that a resource has been counted, and none of its callbacks has run. */
static struct uvh_report_row nothing_yet;

/*
 * Counts what was made. Filters may let through a resource whose init they did not: --callback
 * knows a timer from its start on only.
 */
static void add_made(const struct uvh_report *report, const struct uvh_trace_event *event)
{
	const bool is_init = event->event == UVHOOKS_EVENT_INIT;
	struct uvh_trace_resource *resource = event->resource;

	if (is_init ||
	    (resource->user == NULL && resource->init_seen && resource->init_ns >= report->from_ns))
		type_of(event->process, event->type)->made++;
	if (resource->user == NULL)
		resource->user = &nothing_yet;
}

static void add_before(struct uvh_report *report, const struct uvh_trace_event *event)
{
	const struct uvh_trace_resource *resource = event->resource;
	struct uvh_report_row *row = row_of(report, event);

	row->runs++;
	if (row->waits && resource->runs == 1 && resource->init_seen)
		uvh_histogram_add(&row->wait, event->time_ns - resource->init_ns);
	uvh_report_loop_before(report, event);
}

/* What began before the window is counted when it ends: its before was not. */
static void add_after(struct uvh_report *report, const struct uvh_trace_event *event)
{
	struct uvh_report_row *row;

	if (event->begin_ns == 0)
		return;
	row = row_of(report, event);
	row->runs += event->begin_ns < report->from_ns;
	uvh_histogram_add(&row->run, event->ran_ns);
	row->self_ns += event->self_ns;
	uvh_report_loop_after(report, event);
}

/* It was counted as what it has ceased to be. */
static void add_type_change(const struct uvh_trace_event *event)
{
	unsigned int before = event->type == UVHOOKS_TCPSERVERWRAP    ? UVHOOKS_TCPWRAP
			      : event->type == UVHOOKS_PIPESERVERWRAP ? UVHOOKS_PIPEWRAP
								      : UVHOOKS_NONE;
	struct uvh_report_type *type;

	if (before == UVHOOKS_NONE || !event->resource->init_seen)
		return;
	type = type_of(event->process, before);
	if (type->made == 0)
		return;
	type->made--;
	type_of(event->process, event->type)->made++;
}

void uvh_report_add(struct uvh_report *report, const struct uvh_trace_event *event)
{
	struct uvh_report_thread *thread = uvh_report_thread(event->thread);
	bool wanted = uvh_trace_filter_wants(report->filter, report->trace, event);

	report->events_read++;
	if (thread->first_ns == 0)
		thread->first_ns = event->time_ns;
	/* How long a loop runs is asked whatever the filter lets through of what it does. */
	if (event->event == UVHOOKS_EVENT_LOOP_ENTER)
		uvh_report_loop_enter(report, event);
	else if (event->event == UVHOOKS_EVENT_LOOP_EXIT)
		uvh_report_loop_exit(report, event);
	else if (event->event == UVHOOKS_EVENT_BEFORE)
		uvh_report_loop_assume(event);
	/* And how full the pool is, too. */
	uvh_pool_add(&report->pool, event, wanted);
	if (!wanted || event->event >= UVHOOKS_EVENT_MAX)
		return;
	if (!uvh_trace_is_life(event) && event->event != UVHOOKS_EVENT_POOL_END)
		return;
	report->events++;
	report->by_event[event->event]++;
	thread->events++;
	uvh_report_process(event->process)->events++;
	if (event->resource != NULL &&
	    (event->event == UVHOOKS_EVENT_INIT || event->resource->user == NULL))
		add_made(report, event);
	switch (event->event) {
	case UVHOOKS_EVENT_BEFORE:
		add_before(report, event);
		break;
	case UVHOOKS_EVENT_AFTER:
		add_after(report, event);
		break;
	case UVHOOKS_EVENT_TYPE_CHANGE:
		add_type_change(event);
		break;
	case UVHOOKS_EVENT_WAKEUP:
		uvh_report_wakeup(report, event);
		break;
	}
}

static void count_live(struct uvh_trace_resource *resource, void *data)
{
	struct uvh_report *report = data;

	if (uvh_trace_filter_wants_resource(report->filter, resource))
		type_of(resource->process, resource->type)->live++;
}

/* A callback counts with what has been seen of it. */
static void add_running(const struct uvh_trace_event *event, void *data)
{
	struct uvh_report *report = data;

	if (event->event == UVHOOKS_EVENT_LOOP_EXIT)
		uvh_report_loop_exit(report, event);
	else if (event->event == UVHOOKS_EVENT_AFTER &&
		 uvh_trace_filter_wants(report->filter, report->trace, event))
		add_after(report, event);
}

static bool wants_resource(const struct uvh_trace_resource *resource, void *filter)
{
	return uvh_trace_filter_wants_resource(filter, resource);
}

int64_t uvh_report_duration(const struct uvh_report *report,
			    const struct uvh_trace_process *process)
{
	return uvh_trace_within(report->trace, process->start_ns, process->last_ns);
}

void uvh_report_end(struct uvh_report *report)
{
	uvh_trace_for_each_live(report->trace, count_live, report);
	uvh_trace_for_each_running(report->trace, add_running, report);
	for (size_t i = 0; i < uvh_trace_process_count(report->trace); i++) {
		struct uvh_trace_process *process = uvh_trace_process(report->trace, i);
		struct uvh_report_process *state = uvh_report_process(process);

		for (size_t space = 0; space < state->loop_room; space++)
			if (state->loops[space] != NULL)
				uvh_report_loop_end(report, state->loops[space]);
	}
	uvh_pool_end(&report->pool, wants_resource, report->filter);
	uvh_report_live(report);
}

static void free_process(struct uvh_trace_process *process)
{
	struct uvh_report_process *state = process->user;

	for (size_t i = 0; i < uvh_trace_thread_count(process); i++) {
		free(uvh_trace_thread(process, i)->user);
		uvh_trace_thread(process, i)->user = NULL;
	}
	if (state == NULL)
		return;
	for (size_t i = 0; i < state->loop_room; i++) {
		if (state->loops[i] != NULL)
			uvh_histogram_free(&state->loops[i]->delay);
		free(state->loops[i]);
	}
	free(state->loops);
	free(state->types);
	free(state);
	process->user = NULL;
}

void uvh_report_free(struct uvh_report *report)
{
	for (size_t i = 0; i < uvh_trace_process_count(report->trace); i++)
		free_process(uvh_trace_process(report->trace, i));
	for (size_t i = 0; i < report->row_count; i++) {
		uvh_histogram_free(&report->rows[i]->run);
		uvh_histogram_free(&report->rows[i]->wait);
		free(report->rows[i]);
	}
	uvh_pool_free(&report->pool);
	free(report->rows);
	free(report->wakeups);
	free(report->live);
	uvh_index_free(&report->row_index);
	uvh_index_free(&report->wakeup_index);
	uvh_index_free(&report->live_index);
}
