/* SPDX-License-Identifier: MIT */
/* Live resources that are alike, put together by where they were made. */
#include "live.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const struct uvh_live_group *group)
{
	const struct uvh_chain_link *self = &group->chain.links[0];
	uint32_t hash = uvh_hash((uintptr_t) group->process, group->kind);

	hash = uvh_hash(hash, self->callback ^ ((uint64_t) self->type << 48) ^
				  ((uint64_t) (uint16_t) self->fs_type << 32));
	if (group->made == NULL)
		return uvh_hash(hash, uvh_chain_hash(&group->chain));
	return uvh_hash_text(uvh_hash_text(hash, group->made->function), group->made->file) +
	       group->made->line;
}

/* Frames of several stacks may be one place. */
static bool is_same_place(const struct uvh_stack_frame *one, const struct uvh_stack_frame *other)
{
	return one == other ||
	       (one != NULL && other != NULL && one->line == other->line &&
		strcmp(one->function, other->function) == 0 && strcmp(one->file, other->file) == 0);
}

static bool is_alike(const struct uvh_live_group *one, const struct uvh_live_group *other)
{
	const struct uvh_chain_link *a = &one->chain.links[0], *b = &other->chain.links[0];

	return one->process == other->process && one->kind == other->kind && a->type == b->type &&
	       a->fs_type == b->fs_type && a->callback == b->callback &&
	       is_same_place(one->made, other->made) &&
	       (one->made != NULL || uvh_chain_is_alike(&one->chain, &other->chain));
}

static struct uvh_live_group *group_of(struct uvh_live_groups *groups,
				       const struct uvh_live_group *wanted)
{
	uint32_t hash = hash_of(wanted);
	size_t at = 0;
	uint32_t row;

	while ((row = uvh_index_next(&groups->index, hash, &at)) != UVH_INDEX_END)
		if (is_alike(&groups->groups[row], wanted))
			return &groups->groups[row];
	groups->groups =
	    uvh_grow(groups->groups, &groups->room, groups->count + 1, sizeof(*groups->groups));
	groups->groups[groups->count] = *wanted;
	uvh_index_add(&groups->index, hash, (uint32_t) groups->count);
	return &groups->groups[groups->count++];
}

struct uvh_live_group *uvh_live_groups_add(struct uvh_live_groups *groups,
					   const struct uvh_trace_resource *resource,
					   unsigned int kind, int64_t now_ns)
{
	const struct uvh_trace_state *state = resource->state;
	const struct uvh_live *live = resource->user;
	struct uvh_live_group wanted = {
	    .process = resource->process,
	    .made = uvh_stack_made(resource),
	    .armed = uvh_stack_armed(resource),
	    .kind = kind,
	};
	struct uvh_live_group *group;
	char text[UVH_LIVE_TEXT_BYTES];

	uvh_chain_of(resource, uvh_live_callback, &wanted.chain);
	group = group_of(groups, &wanted);
	group->items =
	    uvh_grow(group->items, &group->room, group->count + 1, sizeof(*group->items));
	group->items[group->count++] = (struct uvh_live_item){
	    .id = resource->id,
	    .init_ns = resource->init_seen ? resource->init_ns : 0,
	    .start_ns = resource->start_ns,
	    .runs = resource->runs,
	    .init_stack = resource->init_stack,
	    .start_stack = resource->start_stack,
	    .fd = state != NULL ? state->fd : -1,
	    .number = state != NULL ? state->number : 0,
	    .site = live != NULL ? live->site : 0,
	    .told = uvh_live_is_told(resource),
	    .does = uvh_copy_text(uvh_live_does(resource, now_ns, text)),
	    .about = uvh_copy_text(state != NULL ? state->text : ""),
	};
	return group;
}

uint64_t uvh_live_group_callback(const struct uvh_live_group *group)
{
	return group->chain.links[0].callback;
}

static int compare_items(const void *one, const void *other)
{
	const struct uvh_live_item *a = one, *b = other;

	if (a->init_ns != b->init_ns)
		return a->init_ns < b->init_ns ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

/* What people have written themselves comes first: an interpreter's own handles tell them little.
 */
static int rank_of(const struct uvh_live_group *group)
{
	return group->made == NULL ? UVH_FRAME_OF_PROGRAM : (int) group->made->origin;
}

static int compare_groups(const void *one, const void *other)
{
	const struct uvh_live_group *a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (rank_of(a) != rank_of(b))
		return rank_of(a) < rank_of(b) ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	if (a->process != b->process)
		return a->process->index < b->process->index ? -1 : 1;
	return compare_items(&a->items[0], &b->items[0]);
}

void uvh_live_groups_sort(struct uvh_live_groups *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		qsort(groups->groups[i].items, groups->groups[i].count,
		      sizeof(*groups->groups[i].items), compare_items);
	if (groups->count > 0)
		qsort(groups->groups, groups->count, sizeof(*groups->groups), compare_groups);
	/* The rows have moved: nothing is added any more. */
	uvh_index_free(&groups->index);
	groups->index = (struct uvh_index){0};
}

void uvh_live_groups_free(struct uvh_live_groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		for (size_t item = 0; item < groups->groups[i].count; item++) {
			free(groups->groups[i].items[item].does);
			free(groups->groups[i].items[item].about);
		}
		free(groups->groups[i].items);
	}
	free(groups->groups);
	uvh_index_free(&groups->index);
	*groups = (struct uvh_live_groups){0};
}
