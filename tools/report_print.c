/* SPDX-License-Identifier: MIT */
/* The report for people: the head, and what ran. The other sections are in report_sections.c. */
#include "report.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "terminal.h"

#define NAME_BYTES  256
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* So many processes are told of one by one. */
#define PROCESSES_MAX 10

void uvh_report_print_title(const char *title, const char *remark)
{
	printf("\n%s%s%s", uvh_color(UVH_TITLE), title, uvh_color(UVH_PLAIN));
	if (remark[0] != '\0')
		printf("  %s%s%s", uvh_color(UVH_DIM), remark, uvh_color(UVH_PLAIN));
	putchar('\n');
}

void uvh_report_print_more(size_t shown, size_t count, const char *what)
{
	if (shown < count)
		printf("  %s... and %zu %s more: --all, or --top %zu%s\n", uvh_color(UVH_DIM),
		       count - shown, what, count, uvh_color(UVH_PLAIN));
}

static void warn(const char *folder, uint64_t count, const char *what)
{
	char text[UVH_TEXT_ROOM];

	printf("%s%s%s%s: %s %s\n", uvh_color(UVH_BAD), "LOST", uvh_color(UVH_PLAIN),
	       folder[0] != '\0' ? folder : "", uvh_count_text(count, text), what);
}

/* What was lost: first, since it decides what the rest is worth. */
static void print_lost(const struct uvh_report *report, const struct uvh_trace_process *process)
{
	char folder[NAME_BYTES] = " ";

	uvh_clean_text(process->folder, true, folder + 1, sizeof(folder) - 1);
	for (size_t i = 0; i < uvh_trace_thread_count(process); i++) {
		const struct uvh_trace_thread *thread =
		    uvh_trace_thread((struct uvh_trace_process *) process, i);
		char what[64];

		if (thread->events_discarded == 0)
			continue;
		snprintf(what, sizeof(what), "events of thread %u: they are missing in all below",
			 thread->thread_id);
		warn(folder, thread->events_discarded, what);
	}
	for (size_t i = 0; i < process->counter_count; i++)
		if (process->counters[i].value != 0)
			warn(folder, process->counters[i].value, process->counters[i].name);
	(void) report;
}

static void print_origin(const struct uvh_trace_process *process)
{
	char text[UVH_TEXT_ROOM];

	if (process->libuv_version != 0)
		printf(", libuv %s", uvh_version_text(process->libuv_version, text));
	printf(", pid %u, ", process->pid);
	if (process->stopped)
		printf("went on when the recording had ended");
	else
		printf("%s", process->ended ? "ended by itself" : "did not end");
	if (!process->ended && !process->stopped)
		printf("%s (killed, or still running)%s", uvh_color(UVH_WARN),
		       uvh_color(UVH_PLAIN));
	putchar('\n');
	if (process->flight_recorder)
		printf("  %sa flight recorder kept the latest events only: the beginning may be "
		       "missing%s\n",
		       uvh_color(UVH_WARN), uvh_color(UVH_PLAIN));
}

static void print_process(const struct uvh_report *report, struct uvh_trace_process *process)
{
	const struct uvh_report_process *state = uvh_report_process(process);
	int64_t duration_ns = uvh_report_duration(report, process);
	size_t threads = uvh_trace_thread_count(process);
	char name[NAME_BYTES], text[UVH_TEXT_ROOM];

	uvh_clean_text(process->command[0] != '\0' ? process->command : process->program, true,
		       name, sizeof(name));
	printf("%s%s%s\n", uvh_color(UVH_TITLE), name, uvh_color(UVH_PLAIN));
	printf("  %s event%s", uvh_count_text(state->events, text), state->events == 1 ? "" : "s");
	if (uvh_trace_filter_is_set(report->filter))
		printf(" that passed the filters");
	printf(" in %s", uvh_duration_text(duration_ns, text));
	if (duration_ns > 0 && state->events > 1)
		printf(" (%s a second)",
		       uvh_count_text(
			   (uint64_t) ((double) state->events * 1e9 / (double) duration_ns), text));
	printf(", %zu thread%s", threads, threads == 1 ? "" : "s");
	print_origin(process);
}

static void print_head(const struct uvh_report *report)
{
	size_t count = uvh_trace_process_count(report->trace), shown = 0, wanted = 0;

	if (report->damaged != 0)
		warn("", report->damaged, "parts of the trace that could not be read (see above)");
	for (size_t i = 0; i < count; i++) {
		struct uvh_trace_process *process = uvh_trace_process(report->trace, i);

		if (uvh_trace_filter_wants_process(report->filter, process))
			print_lost(report, process);
	}
	for (size_t i = 0; i < count; i++) {
		struct uvh_trace_process *process = uvh_trace_process(report->trace, i);

		if (!uvh_trace_filter_wants_process(report->filter, process))
			continue;
		wanted++;
		if (shown < PROCESSES_MAX)
			print_process(report, process), shown++;
	}
	if (shown < wanted)
		printf("... and %zu processes more: uvhooks report --process PID, or --json\n",
		       wanted - shown);
}

static void print_nothing(struct uvh_table *table, size_t columns)
{
	for (size_t i = 0; i < columns; i++)
		uvh_table_cell(table, UVH_DIM, "-");
}

void uvh_report_print_times(struct uvh_table *table, const struct uvh_histogram *times)
{
	if (times->count == 0) {
		print_nothing(table, 4);
		return;
	}
	uvh_table_duration(table, uvh_histogram_mean(times));
	uvh_table_duration(table, uvh_histogram_percentile(times, 0.5));
	uvh_table_duration(table, uvh_histogram_percentile(times, 0.99));
	uvh_table_duration(table, times->max_ns);
}

static void print_totals(struct uvh_table *table, const struct uvh_report_line *line)
{
	char text[UVH_TEXT_ROOM];

	uvh_table_count(table, line->runs);
	if (line->run.count == 0) {
		print_nothing(table, 6);
		return;
	}
	uvh_table_cell(table, UVH_PLAIN, "%s", uvh_duration_text(line->run.sum_ns, text));
	uvh_table_cell(table, UVH_PLAIN, "%s", uvh_duration_text(line->self_ns, text));
	uvh_report_print_times(table, &line->run);
}

static void print_types(const struct uvh_report *report, const struct uvh_report_style *style)
{
	static const struct uvh_column columns[] = {
	    {"type", true},   {"made", false}, {"live", false}, {"callbacks", false},
	    {"total", false}, {"self", false}, {"mean", false}, {"p50", false},
	    {"p99", false},   {"max", false},
	};
	struct uvh_report_view view;
	struct uvh_table *table;
	char name[NAME_BYTES];
	size_t i;

	uvh_report_view_types(report, style->sort, &view);
	if (view.count > 0)
		uvh_report_print_title("Types", "how long their callbacks ran, from before to "
						"after; self: without callbacks inside them");
	table = uvh_table_new(columns, COUNT(columns));
	for (i = 0; i < view.count && i < style->top; i++) {
		const struct uvh_report_line *line = &view.lines[i];

		uvh_table_cell(table, UVH_PLAIN, "%s",
			       uvh_clean_text(line->type, true, name, sizeof(name)));
		uvh_table_count(table, line->made);
		uvh_table_count(table, line->live);
		print_totals(table, line);
	}
	uvh_table_print(table);
	uvh_report_print_more(i, view.count, "types");
	uvh_report_view_free(&view);
}

static void print_callbacks(const struct uvh_report *report, const struct uvh_report_style *style)
{
	static const char *const orders[] = {
	    [UVH_SORT_TOTAL] = "by the total time that they ran",
	    [UVH_SORT_SELF] = "by the time that they ran themselves",
	    [UVH_SORT_MEAN] = "by the mean time that they ran",
	    [UVH_SORT_P99] = "by the time that one of a hundred runs exceeded",
	    [UVH_SORT_MAX] = "by the longest that they ran",
	    [UVH_SORT_RUNS] = "by how often they ran",
	};
	static const struct uvh_column columns[] = {
	    {"runs", false}, {"total", false}, {"self", false}, {"mean", false},    {"p50", false},
	    {"p99", false},  {"max", false},   {"type", true},  {"callback", true},
	};
	struct uvh_report_view view;
	struct uvh_table *table;
	char name[NAME_BYTES];
	size_t i;

	uvh_report_view_callbacks(report, style->sort, &view);
	if (view.count > 0)
		uvh_report_print_title("Callbacks", orders[style->sort]);
	table = uvh_table_new(columns, COUNT(columns));
	for (i = 0; i < view.count && i < style->top; i++) {
		const struct uvh_report_line *line = &view.lines[i];

		print_totals(table, line);
		uvh_table_cell(table, UVH_PLAIN, "%s",
			       uvh_clean_text(line->type, true, name, sizeof(name)));
		uvh_table_cell(table, UVH_PLAIN, "%s", uvh_readable_name(line->callback));
	}
	uvh_table_print(table);
	uvh_report_print_more(i, view.count, "callbacks");
	uvh_report_view_free(&view);
}

static void print_waits(const struct uvh_report *report, const struct uvh_report_style *style)
{
	static const struct uvh_column columns[] = {
	    {"type", true},       {"call", true},      {"count", false},
	    {"wait mean", false}, {"p50", false},      {"p99", false},
	    {"max", false},       {"run mean", false}, {"run max", false},
	};
	struct uvh_report_view view;
	struct uvh_table *table;
	char name[NAME_BYTES];
	size_t i;

	uvh_report_view_waits(report, &view);
	if (view.count > 0)
		uvh_report_print_title("Requests", "how long they waited, from init to their first "
						   "callback, and how long that ran then");
	table = uvh_table_new(columns, COUNT(columns));
	for (i = 0; i < view.count && i < style->top; i++) {
		const struct uvh_report_line *line = &view.lines[i];

		uvh_table_cell(table, UVH_PLAIN, "%s",
			       uvh_clean_text(line->type, true, name, sizeof(name)));
		uvh_table_cell(table, UVH_PLAIN, "%s", line->call != NULL ? line->call : "");
		uvh_table_count(table, line->wait.count);
		uvh_report_print_times(table, &line->wait);
		uvh_table_duration(table, uvh_histogram_mean(&line->run));
		uvh_table_duration(table, line->run.max_ns);
	}
	uvh_table_print(table);
	uvh_report_print_more(i, view.count, "kinds of requests");
	uvh_report_view_free(&view);
}

void uvh_report_print(const struct uvh_report *report, const struct uvh_report_style *style)
{
	print_head(report);
	if (report->events == 0 && report->row_count == 0) {
		printf("\n%s\n", report->events_read == 0 ? "There are no events in this trace."
							  : "No event passed the filters.");
		return;
	}
	print_types(report, style);
	print_callbacks(report, style);
	uvh_report_print_loops(report, style);
	print_waits(report, style);
	uvh_report_print_pools(report);
	uvh_report_print_wakeups(report, style);
	uvh_report_print_live(report, style);
}
