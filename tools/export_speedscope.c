/* SPDX-License-Identifier: MIT */
/*
 * speedscope's JSON: a profile for each process, and in it a sample for each chain of causes, as
 * heavy as its last callback ran long, in nanoseconds. "Left Heavy" is the view to look at.
 */
#include <string.h>
#include <uvhooks/hooks.h>
#include <yajl/yajl_gen.h>

#include "export_chains.h"
#include "terminal.h"

#define TEXT_BYTES 4096

static void print(void *data, const char *text, size_t bytes)
{
	fwrite(text, 1, bytes, data);
}

static void put(yajl_gen gen, const char *text)
{
	yajl_gen_string(gen, (const unsigned char *) text, strlen(text));
}

static void put_text(yajl_gen gen, const char *key, const char *text)
{
	put(gen, key);
	put(gen, text);
}

static void put_number(yajl_gen gen, const char *key, int64_t number)
{
	put(gen, key);
	yajl_gen_integer(gen, number);
}

/* Every name that stands in a chain is a frame; `told` becomes its number plus one. */
static void put_frames(yajl_gen gen, const struct uvh_chains *chains)
{
	uint32_t count = 0;

	put(gen, "shared");
	yajl_gen_map_open(gen);
	put(gen, "frames");
	yajl_gen_array_open(gen);
	for (size_t i = 0; i < chains->count; i++) {
		struct uvh_export_name *name = chains->list[i].name;

		if (name == NULL || name->told != 0)
			continue;
		name->told = ++count;
		yajl_gen_map_open(gen);
		put_text(gen, "name", name->text);
		yajl_gen_map_close(gen);
	}
	yajl_gen_array_close(gen);
	yajl_gen_map_close(gen);
}

static void put_sample(yajl_gen gen, const struct uvh_chains *chains, const struct uvh_chain *chain)
{
	const struct uvh_export_name *names[UVH_CHAIN_DEPTH];
	size_t count = uvh_chain_names(chains, chain, names);

	yajl_gen_array_open(gen);
	for (size_t i = 0; i < count; i++)
		yajl_gen_integer(gen, names[i]->told - 1);
	yajl_gen_array_close(gen);
}

static void put_profile(yajl_gen gen, const struct uvh_chains *chains,
			const struct uvh_trace_process *process)
{
	int64_t total_ns = 0;
	char name[TEXT_BYTES];

	yajl_gen_map_open(gen);
	put_text(gen, "type", "sampled");
	put_text(gen, "name", uvh_clean_text(process->folder, true, name, sizeof(name)));
	put_text(gen, "unit", "nanoseconds");
	put(gen, "samples");
	yajl_gen_array_open(gen);
	for (size_t i = 0; i < chains->count; i++)
		if (chains->list[i].process == process && chains->list[i].run_ns > 0)
			put_sample(gen, chains, &chains->list[i]);
	yajl_gen_array_close(gen);
	put(gen, "weights");
	yajl_gen_array_open(gen);
	for (size_t i = 0; i < chains->count; i++) {
		if (chains->list[i].process != process || chains->list[i].run_ns <= 0)
			continue;
		yajl_gen_integer(gen, chains->list[i].run_ns);
		total_ns += chains->list[i].run_ns;
	}
	yajl_gen_array_close(gen);
	put_number(gen, "startValue", 0);
	put_number(gen, "endValue", total_ns);
	yajl_gen_map_close(gen);
}

static void close_speedscope(struct uvh_export *export)
{
	const struct uvh_chains *chains = export->data;
	yajl_gen gen = yajl_gen_alloc(NULL);

	yajl_gen_config(gen, yajl_gen_print_callback, print, export->file);
	yajl_gen_map_open(gen);
	put_text(gen, "$schema", "https://www.speedscope.app/file-format-schema.json");
	put_text(gen, "exporter", "uvhooks " UVHOOKS_VERSION);
	put_text(gen, "name", "callbacks by what caused them");
	put_number(gen, "activeProfileIndex", 0);
	put_frames(gen, chains);
	put(gen, "profiles");
	yajl_gen_array_open(gen);
	for (size_t i = 0; i < uvh_trace_process_count(export->trace); i++)
		put_profile(gen, chains, uvh_trace_process(export->trace, i));
	yajl_gen_array_close(gen);
	yajl_gen_map_close(gen);
	fputc('\n', export->file);
	yajl_gen_free(gen);
	uvh_chains_close(export);
}

const struct uvh_export_format uvh_export_speedscope = {
    .name = "speedscope",
    .summary = "the same as JSON for https://www.speedscope.app",
    .next = "open FILE in https://www.speedscope.app, view Left Heavy",
    .open = uvh_chains_open,
    .begin = uvh_chains_begin,
    .end = uvh_chains_end,
    .close = close_speedscope,
};
