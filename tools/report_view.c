/* SPDX-License-Identifier: MIT */
/* From rows by number to lines by name. */
#include "report.h"

#include <stdlib.h>
#include <string.h>

/* What a line is told apart by; NULL: not by this. The texts live as long as the trace. */
struct key {
	const char *program, *type, *call, *callback;
};

static bool is_same_text(const char *one, const char *other)
{
	return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
	return uvh_hash(text == NULL ? hash : uvh_hash_text(hash, text), text != NULL);
}

static struct uvh_report_line *line_of(struct uvh_report_view *view, const struct key *key,
				       unsigned int ordinal)
{
	uint32_t hash = hash_text(hash_text(ordinal, key->program), key->type);
	struct uvh_report_line *line;
	size_t at = 0;
	uint32_t row;

	hash = hash_text(hash_text(hash, key->call), key->callback);
	while ((row = uvh_index_next(&view->index, hash, &at)) != UVH_INDEX_END) {
		line = &view->lines[row];
		if (line->ordinal == ordinal && is_same_text(line->program, key->program) &&
		    is_same_text(line->type, key->type) && is_same_text(line->call, key->call) &&
		    is_same_text(line->callback, key->callback))
			return line;
	}
	view->lines = uvh_grow(view->lines, &view->room, view->count + 1, sizeof(*view->lines));
	line = &view->lines[view->count];
	line->program = key->program;
	line->type = key->type;
	line->call = key->call;
	line->callback = key->callback;
	line->ordinal = ordinal;
	uvh_index_add(&view->index, hash, (uint32_t) view->count++);
	return line;
}

static void add_row(struct uvh_report_line *line, const struct uvh_report_row *row)
{
	line->uv_type = uvhooks_uv_type_name(row->type);
	line->runs += row->runs;
	line->self_ns += row->self_ns;
	uvh_histogram_merge(&line->run, &row->run);
	uvh_histogram_merge(&line->wait, &row->wait);
}

static enum uvh_report_sort sorted_by;

static int64_t worth(const struct uvh_report_line *line)
{
	switch (sorted_by) {
	case UVH_SORT_TOTAL:
		break;
	case UVH_SORT_SELF:
		return line->self_ns;
	case UVH_SORT_MEAN:
		return uvh_histogram_mean(&line->run);
	case UVH_SORT_P99:
		return uvh_histogram_percentile(&line->run, 0.99);
	case UVH_SORT_MAX:
		return line->run.max_ns;
	case UVH_SORT_RUNS:
		return (int64_t) line->runs;
	}
	return line->run.sum_ns;
}

static bool is_thread(const struct uvh_report_line *line)
{
	return strcmp(line->uv_type, "uv_thread_t") == 0;
}

/* Threads come last: what they run takes as long as they live, and keeps no loop. */
static int compare_lines(const void *one, const void *other)
{
	const struct uvh_report_line *a = one, *b = other;
	int64_t worth_a = worth(a), worth_b = worth(b);

	if (is_thread(a) != is_thread(b))
		return is_thread(a) ? 1 : -1;
	if (worth_a != worth_b)
		return worth_a > worth_b ? -1 : 1;
	if (a->made != b->made)
		return a->made > b->made ? -1 : 1;
	if (a->type != b->type && strcmp(a->type, b->type) != 0)
		return strcmp(a->type, b->type);
	return strcmp(a->callback == NULL ? "" : a->callback,
		      b->callback == NULL ? "" : b->callback);
}

static int compare_waits(const void *one, const void *other)
{
	const struct uvh_report_line *a = one, *b = other;

	if (a->wait.sum_ns != b->wait.sum_ns)
		return a->wait.sum_ns > b->wait.sum_ns ? -1 : 1;
	return strcmp(a->type, b->type);
}

static void sort(struct uvh_report_view *view, int (*compare)(const void *one, const void *other))
{
	if (view->count > 0)
		qsort(view->lines, view->count, sizeof(*view->lines), compare);
}

void uvh_report_view_types(const struct uvh_report *report, enum uvh_report_sort order,
			   struct uvh_report_view *view)
{
	*view = (struct uvh_report_view){0};
	for (size_t i = 0; i < uvh_trace_process_count(report->trace); i++) {
		struct uvh_trace_process *process = uvh_trace_process(report->trace, i);
		const struct uvh_report_process *state = uvh_report_process(process);

		for (unsigned int type = 0; type < state->type_room; type++) {
			struct key key = {.type = uvh_trace_type_name(process, type)};
			struct uvh_report_line *line;

			if (state->types[type].made == 0 && state->types[type].live == 0)
				continue;
			line = line_of(view, &key, 0);
			line->uv_type = uvhooks_uv_type_name(type);
			line->made += state->types[type].made;
			line->live += state->types[type].live;
		}
	}
	for (size_t i = 0; i < report->row_count; i++) {
		const struct uvh_report_row *row = report->rows[i];
		struct key key = {.type = uvh_trace_type_name(row->process, row->type)};

		add_row(line_of(view, &key, 0), row);
	}
	sorted_by = order;
	sort(view, compare_lines);
}

/* By process, and by address in it. */
static int compare_rows(const void *one, const void *other)
{
	const struct uvh_report_row *a = *(struct uvh_report_row *const *) one;
	const struct uvh_report_row *b = *(struct uvh_report_row *const *) other;

	if (a->process != b->process)
		return a->process->index < b->process->index ? -1 : 1;
	return (a->callback > b->callback) - (a->callback < b->callback);
}

/*
 * Functions of one name may be several in a process, and then are so here: the nth of them in one
 * process is the nth in another, since the addresses keep their order.
 */
static struct uvh_report_line *line_of_callback(struct uvh_report_view *view,
						const struct uvh_report_row *row)
{
	struct key key = {
	    .program = row->process->program,
	    .type = uvh_trace_type_name(row->process, row->type),
	    .callback =
		row->callback == 0 ? "none" : uvh_trace_callback_name(row->process, row->callback),
	};
	struct uvh_report_line *line = line_of(view, &key, 0);

	while (line->process == row->process && line->address != row->callback)
		line = line_of(view, &key, line->ordinal + 1);
	line->process = row->process;
	line->address = row->callback;
	return line;
}

void uvh_report_view_callbacks(const struct uvh_report *report, enum uvh_report_sort order,
			       struct uvh_report_view *view)
{
	*view = (struct uvh_report_view){0};
	if (report->row_count > 0)
		qsort(report->rows, report->row_count, sizeof(*report->rows), compare_rows);
	for (size_t i = 0; i < report->row_count; i++)
		add_row(line_of_callback(view, report->rows[i]), report->rows[i]);
	sorted_by = order;
	sort(view, compare_lines);
}

void uvh_report_view_waits(const struct uvh_report *report, struct uvh_report_view *view)
{
	*view = (struct uvh_report_view){0};
	for (size_t i = 0; i < report->row_count; i++) {
		const struct uvh_report_row *row = report->rows[i];
		struct key key = {
		    .type = uvh_trace_type_name(row->process, row->type),
		    .call = uvhooks_fs_name(row->fs_type),
		};

		if (row->wait.count > 0)
			add_row(line_of(view, &key, 0), row);
	}
	sort(view, compare_waits);
}

void uvh_report_view_free(struct uvh_report_view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		uvh_histogram_free(&view->lines[i].run);
		uvh_histogram_free(&view->lines[i].wait);
	}
	free(view->lines);
	uvh_index_free(&view->index);
}
