/* SPDX-License-Identifier: MIT */
/* The report for people: loops, the thread pool, wake-ups, and what was left alive. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "terminal.h"

#define NAME_BYTES  256
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* " of nvim-1234", where there is more than one process. */
static const char *of_process(const struct uvh_report *report,
			      const struct uvh_trace_process *process, char text[NAME_BYTES])
{
	text[0] = '\0';
	if (uvh_trace_process_count(report->trace) > 1) {
		memcpy(text, " of ", 5);
		uvh_clean_text(process->folder, true, text + 4, NAME_BYTES - 4);
	}
	return text;
}

static const char *callback_text(const struct uvh_trace_process *process, uint64_t callback)
{
	return callback == 0 ? "" : uvh_readable_callback(process, callback);
}

static void add_moment(const struct uvh_report *report, struct uvh_table *table,
		       const struct uvh_report_loop *loop, const struct uvh_report_moment *moment)
{
	char text[NAME_BYTES], number[UVH_TEXT_ROOM], id[UVHOOKS_ID_TEXT_BYTES];
	const char *remark = "";

	if (moment->unfinished)
		remark = report->to_ns < loop->process->last_ns
			     ? " (had not returned when the window ended)"
			     : " (had not returned when the trace ended)";
	uvh_table_duration(table, moment->ns);
	uvh_table_cell(table, UVH_PLAIN, "%s",
		       uvh_moment_text(moment->begin_ns - loop->process->start_ns, number));
	uvh_table_cell(table, UVH_PLAIN, "%s", uvhooks_id_text(moment->id, id));
	uvh_table_cell(table, UVH_PLAIN, "%s",
		       uvh_type_text(loop->process, moment->type, moment->fs_type, text));
	uvh_table_cell(table, UVH_PLAIN, "%s%s", callback_text(loop->process, moment->callback),
		       remark);
}

static void print_longest(const struct uvh_report *report, const struct uvh_report_loop *loop)
{
	static const struct uvh_column columns[] = {
	    {"longest callbacks", false}, {"at", false}, {"id", false}, {"type", true},
	    {"callback", true},
	};
	struct uvh_table *table = uvh_table_new(columns, COUNT(columns));

	for (size_t i = 0; i < UVH_REPORT_LONGEST && loop->longest[i].ns > 0; i++)
		add_moment(report, table, loop, &loop->longest[i]);
	uvh_table_print(table);
}

static void print_delays(const struct uvh_report *report, const struct uvh_report_loop *loop)
{
	static const struct uvh_column columns[] = {
	    {"latest timers", false}, {"at", false},      {"id", false},
	    {"type", true},           {"callback", true},
	};
	struct uvh_table *table;
	char mean[UVH_TEXT_ROOM], half[UVH_TEXT_ROOM], most[UVH_TEXT_ROOM], worst[UVH_TEXT_ROOM];
	char count[UVH_TEXT_ROOM];

	if (loop->delay.count == 0)
		return;
	printf("  timers behind their due time, of %s: mean %s, p50 %s, p99 %s, max %s\n",
	       uvh_count_text(loop->delay.count, count),
	       uvh_duration_text(uvh_histogram_mean(&loop->delay), mean),
	       uvh_duration_text(uvh_histogram_percentile(&loop->delay, 0.5), half),
	       uvh_duration_text(uvh_histogram_percentile(&loop->delay, 0.99), most),
	       uvh_duration_text(loop->delay.max_ns, worst));
	table = uvh_table_new(columns, COUNT(columns));
	for (size_t i = 0; i < UVH_REPORT_LATEST && loop->latest[i].ns > 0; i++)
		add_moment(report, table, loop, &loop->latest[i]);
	uvh_table_print(table);
}

static void print_loop(const struct uvh_report *report, const struct uvh_report_loop *loop)
{
	char of[NAME_BYTES], busy[UVH_TEXT_ROOM], elapsed[UVH_TEXT_ROOM], share[UVH_TEXT_ROOM];
	char count[UVH_TEXT_ROOM], bursts[UVH_TEXT_ROOM], title[NAME_BYTES + 16];

	snprintf(title, sizeof(title), "Loop %u%s", loop->space,
		 of_process(report, loop->process, of));
	uvh_report_print_title(title, loop->assumed ? "ran already when recording began" : "");
	if (loop->elapsed_ns > 0)
		printf("  busy %s: %s in callbacks of the %s that it ran\n",
		       uvh_share_text((double) loop->busy_ns / (double) loop->elapsed_ns, share),
		       uvh_duration_text(loop->busy_ns, busy),
		       uvh_duration_text(loop->elapsed_ns, elapsed));
	printf("  %s callback%s in %s burst%s (less than %d us apart)",
	       uvh_count_text(loop->callbacks, count), loop->callbacks == 1 ? "" : "s",
	       uvh_count_text(loop->bursts, bursts), loop->bursts == 1 ? "" : "s",
	       UVH_REPORT_BURST_NS / 1000);
	if (loop->runs > 0)
		printf(", %s call%s of uv_run", uvh_count_text(loop->runs, count),
		       loop->runs == 1 ? "" : "s");
	if (loop->iterations > 0)
		printf(", at least %s iteration%s", uvh_count_text(loop->iterations, count),
		       loop->iterations == 1 ? "" : "s");
	putchar('\n');
	print_longest(report, loop);
	print_delays(report, loop);
}

static int compare_loops(const void *one, const void *other)
{
	const struct uvh_report_loop *a = *(struct uvh_report_loop *const *) one;
	const struct uvh_report_loop *b = *(struct uvh_report_loop *const *) other;

	return (a->busy_ns < b->busy_ns) - (a->busy_ns > b->busy_ns);
}

/* Those of which there is something to tell, the busiest first. */
static struct uvh_report_loop **all_loops(const struct uvh_report *report, size_t *count)
{
	struct uvh_report_loop **loops = NULL;
	size_t room = 0;

	*count = 0;
	for (size_t i = 0; i < uvh_trace_process_count(report->trace); i++) {
		const struct uvh_report_process *state =
		    uvh_report_process(uvh_trace_process(report->trace, i));

		for (size_t space = 0; space < state->loop_room; space++) {
			if (state->loops[space] == NULL || (state->loops[space]->callbacks == 0 &&
							    state->loops[space]->delay.count == 0))
				continue;
			loops =
			    uvh_grow(loops, &room, *count + 1, sizeof(struct uvh_report_loop *));
			loops[(*count)++] = state->loops[space];
		}
	}
	if (*count > 0)
		qsort(loops, *count, sizeof(struct uvh_report_loop *), compare_loops);
	return loops;
}

void uvh_report_print_loops(const struct uvh_report *report, const struct uvh_report_style *style)
{
	size_t count;
	struct uvh_report_loop **loops = all_loops(report, &count);
	size_t shown = count < style->top ? count : style->top;

	for (size_t i = 0; i < shown; i++)
		print_loop(report, loops[i]);
	uvh_report_print_more(shown, count, "loops");
	free(loops);
}

static void add_times(struct uvh_table *table, const char *who, const char *what,
		      const struct uvh_histogram *times)
{
	if (times->count == 0)
		return;
	uvh_table_cell(table, UVH_PLAIN, "%s", who);
	uvh_table_cell(table, UVH_PLAIN, "%s", what);
	uvh_table_count(table, times->count);
	uvh_report_print_times(table, times);
}

static void print_pool(const struct uvh_report *report, const struct uvh_pool_process *pool)
{
	static const struct uvh_column columns[] = {
	    {"kind", true}, {"", true},     {"count", false}, {"mean", false},
	    {"p50", false}, {"p99", false}, {"max", false},
	};
	struct uvh_table *table = uvh_table_new(columns, COUNT(columns));
	char of[NAME_BYTES], share[UVH_TEXT_ROOM], title[NAME_BYTES + 16];

	snprintf(title, sizeof(title), "Thread pool%s", of_process(report, pool->process, of));
	uvh_report_print_title(title, pool->untold == 0
					  ? "uvhooks pool tells what filled it"
					  : "requests that no thread of it was seen with are under "
					    "Requests only");
	printf("  threads busy: mean %.2f, at most %u of %zu that were seen; all of them %s of the "
	       "time\n",
	       uvh_pool_busy_mean(pool), pool->occupancy.most, pool->threads,
	       uvh_share_text(uvh_pool_all_busy(pool), share));
	for (unsigned int kind = 0; kind < UVH_POOL_KINDS; kind++) {
		struct uvh_report_pool_times times;

		uvh_report_pool_times(report, pool->process, kind, &times);
		add_times(table, uvh_pool_kind_name(kind), "waited for a thread", &times.queue);
		add_times(table, uvh_pool_kind_name(kind), "held a thread", &times.service);
		uvh_report_pool_times_free(&times);
	}
	add_times(table, uvh_pool_kind_name(UVH_POOL_WORK), "waited for the loop", &pool->back);
	uvh_table_print(table);
}

void uvh_report_print_pools(const struct uvh_report *report)
{
	for (size_t i = 0; i < uvh_trace_process_count(report->trace); i++) {
		const struct uvh_pool_process *pool =
		    uvh_report_pool(report, uvh_trace_process(report->trace, i));

		if (pool != NULL)
			print_pool(report, pool);
	}
}

static const char *sender_text(const struct uvh_report_wakeup *wakeup, char text[NAME_BYTES])
{
	char type[NAME_BYTES / 2];

	if (wakeup->sender_type == UVHOOKS_UVTHREAD)
		return "a thread";
	if (wakeup->sender_type == UVHOOKS_WORKREQ)
		return "work, or its callback";
	if (wakeup->sender_is_top)
		snprintf(text, NAME_BYTES, "top level of %u", wakeup->sender_space);
	else if (wakeup->sender_type == UVHOOKS_NONE)
		snprintf(text, NAME_BYTES, "a resource of loop %u that has ended",
			 wakeup->sender_space);
	else
		snprintf(text, NAME_BYTES, "a %s of loop %u",
			 uvh_clean_text(uvh_trace_type_name(wakeup->process, wakeup->sender_type),
					true, type, sizeof(type)),
			 wakeup->sender_space);
	return text;
}

static int compare_wakeups(const void *one, const void *other)
{
	const struct uvh_report_wakeup *a = one, *b = other;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

void uvh_report_print_wakeups(const struct uvh_report *report, const struct uvh_report_style *style)
{
	static const struct uvh_column columns[] = {
	    {"count", false}, {"handle", false}, {"sender", true}, {"", true}, {"callback", true},
	};
	struct uvh_table *table = uvh_table_new(columns, COUNT(columns));
	size_t shown = report->wakeup_count < style->top ? report->wakeup_count : style->top;
	char text[NAME_BYTES], id[UVHOOKS_ID_TEXT_BYTES];

	if (shown > 0)
		uvh_report_print_title("Wake-ups", "by uv_async_send, the latest sender of each; "
						   "several sends may be one wake-up");
	if (shown > 1)
		qsort(report->wakeups, report->wakeup_count, sizeof(*report->wakeups),
		      compare_wakeups);
	for (size_t i = 0; i < shown; i++) {
		const struct uvh_report_wakeup *wakeup = &report->wakeups[i];

		uvh_table_count(table, wakeup->count);
		uvh_table_cell(table, UVH_PLAIN, "%s",
			       wakeup->id == 0 ? "others" : uvhooks_id_text(wakeup->id, id));
		uvh_table_cell(table, UVH_PLAIN, "%s", sender_text(wakeup, text));
		uvh_table_cell(table, UVH_DIM, "%s",
			       uvh_report_wakeup_crosses(wakeup) ? "another thread" : "");
		uvh_table_cell(table, UVH_PLAIN, "%s",
			       callback_text(wakeup->process, wakeup->callback));
	}
	uvh_table_print(table);
	uvh_report_print_more(shown, report->wakeup_count, "senders");
}

static bool can_be_armed(unsigned int type)
{
	return uvhooks_type_kind(type) == UVHOOKS_KIND_HANDLE && type != UVHOOKS_ASYNCWRAP &&
	       type != UVHOOKS_PROCESSWRAP;
}

static void print_live(const struct uvh_report *report, const struct uvh_report_live *group)
{
	char text[NAME_BYTES], id[UVHOOKS_ID_TEXT_BYTES];
	const char *times = uvh_is_utf8() ? "\xc3\x97" : "x";

	if (group->count > 1)
		printf("  %s %s ", uvh_count_text(group->count, text), times);
	else
		printf("  ");
	uvh_chain_print(&group->chain, 0);
	printf("  %s(", uvh_color(UVH_DIM));
	if (can_be_armed(group->chain.links[0].type) && !group->armed)
		printf("not armed, ");
	printf("%s%s%s)%s\n", uvhooks_id_text(group->first_id, id), group->count > 1 ? ", ..." : "",
	       of_process(report, group->process, text), uvh_color(UVH_PLAIN));
}

void uvh_report_print_live(const struct uvh_report *report, const struct uvh_report_style *style)
{
	size_t shown = report->live_count < style->top ? report->live_count : style->top;

	if (shown > 0)
		uvh_report_print_title("Alive at the end", "and who caused it, from right to left");
	for (size_t i = 0; i < shown; i++)
		print_live(report, &report->live[i]);
	uvh_report_print_more(shown, report->live_count, "groups");
}
