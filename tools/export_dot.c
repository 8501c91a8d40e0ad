/* SPDX-License-Identifier: MIT */
/*
 * Graphviz: which callback causes which, summed by name. A node says how often its callback ran and
 * how long, without what ran within it; an edge, how many callbacks one caused of the other. Of a
 * program with many, --top N nodes with the longest times are shown, and the edges between them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "terminal.h"

/* By the index of the name. */
struct node {
	const struct uvh_export_name *name; /* NULL: no such node */
	uint64_t runs;
	int64_t run_ns;
	bool is_shown;
};

struct edge {
	uint32_t from, to;
	uint64_t count;
};

struct graph {
	struct node *nodes;
	size_t node_room;
	struct edge *edges;
	size_t edge_count, edge_room;
	struct uvh_index edge_index;
};

static void open_dot(struct uvh_export *export)
{
	export->data = uvh_zeros(1, sizeof(struct graph));
}

static struct node *node_of(struct graph *graph, const struct uvh_export_name *name)
{
	graph->nodes =
	    uvh_grow(graph->nodes, &graph->node_room, name->index + 1, sizeof(*graph->nodes));
	graph->nodes[name->index].name = name;
	return &graph->nodes[name->index];
}

static void count_edge(struct graph *graph, uint32_t from, uint32_t to)
{
	uint32_t hash = uvh_hash(from, to);
	uint32_t row;
	size_t at = 0;

	while ((row = uvh_index_next(&graph->edge_index, hash, &at)) != UVH_INDEX_END) {
		if (graph->edges[row].from == from && graph->edges[row].to == to) {
			graph->edges[row].count++;
			return;
		}
	}
	graph->edges =
	    uvh_grow(graph->edges, &graph->edge_room, graph->edge_count + 1, sizeof(*graph->edges));
	graph->edges[graph->edge_count] = (struct edge){from, to, 1};
	uvh_index_add(&graph->edge_index, hash, (uint32_t) graph->edge_count++);
}

static void end(struct uvh_export *export, const struct uvh_slice *slice)
{
	struct graph *graph = export->data;
	struct node *node;

	if (!slice->is_shown ||
	    (slice->kind != UVH_SLICE_CALLBACK && slice->kind != UVH_SLICE_WORK))
		return;
	node = node_of(graph, slice->name);
	node->runs++;
	node->run_ns += slice->end_ns - slice->begin_ns - slice->inner_ns;
	if (!uvh_slice_has_arrow(slice))
		return;
	node_of(graph, slice->cause.name);
	count_edge(graph, slice->cause.name->index, slice->name->index);
}

static int longest_first(const void *one, const void *other)
{
	const struct node *a = *(const struct node *const *) one;
	const struct node *b = *(const struct node *const *) other;

	/* What is no callback (top-level code) has no time of its own, and is where all begins. */
	if ((a->runs == 0) != (b->runs == 0))
		return a->runs == 0 ? -1 : 1;
	if (a->run_ns != b->run_ns)
		return a->run_ns > b->run_ns ? -1 : 1;
	return strcmp(a->name->text, b->name->text);
}

static int most_first(const void *one, const void *other)
{
	const struct edge *a = one, *b = other;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

/* Text in a label: quoted, and a long one broken between its type and its callback. */
static void write_label(FILE *file, const struct uvh_export_name *name)
{
	size_t break_at =
	    name->callback == NULL ? 0 : strlen(name->text) - strlen(name->callback->text);

	for (size_t i = 0; name->text[i] != '\0'; i++) {
		if (i + 1 == break_at) {
			fputs("\\n", file);
			continue;
		}
		if (name->text[i] == '"' || name->text[i] == '\\')
			fputc('\\', file);
		fputc(name->text[i], file);
	}
}

static void write_node(FILE *file, const struct node *node, int64_t total_ns)
{
	char count[UVH_TEXT_ROOM], time[UVH_TEXT_ROOM];
	double share = total_ns > 0 ? (double) node->run_ns / (double) total_ns : 0;

	fprintf(file, "\tn%" PRIu32 " [label=\"", node->name->index);
	write_label(file, node->name);
	if (node->runs == 0) {
		fputs("\", shape=ellipse];\n", file);
		return;
	}
	/* The redder, the more of the whole time. */
	fprintf(file, "\\n%s x, %s\", fillcolor=\"0.05 %.2f 1.0\"];\n",
		uvh_count_text(node->runs, count), uvh_duration_text(node->run_ns, time),
		share > 1 ? 1 : 0.05 + 0.75 * share);
}

static void write_edges(FILE *file, struct graph *graph)
{
	if (graph->edge_count > 0)
		qsort(graph->edges, graph->edge_count, sizeof(*graph->edges), most_first);
	for (size_t i = 0; i < graph->edge_count; i++) {
		const struct edge *edge = &graph->edges[i];
		char count[UVH_TEXT_ROOM];

		if (graph->nodes[edge->from].is_shown && graph->nodes[edge->to].is_shown)
			fprintf(file, "\tn%" PRIu32 " -> n%" PRIu32 " [label=\"%s\"];\n",
				edge->from, edge->to, uvh_count_text(edge->count, count));
	}
}

static void write_graph(struct uvh_export *export, struct graph *graph)
{
	struct node **nodes = uvh_zeros(graph->node_room, sizeof(struct node *));
	int64_t total_ns = 0;
	size_t count = 0;

	for (size_t i = 0; i < graph->node_room; i++) {
		if (graph->nodes[i].name == NULL)
			continue;
		nodes[count++] = &graph->nodes[i];
		total_ns += graph->nodes[i].run_ns;
	}
	qsort(nodes, count, sizeof(struct node *), longest_first);
	fputs("digraph causes {\n"
	      "\tnode [shape=box, style=\"filled,rounded\", fillcolor=white, fontname=sans];\n"
	      "\tedge [fontname=sans, fontsize=10];\n",
	      export->file);
	for (size_t i = 0; i < count && i < export->top; i++) {
		nodes[i]->is_shown = true;
		write_node(export->file, nodes[i], total_ns);
	}
	write_edges(export->file, graph);
	if (count > export->top) {
		snprintf(
		    export->remark, sizeof(export->remark),
		    "%zu of %zu callbacks are shown, those that ran longest; --top N shows more",
		    export->top, count);
		fprintf(export->file, "\tlabel=\"%s\";\n", export->remark);
	}
	fputs("}\n", export->file);
	free(nodes);
}

static void close_dot(struct uvh_export *export)
{
	struct graph *graph = export->data;

	write_graph(export, graph);
	uvh_index_free(&graph->edge_index);
	free(graph->nodes);
	free(graph->edges);
	free(graph);
}

const struct uvh_export_format uvh_export_dot = {
    .name = "dot",
    .summary = "for Graphviz: which callback causes which, how often, and how long they ran",
    .next = "dot -Tsvg -O FILE",
    .open = open_dot,
    .end = end,
    .close = close_dot,
};
