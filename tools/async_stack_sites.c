/* SPDX-License-Identifier: MIT */
/* Where what is alive at the end was made: for who has no id to ask for. */
#include "async_stack.h"

#include <stdio.h>
#include <stdlib.h>

#include "demangle.h"
#include "stack_json.h"
#include "terminal.h"

/* So many places are for people who have not asked for all. */
#define SHOWN_MAX 20

#define PLACE_BYTES 512

struct gathering {
	const struct uvh_question *question;
	struct uvh_live_groups groups;
};

static void add_live(struct uvh_trace_resource *resource, void *data)
{
	struct gathering *gathering = data;

	if (uvh_trace_filter_wants_resource(gathering->question->filter, resource))
		uvh_live_groups_add(&gathering->groups, resource, 0, resource->process->last_ns);
}

static int by_count(const void *left, const void *right)
{
	const struct uvh_live_group *one = left, *other = right;

	if (one->process != other->process)
		return one->process->index < other->process->index ? -1 : 1;
	if (one->count != other->count)
		return one->count > other->count ? -1 : 1;
	return one->items[0].id < other->items[0].id ? -1 : 1;
}

static void print_sites(const struct uvh_live_groups *groups, bool all)
{
	static const struct uvh_column columns[] = {
	    {"alive", false}, {"type", true}, {"callback", true}, {"made at", true}, {"id", true},
	};
	struct uvh_table *table = uvh_table_new(columns, 5);
	size_t shown = groups->count < SHOWN_MAX || all ? groups->count : SHOWN_MAX;
	char text[UVH_TYPE_TEXT_BYTES], place[PLACE_BYTES], id[UVHOOKS_ID_TEXT_BYTES];

	for (size_t i = 0; i < shown; i++) {
		const struct uvh_live_group *group = &groups->groups[i];
		const struct uvh_chain_link *self = &group->chain.links[0];
		uint64_t callback = uvh_live_group_callback(group);

		uvh_table_count(table, group->count);
		uvh_table_cell(table, UVH_PLAIN, "%s",
			       uvh_type_text(group->process, self->type, self->fs_type, text));
		uvh_table_cell(table, UVH_PLAIN, "%s",
			       callback != 0 ? uvh_readable_callback(group->process, callback)
					     : "");
		uvh_table_cell(table, UVH_PLAIN, "%s",
			       group->made == NULL
				   ? "-"
				   : uvh_stack_frame_text(group->made, all, place, sizeof(place)));
		uvh_table_cell(table, UVH_DIM, "%s%s", uvhooks_id_text(group->items[0].id, id),
			       group->count > 1 ? ", ..." : "");
	}
	uvh_table_print(table);
	if (shown < groups->count)
		printf("%s... and %zu places more: -v%s\n", uvh_color(UVH_DIM),
		       groups->count - shown, uvh_color(UVH_PLAIN));
}

static void tell_sites(const struct uvh_question *question, const struct uvh_live_groups *groups)
{
	bool has_stacks = false;

	for (size_t i = 0; i < uvh_trace_process_count(question->trace); i++)
		has_stacks |= uvh_trace_process(question->trace, i)->has_stacks;
	if (groups->count == 0)
		printf("Nothing is alive at the end of this trace%s. `uvhooks tree` shows all that "
		       "was, with ids.\n",
		       uvh_trace_filter_is_set(question->filter) ? " that passes the filters" : "");
	print_sites(groups, question->verbose);
	if (!has_stacks)
		printf("There are no stacks in this trace; %s\n", uvh_stack_how_to_record());
	else if (groups->count != 0)
		printf("%sWho made it, and who made that: uvhooks stack DIR ID%s\n",
		       uvh_color(UVH_DIM), uvh_color(UVH_PLAIN));
}

/* One object: `groups` as those of `uvhooks leaks`; see live_print.c. */
static void put_sites(const struct uvh_live_groups *groups)
{
	struct uvh_json *json = uvh_json_new();

	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_array(json, "groups");
	for (size_t i = 0; i < groups->count; i++) {
		uvh_json_object(json, NULL);
		uvh_live_json_group(json, &groups->groups[i], groups->groups[i].process->last_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	uvh_json_free(json);
}

void uvh_async_sites(struct uvh_question *question)
{
	struct gathering gathering = {.question = question};

	uvh_trace_for_each_live(question->trace, add_live, &gathering);
	if (gathering.groups.count != 0)
		qsort(gathering.groups.groups, gathering.groups.count,
		      sizeof(*gathering.groups.groups), by_count);
	if (question->json)
		put_sites(&gathering.groups);
	else
		tell_sites(question, &gathering.groups);
	uvh_live_groups_free(&gathering.groups);
}
