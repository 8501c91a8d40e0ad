/* SPDX-License-Identifier: MIT */
/*
 * The thread pool: what waits in its queue, and what its threads do.
 *
 * Of the program's own work it is told when it begins and ends. Of what libuv itself does there
 * only the end is told: how much of that waits follows from how many threads are left for it.
 */
#include <stdlib.h>
#include <string.h>

#include "top.h"

static struct uvh_top_pool_line *line_of(struct uvh_top *top, const struct meter_row *row)
{
	struct uvh_top_frame *frame = &top->frame;
	const enum uvh_pool_kind kind = uvh_pool_kind_of(row->type);
	const char *name = kind == UVH_POOL_FS ? uvhooks_fs_name(row->fs_type) : NULL;
	const char *call = uvh_top_text(top->names, name != NULL ? name : "");

	for (size_t i = 0; i < frame->pool_count; i++)
		if (frame->pool[i].kind == kind && frame->pool[i].call == call)
			return &frame->pool[i];
	frame->pool =
	    uvh_grow(frame->pool, &frame->pool_room, frame->pool_count + 1, sizeof(*frame->pool));
	frame->pool[frame->pool_count] = (struct uvh_top_pool_line){.kind = kind, .call = call};
	return &frame->pool[frame->pool_count++];
}

static uint64_t difference(uint64_t more, uint64_t less)
{
	return more > less ? more - less : 0;
}

static void add_times(struct uvh_top *top, const struct uvh_top_sample *before, size_t number)
{
	const struct uvh_top_sample *now = top->frame.sample;
	const struct meter_row *row = &now->rows[number];
	struct uvh_top_pool_line *line = line_of(top, row);
	const int64_t wait_ns = uvh_top_ns(now, row->n[METER_TIMES_QUEUE_MOST]);
	const int64_t run_ns = uvh_top_ns(now, row->n[METER_TIMES_SERVICE_MOST]);

	line->has_times = line->has_times || row->n[METER_TIMES_COUNT] != 0;
	line->timed += uvh_top_grown(before, now, number, METER_TIMES_COUNT);
	line->queue_ticks += uvh_top_grown(before, now, number, METER_TIMES_QUEUE);
	line->service_ticks += uvh_top_grown(before, now, number, METER_TIMES_SERVICE);
	if (wait_ns > line->wait_most_ns)
		line->wait_most_ns = wait_ns;
	if (run_ns > line->run_most_ns)
		line->run_most_ns = run_ns;
}

/* Rows of several threads add up to how many are under way; each alone may be less than nothing. */
static void add_row(struct uvh_top *top, const struct uvh_top_sample *before, size_t number)
{
	const struct uvh_top_sample *now = top->frame.sample;
	const struct meter_row *row = &now->rows[number];
	struct uvh_top_pool_line *line = line_of(top, row);

	line->outstanding += row->n[METER_POOL_SUBMITTED] + row->n[METER_POOL_LISTED] -
			     row->n[METER_POOL_ENDED] - row->n[METER_POOL_UNTOLD];
	line->begun += row->n[METER_POOL_BEGUN] - row->n[METER_POOL_ENDED];
	line->unknown += row->n[METER_POOL_LISTED] - row->n[METER_POOL_SETTLED];
	line->done += uvh_top_grown(before, now, number, METER_POOL_ENDED);
	/* The end of what is quick may be told before its beginning. */
	if (line->kind != UVH_POOL_WORK)
		line->done += uvh_top_grown(before, now, number, METER_POOL_UNTOLD);
}

static uint64_t not_negative(uint64_t count)
{
	return count > (uint64_t) INT64_MAX ? 0 : count;
}

static uint64_t at_most(uint64_t count, uint64_t most)
{
	return count < most ? count : most;
}

/* Which of the program's work runs is known, but for what had been asked for before. */
static uint64_t place_work(struct uvh_top_pool_line *line, uint64_t free)
{
	const uint64_t known = line->begun;
	const uint64_t more = at_most(line->unknown, difference(free, known));

	line->running = known + more;
	line->waiting = difference(line->outstanding, line->running);
	return line->running;
}

static void place(struct uvh_top_frame *frame)
{
	uint64_t free = frame->pool_threads;

	for (size_t i = 0; i < frame->pool_count; i++) {
		struct uvh_top_pool_line *line = &frame->pool[i];

		line->outstanding = not_negative(line->outstanding);
		line->unknown = not_negative(line->unknown);
		line->begun = line->kind == UVH_POOL_WORK ? not_negative(line->begun) : 0;
		if (line->kind == UVH_POOL_WORK)
			free = difference(free, place_work(line, free));
	}
	for (size_t i = 0; i < frame->pool_count; i++) {
		struct uvh_top_pool_line *line = &frame->pool[i];
		const uint64_t slow = uvh_pool_slow_threads(frame->pool_threads);

		if (line->kind == UVH_POOL_WORK)
			continue;
		line->running = at_most(line->outstanding,
					line->kind == UVH_POOL_DNS ? at_most(free, slow) : free);
		line->waiting = line->outstanding - line->running;
		free -= line->running;
	}
}

static int compare_lines(const void *one, const void *other)
{
	const struct uvh_top_pool_line *a = one, *b = other;
	const uint64_t x = a->waiting + a->running, y = b->waiting + b->running;

	if (x != y)
		return x < y ? 1 : -1;
	return (a->done < b->done) - (a->done > b->done);
}

static size_t count_threads(const struct uvh_top *top)
{
	const struct uvh_top_sample *now = top->frame.sample;
	size_t seen = 0;

	for (size_t i = 0; i < now->thread_count; i++)
		seen += now->threads[i].taken != 0 && now->threads[i].in_pool != 0;
	return seen > top->pool_threads_said ? seen : top->pool_threads_said;
}

void uvh_top_frame_pool(struct uvh_top *top, const struct uvh_top_sample *before)
{
	struct uvh_top_frame *frame = &top->frame;
	const struct uvh_top_sample *now = frame->sample;

	frame->pool_threads = count_threads(top);
	for (size_t i = 1; i < now->row_count; i++) {
		if (uvh_pool_kind_of(now->rows[i].type) == UVH_POOL_KINDS)
			continue;
		if (now->rows[i].kind == METER_POOL)
			add_row(top, before, i);
		else if (now->rows[i].kind == METER_TIMES)
			add_times(top, before, i);
	}
	place(frame);
	for (size_t i = 0; i < frame->pool_count; i++) {
		struct uvh_top_pool_line *line = &frame->pool[i];

		frame->pool_waiting += line->waiting;
		frame->pool_running += line->running;
		if (line->timed == 0)
			continue;
		line->wait_ns = uvh_top_ns(now, line->queue_ticks / line->timed);
		line->run_ns = uvh_top_ns(now, line->service_ticks / line->timed);
	}
	if (frame->pool_count > 1)
		qsort(frame->pool, frame->pool_count, sizeof(*frame->pool), compare_lines);
}
