/* SPDX-License-Identifier: MIT */
/* Where resources were made: for who has no id to ask for. */
#include "async_stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "stack_json.h"
#include "terminal.h"

/* So many places are for people who have not asked for all. */
#define SHOWN_MAX 20

#define PLACE_BYTES 512
#define SHORT_BYTES 60

static uint32_t hash_of(const struct uvh_trace_resource *resource,
			const struct uvh_stack_frame *made, uint64_t callback)
{
	uint64_t place = made == NULL ? 0 : made->line != 0 ? made->line : made->address;

	return uvh_hash(uvh_hash((uintptr_t) resource->process, place),
			callback ^ (uint64_t) resource->type << 48);
}

static bool is_same_place(const struct uvh_stack_frame *one, const struct uvh_stack_frame *other)
{
	return one == other || (one != NULL && other != NULL && uvh_stack_same_place(one, other));
}

static struct uvh_async_site *site_of(struct uvh_async *async,
				      const struct uvh_trace_resource *resource)
{
	const struct uvh_stack_frame *made = uvh_stack_made(resource);
	uint64_t callback = uvh_live_callback(resource);
	uint32_t hash = hash_of(resource, made, callback), row;
	struct uvh_async_site *site;
	size_t at = 0;

	while ((row = uvh_index_next(&async->site_index, hash, &at)) != UVH_INDEX_END) {
		site = &async->sites[row];
		if (site->process == resource->process && site->type == resource->type &&
		    site->fs_type == resource->fs_type && site->callback == callback &&
		    is_same_place(site->made, made))
			return site;
	}
	async->sites =
	    uvh_grow(async->sites, &async->site_room, async->site_count + 1, sizeof(*async->sites));
	uvh_index_add(&async->site_index, hash, (uint32_t) async->site_count);
	site = &async->sites[async->site_count++];
	*site = (struct uvh_async_site){
	    .process = resource->process,
	    .made = made,
	    .callback = callback,
	    .id = resource->id,
	    .type = resource->type,
	    .fs_type = resource->fs_type,
	};
	return site;
}

void uvh_async_add_site(struct uvh_async *async, const struct uvh_question *question,
			const struct uvh_trace_resource *resource, bool alive)
{
	struct uvh_async_site *site;

	if (!uvh_trace_filter_wants_resource(question->filter, resource))
		return;
	site = site_of(async, resource);
	/* The example is better one that is alive. */
	if (alive && site->alive == 0)
		site->id = resource->id;
	site->count++;
	site->alive += alive;
}

struct gathering {
	struct uvh_async *async;
	const struct uvh_question *question;
};

static void add_live(struct uvh_trace_resource *resource, void *data)
{
	const struct gathering *gathering = data;

	uvh_async_add_site(gathering->async, gathering->question, resource, true);
}

static int by_count(const void *left, const void *right)
{
	const struct uvh_async_site *one = left, *other = right;

	if (one->process != other->process)
		return one->process->index < other->process->index ? -1 : 1;
	if (one->alive != other->alive)
		return one->alive > other->alive ? -1 : 1;
	if (one->count != other->count)
		return one->count > other->count ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

/* Names of templates are longer than a line. */
static void cut(char *text, bool whole)
{
	if (!whole && strlen(text) > SHORT_BYTES)
		strcpy(text + SHORT_BYTES - 3, "...");
}

static void add_cells(struct uvh_table *table, const struct uvh_async_site *site, bool whole)
{
	char text[UVH_TYPE_TEXT_BYTES], place[PLACE_BYTES] = "-", callback[PLACE_BYTES] = "-";
	char clean[PLACE_BYTES], id[UVHOOKS_ID_TEXT_BYTES];

	if (site->made != NULL)
		uvh_stack_frame_text(site->made, whole, place, sizeof(place));
	if (site->callback != 0)
		snprintf(callback, sizeof(callback), "%s",
			 uvh_readable_callback(site->process, site->callback));
	cut(place, whole);
	cut(callback, whole);
	uvh_table_count(table, site->alive);
	uvh_table_count(table, site->count);
	uvh_table_cell(table, UVH_PLAIN, "%s",
		       uvh_type_text(site->process, site->type, site->fs_type, text));
	uvh_table_cell(table, UVH_PLAIN, "%s", callback);
	uvh_table_cell(table, UVH_PLAIN, "%s", uvh_clean_text(place, true, clean, sizeof(clean)));
	uvh_table_cell(table, UVH_DIM, "%s%s", uvhooks_id_text(site->id, id),
		       site->count > 1 ? ", ..." : "");
}

/* Those of one process, from `first` on; returns where those of the next begin. */
static size_t print_sites(const struct uvh_async *async, size_t first, bool all)
{
	static const struct uvh_column columns[] = {
	    {"alive", false},   {"made", false},   {"type", true},
	    {"callback", true}, {"made at", true}, {"id", true},
	};
	struct uvh_table *table = uvh_table_new(columns, 6);
	size_t next = first;

	for (;
	     next < async->site_count && async->sites[next].process == async->sites[first].process;
	     next++)
		if (all || next - first < SHOWN_MAX)
			add_cells(table, &async->sites[next], all);
	uvh_table_print(table);
	if (!all && next - first > SHOWN_MAX)
		printf("%s... and %zu places more: -v%s\n", uvh_color(UVH_DIM),
		       next - first - SHOWN_MAX, uvh_color(UVH_PLAIN));
	return next;
}

static void tell_sites(const struct uvh_async *async, const struct uvh_question *question)
{
	bool many = uvh_trace_process_count(question->trace) > 1, has_stacks = true;
	char name[PLACE_BYTES];

	for (size_t at = 0; at < async->site_count;) {
		const struct uvh_trace_process *process = async->sites[at].process;

		if (many)
			printf("%s%s%s\n", uvh_color(UVH_TITLE),
			       uvh_clean_text(process->folder, true, name, sizeof(name)),
			       uvh_color(UVH_PLAIN));
		has_stacks &= process->has_stacks;
		at = print_sites(async, at, question->verbose);
	}
	if (async->site_count == 0)
		printf("%s\n", uvh_trace_filter_is_set(question->filter)
				   ? "No resource passed the filters."
				   : "There are no resources in this trace.");
	else if (!has_stacks)
		printf("There are no stacks in this trace; %s\n", uvh_stack_how_to_record());
	else
		printf("%sWho made it, and who made that: uvhooks stack DIR ID%s\n",
		       uvh_color(UVH_DIM), uvh_color(UVH_PLAIN));
}

/*
 * One object. `sites` are kinds of resources and where they were `made` (null: not known): how many
 * (`count`), how many of them are `alive` at the end, and the `id` of one.
 */
static void put_sites(const struct uvh_async *async)
{
	struct uvh_json *json = uvh_json_new();

	uvh_json_object(json, NULL);
	uvh_json_number(json, "version", 1);
	uvh_json_array(json, "sites");
	for (size_t i = 0; i < async->site_count; i++) {
		const struct uvh_async_site *site = &async->sites[i];

		uvh_json_object(json, NULL);
		uvh_json_text(json, "process", site->process->folder);
		uvh_json_type(json, site->process, site->type, site->fs_type);
		uvh_json_callback(json, site->process, site->callback);
		uvh_json_frame(json, "made", site->made);
		uvh_json_number(json, "count", (int64_t) site->count);
		uvh_json_number(json, "alive", (int64_t) site->alive);
		uvh_json_id(json, "id", site->id);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
	uvh_json_free(json);
}

void uvh_async_sites(struct uvh_async *async, const struct uvh_question *question)
{
	struct gathering gathering = {async, question};

	uvh_trace_for_each_live(question->trace, add_live, &gathering);
	if (async->site_count != 0)
		qsort(async->sites, async->site_count, sizeof(*async->sites), by_count);
	if (question->json)
		put_sites(async);
	else
		tell_sites(async, question);
}
