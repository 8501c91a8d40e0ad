/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <stdlib.h>

static bool is_alike(const struct uvh_tree *tree, uint32_t one, uint32_t other)
{
	const struct uvh_tree_node *a = &tree->nodes[one], *b = &tree->nodes[other];

	return a->type == b->type && a->fs_type == b->fs_type && a->callback == b->callback &&
	       a->process == b->process && a->type != UVHOOKS_NONE;
}

static uint32_t hash_of(const struct uvh_tree_node *node)
{
	return uvh_hash(node->callback, ((uint64_t) node->process << 32) +
					    ((uint64_t) node->type << 16) +
					    (uint16_t) node->fs_type);
}

static int compare_nodes(const void *one, const void *other)
{
	const struct uvh_tree_child *a = one, *b = other;

	return (a->node > b->node) - (a->node < b->node);
}

static int compare_groups(const void *one, const void *other)
{
	const struct uvh_tree_child *a = one, *b = other;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return compare_nodes(one, other);
}

/* Gives each the number of its group; `firsts` are the first of each. */
static void number_groups(const struct uvh_tree *tree, struct uvh_tree_child *children,
			  size_t count)
{
	struct uvh_index index = {0};
	uint32_t *firsts = NULL;
	size_t group_count = 0, room = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t hash = hash_of(&tree->nodes[children[i].node]);
		size_t at = 0;
		uint32_t group;

		while ((group = uvh_index_next(&index, hash, &at)) != UVH_INDEX_END)
			if (is_alike(tree, firsts[group], children[i].node))
				break;
		if (group == UVH_INDEX_END) {
			group = (uint32_t) group_count++;
			firsts = uvh_grow(firsts, &room, group_count, sizeof(*firsts));
			firsts[group] = children[i].node;
			uvh_index_add(&index, hash, group);
		}
		children[i].group = group;
	}
	uvh_index_free(&index);
	free(firsts);
}

struct uvh_tree_child *uvh_tree_children(const struct uvh_tree *tree, uint32_t **nodes,
					 size_t *count, bool folded, size_t *child_count,
					 size_t *chain)
{
	struct uvh_tree_child *children = NULL;
	size_t room = 0, node_room = *count, level_end = *count;

	*child_count = 0;
	*chain = 1;
	/* What is appended is looked into in its turn: a level of the chain after the other. */
	for (size_t i = 0; i < *count; i++) {
		uint32_t child = tree->nodes[(*nodes)[i]].first_child;

		if (i == level_end) {
			level_end = *count;
			(*chain)++;
		}
		for (; child != UVH_TREE_NONE; child = tree->nodes[child].next) {
			if (!tree->nodes[child].visible)
				continue;
			if (folded && is_alike(tree, child, (*nodes)[0])) {
				*nodes = uvh_grow(*nodes, &node_room, *count + 1, sizeof(**nodes));
				(*nodes)[(*count)++] = child;
				continue;
			}
			children = uvh_grow(children, &room, *child_count + 1, sizeof(*children));
			children[(*child_count)++].node = child;
		}
	}
	if (*child_count == 0)
		return children;
	qsort(children, *child_count, sizeof(*children), compare_nodes);
	if (folded)
		number_groups(tree, children, *child_count);
	for (size_t i = 0; !folded && i < *child_count; i++)
		children[i].group = (uint32_t) i;
	qsort(children, *child_count, sizeof(*children), compare_groups);
	return children;
}
