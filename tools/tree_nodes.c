/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <stdlib.h>

static uint32_t hash_of(uint32_t process, uvhooks_async_id id)
{
	return uvh_hash(id, process);
}

static uint32_t find(const struct uvh_tree *tree, uint32_t process, uvhooks_async_id id)
{
	size_t at = 0;
	uint32_t node;

	while ((node = uvh_index_next(&tree->index, hash_of(process, id), &at)) != UVH_INDEX_END)
		if (tree->nodes[node].id == id && tree->nodes[node].process == process)
			return node;
	return UVH_TREE_NONE;
}

/* UVH_TREE_NONE where there is no room left for it. */
static uint32_t add_node(struct uvh_tree *tree, uint32_t process, uvhooks_async_id id,
			 uint32_t parent)
{
	uint32_t number = (uint32_t) tree->count;
	struct uvh_tree_node *node;

	if (tree->count >= tree->limit) {
		tree->is_full = true;
		return UVH_TREE_NONE;
	}
	tree->nodes = uvh_grow(tree->nodes, &tree->room, tree->count + 1, sizeof(*tree->nodes));
	node = &tree->nodes[tree->count++];
	node->id = id;
	node->process = process;
	node->parent = parent;
	node->first_child = node->last_child = node->next = UVH_TREE_NONE;
	node->fs_type = UVHOOKS_FS_NONE;
	node->inside = !tree->has_id || id == tree->id ||
		       (parent != UVH_TREE_NONE && tree->nodes[parent].inside);
	uvh_index_add(&tree->index, hash_of(process, id), number);
	if (parent == UVH_TREE_NONE)
		return number;
	if (tree->nodes[parent].last_child == UVH_TREE_NONE)
		tree->nodes[parent].first_child = number;
	else
		tree->nodes[tree->nodes[parent].last_child].next = number;
	tree->nodes[parent].last_child = number;
	return number;
}

static uint32_t add_resource(struct uvh_tree *tree, const struct uvh_trace_resource *resource,
			     uint32_t parent)
{
	uint32_t number = add_node(tree, (uint32_t) resource->process->index, resource->id, parent);
	struct uvh_tree_node *node;

	if (number == UVH_TREE_NONE)
		return number;
	node = &tree->nodes[number];
	node->type = resource->type;
	node->fs_type = resource->fs_type;
	node->init_ns = resource->init_seen ? resource->init_ns : 0;
	node->callback =
	    resource->init_callback != 0 ? resource->init_callback : resource->callback;
	return number;
}

/* What is at the root: top-level code, libuv, or a resource of which the trace knows nothing. */
static uint32_t root_of(struct uvh_tree *tree, uint32_t process, uvhooks_async_id id)
{
	uint32_t node = find(tree, process, id);

	return node != UVH_TREE_NONE ? node : add_node(tree, process, id, UVH_TREE_NONE);
}

/* The node of a resource, made with those of its ancestors if there is none yet. */
static uint32_t node_of(struct uvh_tree *tree, const struct uvh_trace_resource *resource)
{
	const uint32_t process = (uint32_t) resource->process->index;
	const struct uvh_trace_resource **missing = NULL;
	size_t count = 0, room = 0;
	uint32_t node;

	for (;;) {
		node = find(tree, process, resource->id);
		if (node != UVH_TREE_NONE)
			break;
		missing = uvh_grow(missing, &room, count + 1, sizeof(*missing));
		missing[count++] = resource;
		if (resource->trigger == NULL || count > tree->limit) {
			node = root_of(tree, process, resource->trigger_async_id);
			break;
		}
		resource = resource->trigger;
	}
	while (count > 0 && node != UVH_TREE_NONE)
		node = add_resource(tree, missing[--count], node);
	free(missing);
	return node;
}

/* Only what was asked for, and what hangs below it: that has a parent which does. */
static uint32_t node_below_id(struct uvh_tree *tree, const struct uvh_trace_event *event)
{
	const uint32_t process = (uint32_t) event->process->index;
	uint32_t node = find(tree, process, event->async_id);
	uint32_t parent;

	if (node != UVH_TREE_NONE)
		return tree->nodes[node].inside ? node : UVH_TREE_NONE;
	if (event->async_id == tree->id)
		return node_of(tree, event->resource);
	if (event->trigger_async_id == tree->id)
		parent = root_of(tree, process, tree->id);
	else
		parent = find(tree, process, event->trigger_async_id);
	if (parent == UVH_TREE_NONE || !tree->nodes[parent].inside)
		return UVH_TREE_NONE;
	return add_resource(tree, event->resource, parent);
}

static void add_event(struct uvh_tree_node *node, const struct uvh_trace_event *event)
{
	const bool is_closing = (event->flags & UVHOOKS_FLAG_CLOSING) != 0;

	node->type = event->type;
	if (node->callback == 0 && !is_closing)
		node->callback = event->callback;
	switch (event->event) {
	case UVHOOKS_EVENT_BEFORE:
		node->runs++;
		break;
	case UVHOOKS_EVENT_AFTER:
		if (event->begin_ns == 0)
			break;
		node->run_ns += event->time_ns - event->begin_ns;
		node->below_ns += event->time_ns - event->begin_ns - event->inner_ns;
		break;
	case UVHOOKS_EVENT_DESTROY:
		node->destroy_ns = event->time_ns;
		break;
	}
}

void uvh_tree_add(struct uvh_tree *tree, const struct uvh_trace_event *event)
{
	bool passes = uvh_trace_filter_wants(tree->filter, tree->trace, event);
	uint32_t node;

	if (event->resource == NULL || !uvh_trace_is_life(event))
		return;
	if (tree->has_id && uvh_trace_filter_wants_process(tree->filter, event->process))
		node = node_below_id(tree, event);
	else if (tree->has_id || !passes)
		return;
	else
		node = node_of(tree, event->resource);
	if (node == UVH_TREE_NONE || !passes)
		return;
	tree->nodes[node].wanted = true;
	add_event(&tree->nodes[node], event);
}

void uvh_tree_end(struct uvh_tree *tree)
{
	for (size_t i = tree->count; i-- > 0;) {
		struct uvh_tree_node *node = &tree->nodes[i];

		node->visible |= node->wanted;
		if (node->parent == UVH_TREE_NONE)
			continue;
		tree->nodes[node->parent].visible |= node->visible;
		tree->nodes[node->parent].below_ns += node->below_ns;
	}
}

void uvh_tree_free(struct uvh_tree *tree)
{
	free(tree->nodes);
	uvh_index_free(&tree->index);
}
