/* SPDX-License-Identifier: MIT */
/* Kinds of callbacks that ran too long, and what was seen inside them. */
#include "stalls.h"

#include <stdlib.h>

#define STEPS_MAX 256 /* so many ancestors are looked at */

static uint64_t callback_of(const struct uvh_trace_resource *resource)
{
	return resource->init_callback != 0 ? resource->init_callback : resource->callback;
}

struct uvh_stall_row *uvh_stalls_row(struct uvh_stalls *stalls,
				     const struct uvh_trace_resource *resource, uint64_t callback)
{
	uint32_t hash = uvh_hash(uvh_hash(callback, resource->init_stack),
				 (uintptr_t) resource->process + resource->type);
	struct uvh_stall_row *row;
	size_t at = 0;
	uint32_t found;

	while ((found = uvh_index_next(&stalls->row_index, hash, &at)) != UVH_INDEX_END) {
		row = stalls->rows[found];
		if (row->process == resource->process && row->callback == callback &&
		    row->type == resource->type && row->fs_type == resource->fs_type &&
		    row->init_stack == resource->init_stack)
			return row;
	}
	row = uvh_zeros(1, sizeof(*row));
	row->process = resource->process;
	row->callback = callback;
	row->type = resource->type;
	row->fs_type = resource->fs_type;
	row->init_stack = resource->init_stack;
	stalls->rows =
	    uvh_grow(stalls->rows, &stalls->row_room, stalls->row_count + 1, sizeof(*stalls->rows));
	stalls->rows[stalls->row_count] = row;
	uvh_index_add(&stalls->row_index, hash, (uint32_t) stalls->row_count++);
	return row;
}

static void add_link(struct uvh_stall_row *row, const struct uvh_trace_resource *resource)
{
	struct uvh_stall_link link = {
	    .id = resource->id,
	    .callback = callback_of(resource),
	    .type = resource->type,
	    .fs_type = resource->fs_type,
	    .stack = resource->init_stack,
	    .count = 1,
	};
	struct uvh_stall_link *last =
	    row->link_count == 0 ? NULL : &row->links[row->link_count - 1];

	if (last != NULL && last->callback == link.callback && last->type == link.type &&
	    last->fs_type == link.fs_type && last->stack == link.stack)
		last->count++;
	else if (row->link_count < UVH_STALL_LINKS)
		row->links[row->link_count++] = link;
}

void uvh_stalls_longest(struct uvh_stall_row *row, const struct uvh_trace_resource *resource,
			int64_t begin_ns, int64_t ns)
{
	row->longest_ns = ns;
	row->begin_ns = begin_ns;
	row->id = resource->id;
	row->start_stack = resource->start_stack;
	uvh_chain_of(resource, callback_of, &row->chain);
	row->link_count = 0;
	for (unsigned int i = 0; i < STEPS_MAX && resource->trigger != NULL; i++) {
		resource = resource->trigger;
		add_link(row, resource);
	}
}

void uvh_stalls_add_sample(struct uvh_stall_inside *inside, uint32_t stack, uint64_t count)
{
	for (size_t i = 0; i < inside->sample_count; i++)
		if (inside->samples[i].stack == stack) {
			inside->samples[i].count += count;
			return;
		}
	inside->samples = uvh_grow(inside->samples, &inside->sample_room, inside->sample_count + 1,
				   sizeof(*inside->samples));
	inside->samples[inside->sample_count++] =
	    (struct uvh_stall_sample){.stack = stack, .count = count};
}

void uvh_stalls_add_call(struct uvh_stall_inside *inside, const struct uvh_stall_call *call)
{
	for (size_t i = 0; i < inside->call_count; i++) {
		struct uvh_stall_call *known = &inside->calls[i];

		if (known->fs_type != call->fs_type || known->stack != call->stack)
			continue;
		known->count += call->count;
		known->ns += call->ns;
		if (call->longest_ns > known->longest_ns)
			known->longest_ns = call->longest_ns;
		return;
	}
	inside->calls = uvh_grow(inside->calls, &inside->call_room, inside->call_count + 1,
				 sizeof(*inside->calls));
	inside->calls[inside->call_count++] = *call;
}

void uvh_stalls_merge_inside(struct uvh_stall_inside *into, const struct uvh_stall_inside *from)
{
	for (size_t i = 0; i < from->sample_count; i++)
		uvh_stalls_add_sample(into, from->samples[i].stack, from->samples[i].count);
	for (size_t i = 0; i < from->call_count; i++)
		uvh_stalls_add_call(into, &from->calls[i]);
}

void uvh_stalls_free_inside(struct uvh_stall_inside *inside)
{
	free(inside->samples);
	free(inside->calls);
	*inside = (struct uvh_stall_inside){0};
}

static bool is_same_place(const struct uvh_trace_process *process, uint32_t one, uint32_t other)
{
	const struct uvh_stack *a = uvh_stack(process, one), *b = uvh_stack(process, other);

	if (one == other)
		return true;
	return a != NULL && b != NULL && a->site != NULL && b->site != NULL &&
	       uvh_stack_same_place(a->site, b->site);
}

static bool is_alike(const struct uvh_stall_row *one, const struct uvh_stall_row *other)
{
	return one->process == other->process && one->callback == other->callback &&
	       one->type == other->type && one->fs_type == other->fs_type &&
	       is_same_place(one->process, one->init_stack, other->init_stack);
}

static void merge(struct uvh_stall_row *into, struct uvh_stall_row *from)
{
	struct uvh_stall_row sum = into->longest_ns >= from->longest_ns ? *into : *from;

	sum.count = into->count + from->count;
	sum.total_ns = into->total_ns + from->total_ns;
	sum.fs_ns = into->fs_ns + from->fs_ns;
	sum.open_ns = into->open_ns > from->open_ns ? into->open_ns : from->open_ns;
	sum.inside = into->inside;
	uvh_stalls_merge_inside(&sum.inside, &from->inside);
	uvh_stalls_free_inside(&from->inside);
	*into = sum;
	free(from);
}

static int compare_rows(const void *one, const void *other)
{
	const struct uvh_stall_row *a = *(struct uvh_stall_row *const *) one;
	const struct uvh_stall_row *b = *(struct uvh_stall_row *const *) other;

	return (a->total_ns < b->total_ns) - (a->total_ns > b->total_ns);
}

void uvh_stalls_merge_rows(struct uvh_stalls *stalls)
{
	size_t kept = 0;

	for (size_t i = 0; i < stalls->row_count; i++) {
		size_t at = 0;

		while (at < kept && !is_alike(stalls->rows[at], stalls->rows[i]))
			at++;
		if (at < kept)
			merge(stalls->rows[at], stalls->rows[i]);
		else
			stalls->rows[kept++] = stalls->rows[i];
	}
	stalls->row_count = kept;
	if (kept > 0)
		qsort(stalls->rows, kept, sizeof(*stalls->rows), compare_rows);
}

struct uvh_stall_loop *uvh_stalls_loop(struct uvh_stalls *stalls,
				       const struct uvh_trace_process *process, unsigned int space)
{
	for (size_t i = 0; i < stalls->loop_count; i++)
		if (stalls->loops[i].process == process && stalls->loops[i].space == space)
			return &stalls->loops[i];
	stalls->loops = uvh_grow(stalls->loops, &stalls->loop_room, stalls->loop_count + 1,
				 sizeof(*stalls->loops));
	stalls->loops[stalls->loop_count] = (struct uvh_stall_loop){process, space, 0, 0};
	return &stalls->loops[stalls->loop_count++];
}

int64_t uvh_stalls_blocked_ns(const struct uvh_stalls *stalls)
{
	int64_t ns = 0;

	for (size_t i = 0; i < stalls->row_count; i++)
		ns += stalls->rows[i]->total_ns;
	return ns;
}

uint64_t uvh_stalls_count(const struct uvh_stalls *stalls)
{
	uint64_t count = 0;

	for (size_t i = 0; i < stalls->row_count; i++)
		count += stalls->rows[i]->count;
	return count;
}

int64_t uvh_stalls_calls_ns(const struct uvh_stall_inside *inside)
{
	int64_t ns = 0;

	for (size_t i = 0; i < inside->call_count; i++)
		ns += inside->calls[i].ns;
	return ns;
}

double uvh_stalls_share(struct uvh_stalls *stalls, const struct uvh_stall_row *row)
{
	const struct uvh_stall_loop *loop =
	    uvh_stalls_loop(stalls, row->process, uvhooks_id_space(row->id));

	return loop->elapsed_ns > 0 ? (double) row->total_ns / (double) loop->elapsed_ns : 0;
}
