/* SPDX-License-Identifier: MIT */
/* A frame as tables: rows that pass the filter, sorted by a column. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "top.h"

#define CELL_BYTES 1024

/* More lines than that nobody reads; a filter finds the others. */
#define ROWS_MAX 2000

/* A table's columns, and which it is sorted by where nothing else is asked for. */
struct view {
	const char *title;
	const struct uvh_column *columns;
	size_t count;
	const char *sort;
};

static const struct uvh_column type_columns[] = {
    {"type", true},    {"call", true},      {"live", false},
    {"made/s", false}, {"closed/s", false}, {"callbacks/s", false},
    {"busy", false},   {"mean", false},     {"max", false},
};
static const struct uvh_column site_columns[] = {
    {"live", false}, {"made/s", false}, {"closed/s", false}, {"callbacks/s", false},
    {"busy", false}, {"mean", false},   {"type", true},      {"where", true},
};
static const struct uvh_column callback_columns[] = {
    {"callbacks/s", false}, {"busy", false}, {"self", false},    {"mean", false},
    {"max", false},         {"type", true},  {"callback", true},
};
static const struct uvh_column resource_columns[] = {
    {"id", false},  {"type", true},     {"call", true},
    {"age", false}, {"trigger", false}, {"callback", true},
};
static const struct uvh_column pool_columns[] = {
    {"kind", true},      {"call", true},      {"waiting", false},
    {"running", false},  {"done/s", false},   {"wait mean", false},
    {"wait max", false}, {"run mean", false}, {"run max", false},
};
static const struct uvh_column long_columns[] = {
    {"took", false}, {"ago", false}, {"id", false}, {"type", true}, {"callback", true},
};

#define COLUMNS(of) of##_columns, sizeof(of##_columns) / sizeof(of##_columns[0])

static const struct view views[UVH_TOP_VIEWS] = {
    [UVH_TOP_TYPES] = {"Types", COLUMNS(type), "busy"},
    [UVH_TOP_SITES] = {"Where they were made", COLUMNS(site), "busy"},
    [UVH_TOP_CALLBACKS] = {"Callbacks", COLUMNS(callback), "busy"},
    [UVH_TOP_RESOURCES] = {"Resources", COLUMNS(resource), "id"},
    [UVH_TOP_POOL] = {"Thread pool", COLUMNS(pool), "waiting"},
    [UVH_TOP_LONG] = {"Longest callbacks of the last minute", COLUMNS(long), "took"},
};

const char *uvh_top_view_title(enum uvh_top_view view)
{
	return views[view].title;
}

const struct uvh_column *uvh_top_columns(enum uvh_top_view view, size_t *count)
{
	*count = views[view].count;
	return views[view].columns;
}

bool uvh_top_is_column(const char *title)
{
	for (size_t view = 0; view < UVH_TOP_VIEWS; view++)
		for (size_t i = 0; i < views[view].count; i++)
			if (strcmp(views[view].columns[i].title, title) == 0)
				return true;
	return false;
}

size_t uvh_top_sorted_column(enum uvh_top_view number, const struct uvh_top_style *style)
{
	const struct view *view = &views[number];
	size_t own = 0;

	for (size_t i = 0; i < view->count; i++) {
		if (style->sort != NULL && strcmp(view->columns[i].title, style->sort) == 0)
			return i;
		if (strcmp(view->columns[i].title, view->sort) == 0)
			own = i;
	}
	return own;
}

bool uvh_top_passes(const struct uvh_top_style *style, const char *one, const char *two,
		    const char *three)
{
	return style->filter[0] == '\0' || strcasestr(one, style->filter) != NULL ||
	       strcasestr(two, style->filter) != NULL || strcasestr(three, style->filter) != NULL;
}

static struct uvh_top_row *add_row(struct uvh_top_table *table)
{
	table->rows = uvh_grow(table->rows, &table->room, table->count + 1, sizeof(*table->rows));
	return &table->rows[table->count++];
}

__attribute__((format(printf, 4, 5))) static void
add_cell(struct uvh_top_row *row, enum uvh_color color, double key, const char *format, ...)
{
	char text[CELL_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	row->cells[row->used++] = (struct uvh_top_cell){uvh_copy_text(text), color, key};
}

static void add_text(struct uvh_top_row *row, const char *text)
{
	add_cell(row, UVH_PLAIN, 0, "%s", text);
}

static void add_count(struct uvh_top_row *row, uint64_t count)
{
	char text[UVH_TEXT_ROOM];

	add_cell(row, count == 0 ? UVH_DIM : UVH_PLAIN, (double) count, "%s",
		 uvh_count_text(count, text));
}

static void add_unknown(struct uvh_top_row *row)
{
	add_cell(row, UVH_DIM, -1, "-");
}

static void add_rate(struct uvh_top_row *row, const struct uvh_top_frame *frame, uint64_t count)
{
	const double rate = frame->seconds > 0 ? (double) count / frame->seconds : 0;
	char text[UVH_TEXT_ROOM];

	if (!frame->is_metered)
		add_unknown(row);
	else if (rate > 0 && rate < 9.95)
		add_cell(row, UVH_PLAIN, rate, "%.1f", rate);
	else
		add_cell(row, count == 0 ? UVH_DIM : UVH_PLAIN, rate, "%s",
			 uvh_count_text((uint64_t) (rate + 0.5), text));
}

static void add_share(struct uvh_top_row *row, const struct uvh_top_frame *frame, int64_t ns)
{
	const double share = frame->seconds > 0 && ns > 0 ? (double) ns / 1e9 / frame->seconds : 0;
	char text[UVH_TEXT_ROOM];

	if (!frame->is_metered)
		add_unknown(row);
	else
		add_cell(row, ns == 0 ? UVH_DIM : UVH_PLAIN, share, "%s",
			 uvh_share_text(share, text));
}

/* 0 is none. */
static void add_time(struct uvh_top_row *row, int64_t ns)
{
	char text[UVH_TEXT_ROOM];

	if (ns <= 0)
		add_unknown(row);
	else
		add_cell(row,
			 ns >= 100000000  ? UVH_BAD
			 : ns >= 10000000 ? UVH_WARN
					  : UVH_PLAIN,
			 (double) ns, "%s", uvh_duration_text(ns, text));
}

/* That something has not waited at all is known, too. */
static void add_measured(struct uvh_top_row *row, bool is_known, int64_t ns)
{
	char text[UVH_TEXT_ROOM];

	if (is_known && ns <= 0)
		add_cell(row, UVH_DIM, 0, "%s", uvh_duration_text(0, text));
	else
		add_time(row, ns);
}

static int64_t mean_ns(const struct uvh_top_line *line)
{
	return line->runs != 0 ? line->ns / (int64_t) line->runs : 0;
}

static void add_id(struct uvh_top_row *row, uvhooks_async_id id)
{
	char text[UVHOOKS_ID_TEXT_BYTES];

	add_cell(row, UVH_PLAIN, (double) id, "%s", uvhooks_id_text(id, text));
}

static void add_rates(struct uvh_top_row *row, const struct uvh_top_frame *frame,
		      const struct uvh_top_line *line)
{
	add_count(row, line->live);
	add_rate(row, frame, line->made);
	add_rate(row, frame, line->closed);
	add_rate(row, frame, line->runs);
	add_share(row, frame, line->busy_ns);
	add_time(row, mean_ns(line));
}

static void add_line(struct uvh_top_table *table, const struct uvh_top_frame *frame,
		     const struct uvh_top_line *line)
{
	struct uvh_top_row *row = add_row(table);

	switch (table->view) {
	case UVH_TOP_TYPES:
		add_text(row, line->type);
		add_text(row, line->call);
		add_rates(row, frame, line);
		add_time(row, line->most_ns);
		break;
	case UVH_TOP_SITES:
		add_rates(row, frame, line);
		add_cell(row, UVH_PLAIN, 0, "%s%s%s", line->type, line->call[0] != '\0' ? " " : "",
			 line->call);
		add_text(row, line->what);
		break;
	default:
		add_rate(row, frame, line->runs);
		add_share(row, frame, line->busy_ns);
		add_share(row, frame, line->self_ns);
		add_time(row, mean_ns(line));
		add_time(row, line->most_ns);
		add_cell(row, UVH_PLAIN, 0, "%s%s%s", line->type, line->call[0] != '\0' ? " " : "",
			 line->call);
		add_cell(row, UVH_PLAIN, 0, "%s%s", line->what,
			 line->in_pool ? " (in the pool)" : "");
		break;
	}
}

/* What neither lives nor does anything is no line. */
static bool is_idle(const struct uvh_top_line *line)
{
	return line->live == 0 && line->made == 0 && line->closed == 0 && line->runs == 0 &&
	       line->busy_ns <= 0;
}

static void add_lines(struct uvh_top_table *table, const struct uvh_top_frame *frame,
		      const struct uvh_top_lines *lines, const struct uvh_top_style *style)
{
	for (size_t i = 0; i < lines->count; i++)
		if (!is_idle(&lines->lines[i]) &&
		    uvh_top_passes(style, lines->lines[i].type, lines->lines[i].call,
				   lines->lines[i].what))
			add_line(table, frame, &lines->lines[i]);
}

static void add_resource(struct uvh_top *top, struct uvh_top_table *table,
			 const struct uvhooks_control_record *record)
{
	const struct uvh_top_sample *sample = top->frame.sample;
	const char *call = uvhooks_fs_name(record->fs_type);
	struct uvh_top_row *row = add_row(table);
	struct meter_slot slot;

	row->id = record->async_id;
	add_id(row, record->async_id);
	add_text(row, uvh_top_type(top->names, record->type));
	add_text(row, call != NULL ? call : "");
	if (uvh_top_slot(top->process, sample, record->async_id, &slot) && slot.ticks != 0 &&
	    slot.ticks < sample->ticks)
		add_time(row, uvh_top_ns(sample, sample->ticks - slot.ticks));
	else
		add_unknown(row);
	row->cells[row->used - 1].color = UVH_PLAIN;
	add_id(row, record->trigger_async_id);
	add_text(row, uvh_top_callback(top->names, record->callbacks[0]));
}

/* Of too many, the newest: the others have been there before. */
static void add_resources(struct uvh_top *top, struct uvh_top_table *table,
			  const struct uvh_top_style *style)
{
	const struct uvh_top_sample *sample = top->frame.sample;

	for (size_t i = sample->record_count; i-- > 0;) {
		const struct uvhooks_control_record *record = &sample->records[i];
		const char *call = uvhooks_fs_name(record->fs_type);

		if (style->filter[0] != '\0' &&
		    !uvh_top_passes(style, uvh_top_type(top->names, record->type),
				    call != NULL ? call : "",
				    uvh_top_callback(top->names, record->callbacks[0])))
			continue;
		if (table->count < ROWS_MAX)
			add_resource(top, table, record);
		else
			table->left_out++;
	}
}

static void add_pool(struct uvh_top_table *table, const struct uvh_top_frame *frame,
		     const struct uvh_top_style *style)
{
	for (size_t i = 0; i < frame->pool_count; i++) {
		const struct uvh_top_pool_line *line = &frame->pool[i];
		const char *kind = uvh_pool_kind_name(line->kind);
		struct uvh_top_row *row;

		if (!uvh_top_passes(style, kind, line->call, ""))
			continue;
		row = add_row(table);
		add_text(row, kind);
		add_text(row, line->call);
		add_count(row, line->waiting);
		add_count(row, line->running);
		add_rate(row, frame, line->done);
		add_measured(row, line->timed != 0, line->wait_ns);
		add_measured(row, line->has_times, line->wait_most_ns);
		add_measured(row, line->timed != 0, line->run_ns);
		add_measured(row, line->has_times, line->run_most_ns);
	}
}

static void add_longest(struct uvh_top_table *table, const struct uvh_top_frame *frame,
			const struct uvh_top_style *style)
{
	for (size_t i = 0; i < frame->longest_count; i++) {
		const struct uvh_top_long *item = &frame->longest[i];
		char text[UVH_TEXT_ROOM];
		struct uvh_top_row *row;

		if (!uvh_top_passes(style, item->type, item->callback, ""))
			continue;
		row = add_row(table);
		row->id = item->id;
		add_time(row, item->ns);
		if (item->runs)
			add_cell(row, UVH_BAD, 0, "runs");
		else
			add_cell(row, UVH_PLAIN, (double) item->ago_ns, "%s",
				 uvh_duration_text(item->ago_ns, text));
		add_id(row, item->id);
		add_text(row, item->type);
		add_text(row, item->callback);
	}
}

struct order {
	size_t column;
	bool is_text, reversed;
	const struct uvh_column *columns;
	size_t count;
};

static int compare_keys(double a, double b)
{
	return (a < b) - (a > b);
}

/* Numbers from the top, texts from A; then by what else there is, so that nothing jumps about. */
static int compare_rows(const void *one, const void *other, void *data)
{
	const struct uvh_top_row *a = one, *b = other;
	const struct order *order = data;
	int result = order->is_text
			 ? strcmp(a->cells[order->column].text, b->cells[order->column].text)
			 : compare_keys(a->cells[order->column].key, b->cells[order->column].key);

	if (order->reversed)
		result = -result;
	for (size_t i = 0; result == 0 && i < order->count; i++)
		if (!order->columns[i].is_text && strcmp(order->columns[i].title, "live") == 0)
			result = compare_keys(a->cells[i].key, b->cells[i].key);
	for (size_t i = 0; result == 0 && i < order->count; i++)
		if (order->columns[i].is_text)
			result = strcmp(a->cells[i].text, b->cells[i].text);
	return result;
}

void uvh_top_table(struct uvh_top *top, enum uvh_top_view view, const struct uvh_top_style *style,
		   struct uvh_top_table *table)
{
	const struct uvh_top_frame *frame = &top->frame;
	const size_t column = uvh_top_sorted_column(view, style);
	struct order order = {column, views[view].columns[column].is_text, style->reversed,
			      views[view].columns, views[view].count};

	*table = (struct uvh_top_table){
	    .view = view, .columns = order.columns, .column_count = order.count};
	switch (view) {
	case UVH_TOP_TYPES:
		add_lines(table, frame, &frame->types, style);
		break;
	case UVH_TOP_SITES:
		add_lines(table, frame, &frame->sites, style);
		break;
	case UVH_TOP_CALLBACKS:
		add_lines(table, frame, &frame->callbacks, style);
		break;
	case UVH_TOP_RESOURCES:
		add_resources(top, table, style);
		break;
	case UVH_TOP_POOL:
		add_pool(table, frame, style);
		break;
	case UVH_TOP_LONG:
		add_longest(table, frame, style);
		break;
	case UVH_TOP_VIEWS:
		break;
	}
	if (table->count > 1)
		qsort_r(table->rows, table->count, sizeof(*table->rows), compare_rows, &order);
}

void uvh_top_table_free(struct uvh_top_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		for (size_t j = 0; j < table->rows[i].used; j++)
			free(table->rows[i].cells[j].text);
	free(table->rows);
	*table = (struct uvh_top_table){.count = 0};
}
