/* SPDX-License-Identifier: MIT */
/*
 * Who caused what in a trace: a node for each resource, below the one that triggered it.
 *
 * Nodes are kept for the whole trace, about 130 bytes each with what finds them, so their number is
 * limited. Invariant: a node comes behind its parent, so there are no cycles, whatever the trace
 * says, and sums of subtrees are made in one pass from behind.
 *
 * Nothing here recurses: a chain of a million resources is as deep.
 */
#ifndef UVH_TREE_H
#define UVH_TREE_H

#include "memory.h"
#include "trace.h"
#include "trace_filter.h"

#define UVH_TREE_NONE  UINT32_MAX
#define UVH_TREE_NODES 4000000 /* the most, unless --limit says otherwise */

struct uvh_tree_node {
	uvhooks_async_id id;
	uint64_t callback;  /* the first that is none of closing; 0: none */
	int64_t init_ns;    /* 0: before the trace */
	int64_t destroy_ns; /* 0: alive at its end */
	uint64_t runs;
	int64_t run_ns;   /* in its callbacks */
	int64_t below_ns; /* in those and all below it, each moment once */
	uint32_t process; /* index */
	uint32_t parent, first_child, last_child, next; /* UVH_TREE_NONE: none */
	uint16_t type;                                  /* UVHOOKS_NONE: no resource */
	int16_t fs_type;
	bool inside;  /* it is the one that was asked for, or below it */
	bool wanted;  /* it passed the filters itself */
	bool visible; /* it, or something below it */
};

struct uvh_tree {
	struct uvh_trace *trace;
	struct uvh_trace_filter *filter;
	bool has_id; /* only that resource, and what is below it */
	uvhooks_async_id id;
	size_t limit;
	struct uvh_tree_node *nodes;
	size_t count, room;
	struct uvh_index index;
	bool is_full; /* there were more than the limit */
};

/* tree_nodes.c */
void uvh_tree_add(struct uvh_tree *tree, const struct uvh_trace_event *event);
void uvh_tree_end(struct uvh_tree *tree); /* all have been added */
void uvh_tree_free(struct uvh_tree *tree);

/* tree_groups.c: the children of some nodes, those of one kind together. */
struct uvh_tree_child {
	uint32_t group; /* counted from 0, in the order in which the first of each was made */
	uint32_t node;
};

/*
 * The children of `nodes`, by group. Where `folded`, children of the kind that the nodes are (those
 * of a callback that makes its like again and again) are not among them, but theirs are; they are
 * appended to `nodes`, and `*chain` is how many in a row there are. Else each child is a group.
 */
struct uvh_tree_child *uvh_tree_children(const struct uvh_tree *tree, uint32_t **nodes,
					 size_t *count, bool folded, size_t *child_count,
					 size_t *chain);

/* tree_print.c */
struct uvh_tree_style {
	bool folded;
	size_t depth; /* so deep, at most */
};

void uvh_tree_print(const struct uvh_tree *tree, const struct uvh_tree_style *style);
void uvh_tree_json(const struct uvh_tree *tree);

#endif
