/* SPDX-License-Identifier: MIT */
/*
 * Chains of causes: what made a callback run, and what made that run, up to the top-level code:
 *
 *	top level;TCPSERVERWRAP on_connection;TCPWRAP on_read;WRITEWRAP on_write
 *
 * and how long callbacks ran at the end of such a chain, without what ran within them. Chains with
 * the same names are one. A name stands in a chain once: a callback that comes again (a timer that
 * makes a timer, and so on) leads back to where it stood. So chains are as short as a program has
 * callbacks, and still no longer than UVH_CHAIN_DEPTH; and as many as it has ways to them, but no
 * more than UVH_CHAIN_COUNT. What would go beyond counts for the chain before it.
 */
#ifndef UVH_EXPORT_CHAINS_H
#define UVH_EXPORT_CHAINS_H

#include "export.h"

#define UVH_CHAIN_DEPTH 128
#define UVH_CHAIN_COUNT (1u << 18)

/* One node of the tree of chains. The first ones, one for each process, have no name. */
struct uvh_chain {
	uint32_t parent;
	uint32_t depth; /* names up to here */
	const struct uvh_trace_process *process;
	struct uvh_export_name *name;
	int64_t run_ns; /* here, not further down */
};

struct uvh_chains {
	struct uvh_chain *list;
	size_t count, room;
	struct uvh_index index;
	uint64_t merged; /* callbacks that were beyond the limits */
};

/* These are a format's, with a struct uvh_chains in export->data. */
void uvh_chains_open(struct uvh_export *export);
void uvh_chains_begin(struct uvh_export *export, struct uvh_slice *slice,
		      const struct uvh_slice *outer);
void uvh_chains_end(struct uvh_export *export, const struct uvh_slice *slice);

/* The names of a chain, the root's first. Returns how many. */
size_t uvh_chain_names(const struct uvh_chains *chains, const struct uvh_chain *chain,
		       const struct uvh_export_name *names[UVH_CHAIN_DEPTH]);

/* Says what was merged in export->remark, and frees. */
void uvh_chains_close(struct uvh_export *export);

#endif
