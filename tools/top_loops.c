/* SPDX-License-Identifier: MIT */
/* Loops: how busy each was, what it runs now and for how long; and the longest callbacks. */
#include <stdlib.h>
#include <string.h>

#include "top.h"

/* Callbacks that ended before are forgotten. */
#define LONGEST_NS INT64_C(60000000000)

static struct uvh_top_loop *loop_of(struct uvh_top_frame *frame, unsigned int space)
{
	for (size_t i = 0; i < frame->loop_count; i++)
		if (frame->loops[i].space == space)
			return &frame->loops[i];
	frame->loops =
	    uvh_grow(frame->loops, &frame->loop_room, frame->loop_count + 1, sizeof(*frame->loops));
	frame->loops[frame->loop_count] = (struct uvh_top_loop){
	    .space = space, .busy = -1, .type = "", .callback = "", .for_ns = -1};
	return &frame->loops[frame->loop_count++];
}

/* Ticks in callbacks of a loop, with what runs now. */
static uint64_t busy_ticks(const struct uvh_top_sample *sample, unsigned int space)
{
	uint64_t ticks = 0;

	for (size_t i = 1; i < sample->row_count; i++)
		if (sample->rows[i].kind == METER_LOOP && sample->rows[i].word == space)
			ticks += sample->rows[i].n[METER_LOOP_TICKS];
	for (size_t i = 0; i < sample->thread_count; i++)
		for (uint32_t depth = 0; depth < sample->threads[i].depth; depth++) {
			const struct meter_frame *frame = &sample->threads[i].frames[depth];

			if (frame->is_outer && uvhooks_id_space(frame->id) == space &&
			    frame->begin < sample->ticks)
				ticks += sample->ticks - frame->begin;
		}
	return ticks;
}

static void measure(struct uvh_top *top, const struct uvh_top_sample *before,
		    struct uvh_top_loop *loop)
{
	const struct uvh_top_sample *now = top->frame.sample;
	const uint64_t begin = before != NULL ? before->ticks : now->area.begin;
	const uint64_t was = before != NULL ? busy_ticks(before, loop->space) : 0;
	const uint64_t is = busy_ticks(now, loop->space);

	if (!now->is_metered || now->ticks <= begin)
		return;
	loop->busy = is > was ? (double) (is - was) / (double) (now->ticks - begin) : 0;
	if (loop->busy > 1)
		loop->busy = 1;
	for (size_t i = 1; i < now->row_count; i++) {
		if (now->rows[i].kind != METER_LOOP || now->rows[i].word != loop->space)
			continue;
		loop->runs += uvh_top_grown(before, now, i, METER_LOOP_RUNS);
		loop->turns += uvh_top_grown(before, now, i, METER_LOOP_TURNS);
	}
}

/* For how long the callback of `id` has run; -1: the meter has not seen its beginning. */
static int64_t runs_for(const struct uvh_top_sample *sample, uvhooks_async_id id)
{
	for (size_t i = 0; i < sample->thread_count; i++) {
		const struct meter_thread *thread = &sample->threads[i];

		for (uint32_t depth = thread->depth; depth-- > 0;)
			if (thread->frames[depth].id == id &&
			    thread->frames[depth].begin < sample->ticks)
				return uvh_top_ns(sample,
						  sample->ticks - thread->frames[depth].begin);
	}
	return -1;
}

/* Since when no look has seen anything else there. */
static int64_t seen_since(struct uvh_top *top, const struct uvh_top_loop *loop, uint64_t callback)
{
	const int64_t now_ns = top->frame.sample->now_ns;
	struct uvh_top_seen *seen = NULL;

	for (size_t i = 0; i < top->seen_count && seen == NULL; i++)
		if (top->seen[i].space == loop->space)
			seen = &top->seen[i];
	if (seen == NULL) {
		top->seen =
		    uvh_grow(top->seen, &top->seen_room, top->seen_count + 1, sizeof(*top->seen));
		seen = &top->seen[top->seen_count++];
		*seen = (struct uvh_top_seen){.space = loop->space, .since_ns = now_ns};
	}
	if (seen->id != loop->id || seen->callback != callback)
		*seen = (struct uvh_top_seen){loop->space, loop->id, callback, now_ns};
	return now_ns - seen->since_ns;
}

static void look_at(struct uvh_top *top, const struct uvh_top_loop_read *read)
{
	const struct uvh_top_sample *now = top->frame.sample;
	struct uvh_top_loop *loop = loop_of(&top->frame, read->loop.space);
	const struct uvhooks_control_record *record = uvh_top_record(now, read->frame.async_id);

	loop->id = read->frame.async_id;
	loop->seen_ns = seen_since(top, loop, read->frame.callback);
	if (uvhooks_id_sequence(loop->id) <= 1)
		return;
	loop->callback = uvh_top_callback(top->names, read->frame.callback);
	if (loop->callback[0] == '\0')
		loop->callback = "code";
	if (record != NULL)
		loop->type = uvh_top_type(top->names, record->type);
	loop->for_ns = runs_for(now, loop->id);
}

static int compare_loops(const void *one, const void *other)
{
	const struct uvh_top_loop *a = one, *b = other;

	if (a->busy != b->busy)
		return a->busy < b->busy ? 1 : -1;
	return (a->space > b->space) - (a->space < b->space);
}

void uvh_top_frame_loops(struct uvh_top *top, const struct uvh_top_sample *before)
{
	struct uvh_top_frame *frame = &top->frame;
	const struct uvh_top_sample *now = frame->sample;

	for (size_t i = 0; i < now->loop_count; i++)
		look_at(top, &now->loops[i]);
	/* There may be more than are listed. */
	for (size_t i = 1; i < now->row_count; i++)
		if (now->rows[i].kind == METER_LOOP &&
		    uvh_top_grown(before, now, i, METER_LOOP_RUNS) != 0)
			loop_of(frame, (unsigned int) now->rows[i].word);
	for (size_t i = 0; i < frame->loop_count; i++)
		measure(top, before, &frame->loops[i]);
	if (frame->loop_count > 1)
		qsort(frame->loops, frame->loop_count, sizeof(*frame->loops), compare_loops);
}

static int compare_longest(const void *one, const void *other)
{
	const struct uvh_top_long *a = one, *b = other;

	return (a->ns < b->ns) - (a->ns > b->ns);
}

/* Keeps one callback; the longest stay. */
static void keep(struct uvh_top *top, const struct uvh_top_long *found)
{
	const size_t most = sizeof(top->longest) / sizeof(top->longest[0]);

	for (size_t i = 0; i < top->longest_count; i++)
		if (top->longest[i].id == found->id && top->longest[i].begin == found->begin) {
			top->longest[i] = *found;
			return;
		}
	if (top->longest_count == most) {
		qsort(top->longest, most, sizeof(*found), compare_longest);
		if (top->longest[--top->longest_count].ns >= found->ns) {
			top->longest_count++;
			return;
		}
	}
	top->longest[top->longest_count++] = *found;
}

static void forget_old(struct uvh_top *top)
{
	const struct uvh_top_sample *now = top->frame.sample;
	size_t kept = 0;

	for (size_t i = 0; i < top->longest_count; i++) {
		struct uvh_top_long *item = &top->longest[i];
		const uint64_t past = now->ticks - item->begin;

		item->ago_ns = uvh_top_ns(now, past) - item->ns;
		if (!item->runs && past < (uint64_t) INT64_MAX && item->ago_ns < LONGEST_NS)
			top->longest[kept++] = *item;
	}
	top->longest_count = kept;
}

static void keep_ended(struct uvh_top *top, const struct meter_thread *thread)
{
	const struct uvh_top_sample *now = top->frame.sample;

	for (size_t i = 0; i < METER_LONGEST * 2; i++) {
		const struct meter_long *item =
		    &thread->longest[i / METER_LONGEST][i % METER_LONGEST];
		struct uvh_top_long found = {.id = item->id, .begin = item->begin};

		if (item->ticks == 0 || item->begin >= now->ticks ||
		    item->ticks > now->ticks - item->begin)
			continue;
		found.ns = uvh_top_ns(now, item->ticks);
		found.ago_ns = uvh_top_ns(now, now->ticks - item->begin - item->ticks);
		found.type = uvh_top_type(top->names, item->type);
		found.callback = uvh_top_callback(top->names, item->callback);
		if (found.ago_ns < LONGEST_NS)
			keep(top, &found);
	}
}

static void keep_running(struct uvh_top *top, const struct meter_thread *thread)
{
	const struct uvh_top_sample *now = top->frame.sample;

	for (uint32_t depth = 0; depth < thread->depth; depth++) {
		const struct meter_frame *frame = &thread->frames[depth];
		struct uvh_top_long found = {.id = frame->id, .begin = frame->begin, .runs = true};

		if (frame->is_work || frame->begin >= now->ticks)
			continue;
		found.ns = uvh_top_ns(now, now->ticks - frame->begin);
		found.type = uvh_top_type(top->names, frame->type);
		found.callback = uvh_top_callback(top->names, frame->callback);
		keep(top, &found);
	}
}

void uvh_top_frame_longest(struct uvh_top *top)
{
	struct uvh_top_frame *frame = &top->frame;
	const struct uvh_top_sample *now = frame->sample;

	if (!now->is_metered)
		top->longest_count = 0;
	forget_old(top);
	for (size_t i = 0; i < now->thread_count; i++) {
		keep_ended(top, &now->threads[i]);
		keep_running(top, &now->threads[i]);
	}
	qsort(top->longest, top->longest_count, sizeof(top->longest[0]), compare_longest);
	frame->longest_count =
	    top->longest_count < UVH_TOP_LONGEST ? top->longest_count : UVH_TOP_LONGEST;
	memcpy(frame->longest, top->longest, frame->longest_count * sizeof(frame->longest[0]));
}
