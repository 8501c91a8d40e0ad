/* SPDX-License-Identifier: MIT */
/* Names of what lies in a process that runs: each is looked up once, and kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "process_parts.h"
#include "stack_origin.h"
#include "top.h"

#define TEXT_BYTES 1024

#define TYPES (UINT16_MAX + 1)

/* A stack that the process has taken. */
struct place {
	uint32_t number;
	struct uvh_stack_frame *frames;
	size_t count;
	const char *text; /* where it leads, in short */
};

struct uvh_top_names {
	struct uvh_process *process;
	const char *types[TYPES]; /* by number */
	char **texts;
	size_t text_count, text_room;
	struct uvh_index text_index;
	struct place *places;
	size_t place_count, place_room;
	struct uvh_index place_index;
	/* What the meter has told of stacks: so many of them were read. */
	struct meter_site *sites;
	size_t site_count;
};

struct uvh_top_names *uvh_top_names_open(struct uvh_process *process)
{
	struct uvh_top_names *names = uvh_zeros(1, sizeof(*names));

	names->process = process;
	return names;
}

void uvh_top_names_close(struct uvh_top_names *names)
{
	for (size_t i = 0; i < names->text_count; i++)
		free(names->texts[i]);
	for (size_t i = 0; i < names->place_count; i++)
		free(names->places[i].frames);
	free(names->texts);
	free(names->places);
	free(names->sites);
	uvh_index_free(&names->text_index);
	uvh_index_free(&names->place_index);
	free(names);
}

const char *uvh_top_text(struct uvh_top_names *names, const char *text)
{
	char clean[TEXT_BYTES];
	uint32_t hash, row;
	size_t at = 0;

	uvh_clean_text(text, true, clean, sizeof(clean));
	hash = uvh_hash_text(0, clean);
	while ((row = uvh_index_next(&names->text_index, hash, &at)) != UVH_INDEX_END)
		if (strcmp(names->texts[row], clean) == 0)
			return names->texts[row];
	names->texts =
	    uvh_grow(names->texts, &names->text_room, names->text_count + 1, sizeof(*names->texts));
	uvh_index_add(&names->text_index, hash, (uint32_t) names->text_count);
	names->texts[names->text_count] = uvh_copy_text(clean);
	return names->texts[names->text_count++];
}

/* A name that is given stays, and is given before anything is called by it. */
const char *uvh_top_type(struct uvh_top_names *names, unsigned int type)
{
	const char **known = &names->types[type % TYPES];

	if (*known == NULL)
		*known = uvh_top_text(names, uvh_process_type_name(names->process, type));
	return *known;
}

const char *uvh_top_callback(struct uvh_top_names *names, uint64_t address)
{
	if (address == 0)
		return "";
	return uvh_top_text(names, uvh_readable_name(uvh_top_text(
				       names, uvh_process_name(names->process, address))));
}

static void add_frame(struct place *place, size_t *room, struct uvh_stack_frame frame)
{
	frame.origin = uvh_stack_origin(&frame);
	place->frames = uvh_grow(place->frames, room, place->count + 1, sizeof(frame));
	place->frames[place->count++] = frame;
}

/* The frames of a script, as the meter has written them: FUNCTION, FILE, LINE in a line each. */
static void add_script(struct uvh_top_names *names, struct place *place, size_t *room, char *script)
{
	char *rest = script, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *function = strsep(&line, "\t"), *file = strsep(&line, "\t");

		if (file == NULL || line == NULL)
			continue;
		add_frame(place, room,
			  (struct uvh_stack_frame){
			      .function = uvh_top_text(names, function[0] != '\0' ? function
										  : "(anonymous)"),
			      .file = uvh_top_text(names, file),
			      .line = (uint32_t) strtoul(line, NULL, 10),
			      .module = "",
			  });
	}
}

static const char *whole_path(struct uvh_top_names *names, const struct uvh_elf_line *line)
{
	char path[2 * TEXT_BYTES];

	uvh_elf_line_path(line, path, sizeof(path));
	return uvh_top_text(names, path);
}

/* What is meant lies just before the address. */
static void add_address(struct uvh_top_names *names, struct place *place, size_t *room,
			uint64_t address)
{
	struct uvh_elf_line lines[UVH_ELF_LINES_MAX];
	struct uvh_trace_symbols *symbols;
	const char *plain = uvh_process_name(names->process, address - 1), *module;
	uint64_t offset = 0;
	size_t count;

	symbols = names->process->symbols;
	count = uvh_trace_symbols_lines(symbols, address, lines);
	module = uvh_trace_symbols_module(symbols, address, &offset);
	if (count == 0)
		lines[count++] = (struct uvh_elf_line){0};
	for (size_t i = 0; i < count; i++)
		add_frame(place, room,
			  (struct uvh_stack_frame){
			      .inlined = i + 1 < count,
			      .function = uvh_readable_name(uvh_top_text(
				  names, lines[i].function != NULL ? lines[i].function : plain)),
			      .file = whole_path(names, &lines[i]),
			      .line = lines[i].line,
			      .module = uvh_top_text(names, module != NULL ? module : ""),
			      .address = address,
			      .offset = offset,
			  });
}

/* What is told stays, and more comes behind it; one may have its place, and not be told yet. */
static void read_sites(struct uvh_top_names *names, const struct uvh_top_sample *sample)
{
	const size_t count =
	    sample->area.site_count < METER_SITES ? sample->area.site_count : METER_SITES;
	size_t got;

	if (count <= names->site_count)
		return;
	names->sites = uvh_resize(names->sites, count, sizeof(*names->sites));
	got = uvh_process_read(names->process, sample->area.sites, names->sites,
			       count * sizeof(*names->sites)) /
	      sizeof(*names->sites);
	for (names->site_count = 0; names->site_count < got; names->site_count++)
		if (names->sites[names->site_count].number == 0)
			break;
}

static struct meter_site *find_site(struct uvh_top_names *names,
				    const struct uvh_top_sample *sample, uint32_t number)
{
	read_sites(names, sample);
	for (size_t i = 0; i < names->site_count; i++)
		if (names->sites[i].number == number)
			return &names->sites[i];
	return NULL;
}

static const char *short_text(struct uvh_top_names *names, const struct place *place)
{
	const struct uvh_stack_frame *frame = uvh_stack_site(place->frames, place->count);
	char text[TEXT_BYTES];

	return frame == NULL
		   ? "a stack without frames"
		   : uvh_top_text(names, uvh_stack_frame_text(frame, false, text, sizeof(text)));
}

static const struct place *find_place(struct uvh_top_names *names,
				      const struct uvh_top_sample *sample, uint32_t number)
{
	const uint32_t hash = uvh_hash(number, 0);
	struct meter_site *site;
	struct place *place;
	size_t at = 0, room = 0;
	uint32_t row;

	while ((row = uvh_index_next(&names->place_index, hash, &at)) != UVH_INDEX_END)
		if (names->places[row].number == number)
			return &names->places[row];
	site = find_site(names, sample, number);
	if (site == NULL)
		return NULL;
	names->places = uvh_grow(names->places, &names->place_room, names->place_count + 1,
				 sizeof(*names->places));
	uvh_index_add(&names->place_index, hash, (uint32_t) names->place_count);
	place = &names->places[names->place_count++];
	*place = (struct place){.number = number};
	site->script[METER_SCRIPT_BYTES - 1] = '\0';
	add_script(names, place, &room, site->script);
	for (uint32_t i = 0; i < site->address_count && i < METER_ADDRESSES; i++)
		add_address(names, place, &room, site->addresses[i]);
	place->text = short_text(names, place);
	return place;
}

const char *uvh_top_site(struct uvh_top_names *names, const struct uvh_top_sample *sample,
			 uint64_t word)
{
	const struct place *place;
	char text[TEXT_BYTES];

	if ((word & METER_STACK) != 0) {
		place = find_place(names, sample, (uint32_t) word);
		return place != NULL ? place->text : "a stack that found no room";
	}
	switch (word) {
	case METER_AT_TOP_LEVEL:
		return "top level";
	case METER_BEFORE:
		return "before it was watched";
	case METER_OTHERS:
		return "places that found no room";
	default:
		snprintf(text, sizeof(text), "in %s", uvh_top_callback(names, word));
		return uvh_top_text(names, text);
	}
}

size_t uvh_top_stack(struct uvh_top_names *names, const struct uvh_top_sample *sample,
		     uint64_t word, const struct uvh_stack_frame **frames)
{
	const struct place *place =
	    (word & METER_STACK) != 0 ? find_place(names, sample, (uint32_t) word) : NULL;

	if (place == NULL)
		return 0;
	*frames = place->frames;
	return place->count;
}
