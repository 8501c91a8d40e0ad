/* SPDX-License-Identifier: MIT */
/*
 * Live resources that are alike, as people and programs read them.
 *
 * Keys of a group: count, TYPE, callback, made (where; null: no stack was taken), armed (where the
 * first was armed, if that is another place), the chain of triggers, `stacks` by number, and
 * `resources`, each with its id, what it does, when it was made (`at_ns` since the trace of its
 * process began; null: before), its age, runs, descriptor, number (a pid or a signal), what it is
 * about, and the numbers of its stacks.
 */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "stack_json.h"
#include "terminal.h"

#define PLACE_BYTES 512

static const char *age_text(const struct uvh_live_item *item, const struct uvh_live_style *style,
			    char text[UVH_TEXT_ROOM])
{
	int64_t age_ns = style->now_ns - item->init_ns;

	return uvh_duration_text(age_ns > 0 ? age_ns : 0, text);
}

static void print_made(const struct uvh_live_item *item, const struct uvh_live_style *style)
{
	char text[UVH_TEXT_ROOM];

	if (item->init_ns == 0)
		printf("before the trace began");
	else
		printf("%s ago", age_text(item, style, text));
}

static bool does_the_same(const struct uvh_live_group *group)
{
	for (size_t i = 1; i < group->count; i++)
		if (strcmp(group->items[0].does, group->items[i].does) != 0)
			return false;
	return true;
}

static void print_what(const struct uvh_live_group *group)
{
	const struct uvh_chain_link *self = &group->chain.links[0];
	char text[UVH_TYPE_TEXT_BYTES];

	if (group->count > 1)
		printf("%s %s ", uvh_count_text(group->count, text),
		       uvh_is_utf8() ? "\xc3\x97" : "x");
	printf("%s%s%s", uvh_color(UVH_TITLE),
	       uvh_clean_text(uvh_trace_type_name(group->process, self->type), true, text,
			      sizeof(text)),
	       uvh_color(UVH_PLAIN));
	if (uvh_uv_name(self->type, self->fs_type)[0] != '\0')
		printf(" (%s)", uvh_uv_name(self->type, self->fs_type));
	if (self->callback != 0)
		printf(" %s", uvh_readable_callback(group->process, self->callback));
	if (group->items[0].does[0] != '\0')
		printf(": %s%s", group->items[0].does, does_the_same(group) ? "" : "; ...");
	putchar('\n');
}

/* Where and when, on one line. */
static void print_place(const struct uvh_live_group *group, const struct uvh_live_style *style)
{
	const struct uvh_live_item *first = &group->items[0];
	const struct uvh_live_item *last = &group->items[group->count - 1];
	char place[PLACE_BYTES], id[UVHOOKS_ID_TEXT_BYTES], text[UVH_TEXT_ROOM];

	printf("        made ");
	if (group->made != NULL)
		printf("at %s, ", uvh_stack_frame_text(group->made, false, place, sizeof(place)));
	print_made(first, style);
	if (group->count > 1 && last->init_ns != 0)
		printf(", the latest %s ago", age_text(last, style, text));
	printf("  %s(%s%s)%s\n", uvh_color(UVH_DIM), uvhooks_id_text(first->id, id),
	       group->count > 1 ? ", ..." : "", uvh_color(UVH_PLAIN));
	if (group->armed != NULL)
		printf("        armed at %s\n",
		       uvh_stack_frame_text(group->armed, false, place, sizeof(place)));
}

static void print_stack(const struct uvh_live_group *group, const char *title, uint32_t number)
{
	const struct uvh_stack *stack = number != 0 ? uvh_stack(group->process, number) : NULL;

	if (stack == NULL)
		return;
	printf("            %s\n", title);
	uvh_stack_print(stdout, stack, "              ", true);
}

static void print_item(const struct uvh_live_group *group, size_t i,
		       const struct uvh_live_style *style)
{
	const struct uvh_live_item *item = &group->items[i], *before = i > 0 ? item - 1 : NULL;
	char id[UVHOOKS_ID_TEXT_BYTES];

	printf("          %s: %s%smade ", uvhooks_id_text(item->id, id), item->does,
	       item->does[0] != '\0' ? "; " : "");
	print_made(item, style);
	putchar('\n');
	/* Most often they are those of the one before, which need not be read again. */
	if (before == NULL || before->init_stack != item->init_stack)
		print_stack(group, "made", item->init_stack);
	if (before == NULL || before->start_stack != item->start_stack)
		print_stack(group, "armed", item->start_stack);
}

void uvh_live_print_group(const struct uvh_live_group *group, const struct uvh_live_style *style)
{
	printf("    ");
	print_what(group);
	print_place(group, style);
	printf("        caused by ");
	uvh_chain_print(&group->chain, 1);
	putchar('\n');
	for (size_t i = 0; style->verbose && i < group->count; i++)
		print_item(group, i, style);
}

static int compare_numbers(const void *one, const void *other)
{
	const uint32_t *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

/* Each once. */
static void put_stacks(struct uvh_json *json, const struct uvh_live_group *group)
{
	uint32_t *numbers = uvh_zeros(2 * group->count, sizeof(*numbers));
	uint32_t before = 0;

	for (size_t i = 0; i < group->count; i++) {
		numbers[2 * i] = group->items[i].init_stack;
		numbers[2 * i + 1] = group->items[i].start_stack;
	}
	qsort(numbers, 2 * group->count, sizeof(*numbers), compare_numbers);
	uvh_json_array(json, "stacks");
	for (size_t i = 0; i < 2 * group->count; before = numbers[i++]) {
		if (numbers[i] == before)
			continue;
		uvh_json_object(json, NULL);
		uvh_json_number(json, "number", numbers[i]);
		uvh_json_stack(json, "frames", group->process, numbers[i]);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	free(numbers);
}

static void put_stack_number(struct uvh_json *json, const char *key, uint32_t number)
{
	if (number == 0)
		uvh_json_text(json, key, NULL);
	else
		uvh_json_number(json, key, number);
}

static void put_item(struct uvh_json *json, const struct uvh_live_group *group,
		     const struct uvh_live_item *item, int64_t now_ns)
{
	uvh_json_object(json, NULL);
	uvh_json_id(json, "id", item->id);
	uvh_json_text(json, "does", item->does);
	uvh_json_bool(json, "told", item->told);
	if (item->init_ns == 0) {
		uvh_json_text(json, "at_ns", NULL);
		uvh_json_text(json, "age_ns", NULL);
	} else {
		uvh_json_number(json, "at_ns", item->init_ns - group->process->start_ns);
		uvh_json_number(json, "age_ns", now_ns - item->init_ns);
	}
	uvh_json_number(json, "runs", (int64_t) item->runs);
	uvh_json_number(json, "fd", item->fd);
	uvh_json_number(json, "number", item->number);
	uvh_json_text(json, "about", item->about);
	put_stack_number(json, "made_stack", item->init_stack);
	put_stack_number(json, "armed_stack", item->start_stack);
	uvh_json_object_end(json);
}

void uvh_live_json_group(struct uvh_json *json, const struct uvh_live_group *group, int64_t now_ns)
{
	const struct uvh_chain_link *self = &group->chain.links[0];

	uvh_json_text(json, "process", group->process->folder);
	uvh_json_number(json, "count", (int64_t) group->count);
	uvh_json_type(json, group->process, self->type, self->fs_type);
	uvh_json_callback(json, group->process, self->callback);
	uvh_json_frame(json, "made", group->made);
	uvh_json_frame(json, "armed", group->armed);
	uvh_chain_json(json, &group->chain);
	put_stacks(json, group);
	uvh_json_array(json, "resources");
	for (size_t i = 0; i < group->count; i++)
		put_item(json, group, &group->items[i], now_ns);
	uvh_json_array_end(json);
}
