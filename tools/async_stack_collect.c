/* SPDX-License-Identifier: MIT */
#include "async_stack.h"

#include <stdlib.h>
#include <string.h>
#include <uvhooks/hooks.h>

/* Ids count up, so those of one time lie in one chunk, or in few. */
#define CHUNK_BITS 8
#define CHUNK_ROWS (1u << CHUNK_BITS)

/* A chain cannot be longer without a circle in it, which only a damaged trace has. */
#define LINKS_MAX ((size_t) 1 << 24)

/* Repeats are looked for of so many links at most. */
#define PERIOD_MAX 4

struct uvh_async_chunk {
	size_t process;
	uvhooks_async_id number; /* the ids in it without their low bits */
	struct uvh_async_row *rows;
};

static uint32_t hash_of(size_t process, uvhooks_async_id number)
{
	return uvh_hash(number, process);
}

/* UVH_INDEX_END: there is none. */
static size_t find_chunk(struct uvh_async *async, size_t process, uvhooks_async_id number)
{
	const struct uvh_async_chunk *chunk = &async->chunks[async->latest_chunk];
	size_t at = 0;
	uint32_t row;

	if (async->chunk_count != 0 && chunk->process == process && chunk->number == number)
		return async->latest_chunk;
	while ((row = uvh_index_next(&async->chunk_index, hash_of(process, number), &at)) !=
	       UVH_INDEX_END) {
		chunk = &async->chunks[row];
		if (chunk->process == process && chunk->number == number) {
			async->latest_chunk = row;
			return row;
		}
	}
	return UVH_INDEX_END;
}

static struct uvh_async_row *find_row(struct uvh_async *async, size_t process, uvhooks_async_id id)
{
	size_t chunk = find_chunk(async, process, id >> CHUNK_BITS);
	struct uvh_async_row *row;

	if (chunk == UVH_INDEX_END)
		return NULL;
	row = &async->chunks[chunk].rows[id & (CHUNK_ROWS - 1)];
	return row->known ? row : NULL;
}

/* The row of an id, perhaps a new one; NULL: there are too many. */
static struct uvh_async_row *make_row(struct uvh_async *async, size_t process, uvhooks_async_id id)
{
	uvhooks_async_id number = id >> CHUNK_BITS;
	size_t chunk = find_chunk(async, process, number);
	struct uvh_async_row *row;

	if (chunk == UVH_INDEX_END) {
		if (async->rows >= async->limit) {
			async->is_full = true;
			return NULL;
		}
		chunk = async->chunk_count++;
		async->chunks = uvh_grow(async->chunks, &async->chunk_room, async->chunk_count,
					 sizeof(*async->chunks));
		async->chunks[chunk] = (struct uvh_async_chunk){
		    process, number, uvh_zeros(CHUNK_ROWS, sizeof(struct uvh_async_row))};
		uvh_index_add(&async->chunk_index, hash_of(process, number), (uint32_t) chunk);
		async->latest_chunk = chunk;
	}
	row = &async->chunks[chunk].rows[id & (CHUNK_ROWS - 1)];
	async->rows += !row->known;
	row->known = true;
	return row;
}

static struct uvh_async_asked *asked_of(struct uvh_async *async,
					const struct uvh_trace_process *process)
{
	async->asked =
	    uvh_grow(async->asked, &async->asked_room, process->index + 1, sizeof(*async->asked));
	async->asked[process->index].process = process;
	return &async->asked[process->index];
}

static void add_row(struct uvh_async *async, const struct uvh_trace_event *event)
{
	const struct uvh_trace_resource *trigger = event->resource->trigger;
	struct uvh_async_row *row = make_row(async, event->process->index, event->async_id);

	if (row == NULL)
		return;
	row->trigger = event->trigger_async_id;
	row->init_ns = event->event == UVHOOKS_EVENT_INIT ? event->time_ns : 0;
	row->init_stack = event->resource->init_stack;
	row->type = event->type;
	row->fs_type = event->fs_type;
	if (trigger != NULL) {
		row->trigger_callback = uvh_live_callback(trigger);
		row->trigger_start_stack = trigger->start_stack;
	}
}

static void note_asked(struct uvh_async_asked *asked, const struct uvh_trace_event *event)
{
	const struct uvh_trace_resource *resource = event->resource;

	asked->found = true;
	asked->init_seen |= event->event == UVHOOKS_EVENT_INIT;
	asked->alive = event->event != UVHOOKS_EVENT_DESTROY;
	asked->destroy_ns = asked->alive ? 0 : event->time_ns;
	asked->callback = uvh_live_callback(resource);
	asked->runs = resource->runs;
	asked->init_stack = resource->init_stack;
	asked->start_stack = resource->start_stack;
}

/* Only what comes before the one that is asked for can be an ancestor of it. */
static void note_row(struct uvh_async *async, const struct uvh_async_asked *asked,
		     const struct uvh_trace_event *event)
{
	struct uvh_async_row *row;

	if (event->event == UVHOOKS_EVENT_INIT) {
		if (!asked->init_seen || event->async_id == async->id)
			add_row(async, event);
		return;
	}
	row = find_row(async, event->process->index, event->async_id);
	if (row == NULL && event->event == UVH_TRACE_RESOURCE)
		add_row(async, event);
	else if (row != NULL && event->event == UVHOOKS_EVENT_TYPE_CHANGE)
		row->type = event->type;
	else if (row != NULL && event->event == UVH_TRACE_STACK)
		row->init_stack = event->resource->init_stack;
}

void uvh_async_add(struct uvh_async *async, struct uvh_question *question,
		   const struct uvh_trace_event *event)
{
	struct uvh_async_asked *asked;

	if (uvh_live_note(event) == NULL ||
	    !uvh_trace_filter_wants_process(question->filter, event->process) ||
	    event->async_id != event->resource->id)
		return;
	if (!async->has_id) {
		if (event->event == UVHOOKS_EVENT_DESTROY)
			uvh_async_add_site(async, question, event->resource, false);
		return;
	}
	asked = asked_of(async, event->process);
	note_row(async, asked, event);
	if (event->async_id == async->id)
		note_asked(asked, event);
}

static void add_link(struct uvh_async_asked *asked, const struct uvh_async_link *link)
{
	asked->links =
	    uvh_grow(asked->links, &asked->room, asked->count + 1, sizeof(*asked->links));
	asked->links[asked->count++] = *link;
}

static void make_chain(struct uvh_async *async, struct uvh_async_asked *asked)
{
	const struct uvh_async_row *row = find_row(async, asked->process->index, async->id);
	struct uvh_async_link link = {
	    .id = async->id,
	    .callback = asked->callback,
	    .start_stack = asked->start_stack,
	};

	for (; row != NULL && asked->count < LINKS_MAX;
	     row = find_row(async, asked->process->index, link.id)) {
		link.init_ns = row->init_ns;
		link.init_stack = row->init_stack;
		link.type = row->type;
		link.fs_type = row->fs_type;
		add_link(asked, &link);
		link.id = row->trigger;
		link.callback = row->trigger_callback;
		link.start_stack = row->trigger_start_stack;
	}
	asked->has_root = uvhooks_id_sequence(link.id) <= 1;
	asked->root = link.id;
}

void uvh_async_end(struct uvh_async *async, struct uvh_question *question)
{
	char text[UVH_LIVE_TEXT_BYTES];

	for (size_t i = 0; i < async->asked_room; i++) {
		struct uvh_async_asked *asked = &async->asked[i];
		const struct uvh_trace_resource *resource;

		if (!asked->found)
			continue;
		make_chain(async, asked);
		resource = uvh_trace_find(question->trace, asked->process, async->id);
		if (asked->alive && resource != NULL)
			asked->does =
			    uvh_copy_text(uvh_live_does(resource, asked->process->last_ns, text));
	}
}

void uvh_async_free(struct uvh_async *async)
{
	for (size_t i = 0; i < async->asked_room; i++) {
		free(async->asked[i].links);
		free(async->asked[i].does);
	}
	for (size_t i = 0; i < async->chunk_count; i++)
		free(async->chunks[i].rows);
	free(async->sites);
	uvh_index_free(&async->site_index);
	free(async->asked);
	free(async->chunks);
	uvh_index_free(&async->chunk_index);
}

const struct uvh_stack *uvh_async_armed(const struct uvh_trace_process *process,
					const struct uvh_async_link *link)
{
	const struct uvh_stack *made = uvh_stack(process, link->init_stack);
	const struct uvh_stack *armed = uvh_stack(process, link->start_stack);

	if (armed == NULL || armed->site == NULL)
		return NULL;
	if (made != NULL && made->site != NULL && uvh_stack_same_place(made->site, armed->site))
		return NULL;
	return armed;
}

static bool is_same_site(const struct uvh_trace_process *process, uint32_t one, uint32_t other)
{
	const struct uvh_stack *left, *right;

	if (one == other)
		return true;
	left = uvh_stack(process, one);
	right = uvh_stack(process, other);
	if (left == NULL || right == NULL || left->site == NULL || right->site == NULL)
		return left == right;
	return uvh_stack_same_place(left->site, right->site);
}

static bool is_alike(const struct uvh_async_asked *asked, size_t one, size_t other)
{
	const struct uvh_async_link *left = &asked->links[one], *right = &asked->links[other];

	return left->type == right->type && left->fs_type == right->fs_type &&
	       left->callback == right->callback &&
	       is_same_site(asked->process, left->init_stack, right->init_stack) &&
	       is_same_site(asked->process, left->start_stack, right->start_stack);
}

struct uvh_async_fold uvh_async_fold(const struct uvh_async_asked *asked, size_t at)
{
	struct uvh_async_fold best = {.first = at, .period = 1, .times = 1};

	for (size_t period = 1; period <= PERIOD_MAX; period++) {
		size_t end = at + period;

		while (end < asked->count && is_alike(asked, end, end - period))
			end++;
		if (end - at >= 2 * period &&
		    (end - at) / period * period > best.times * best.period)
			best = (struct uvh_async_fold){at, period, (end - at) / period};
	}
	return best;
}
