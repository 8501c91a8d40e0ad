/* SPDX-License-Identifier: MIT */
#include "stack_frames.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "memory.h"
#include "stack_lines.h"
#include "stack_origin.h"
#include "terminal.h"
#include "trace_parts.h"

/* So many frames of a stack are for people who have not asked for all. */
#define SHOWN_MAX 12

/* The frames of an address: it is one of many stacks. */
struct place {
	uint64_t address;
	size_t count;
	struct uvh_stack_frame *frames;
};

/* Of one process: what was asked for before. */
struct stacks {
	struct uvh_stack_lines lines;
	struct uvh_index place_index;
	struct place *places;
	size_t place_count, place_room;
	struct uvh_index stack_index;
	struct uvh_stack **stacks;
	size_t stack_count, stack_room;
};

static void free_stacks(void *data)
{
	struct stacks *stacks = data;

	for (size_t i = 0; i < stacks->place_count; i++)
		free(stacks->places[i].frames);
	for (size_t i = 0; i < stacks->stack_count; i++) {
		free((void *) (uintptr_t) stacks->stacks[i]->frames);
		free(stacks->stacks[i]);
	}
	free(stacks->places);
	free(stacks->stacks);
	uvh_index_free(&stacks->place_index);
	uvh_index_free(&stacks->stack_index);
	uvh_stack_lines_free(&stacks->lines);
	free(stacks);
}

/* What a process's stacks have been read to is filled when it is asked. */
static struct stacks *stacks_of(const struct uvh_trace_process *process)
{
	struct uvh_folder *folder = (struct uvh_folder *) (uintptr_t) process;
	struct stacks *stacks = folder->stacks_read;

	if (stacks != NULL)
		return stacks;
	stacks = uvh_zeros(1, sizeof(*stacks));
	stacks->lines.process = process;
	folder->stacks_read = stacks;
	folder->free_stacks_read = free_stacks;
	return stacks;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* "server+0x1234", "0x7f0012345678": where there is no name. */
static const char *name_place(const struct uvh_folder *folder, const struct uvh_stack_frame *frame)
{
	char name[NAME_MAX + 32];

	if (frame->module[0] != '\0')
		snprintf(name, sizeof(name), "%s+0x%" PRIx64, base_name(frame->module),
			 frame->offset);
	else
		snprintf(name, sizeof(name), "0x%" PRIx64, frame->address);
	return uvh_text(&folder->trace->texts, name, strlen(name));
}

static struct uvh_stack_frame make_frame(const struct uvh_folder *folder, uint64_t address,
					 const struct uvh_trace_line *line)
{
	struct uvh_stack_frame frame = {
	    .function = uvh_readable_name(line->function),
	    .file = line->path,
	    .line = line->line,
	    .module = line->module,
	    .address = address,
	};

	if (frame.module[0] != '\0' && folder->libraries != NULL)
		uvh_trace_symbols_module(folder->libraries, address, &frame.offset);
	if (frame.function[0] == '\0')
		frame.function = name_place(folder, &frame);
	frame.origin = uvh_stack_origin(&frame);
	return frame;
}

static const struct place *place_of(struct stacks *stacks, uint64_t address)
{
	const struct uvh_folder *folder = (const struct uvh_folder *) stacks->lines.process;
	struct uvh_trace_line lines[UVH_ELF_LINES_MAX];
	uint32_t hash = uvh_hash(address, 0), row;
	struct place *place;
	size_t at = 0;

	while ((row = uvh_index_next(&stacks->place_index, hash, &at)) != UVH_INDEX_END)
		if (stacks->places[row].address == address)
			return &stacks->places[row];
	stacks->places = uvh_grow(stacks->places, &stacks->place_room, stacks->place_count + 1,
				  sizeof(*stacks->places));
	uvh_index_add(&stacks->place_index, hash, (uint32_t) stacks->place_count);
	place = &stacks->places[stacks->place_count++];
	place->address = address;
	place->count = uvh_stack_lines_find(&stacks->lines, address, lines);
	if (place->count == 0)
		lines[place->count++] = (struct uvh_trace_line){"", "", 0, ""};
	place->frames = uvh_zeros(place->count, sizeof(*place->frames));
	for (size_t i = 0; i < place->count; i++) {
		place->frames[i] = make_frame(folder, address, &lines[i]);
		place->frames[i].inlined = i + 1 < place->count;
	}
	return place;
}

static struct uvh_stack_frame make_script_frame(const struct uvh_trace_frame *told)
{
	struct uvh_stack_frame frame = {
	    .function = told->function[0] != '\0' ? told->function : "(anonymous)",
	    .file = told->file,
	    .line = told->line,
	    .module = "",
	};

	frame.origin = uvh_stack_origin(&frame);
	return frame;
}

static struct uvh_stack *make_stack(struct stacks *stacks, const struct uvh_trace_stack *told)
{
	struct uvh_stack *stack = uvh_zeros(1, sizeof(*stack));
	struct uvh_stack_frame *frames;
	size_t count = told->frame_count;

	for (size_t i = 0; i < told->address_count; i++)
		count += place_of(stacks, told->addresses[i])->count;
	frames = uvh_zeros(count != 0 ? count : 1, sizeof(*frames));
	*stack = (struct uvh_stack){.number = told->number, .count = count, .frames = frames};
	for (size_t i = 0; i < told->frame_count; i++)
		*frames++ = make_script_frame(&told->frames[i]);
	for (size_t i = 0; i < told->address_count; i++) {
		const struct place *place = place_of(stacks, told->addresses[i]);

		memcpy(frames, place->frames, place->count * sizeof(*frames));
		frames += place->count;
	}
	stack->site = uvh_stack_site(stack->frames, count);
	return stack;
}

const struct uvh_stack *uvh_stack(const struct uvh_trace_process *process, uint32_t number)
{
	const struct uvh_trace_stack *told = uvh_trace_stack(process, number);
	uint32_t hash = uvh_hash(number, 0), row;
	struct stacks *stacks;
	size_t at = 0;

	if (told == NULL)
		return NULL;
	stacks = stacks_of(process);
	while ((row = uvh_index_next(&stacks->stack_index, hash, &at)) != UVH_INDEX_END)
		if (stacks->stacks[row]->number == number)
			return stacks->stacks[row];
	stacks->stacks = uvh_grow(stacks->stacks, &stacks->stack_room, stacks->stack_count + 1,
				  sizeof(struct uvh_stack *));
	stacks->stacks[stacks->stack_count] = make_stack(stacks, told);
	uvh_index_add(&stacks->stack_index, hash, (uint32_t) stacks->stack_count);
	return stacks->stacks[stacks->stack_count++];
}

const char *uvh_stack_frame_text(const struct uvh_stack_frame *frame, bool whole, char *text,
				 size_t bytes)
{
	const char *file = whole ? frame->file : base_name(frame->file);
	const char *module = whole ? frame->module : base_name(frame->module);
	bool has_name = strcmp(frame->function, "(anonymous)") != 0;
	char line[16] = "";

	if (frame->line != 0)
		snprintf(line, sizeof(line), ":%" PRIu32, frame->line);
	if (file[0] != '\0')
		snprintf(text, bytes, "%s%s%s%s", file, line, has_name ? " in " : "",
			 has_name ? frame->function : "");
	else if (module[0] != '\0' && strstr(frame->function, "+0x") == NULL)
		snprintf(text, bytes, "%s (%s+0x%" PRIx64 ")", frame->function, module,
			 frame->offset);
	else
		snprintf(text, bytes, "%s", frame->function);
	return text;
}

static const struct uvh_stack_frame *site_of(const struct uvh_trace_resource *resource,
					     uint32_t number)
{
	const struct uvh_stack *stack = uvh_stack(resource->process, number);

	return stack != NULL ? stack->site : NULL;
}

const struct uvh_stack_frame *uvh_stack_made(const struct uvh_trace_resource *resource)
{
	return site_of(resource, resource->init_stack);
}

const struct uvh_stack_frame *uvh_stack_armed(const struct uvh_trace_resource *resource)
{
	const struct uvh_stack_frame *armed = site_of(resource, resource->start_stack);
	const struct uvh_stack_frame *made = uvh_stack_made(resource);

	if (armed == NULL || (made != NULL && uvh_stack_same_place(made, armed)))
		return NULL;
	return armed;
}

bool uvh_stack_same_place(const struct uvh_stack_frame *one, const struct uvh_stack_frame *other)
{
	if (one->line != 0 || other->line != 0)
		return one->line == other->line && strcmp(one->file, other->file) == 0 &&
		       strcmp(one->function, other->function) == 0;
	return one->address == other->address && strcmp(one->file, other->file) == 0 &&
	       strcmp(one->function, other->function) == 0;
}

/*
 * A compiler may cut a function in two and inline one half into the other: that is one frame to
 * people.
 */
static bool is_half(const struct uvh_stack_frame *frame)
{
	return frame[-1].inlined && frame[-1].address == frame->address &&
	       strcmp(frame[-1].function, frame->function) == 0;
}

/* How many frames are of this origin. */
static size_t count_of(const struct uvh_stack *stack, enum uvh_frame_origin origin)
{
	size_t count = 0;

	for (size_t i = 0; i < stack->count; i++)
		count += stack->frames[i].origin == origin;
	return count;
}

/* What nobody needs who has not asked for all: where others can be shown, the runtime; where a
   script can, what of the program has no lines. */
static bool is_noise(const struct uvh_stack *stack, const struct uvh_stack_frame *frame)
{
	size_t scripts = count_of(stack, UVH_FRAME_OF_SCRIPT);

	switch (frame->origin) {
	case UVH_FRAME_OF_SCRIPT:
		return false;
	case UVH_FRAME_OF_PROGRAM:
		return scripts != 0 && frame->line == 0;
	case UVH_FRAME_OF_RUNTIME:
		return scripts + count_of(stack, UVH_FRAME_OF_PROGRAM) != 0;
	}
	return false;
}

void uvh_stack_print(FILE *out, const struct uvh_stack *stack, const char *indent, bool whole)
{
	char text[1024], clean[1024];
	size_t shown = 0, left = 0;

	for (size_t i = 0; i < stack->count; i++) {
		const struct uvh_stack_frame *frame = &stack->frames[i];

		if (!whole && (is_noise(stack, frame) || (i > 0 && is_half(frame))))
			continue;
		if (!whole && shown == SHOWN_MAX) {
			left++;
			continue;
		}
		shown++;
		uvh_stack_frame_text(frame, whole, text, sizeof(text));
		fprintf(out, "%s%s%s\n", indent, uvh_clean_text(text, true, clean, sizeof(clean)),
			whole && frame->inlined ? " (inlined)" : "");
	}
	if (left != 0)
		fprintf(out, "%s... %zu more: -v\n", indent, left);
}

static bool asks_running;

void uvh_stack_asks_running(void)
{
	asks_running = true;
}

const char *uvh_stack_how_to_record(void)
{
	return asks_running ? "they are taken from when on they are asked for: "
			      "uvhooks ctl PID record start --stacks -o DIR"
			    : "record with stacks: uvhooks record --stacks -o DIR -- PROGRAM";
}
