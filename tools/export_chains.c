/* SPDX-License-Identifier: MIT */
#include "export_chains.h"

#include <inttypes.h>
#include <stdlib.h>

static uint32_t add(struct uvh_chains *chains, struct uvh_chain chain)
{
	chains->list =
	    uvh_grow(chains->list, &chains->room, chains->count + 1, sizeof(*chains->list));
	chains->list[chains->count] = chain;
	return (uint32_t) chains->count++;
}

void uvh_chains_open(struct uvh_export *export)
{
	struct uvh_chains *chains = uvh_zeros(1, sizeof(*chains));

	for (size_t i = 0; i < uvh_trace_process_count(export->trace); i++)
		add(chains, (struct uvh_chain){.parent = (uint32_t) i,
					       .process = uvh_trace_process(export->trace, i)});
	export->data = chains;
}

/* The chain that goes on from `parent` with this name. */
static uint32_t follow(struct uvh_chains *chains, uint32_t parent, struct uvh_export_name *name)
{
	const struct uvh_chain *from = &chains->list[parent];
	uint32_t hash = uvh_hash(parent, name->index);
	uint32_t row;
	size_t at = 0;

	while ((row = uvh_index_next(&chains->index, hash, &at)) != UVH_INDEX_END)
		if (chains->list[row].parent == parent && chains->list[row].name == name)
			return row;
	for (uint32_t i = parent; chains->list[i].name != NULL; i = chains->list[i].parent)
		if (chains->list[i].name == name)
			return i;
	if (chains->count >= UVH_CHAIN_COUNT || from->depth >= UVH_CHAIN_DEPTH) {
		chains->merged++;
		return parent;
	}
	row = add(chains, (struct uvh_chain){.parent = parent,
					     .depth = from->depth + 1,
					     .process = from->process,
					     .name = name});
	uvh_index_add(&chains->index, hash, row);
	return row;
}

void uvh_chains_begin(struct uvh_export *export, struct uvh_slice *slice,
		      const struct uvh_slice *outer)
{
	struct uvh_chains *chains = export->data;
	uint32_t root = (uint32_t) slice->thread->process->index;
	bool is_callback = slice->kind == UVH_SLICE_CALLBACK || slice->kind == UVH_SLICE_WORK;

	if (slice->kind == UVH_SLICE_TOP_LEVEL)
		slice->user = follow(chains, root, slice->name);
	else if (slice->kind == UVH_SLICE_LOOP && outer != NULL)
		slice->user = outer->user;
	else if (is_callback && slice->cause.name != NULL)
		slice->user = follow(chains, slice->cause.user, slice->name);
	else
		slice->user =
		    follow(chains, root, uvh_export_name(export->names, "not in the trace"));
	if (is_callback && slice->cause.name == NULL)
		slice->user = follow(chains, slice->user, slice->name);
}

void uvh_chains_end(struct uvh_export *export, const struct uvh_slice *slice)
{
	struct uvh_chains *chains = export->data;
	int64_t run_ns = slice->end_ns - slice->begin_ns - slice->inner_ns;

	if (slice->kind != UVH_SLICE_CALLBACK && slice->kind != UVH_SLICE_WORK)
		return;
	if (slice->is_shown && run_ns > 0)
		chains->list[slice->user].run_ns += run_ns;
}

size_t uvh_chain_names(const struct uvh_chains *chains, const struct uvh_chain *chain,
		       const struct uvh_export_name *names[UVH_CHAIN_DEPTH])
{
	size_t depth = chain->depth;

	for (size_t at = depth; at > 0; chain = &chains->list[chain->parent])
		names[--at] = chain->name;
	return depth;
}

void uvh_chains_close(struct uvh_export *export)
{
	struct uvh_chains *chains = export->data;

	if (chains->merged > 0)
		snprintf(export->remark, sizeof(export->remark),
			 "%" PRIu64 " callbacks count for the chain before theirs: there were more "
			 "than %u, or they were longer than %d",
			 chains->merged, UVH_CHAIN_COUNT, UVH_CHAIN_DEPTH);
	uvh_index_free(&chains->index);
	free(chains->list);
	free(chains);
}
