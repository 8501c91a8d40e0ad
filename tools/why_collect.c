/* SPDX-License-Identifier: MIT */
#include "why.h"

#include <stdlib.h>

struct uvh_why_loop *uvh_why_find(const struct uvh_why *why,
				  const struct uvh_trace_process *process, unsigned int space)
{
	uint32_t hash = uvh_hash((uintptr_t) process, space), row;
	size_t at = 0;

	while ((row = uvh_index_next(&why->index, hash, &at)) != UVH_INDEX_END)
		if (why->loops[row]->process == process && why->loops[row]->space == space)
			return why->loops[row];
	return NULL;
}

static struct uvh_why_loop *loop_of(struct uvh_why *why, const struct uvh_trace_process *process,
				    unsigned int space)
{
	struct uvh_why_loop *loop = uvh_why_find(why, process, space);

	if (loop != NULL)
		return loop;
	why->loops =
	    uvh_grow(why->loops, &why->room, why->count + 1, sizeof(struct uvh_why_loop *));
	uvh_index_add(&why->index, uvh_hash((uintptr_t) process, space), (uint32_t) why->count);
	loop = why->loops[why->count++] = uvh_zeros(1, sizeof(*loop));
	loop->process = process;
	loop->space = space;
	loop->told = true;
	return loop;
}

static void enter(struct uvh_why_loop *loop, const struct uvh_trace_event *event)
{
	loop->running++;
	loop->enter_ns = event->time_ns;
}

static void leave(struct uvh_why_loop *loop, const struct uvh_trace_event *event)
{
	if (loop->running > 0)
		loop->running--;
	if (loop->running == 0)
		loop->exit_ns = event->time_ns;
}

/* All that there is follows, told one by one in the same thread. */
static void begin_busy(struct uvh_why_loop *loop, const struct uvh_trace_event *event)
{
	uvh_live_groups_free(&loop->busy.groups);
	loop->busy = (struct uvh_why_busy){.time_ns = event->time_ns};
	event->thread->user = loop;
}

static void add_busy(struct uvh_why *why, struct uvh_why_loop *loop,
		     const struct uvh_trace_event *event)
{
	struct uvh_live *live = event->resource->user;

	if (uvhooks_id_space(event->async_id) != loop->space ||
	    !uvh_live_is_of_loop(event->resource) ||
	    !uvh_trace_filter_wants_resource(why->filter, event->resource))
		return;
	/* Told once more, it is the end that tells what is left. */
	if (live->was_busy && live->busy_ns == loop->busy.time_ns)
		return;
	live->was_busy = true;
	live->busy_ns = loop->busy.time_ns;
	uvh_live_groups_add(&loop->busy.groups, event->resource, 0, event->time_ns);
	loop->busy.count++;
	loop->busy.requests += uvhooks_type_kind(event->resource->type) == UVHOOKS_KIND_REQUEST;
}

void uvh_why_of(struct uvh_why *why, const struct uvh_question *question)
{
	if (why->trace != NULL)
		return;
	why->trace = question->trace;
	why->filter = question->filter;
	why->verbose = question->verbose;
	uvh_live_begin(question->trace);
}

void uvh_why_add(struct uvh_why *why, const struct uvh_trace_event *event)
{
	struct uvh_why_loop *busy = event->thread->user;

	uvh_live_note(event);
	/* Keeps in mind what --callback has matched. */
	uvh_trace_filter_wants(why->filter, why->trace, event);
	if (event->event == UVH_TRACE_STATE && busy != NULL)
		add_busy(why, busy, event);
	if (event->event == UVH_TRACE_STATE || event->event == UVH_TRACE_RESOURCE ||
	    event->event == UVH_TRACE_STACK)
		return;
	event->thread->user = NULL;
	if (event->event != UVHOOKS_EVENT_LOOP_ENTER && event->event != UVHOOKS_EVENT_LOOP_EXIT &&
	    event->event != UVHOOKS_EVENT_LOOP_BUSY)
		return;
	busy = loop_of(why, event->process, uvhooks_id_space(event->async_id));
	if (event->event == UVHOOKS_EVENT_LOOP_ENTER)
		enter(busy, event);
	else if (event->event == UVHOOKS_EVENT_LOOP_EXIT)
		leave(busy, event);
	else
		begin_busy(busy, event);
}

int64_t uvh_why_now(const struct uvh_why *why, const struct uvh_trace_process *process)
{
	int64_t from_ns, to_ns;

	uvh_trace_filter_window(why->filter, why->trace, &from_ns, &to_ns);
	return process->last_ns < to_ns ? process->last_ns : to_ns;
}

static void add_live(struct uvh_trace_resource *resource, void *data)
{
	struct uvh_why *why = data;
	int64_t now_ns = uvh_why_now(why, resource->process);
	enum uvh_live_standing standing;
	struct uvh_why_loop *loop;

	/* With --to, one event more was read. */
	if (!uvh_live_is_of_loop(resource) || resource->init_ns > now_ns ||
	    !uvh_trace_filter_wants_resource(why->filter, resource))
		return;
	loop = loop_of(why, resource->process, uvhooks_id_space(resource->id));
	loop->older |= !resource->init_seen;
	standing = uvh_live_standing(resource);
	loop->counts[standing]++;
	if (standing <= UVH_LIVE_CLOSING)
		loop->told = loop->told && uvh_live_is_told(resource);
	uvh_live_groups_add(&loop->groups, resource, standing, now_ns);
}

static bool is_open(const struct uvh_why *why, const struct uvh_trace_process *process,
		    uvhooks_async_id id)
{
	const struct uvh_trace_resource *resource = uvh_trace_find(why->trace, process, id);

	return resource != NULL && !resource->destroyed;
}

static void count_open(const struct uvh_why *why, struct uvh_why_loop *loop)
{
	for (size_t i = 0; i < loop->busy.groups.count; i++) {
		const struct uvh_live_group *group = &loop->busy.groups.groups[i];

		for (size_t item = 0; item < group->count; item++)
			loop->busy.still_open += is_open(why, loop->process, group->items[item].id);
	}
}

static int compare_loops(const void *one, const void *other)
{
	const struct uvh_why_loop *a = *(struct uvh_why_loop *const *) one;
	const struct uvh_why_loop *b = *(struct uvh_why_loop *const *) other;

	if (a->process != b->process)
		return a->process->index < b->process->index ? -1 : 1;
	return (a->space > b->space) - (a->space < b->space);
}

void uvh_why_end(struct uvh_why *why)
{
	uvh_trace_for_each_live(why->trace, add_live, why);
	for (size_t i = 0; i < why->count; i++) {
		uvh_live_groups_sort(&why->loops[i]->groups);
		uvh_live_groups_sort(&why->loops[i]->busy.groups);
		count_open(why, why->loops[i]);
	}
	if (why->count > 0)
		qsort(why->loops, why->count, sizeof(struct uvh_why_loop *), compare_loops);
	uvh_index_free(&why->index);
}

size_t uvh_why_keepers(const struct uvh_why_loop *loop)
{
	return loop->counts[UVH_LIVE_ACTIVE] + loop->counts[UVH_LIVE_PENDING] +
	       loop->counts[UVH_LIVE_CLOSING];
}

void uvh_why_free(struct uvh_why *why)
{
	for (size_t i = 0; i < why->count; i++) {
		uvh_live_groups_free(&why->loops[i]->groups);
		uvh_live_groups_free(&why->loops[i]->busy.groups);
		free(why->loops[i]);
	}
	free(why->loops);
	uvh_index_free(&why->index);
}
