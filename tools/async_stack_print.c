/* SPDX-License-Identifier: MIT */
#include "async_stack.h"

#include <stdio.h>
#include <stdlib.h>

#include "demangle.h"
#include "stack_json.h"
#include "terminal.h"

#define PLACE_BYTES 512

static void print_name(const struct uvh_async_asked *asked, const struct uvh_async_link *link)
{
	char text[UVH_TYPE_TEXT_BYTES], id[UVHOOKS_ID_TEXT_BYTES];

	printf("%s%s %s", uvh_color(UVH_TITLE), uvhooks_id_text(link->id, id),
	       uvh_clean_text(uvh_trace_type_name(asked->process, link->type), true, text,
			      sizeof(text)));
	if (uvh_uv_name(link->type, link->fs_type)[0] != '\0')
		printf(" (%s)", uvh_uv_name(link->type, link->fs_type));
	if (link->callback != 0)
		printf(" %s", uvh_readable_callback(asked->process, link->callback));
	fputs(uvh_color(UVH_PLAIN), stdout);
}

/* When it was made and, of the one that was asked for, how it went on. */
static void print_life(const struct uvh_async_asked *asked, const struct uvh_async_link *link)
{
	const struct uvh_trace_process *process = asked->process;
	int64_t end_ns = asked->alive ? process->last_ns : asked->destroy_ns;
	char text[UVH_TEXT_ROOM];

	printf("  %s", uvh_color(UVH_DIM));
	if (link->init_ns == 0)
		printf("made before the trace began");
	else
		printf("made at %s", uvh_moment_text(link->init_ns - process->start_ns, text));
	if (link == asked->links) {
		printf(", %s", asked->alive ? "alive at the end" : "destroyed");
		if (link->init_ns != 0)
			printf(", %s later", uvh_duration_text(end_ns - link->init_ns, text));
		printf("; %s run%s", uvh_count_text(asked->runs, text),
		       asked->runs == 1 ? "" : "s");
		if (asked->does != NULL && asked->does[0] != '\0')
			printf("; %s", asked->does);
	}
	printf("%s\n", uvh_color(UVH_PLAIN));
}

static void print_stack(const struct uvh_stack *stack, const char *title, bool whole)
{
	if (stack == NULL || stack->count == 0)
		return;
	printf("    %s%s%s\n", uvh_color(UVH_DIM), title, uvh_color(UVH_PLAIN));
	uvh_stack_print(stdout, stack, "      ", whole);
}

static void print_link(const struct uvh_async_asked *asked, size_t index, bool whole)
{
	const struct uvh_async_link *link = &asked->links[index];

	if (index > 0)
		printf("triggered by\n");
	print_name(asked, link);
	print_life(asked, link);
	if (link->init_stack == 0 && asked->process->has_stacks)
		printf("    %sno stack was taken when it was made%s\n", uvh_color(UVH_DIM),
		       uvh_color(UVH_PLAIN));
	print_stack(uvh_stack(asked->process, link->init_stack), "made:", whole);
	print_stack(uvh_async_armed(asked->process, link),
		    index == 0 ? "armed last:" : "armed:", whole);
}

/* What comes again, in short. */
static void print_repeats(const struct uvh_async_asked *asked, const struct uvh_async_fold *fold)
{
	char number[UVH_TEXT_ROOM], place[PLACE_BYTES], type[UVH_TYPE_TEXT_BYTES];

	printf("%s... %s more like %s:", uvh_color(UVH_DIM),
	       uvh_count_text((fold->times - 1) * fold->period, number),
	       fold->period == 1 ? "this" : "these");
	for (size_t i = fold->first; i < fold->first + fold->period; i++) {
		const struct uvh_async_link *link = &asked->links[i];
		const struct uvh_stack *stack = uvh_stack(asked->process, link->init_stack);

		printf("%s %s", i > fold->first ? "," : "",
		       uvh_type_text(asked->process, link->type, link->fs_type, type));
		if (stack != NULL && stack->site != NULL)
			printf(" from %s",
			       uvh_stack_frame_text(stack->site, false, place, sizeof(place)));
	}
	printf("%s\n", uvh_color(UVH_PLAIN));
}

static void print_root(const struct uvh_async_asked *asked)
{
	char id[UVHOOKS_ID_TEXT_BYTES];

	printf("triggered by ");
	if (!asked->has_root)
		printf("%s, of which the trace does not tell\n", uvhooks_id_text(asked->root, id));
	else if (uvhooks_id_space(asked->root) == 0)
		printf("%s\n", uvhooks_id_sequence(asked->root) == 1 ? "top level" : "libuv");
	else
		printf("%s of %u\n", uvhooks_id_sequence(asked->root) == 1 ? "top level" : "libuv",
		       uvhooks_id_space(asked->root));
}

static void print_asked(const struct uvh_async *async, const struct uvh_async_asked *asked,
			bool whole)
{
	size_t at = 0, shown = 0;
	char text[UVH_TEXT_ROOM];

	while (at < asked->count && shown < async->depth) {
		struct uvh_async_fold fold = uvh_async_fold(asked, at);

		for (size_t i = 0; i < fold.period; i++)
			print_link(asked, at + i, whole);
		if (fold.times > 1)
			print_repeats(asked, &fold);
		shown += fold.period;
		at += fold.period * fold.times;
	}
	if (at == asked->count)
		print_root(asked);
	else
		printf("%s... %s more up to the first: --depth %zu%s\n", uvh_color(UVH_DIM),
		       uvh_count_text(asked->count - at, text), 2 * (size_t) async->depth,
		       uvh_color(UVH_PLAIN));
}

void uvh_async_print(const struct uvh_async *async, const struct uvh_question *question)
{
	bool many = uvh_trace_process_count(question->trace) > 1, has_stacks = true;
	char name[PLACE_BYTES];

	for (size_t i = 0; i < async->asked_room; i++) {
		const struct uvh_async_asked *asked = &async->asked[i];

		if (!asked->found)
			continue;
		if (many)
			printf("%s%s%s\n", uvh_color(UVH_TITLE),
			       uvh_clean_text(asked->process->folder, true, name, sizeof(name)),
			       uvh_color(UVH_PLAIN));
		print_asked(async, asked, question->verbose);
		has_stacks &= asked->process->has_stacks;
	}
	if (!has_stacks)
		printf("There are no stacks in this trace; %s\n", uvh_stack_how_to_record());
}

static void put_number(struct uvh_json *json, const char *key, uint32_t number)
{
	if (number != 0)
		uvh_json_number(json, key, number);
	else
		uvh_json_text(json, key, NULL);
}

static void put_site(struct uvh_json *json, const char *key,
		     const struct uvh_trace_process *process, uint32_t number)
{
	const struct uvh_stack *stack = uvh_stack(process, number);

	uvh_json_frame(json, key, stack != NULL ? stack->site : NULL);
}

static void put_link(struct uvh_json *json, const struct uvh_async_asked *asked,
		     const struct uvh_async_link *link)
{
	const struct uvh_trace_process *process = asked->process;

	uvh_json_object(json, NULL);
	uvh_json_id(json, "id", link->id);
	uvh_json_type(json, process, link->type, link->fs_type);
	uvh_json_callback(json, process, link->callback);
	if (link->init_ns != 0)
		uvh_json_number(json, "at_ns", link->init_ns - process->start_ns);
	else
		uvh_json_text(json, "at_ns", NULL);
	put_site(json, "made", process, link->init_stack);
	put_number(json, "made_stack", link->init_stack);
	put_site(json, "armed", process, link->start_stack);
	put_number(json, "armed_stack", link->start_stack);
	uvh_json_object_end(json);
}

/* Each once, however many links have it. */
static void put_stacks(struct uvh_json *json, const struct uvh_async_asked *asked)
{
	bool *wanted = uvh_zeros((size_t) asked->process->stack_count + 1, sizeof(*wanted));
	char key[16];

	for (size_t i = 0; i < asked->count; i++) {
		if (asked->links[i].init_stack <= asked->process->stack_count)
			wanted[asked->links[i].init_stack] = true;
		if (asked->links[i].start_stack <= asked->process->stack_count)
			wanted[asked->links[i].start_stack] = true;
	}
	uvh_json_object(json, "stacks");
	for (uint32_t number = 1; number <= asked->process->stack_count; number++) {
		if (!wanted[number])
			continue;
		snprintf(key, sizeof(key), "%u", number);
		uvh_json_stack(json, key, asked->process, number);
	}
	uvh_json_object_end(json);
	free(wanted);
}

static void put_asked(struct uvh_json *json, const struct uvh_async_asked *asked)
{
	uvh_json_object(json, NULL);
	uvh_json_text(json, "process", asked->process->folder);
	uvh_json_bool(json, "alive", asked->alive);
	if (asked->destroy_ns != 0)
		uvh_json_number(json, "destroy_ns", asked->destroy_ns - asked->process->start_ns);
	uvh_json_number(json, "runs", (int64_t) asked->runs);
	uvh_json_text(json, "does", asked->does);
	uvh_json_array(json, "chain");
	for (size_t i = 0; i < asked->count; i++)
		put_link(json, asked, &asked->links[i]);
	uvh_json_array_end(json);
	uvh_json_text(json, "root",
		      !asked->has_root                        ? "not known"
		      : uvhooks_id_sequence(asked->root) == 1 ? "top level"
							      : "libuv");
	put_stacks(json, asked);
	uvh_json_object_end(json);
}

/*
 * One object. `resources` has the one that was asked for, in each process that has its id: how it
 * went on, and its `chain`: itself, its trigger, and so on, each with the place where it was `made`
 * and last `armed`, and the numbers of these stacks, which are in `stacks`. Of a trigger, callback
 * and `armed` are those of the time when it made the one before it. Times are in nanoseconds since
 * the trace of the process began.
 */
void uvh_async_json(const struct uvh_async *async, const struct uvh_question *question)
{
	struct uvh_json *json = uvh_json_new();

	(void) question;
	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_id(json, "id", async->id);
	uvh_json_array(json, "resources");
	for (size_t i = 0; i < async->asked_room; i++)
		if (async->asked[i].found)
			put_asked(json, &async->asked[i]);
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
