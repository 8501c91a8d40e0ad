/* SPDX-License-Identifier: MIT */
/* What happened between two samples: rows of counts become lines that people tell apart. */
#include <stdlib.h>
#include <string.h>

#include "top.h"

uint64_t uvh_top_grown(const struct uvh_top_sample *before, const struct uvh_top_sample *now,
		       size_t row, unsigned int count)
{
	const struct meter_row *new = &now->rows[row], *old;

	if (before == NULL || row >= before->row_count)
		return new->n[count];
	old = &before->rows[row];
	/* A row that was about to be given to its thread counts from nothing. */
	if (old->kind != new->kind || old->word != new->word || old->thread != new->thread)
		return new->n[count];
	return new->n[count] > old->n[count] ? new->n[count] - old->n[count] : 0;
}

static uint32_t hash_line(const struct uvh_top_line *key)
{
	return uvh_hash(uvh_hash((uintptr_t) key->type, (uintptr_t) key->call),
			(uintptr_t) key->what + key->in_pool);
}

/* Texts are the same where they are at the same place. */
static struct uvh_top_line *line_of(struct uvh_top_lines *lines, const struct uvh_top_line *key)
{
	const uint32_t hash = hash_line(key);
	size_t at = 0;
	uint32_t row;

	while ((row = uvh_index_next(&lines->index, hash, &at)) != UVH_INDEX_END) {
		struct uvh_top_line *line = &lines->lines[row];

		if (line->type == key->type && line->call == key->call && line->what == key->what &&
		    line->in_pool == key->in_pool)
			return line;
	}
	lines->lines =
	    uvh_grow(lines->lines, &lines->room, lines->count + 1, sizeof(*lines->lines));
	uvh_index_add(&lines->index, hash, (uint32_t) lines->count);
	lines->lines[lines->count] = *key;
	return &lines->lines[lines->count++];
}

static const char *call_text(struct uvh_top *top, int fs_type)
{
	const char *name = uvhooks_fs_name(fs_type);

	return uvh_top_text(top->names, name != NULL ? name : "");
}

static struct uvh_top_line key_of(struct uvh_top *top, unsigned int type, int fs_type,
				  const char *what)
{
	return (struct uvh_top_line){
	    .type = uvh_top_type(top->names, type),
	    .call = call_text(top, fs_type),
	    .what = uvh_top_text(top->names, what),
	};
}

static void add_site(struct uvh_top *top, const struct uvh_top_sample *before, size_t number)
{
	struct uvh_top_frame *frame = &top->frame;
	const struct uvh_top_sample *now = frame->sample;
	const struct meter_row *row = &now->rows[number];
	const struct uvh_top_line key =
	    key_of(top, row->type, row->fs_type, uvh_top_site(top->names, now, row->word));
	const struct uvh_top_line type_key = key_of(top, row->type, row->fs_type, "");
	const uint64_t made = row->n[METER_SITE_MADE] + row->n[METER_SITE_LISTED];
	const uint64_t new = uvh_top_grown(before, now, number, METER_SITE_MADE);
	const uint64_t closed = uvh_top_grown(before, now, number, METER_SITE_CLOSED);
	const uint64_t runs = uvh_top_grown(before, now, number, METER_SITE_RUNS);
	const int64_t ns = uvh_top_ns(now, uvh_top_grown(before, now, number, METER_SITE_TICKS));
	struct uvh_top_line *lines[] = {line_of(&frame->sites, &key),
					line_of(&frame->types, &type_key)};

	/* May be negative for a row alone: one thread makes, and another one ends. */
	lines[0]->live += made - row->n[METER_SITE_CLOSED];
	for (size_t i = 0; i < 2; i++) {
		lines[i]->made += new;
		lines[i]->closed += closed;
		lines[i]->runs += runs;
		lines[i]->ns += ns;
		lines[i]->busy_ns += ns;
	}
	frame->made += new;
	frame->closed += closed;
}

static void add_callback(struct uvh_top *top, const struct uvh_top_sample *before, size_t number)
{
	struct uvh_top_frame *frame = &top->frame;
	const struct uvh_top_sample *now = frame->sample;
	const struct meter_row *row = &now->rows[number];
	struct uvh_top_line key =
	    key_of(top, row->type, row->fs_type,
		   row->word == METER_OTHERS ? "others" : uvh_top_callback(top->names, row->word));
	const int64_t most_ns = uvh_top_ns(now, row->n[METER_CALLBACK_MOST]);
	const uint64_t runs = uvh_top_grown(before, now, number, METER_CALLBACK_RUNS);
	struct uvh_top_line *line, *type;
	int64_t ns;

	key.in_pool = row->kind == METER_WORK;
	line = line_of(&frame->callbacks, &key);
	line->runs += runs;
	ns = uvh_top_ns(now, uvh_top_grown(before, now, number, METER_CALLBACK_TICKS));
	line->ns += ns;
	line->busy_ns += ns;
	line->self_ns += uvh_top_ns(now, uvh_top_grown(before, now, number, METER_CALLBACK_SELF));
	if (most_ns > line->most_ns)
		line->most_ns = most_ns;
	if (key.in_pool)
		return;
	frame->runs += runs;
	key = key_of(top, row->type, row->fs_type, "");
	type = line_of(&frame->types, &key);
	if (most_ns > type->most_ns)
		type->most_ns = most_ns;
}

static void add_rows(struct uvh_top *top, const struct uvh_top_sample *before)
{
	const struct uvh_top_sample *now = top->frame.sample;

	for (size_t i = 1; i < now->row_count; i++) {
		if (now->rows[i].kind == METER_SITE)
			add_site(top, before, i);
		else if (now->rows[i].kind == METER_CALLBACK || now->rows[i].kind == METER_WORK)
			add_callback(top, before, i);
	}
}

/* So long a callback has run, and so much of that in none inside it. */
static void add_open(struct uvh_top *top, const struct uvh_top_sample *sample,
		     const struct meter_thread *thread, uint32_t depth, int64_t sign)
{
	const struct meter_frame *open = &thread->frames[depth];
	const struct meter_frame *inner = depth + 1 < thread->depth ? open + 1 : NULL;
	const int64_t ns = uvh_top_ns(sample, sample->ticks - open->begin);
	const int64_t inside_ns =
	    uvh_top_ns(sample, open->inside + (inner != NULL ? sample->ticks - inner->begin : 0));
	struct uvh_top_line key =
	    key_of(top, open->type, open->fs_type, uvh_top_callback(top->names, open->callback));
	struct uvh_top_line *line;

	key.in_pool = open->is_work != 0;
	line = line_of(&top->frame.callbacks, &key);
	line->busy_ns += sign * ns;
	line->self_ns += sign * (ns - inside_ns);
	if (open->is_work != 0 || open->site >= sample->row_count)
		return;
	key = key_of(top, open->type, open->fs_type,
		     uvh_top_site(top->names, sample, sample->rows[open->site].word));
	line_of(&top->frame.sites, &key)->busy_ns += sign * ns;
	key = key_of(top, open->type, open->fs_type, "");
	line_of(&top->frame.types, &key)->busy_ns += sign * ns;
}

/* What ran at the beginning was counted when it ended; what runs now will be. */
static void add_opens(struct uvh_top *top, const struct uvh_top_sample *sample, int64_t sign)
{
	for (size_t i = 0; sample != NULL && i < sample->thread_count; i++)
		for (uint32_t depth = 0; depth < sample->threads[i].depth; depth++)
			if (sample->threads[i].frames[depth].begin < sample->ticks)
				add_open(top, sample, &sample->threads[i], depth, sign);
}

/* All that live, be they counted or not. */
static void add_records(struct uvh_top *top)
{
	struct uvh_top_frame *frame = &top->frame;
	const struct uvh_top_sample *now = frame->sample;

	for (size_t i = 0; i < now->record_count; i++) {
		const struct uvh_top_line key =
		    key_of(top, now->records[i].type, now->records[i].fs_type, "");

		line_of(&frame->types, &key)->live++;
	}
	frame->live = now->record_count;
}

/* What was made and ended at about the same time in different threads is not there. */
static void mend_live(struct uvh_top_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		if (lines->lines[i].live > (uint64_t) INT64_MAX)
			lines->lines[i].live = 0;
}

static void add_losses(struct uvh_top_frame *frame)
{
	const struct uvh_top_sample *now = frame->sample;
	const struct meter_area *area = &now->area;

	for (size_t i = 0; i < now->counter_count; i++)
		frame->lost += now->counters[i];
	if (now->is_metered)
		frame->untold = area->no_row + area->no_thread + area->no_slot + area->too_deep;
}

void uvh_top_frame(struct uvh_top *top)
{
	const struct uvh_top_sample *now = &top->samples[top->newest];
	const struct uvh_top_sample *before = &top->samples[!top->newest];
	struct uvh_top_frame *frame = &top->frame;
	const bool same = top->has_two && now->is_metered && before->is_metered &&
			  before->area.generation == now->area.generation;
	uint64_t ticks;

	uvh_top_frame_free(frame);
	*frame = (struct uvh_top_frame){
	    .sample = now,
	    .pid = uvh_process_pid(top->process),
	    .program = top->program,
	    .is_metered = now->is_metered,
	};
	/* All that was counted, where there is nothing to hold it against. */
	ticks = now->ticks - (same ? before->ticks : now->area.begin);
	frame->seconds = now->is_metered ? (double) uvh_top_ns(now, ticks) / 1e9 : 0;
	add_rows(top, same ? before : NULL);
	add_opens(top, now, 1);
	add_opens(top, same ? before : NULL, -1);
	add_records(top);
	mend_live(&frame->sites);
	add_losses(frame);
	uvh_top_frame_loops(top, same ? before : NULL);
	uvh_top_frame_pool(top, same ? before : NULL);
	uvh_top_frame_longest(top);
}

static void free_lines(struct uvh_top_lines *lines)
{
	free(lines->lines);
	uvh_index_free(&lines->index);
}

void uvh_top_frame_free(struct uvh_top_frame *frame)
{
	free_lines(&frame->types);
	free_lines(&frame->sites);
	free_lines(&frame->callbacks);
	free(frame->loops);
	free(frame->pool);
	*frame = (struct uvh_top_frame){.sample = NULL};
}
