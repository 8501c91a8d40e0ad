/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "json.h"
#include "terminal.h"

#define NAME_BYTES 256

/* Deeper levels are not indented further: a line stays readable. */
#define INDENT_MAX 32

/* In front of the one that was asked for, at most. */
#define ANCESTORS 64

/* Nodes of one kind with one parent, or with parents of one kind. */
struct group {
	uint32_t *nodes;
	size_t count;
	size_t own;                      /* the first of them: the others are below these */
	size_t chain;                    /* so many of them in a row have caused each other */
	struct uvh_tree_child *children; /* by group */
	size_t child_count;
	size_t at; /* the next child to print */
	bool is_last;
};

static const struct {
	const char *branch, *last, *through, *blank, *times;
} ascii = {"|- ", "`- ", "|  ", "   ", "x"},
  unicode = {"\xe2\x94\x9c\xe2\x94\x80 ", "\xe2\x94\x94\xe2\x94\x80 ", "\xe2\x94\x82  ", "   ",
	     "\xc3\x97"};

static struct uvh_trace_process *process_of(const struct uvh_tree *tree,
					    const struct uvh_tree_node *node)
{
	return uvh_trace_process(tree->trace, node->process);
}

static void print_name(const struct uvh_tree *tree, const struct uvh_tree_node *node)
{
	const struct uvh_trace_process *process = process_of(tree, node);
	char text[NAME_BYTES], id[UVHOOKS_ID_TEXT_BYTES];

	if (node->type == UVHOOKS_NONE && uvhooks_id_sequence(node->id) > 1) {
		printf("%s, of which the trace does not tell", uvhooks_id_text(node->id, id));
		return;
	}
	if (node->type == UVHOOKS_NONE) {
		printf(uvhooks_id_sequence(node->id) == 1 ? "top level" : "libuv");
		if (uvhooks_id_space(node->id) != 0)
			printf(" of %u", uvhooks_id_space(node->id));
		return;
	}
	printf("%s",
	       uvh_clean_text(uvh_trace_type_name(process, node->type), true, text, sizeof(text)));
	if (node->fs_type >= 0 && uvhooks_fs_name(node->fs_type) != NULL)
		printf(" (uv_fs_%s)", uvhooks_fs_name(node->fs_type));
	if (node->callback != 0)
		printf(" %s", uvh_readable_callback(process, node->callback));
}

/* What the nodes of a group come to. */
struct sums {
	uint64_t runs, live, ended;
	int64_t run_ns, below_ns, lived_ns, longest_ns;
};

static struct sums sums_of(const struct uvh_tree *tree, const struct group *group)
{
	struct sums sums = {0};

	for (size_t i = 0; i < group->count; i++) {
		const struct uvh_tree_node *node = &tree->nodes[group->nodes[i]];

		sums.runs += node->runs;
		sums.run_ns += node->run_ns;
		if (i < group->own)
			sums.below_ns += node->below_ns;
		if (node->destroy_ns == 0)
			sums.live++;
		else if (node->init_ns != 0) {
			int64_t lived_ns = node->destroy_ns - node->init_ns;

			sums.ended++;
			sums.lived_ns += lived_ns;
			if (lived_ns > sums.longest_ns)
				sums.longest_ns = lived_ns;
		}
	}
	return sums;
}

static void print_life(const struct group *group, const struct sums *sums)
{
	char text[UVH_TEXT_ROOM], most[UVH_TEXT_ROOM];

	if (sums->ended == 1)
		printf(", lived %s", uvh_duration_text(sums->lived_ns, text));
	else if (sums->ended > 1)
		printf(", lived %s on average, at most %s",
		       uvh_duration_text(sums->lived_ns / (int64_t) sums->ended, text),
		       uvh_duration_text(sums->longest_ns, most));
	if (sums->live > 0 && group->count == 1)
		printf(", alive");
	else if (sums->live > 0)
		printf(", %s alive", uvh_count_text(sums->live, text));
}

/* Of what is there for what is below it only, there is nothing to say. */
static bool is_wanted(const struct uvh_tree *tree, const struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		if (tree->nodes[group->nodes[i]].wanted)
			return true;
	return false;
}

static void print_numbers(const struct uvh_tree *tree, const struct group *group)
{
	struct sums sums = sums_of(tree, group);
	char text[UVH_TEXT_ROOM];

	printf("  %s", uvh_color(UVH_DIM));
	if (!is_wanted(tree, group)) {
		printf("all below: %s", uvh_duration_text(sums.below_ns, text));
	} else {
		printf("%s run%s", uvh_count_text(sums.runs, text), sums.runs == 1 ? "" : "s");
		if (sums.runs > 0)
			printf(", %s", uvh_duration_text(sums.run_ns, text));
		if (sums.below_ns > sums.run_ns)
			printf(", with all below %s", uvh_duration_text(sums.below_ns, text));
		print_life(group, &sums);
	}
	fputs(uvh_color(UVH_PLAIN), stdout);
}

static void print_indent(const struct group *stack, size_t depth)
{
	const char *last = uvh_is_utf8() ? unicode.last : ascii.last;
	const char *branch = uvh_is_utf8() ? unicode.branch : ascii.branch;
	const char *through = uvh_is_utf8() ? unicode.through : ascii.through;

	for (size_t i = 1; i < depth && i < INDENT_MAX; i++)
		fputs(stack[i].is_last ? ascii.blank : through, stdout);
	if (depth > INDENT_MAX)
		printf("(%zu) ", depth);
	if (depth > 0)
		fputs(stack[depth].is_last ? last : branch, stdout);
}

static void print_group(const struct uvh_tree *tree, const struct group *stack, size_t depth)
{
	const struct group *group = &stack[depth];
	const struct uvh_tree_node *first = &tree->nodes[group->nodes[0]];
	char text[UVH_TEXT_ROOM], id[UVHOOKS_ID_TEXT_BYTES];

	print_indent(stack, depth);
	if (first->type != UVHOOKS_NONE)
		printf("%s%s ", uvhooks_id_text(first->id, id), group->count > 1 ? ",..." : "");
	else
		fputs(uvh_color(UVH_TITLE), stdout);
	print_name(tree, first);
	if (first->type == UVHOOKS_NONE)
		fputs(uvh_color(UVH_PLAIN), stdout);
	if (group->count > 1)
		printf(" %s %s", uvh_is_utf8() ? unicode.times : ascii.times,
		       uvh_count_text(group->count, text));
	if (group->chain > 1)
		printf(", up to %s in a row", uvh_count_text(group->chain, text));
	print_numbers(tree, group);
	putchar('\n');
}

/* A group of the children of another, or of roots; `nodes` becomes its own. */
static struct group make_group(const struct uvh_tree *tree, uint32_t *nodes, size_t count,
			       bool folded)
{
	struct group group = {.nodes = nodes, .count = count, .own = count};

	group.children = uvh_tree_children(tree, &group.nodes, &group.count, folded,
					   &group.child_count, &group.chain);
	return group;
}

static struct group next_child(const struct uvh_tree *tree, struct group *parent, bool folded)
{
	size_t begin = parent->at, count = 0;
	uint32_t *nodes;
	struct group group;

	while (begin + count < parent->child_count &&
	       parent->children[begin + count].group == parent->children[begin].group)
		count++;
	nodes = uvh_resize(NULL, count, sizeof(*nodes));
	for (size_t i = 0; i < count; i++)
		nodes[i] = parent->children[begin + i].node;
	parent->at += count;
	group = make_group(tree, nodes, count, folded);
	group.is_last = parent->at == parent->child_count;
	return group;
}

static void free_group(struct group *group)
{
	free(group->nodes);
	free(group->children);
}

static void print_cut(const struct group *stack, size_t depth)
{
	for (size_t i = 1; i <= depth && i < INDENT_MAX; i++)
		fputs(stack[i].is_last ? ascii.blank
				       : (uvh_is_utf8() ? unicode.through : ascii.through),
		      stdout);
	printf("%s... and %zu below: --depth %zu, or --all%s\n", uvh_color(UVH_DIM),
	       stack[depth].child_count, depth * 2 + 1, uvh_color(UVH_PLAIN));
}

/* Everything below a node, without recursion. */
static void print_subtree(const struct uvh_tree *tree, uint32_t root,
			  const struct uvh_tree_style *style)
{
	struct group *stack = NULL;
	size_t room = 0, depth = 0;
	uint32_t *nodes = uvh_resize(NULL, 1, sizeof(*nodes));

	nodes[0] = root;
	stack = uvh_grow(stack, &room, 1, sizeof(*stack));
	stack[0] = make_group(tree, nodes, 1, style->folded);
	print_group(tree, stack, 0);
	for (;;) {
		struct group *top = &stack[depth];

		if (top->at < top->child_count && depth >= style->depth) {
			print_cut(stack, depth);
			top->at = top->child_count;
		}
		if (top->at < top->child_count && !ferror(stdout)) {
			struct group group = next_child(tree, top, style->folded);

			stack = uvh_grow(stack, &room, depth + 2, sizeof(*stack));
			stack[++depth] = group;
			print_group(tree, stack, depth);
			continue;
		}
		free_group(top);
		if (depth-- == 0)
			break;
	}
	free(stack);
}

/* From the one that was asked for up to its root, in a line. */
static void print_ancestors(const struct uvh_tree *tree, const struct uvh_tree_node *node)
{
	char id[UVHOOKS_ID_TEXT_BYTES];
	size_t count = 0;

	if (node->parent == UVH_TREE_NONE)
		return;
	printf("%s %s", uvh_color(UVH_DIM), uvhooks_id_text(node->id, id));
	while (node->parent != UVH_TREE_NONE && count++ < ANCESTORS) {
		node = &tree->nodes[node->parent];
		printf(" < ");
		if (node->type != UVHOOKS_NONE)
			printf("%s ", uvhooks_id_text(node->id, id));
		print_name(tree, node);
	}
	if (node->parent != UVH_TREE_NONE)
		printf(" < ...");
	printf("%s\n", uvh_color(UVH_PLAIN));
}

/* Does a tree of its own begin here? */
static bool is_root(const struct uvh_tree *tree, const struct uvh_tree_node *node)
{
	if (!node->visible)
		return false;
	return tree->has_id ? node->id == tree->id && node->inside : node->parent == UVH_TREE_NONE;
}

void uvh_tree_print(const struct uvh_tree *tree, const struct uvh_tree_style *style)
{
	const bool many = uvh_trace_process_count(tree->trace) > 1;
	uint32_t process = UVH_TREE_NONE;
	char name[NAME_BYTES];

	for (size_t i = 0; i < uvh_trace_process_count(tree->trace); i++)
		for (uint32_t node = 0; node < tree->count; node++) {
			const struct uvh_tree_node *root = &tree->nodes[node];

			if (root->process != i || !is_root(tree, root))
				continue;
			if (many && process != i)
				printf("%s%s%s\n", uvh_color(UVH_TITLE),
				       uvh_clean_text(process_of(tree, root)->folder, true, name,
						      sizeof(name)),
				       uvh_color(UVH_PLAIN));
			process = (uint32_t) i;
			if (tree->has_id)
				print_ancestors(tree, root);
			print_subtree(tree, node, style);
		}
}

static int64_t since_start(const struct uvh_trace_process *process, int64_t time_ns)
{
	return time_ns - process->start_ns;
}

/*
 * Flat, since a tree may be deeper than readers of JSON like: each resource names its trigger, and
 * comes behind it; `context` are those that are there for what is below them. Times are in
 * nanoseconds since the start of its process's trace.
 */
void uvh_tree_json(const struct uvh_tree *tree)
{
	struct uvh_json *json = uvh_json_new();

	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_bool(json, "complete", !tree->is_full);
	uvh_json_array(json, "resources");
	for (size_t i = 0; i < tree->count && !ferror(stdout); i++) {
		const struct uvh_tree_node *node = &tree->nodes[i];
		const struct uvh_trace_process *process = process_of(tree, node);

		if (!node->visible || node->type == UVHOOKS_NONE)
			continue;
		uvh_json_object(json, NULL);
		uvh_json_text(json, "process", process->folder);
		uvh_json_id(json, "id", node->id);
		if (node->parent == UVH_TREE_NONE)
			uvh_json_text(json, "trigger", NULL);
		else
			uvh_json_id(json, "trigger", tree->nodes[node->parent].id);
		uvh_json_text(json, "type", uvh_trace_type_name(process, node->type));
		uvh_json_text(json, "uv_type", uvhooks_uv_type_name(node->type));
		if (uvhooks_fs_name(node->fs_type) != NULL)
			uvh_json_text(json, "call", uvhooks_fs_name(node->fs_type));
		uvh_json_text(
		    json, "callback",
		    node->callback == 0 ? NULL : uvh_trace_callback_name(process, node->callback));
		if (!node->wanted)
			uvh_json_bool(json, "context", true);
		uvh_json_number(json, "runs", (int64_t) node->runs);
		uvh_json_number(json, "run_ns", node->run_ns);
		uvh_json_number(json, "below_ns", node->below_ns);
		if (node->init_ns != 0)
			uvh_json_number(json, "init_ns", since_start(process, node->init_ns));
		if (node->destroy_ns != 0)
			uvh_json_number(json, "destroy_ns", since_start(process, node->destroy_ns));
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
