/* SPDX-License-Identifier: MIT */
/*
 * Folded stacks, for flamegraph.pl, inferno and speedscope: a line for each chain of causes, and
 * how many nanoseconds its last callback ran, summed. A program among several is the root of its
 * chains.
 */
#include <inttypes.h>
#include <string.h>

#include "export_chains.h"
#include "terminal.h"

/* A ';' parts the names. */
static void write_name(FILE *file, const char *text)
{
	for (; *text != '\0'; text++)
		fputc(*text == ';' ? ':' : *text, file);
}

static void write_chain(struct uvh_export *export, const struct uvh_chain *chain)
{
	const struct uvh_export_name *names[UVH_CHAIN_DEPTH];
	size_t count = uvh_chain_names(export->data, chain, names);
	char folder[256];

	if (uvh_trace_process_count(export->trace) > 1) {
		write_name(export->file,
			   uvh_clean_text(chain->process->folder, true, folder, sizeof(folder)));
		fputc(';', export->file);
	}
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			fputc(';', export->file);
		write_name(export->file, names[i]->text);
	}
	fprintf(export->file, " %" PRId64 "\n", chain->run_ns);
}

static void close_folded(struct uvh_export *export)
{
	const struct uvh_chains *chains = export->data;

	for (size_t i = 0; i < chains->count; i++)
		if (chains->list[i].run_ns > 0)
			write_chain(export, &chains->list[i]);
	uvh_chains_close(export);
}

const struct uvh_export_format uvh_export_folded = {
    .name = "folded",
    .summary = "a line for each chain of causes, and for how many ns its callbacks ran",
    .next =
	"flamegraph.pl --countname ns FILE >causes.svg, or open it in https://www.speedscope.app",
    .open = uvh_chains_open,
    .begin = uvh_chains_begin,
    .end = uvh_chains_end,
    .close = close_folded,
};
