/* SPDX-License-Identifier: MIT */
/* What filled the thread pool, for people. */
#include "pool_tell.h"

#include <stdio.h>
#include <stdlib.h>

#include "report.h"
#include "terminal.h"

#define NAME_BYTES  256
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define COLUMNS 60 /* of the chart */
#define HOLDERS 5  /* so many are told of, unless all are wanted */

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* Where it was asked for; without a stack the callback must do. */
static const char *place_text(const struct uvh_pool_line *line, char text[NAME_BYTES])
{
	if (line->site != NULL)
		return uvh_stack_frame_text(line->site, false, text, NAME_BYTES);
	if (line->callback == NULL)
		return "";
	snprintf(text, NAME_BYTES, "for %s", line->callback);
	return text;
}

/* "work crunch", "fs open", "dns getaddrinfo" */
static const char *kind_text(const struct uvh_pool_line *line, char text[NAME_BYTES])
{
	snprintf(text, NAME_BYTES, "%s %s", uvh_pool_kind_name(line->row->kind), line->what);
	return text;
}

static void print_threads(const struct uvh_pool_process *process)
{
	const struct uvh_pool_occupancy *occupancy = &process->occupancy;
	size_t threads = uvh_pool_threads(process);
	char share[UVH_TEXT_ROOM];

	printf("  %zu thread%s seen", process->threads, plural(process->threads));
	if (process->assumed)
		printf("; taken to be %d, the default", UVH_POOL_DEFAULT_THREADS);
	else if (threads > process->threads)
		printf(", and there must be at least %zu", threads);
	else if (threads != UVH_POOL_DEFAULT_THREADS)
		printf(" (%d are the default; UV_THREADPOOL_SIZE sets it)",
		       UVH_POOL_DEFAULT_THREADS);
	printf("; busy: mean %.2f, at most %u; all of them %s of the time\n",
	       uvh_pool_busy_mean(process), occupancy->most,
	       uvh_share_text(uvh_pool_all_busy(process), share));
}

static void print_saturation(const struct uvh_pool_process *process)
{
	const struct uvh_pool_occupancy *occupancy = &process->occupancy;
	int64_t all_ns = occupancy->to_ns - occupancy->from_ns;
	int64_t saturated_ns = uvh_pool_saturated_ns(process), slow_ns = uvh_pool_slow_ns(process);
	size_t threads = uvh_pool_threads(process);
	char text[UVH_TEXT_ROOM], all[UVH_TEXT_ROOM];

	uvh_duration_text(all_ns, all);
	if (saturated_ns >= UVH_POOL_MISSING_NS)
		printf("  %ssaturated for %s of %s%s: all threads were busy while others waited\n",
		       uvh_color(UVH_BAD), uvh_duration_text(saturated_ns, text), all,
		       uvh_color(UVH_PLAIN));
	if (slow_ns >= UVH_POOL_MISSING_NS)
		printf(
		    "  %sdns was saturated for %s of %s%s: libuv lets half of its threads (%u of "
		    "%zu) look up\n  names at a time; more names waited while threads were "
		    "idle\n",
		    uvh_color(UVH_BAD), uvh_duration_text(slow_ns, text), all, uvh_color(UVH_PLAIN),
		    occupancy->most_slow,
		    threads > process->threads ? threads + (threads & 1) : threads);
	if (saturated_ns < UVH_POOL_MISSING_NS && slow_ns < UVH_POOL_MISSING_NS)
		printf("  never saturated: nothing had to wait for a thread\n");
}

static void print_holder(const struct uvh_pool_line *line, double share)
{
	char number[UVH_TEXT_ROOM], kind[NAME_BYTES], place[NAME_BYTES];

	printf("  %8s  %s", uvh_share_text(share, number), kind_text(line, kind));
	if (place_text(line, place)[0] != '\0')
		printf("  %s%s%s", uvh_color(UVH_DIM), place_text(line, place),
		       uvh_color(UVH_PLAIN));
	putchar('\n');
}

static void print_starved(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process,
			  enum uvh_pool_kind kind)
{
	struct uvh_pool_share *shares;
	size_t count, shown;
	const char *name = uvh_pool_kind_name(kind), *first;
	char title[NAME_BYTES], remark[NAME_BYTES], text[UVH_TEXT_ROOM];

	if (uvh_pool_waited_ns(process, kind) < UVH_POOL_MISSING_NS)
		return;
	shares = uvh_pool_shares(tale, process, kind, &count);
	if (count == 0)
		return;
	first = uvh_pool_kind_name(tale->view.lines[shares[0].line].row->kind);
	if (first == name)
		snprintf(title, sizeof(title), "%s waits for other %s", name, name);
	else
		snprintf(title, sizeof(title), "%s starves %s", first, name);
	snprintf(remark, sizeof(remark),
		 "%s waited %s in all, at most %u at a time, while the threads were held by", name,
		 uvh_duration_text(uvh_pool_waited_ns(process, kind), text),
		 process->occupancy.most_waiting[kind]);
	uvh_report_print_title(title, remark);
	/* What rounds to nothing is none of it. */
	while (!tale->verbose && count > 1 && shares[count - 1].share < 0.0005)
		count--;
	shown = tale->verbose || count < HOLDERS ? count : HOLDERS;
	for (size_t i = 0; i < shown; i++)
		print_holder(&tale->view.lines[shares[i].line], shares[i].share);
	if (shown < count)
		printf("  %s... and %zu more: -v%s\n", uvh_color(UVH_DIM), count - shown,
		       uvh_color(UVH_PLAIN));
	free(shares);
}

static void put_level(double level, double most)
{
	static const char *const blocks[] = {" ",
					     "\xe2\x96\x81",
					     "\xe2\x96\x82",
					     "\xe2\x96\x83",
					     "\xe2\x96\x84",
					     "\xe2\x96\x85",
					     "\xe2\x96\x86",
					     "\xe2\x96\x87",
					     "\xe2\x96\x88"};
	static const char ascii[] = " .:-=+*#@";
	int step = most > 0 ? (int) (level / most * 8 + 0.5) : 0;

	/* What there was at all is seen. */
	if (step == 0 && level > 0)
		step = 1;
	if (step > 8)
		step = 8;
	if (uvh_is_utf8())
		fputs(blocks[step], stdout);
	else
		putchar(ascii[step]);
}

/* Buckets from `first` to `last` on no more than COLUMNS columns. */
static void print_row(const struct uvh_pool_occupancy *occupancy, size_t first, size_t width,
		      size_t columns, bool waiting, double most)
{
	printf("  %-8s|", waiting ? "waiting" : "busy");
	for (size_t column = 0; column < columns; column++) {
		int64_t ns = 0;

		for (size_t i = 0; i < width; i++) {
			size_t bucket = first + column * width + i;

			if (bucket < UVH_POOL_BUCKETS)
				ns += waiting ? occupancy->buckets[bucket].waiting_ns
					      : occupancy->buckets[bucket].busy_ns;
		}
		put_level((double) ns / ((double) uvh_pool_bucket_ns(occupancy) * (double) width),
			  most);
	}
	printf("|  of %.0f\n", most);
}

static void print_chart(const struct uvh_pool_process *process)
{
	const struct uvh_pool_occupancy *occupancy = &process->occupancy;
	size_t first = 0, last = UVH_POOL_BUCKETS, width, columns;
	char column[UVH_TEXT_ROOM], begin[UVH_TEXT_ROOM], remark[NAME_BYTES];

	while (first < last && !uvh_pool_bucket_is_used(&occupancy->buckets[first]))
		first++;
	while (last > first && !uvh_pool_bucket_is_used(&occupancy->buckets[last - 1]))
		last--;
	if (first == last)
		return;
	width = (last - first + COLUMNS - 1) / COLUMNS;
	columns = (last - first + width - 1) / width;
	snprintf(remark, sizeof(remark),
		 "threads that were busy, jobs that waited; from %s on, %s a column",
		 uvh_moment_text(occupancy->from_ns - process->process->start_ns +
				     (int64_t) first * uvh_pool_bucket_ns(occupancy),
				 begin),
		 uvh_duration_text(uvh_pool_bucket_ns(occupancy) * (int64_t) width, column));
	uvh_report_print_title("Over time", remark);
	print_row(occupancy, first, width, columns, false, (double) uvh_pool_threads(process));
	if (occupancy->most_all_waiting > 0)
		print_row(occupancy, first, width, columns, true,
			  (double) occupancy->most_all_waiting);
}

static void print_kinds(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process)
{
	static const struct uvh_column columns[] = {
	    {"kind", true}, {"", true},     {"count", false}, {"wait mean", false},
	    {"p50", false}, {"p99", false}, {"max", false},   {"run mean", false},
	    {"p50", false}, {"p99", false}, {"max", false},   {"asked for", true},
	};
	struct uvh_table *table = uvh_table_new(columns, COUNT(columns));
	char place[NAME_BYTES];
	bool any = false;

	for (size_t i = 0; i < tale->view.count; i++) {
		const struct uvh_pool_line *line = &tale->view.lines[tale->order[i]];

		if (line->row->process != process->process ||
		    (line->queue.count == 0 && line->service.count == 0))
			continue;
		if (!any)
			uvh_report_print_title("Kinds of work",
					       "how long they waited for a thread, and held it");
		any = true;
		uvh_table_cell(table, UVH_PLAIN, "%s", uvh_pool_kind_name(line->row->kind));
		uvh_table_cell(table, UVH_PLAIN, "%s", line->what);
		uvh_table_count(table, line->service.count > line->queue.count ? line->service.count
									       : line->queue.count);
		uvh_report_print_times(table, &line->queue);
		uvh_report_print_times(table, &line->service);
		uvh_table_cell(table, UVH_PLAIN, "%s", place_text(line, place));
	}
	uvh_table_print(table);
}

static void print_untold(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process)
{
	static const struct uvh_column columns[] = {
	    {"kind", true}, {"", true},     {"count", false}, {"whole mean", false},
	    {"p50", false}, {"p99", false}, {"max", false},   {"asked for", true},
	};
	struct uvh_table *table;
	char place[NAME_BYTES];

	if (process->untold == 0)
		return;
	table = uvh_table_new(columns, COUNT(columns));
	uvh_report_print_title("Not seen on a thread",
			       "io_uring did it, or an older uvhooks recorded it: from asking to "
			       "the callback");
	for (size_t i = 0; i < tale->view.count; i++) {
		const struct uvh_pool_line *line = &tale->view.lines[tale->order[i]];

		if (line->row->process != process->process || line->untold == 0)
			continue;
		uvh_table_cell(table, UVH_PLAIN, "%s", uvh_pool_kind_name(line->row->kind));
		uvh_table_cell(table, UVH_PLAIN, "%s", line->what);
		uvh_table_count(table, line->untold);
		uvh_report_print_times(table, &line->whole);
		uvh_table_cell(table, UVH_PLAIN, "%s", place_text(line, place));
	}
	uvh_table_print(table);
	if (!process->told_ends)
		printf("  %show full the pool was is known of uv_queue_work alone, then%s\n",
		       uvh_color(UVH_WARN), uvh_color(UVH_PLAIN));
}

static void print_end(const struct uvh_pool_line *line, uint64_t count, int64_t ns, bool runs)
{
	char number[UVH_TEXT_ROOM], text[UVH_TEXT_ROOM], kind[NAME_BYTES], place[NAME_BYTES];

	if (count == 0)
		return;
	printf("  %s %s %s%s for %s", uvh_count_text(count, number), kind_text(line, kind),
	       runs ? (count == 1 ? "holds a thread" : "hold threads")
		    : (count == 1 ? "waits" : "wait"),
	       count == 1 ? "" : ", the longest", uvh_duration_text(ns, text));
	if (place_text(line, place)[0] != '\0')
		printf("  %s%s%s", uvh_color(UVH_DIM), place_text(line, place),
		       uvh_color(UVH_PLAIN));
	putchar('\n');
}

static void print_ends(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process)
{
	bool any = false;

	for (size_t i = 0; i < tale->view.count; i++) {
		const struct uvh_pool_line *line = &tale->view.lines[tale->order[i]];

		if (line->row->process != process->process || line->running + line->waiting == 0)
			continue;
		if (!any)
			uvh_report_print_title("When the trace ended", "");
		any = true;
		print_end(line, line->running, line->running_ns, true);
		print_end(line, line->waiting, line->waiting_ns, false);
	}
}

static void print_cancelled(const struct uvh_pool_tale *tale,
			    const struct uvh_pool_process *process)
{
	char number[UVH_TEXT_ROOM];
	uint64_t count = 0;

	for (size_t i = 0; i < tale->view.count; i++)
		if (tale->view.lines[i].row->process == process->process)
			count += tale->view.lines[i].cancelled;
	if (count > 0)
		printf("\n  %s cancelled before a thread took %s\n", uvh_count_text(count, number),
		       count == 1 ? "it" : "them");
}

static void print_stacks(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process)
{
	char kind[NAME_BYTES];

	for (size_t i = 0; i < tale->view.count; i++) {
		const struct uvh_pool_line *line = &tale->view.lines[tale->order[i]];
		const struct uvh_stack *stack = uvh_stack(line->row->process, line->row->stack);

		if (line->row->process != process->process || stack == NULL)
			continue;
		uvh_report_print_title(kind_text(line, kind), "asked for by");
		uvh_stack_print(stdout, stack, "  ", true);
	}
}

static void print_process(const struct uvh_pool_tale *tale, const struct uvh_pool_process *process)
{
	char title[NAME_BYTES + 16] = "Thread pool", of[NAME_BYTES], remark[64];
	char number[UVH_TEXT_ROOM];

	if (uvh_trace_process_count(tale->pool->trace) > 1)
		snprintf(title, sizeof(title), "Thread pool of %s",
			 uvh_clean_text(process->process->folder, true, of, sizeof(of)));
	snprintf(remark, sizeof(remark), "%s job%s", uvh_count_text(process->jobs, number),
		 plural(process->jobs));
	printf("%s%s%s  %s%s%s\n", uvh_color(UVH_TITLE), title, uvh_color(UVH_PLAIN),
	       uvh_color(UVH_DIM), remark, uvh_color(UVH_PLAIN));
	if (process->occupancy.begin_ns != 0) {
		print_threads(process);
		print_saturation(process);
	}
	for (unsigned int kind = 0; kind < UVH_POOL_KINDS; kind++)
		print_starved(tale, process, kind);
	print_chart(process);
	print_kinds(tale, process);
	print_untold(tale, process);
	print_ends(tale, process);
	print_cancelled(tale, process);
	if (tale->verbose)
		print_stacks(tale, process);
	else if (!process->process->has_stacks)
		printf("\n%s%s%s\n", uvh_color(UVH_DIM), uvh_stack_how_to_record(),
		       uvh_color(UVH_PLAIN));
}

void uvh_pool_print(const struct uvh_pool_tale *tale)
{
	size_t told = 0;

	for (size_t i = 0; i < uvh_trace_process_count(tale->pool->trace); i++) {
		const struct uvh_pool_process *process =
		    uvh_pool_of(tale->pool, uvh_trace_process(tale->pool->trace, i));

		if (process == NULL || !uvh_pool_is_told(tale, process))
			continue;
		if (told++ > 0)
			putchar('\n');
		print_process(tale, process);
	}
	if (told == 0)
		printf("%s\n", uvh_trace_filter_is_set(tale->filter)
				   ? "Nothing that passes the filters was asked of the thread pool."
				   : "Nothing was asked of the thread pool.");
}
