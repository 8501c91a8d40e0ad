/* SPDX-License-Identifier: MIT */
/*
 * The resources that are alive, and those destroyed ones that are remembered: the triggers of live
 * ones, the triggers of these, and so on. The remembered are limited twice. Of a chain of which
 * each link has made the next and is gone, as timers may be, the last few hundred are kept; and of
 * all together a fixed number, of which the one that was destroyed first has to go.
 *
 * Invariants: a resource is in the table, in one of the two lists, and among the children of its
 * trigger if that is known. There is no circle of triggers. A remembered one has children, or
 * stands on a stack, or is `parting`.
 */
#include "trace_parts.h"

#include <stdlib.h>

#define FIRST_BITS 8
#define CHAIN_MAX  256

/* Of about 250 bytes each. */
#define REMEMBERED_MAX ((size_t) 64 << 10)

struct uvh_resource_slot {
	uvhooks_async_id id;
	struct uvh_resource *resource; /* NULL: the slot is free */
};

/* Ids come one after the other; so do the slots that they get, but for the spaces. */
static size_t home_slot(const struct uvh_resource_table *table, uvhooks_async_id id)
{
	return (size_t) ((id * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - table->bits));
}

static size_t slot_mask(const struct uvh_resource_table *table)
{
	return ((size_t) 1 << table->bits) - 1;
}

struct uvh_resource *uvh_resource_find(const struct uvh_folder *folder, uvhooks_async_id id)
{
	const struct uvh_resource_table *table = &folder->table;
	size_t mask = slot_mask(table);

	if (table->slots == NULL)
		return NULL;
	for (size_t i = home_slot(table, id);; i = (i + 1) & mask) {
		const struct uvh_resource_slot *slot = &table->slots[i];

		if (slot->resource == NULL || slot->id == id)
			return slot->resource;
	}
}

static void put(struct uvh_resource_table *table, struct uvh_resource *resource)
{
	size_t mask = slot_mask(table), i = home_slot(table, resource->shown.id);

	while (table->slots[i].resource != NULL)
		i = (i + 1) & mask;
	table->slots[i] = (struct uvh_resource_slot){resource->shown.id, resource};
}

static bool grow(struct uvh_resource_table *table)
{
	struct uvh_resource_table grown = {.bits = table->bits + 1, .used = table->used};

	if (table->slots == NULL)
		grown.bits = FIRST_BITS;
	grown.slots = calloc((size_t) 1 << grown.bits, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return false;
	for (size_t i = 0; table->slots != NULL && i <= slot_mask(table); i++) {
		if (table->slots[i].resource != NULL)
			put(&grown, table->slots[i].resource);
	}
	free(table->slots);
	*table = grown;
	return true;
}

/* Closes the hole that a removed entry leaves: what had to step over it moves there. */
static void take_out(struct uvh_resource_table *table, const struct uvh_resource *resource)
{
	size_t mask = slot_mask(table), hole = home_slot(table, resource->shown.id);

	while (table->slots[hole].resource != resource)
		hole = (hole + 1) & mask;
	for (size_t i = (hole + 1) & mask; table->slots[i].resource != NULL; i = (i + 1) & mask) {
		size_t home = home_slot(table, table->slots[i].id);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			table->slots[hole] = table->slots[i];
			hole = i;
		}
	}
	table->slots[hole].resource = NULL;
	table->used--;
}

static void append(struct uvh_resource_list *list, struct uvh_resource *resource)
{
	resource->next = NULL;
	resource->previous = list->last;
	if (list->last != NULL)
		list->last->next = resource;
	else
		list->first = resource;
	list->last = resource;
	list->count++;
}

static void unlink_from(struct uvh_resource_list *list, struct uvh_resource *resource)
{
	if (resource->previous != NULL)
		resource->previous->next = resource->next;
	else
		list->first = resource->next;
	if (resource->next != NULL)
		resource->next->previous = resource->previous;
	else
		list->last = resource->previous;
	list->count--;
}

static struct uvh_folder *folder_of(const struct uvh_resource *resource)
{
	return (struct uvh_folder *) resource->shown.process;
}

static struct uvh_trace *trace_of(const struct uvh_resource *resource)
{
	return folder_of(resource)->trace;
}

static struct uvh_resource *trigger_of(const struct uvh_resource *resource)
{
	return (struct uvh_resource *) resource->shown.trigger;
}

static bool is_stranger(const struct uvh_resource *resource)
{
	return resource == &folder_of(resource)->stranger;
}

static void describe_unknown(struct uvh_resource *resource, struct uvh_folder *folder,
			     uvhooks_async_id id)
{
	*resource = (struct uvh_resource){
	    .shown =
		{
		    .id = id,
		    .process = &folder->process,
		    .fs_type = UVHOOKS_FS_NONE,
		    .thread = UINT32_MAX,
		    .pool_thread = UINT32_MAX,
		},
	};
}

/* The table is to be at most half full, and not full in any case. */
static bool make_room(struct uvh_resource_table *table)
{
	if (table->slots != NULL && table->used < (slot_mask(table) + 1) / 2)
		return true;
	return grow(table) || (table->slots != NULL && table->used < slot_mask(table));
}

struct uvh_resource *uvh_resource_get(struct uvh_folder *folder, uvhooks_async_id id)
{
	struct uvh_resource *resource = uvh_resource_find(folder, id);

	if (UVH_LIKELY(resource != NULL))
		return resource;
	resource = malloc(sizeof(*resource));
	if (resource == NULL || !make_room(&folder->table)) {
		free(resource);
		uvh_damage_memory(folder->trace);
		resource = &folder->stranger;
		describe_unknown(resource, folder, id);
		return resource;
	}
	describe_unknown(resource, folder, id);
	put(&folder->table, resource);
	folder->table.used++;
	append(&folder->trace->alive, resource);
	return resource;
}

static void leave_trigger(struct uvh_resource *resource)
{
	struct uvh_resource *trigger = trigger_of(resource);

	if (trigger == NULL)
		return;
	if (resource->previous_sibling != NULL)
		resource->previous_sibling->next_sibling = resource->next_sibling;
	else
		trigger->first_child = resource->next_sibling;
	if (resource->next_sibling != NULL)
		resource->next_sibling->previous_sibling = resource->previous_sibling;
	resource->next_sibling = resource->previous_sibling = NULL;
	resource->shown.trigger = NULL;
}

/* Would the chain of triggers from there lead to the resource? One that is too long might. */
static bool leads_to(const struct uvh_resource *from, const struct uvh_resource *resource)
{
	for (unsigned int steps = 0; from != NULL; from = trigger_of(from), steps++) {
		if (from == resource || steps == 4 * CHAIN_MAX)
			return true;
	}
	return false;
}

void uvh_resource_trigger(struct uvh_resource *resource, uvhooks_async_id trigger_id)
{
	struct uvh_folder *folder = folder_of(resource);
	struct uvh_resource *trigger = trigger_of(resource), *old = trigger;

	resource->shown.trigger_async_id = trigger_id;
	if ((trigger != NULL && trigger->shown.id == trigger_id) || is_stranger(resource))
		return;
	trigger = uvh_resource_find(folder, trigger_id);
	/* Who has no children cannot close a circle. */
	if (trigger == resource || (resource->first_child != NULL && leads_to(trigger, resource)))
		trigger = NULL;
	leave_trigger(resource);
	if (trigger != NULL) {
		resource->shown.trigger = &trigger->shown;
		resource->generation = trigger->generation + 1;
		resource->next_sibling = trigger->first_child;
		if (trigger->first_child != NULL)
			trigger->first_child->previous_sibling = resource;
		trigger->first_child = resource;
	}
	if (old != NULL)
		uvh_resource_settle(folder->trace, old);
}

static void drop(struct uvh_trace *trace, struct uvh_resource *resource)
{
	while (resource->first_child != NULL)
		leave_trigger(resource->first_child);
	leave_trigger(resource);
	take_out(&folder_of(resource)->table, resource);
	unlink_from(resource->shown.destroyed ? &trace->remembered : &trace->alive, resource);
	if (resource->shown.user != NULL && trace->forget != NULL)
		trace->forget(resource->shown.user);
	free(resource->state);
	free(resource);
}

void uvh_resource_settle(struct uvh_trace *trace, struct uvh_resource *resource)
{
	while (resource != NULL && resource->shown.destroyed && resource->frames == 0 &&
	       resource->first_child == NULL && resource != trace->parting &&
	       !is_stranger(resource)) {
		struct uvh_resource *trigger = trigger_of(resource);

		drop(trace, resource);
		resource = trigger;
	}
}

/* Forgets what is farther away than CHAIN_MAX destroyed triggers. */
static void shorten_chain(struct uvh_trace *trace, struct uvh_resource *resource)
{
	struct uvh_resource *trigger;

	for (unsigned int steps = 0; steps < CHAIN_MAX; steps++) {
		resource = trigger_of(resource);
		if (resource == NULL || !resource->shown.destroyed)
			return;
	}
	trigger = trigger_of(resource);
	leave_trigger(resource);
	uvh_resource_settle(trace, trigger);
}

/* Only what a program makes itself may be destroyed by one thread while another runs it. */
static void hold_late(struct uvh_trace *trace, struct uvh_resource *resource)
{
	struct uvh_resource **place = &trace->late[trace->late_next++ % UVH_LATE_MAX];

	if (*place != NULL)
		uvh_resource_release(*place);
	uvh_resource_hold(resource);
	*place = resource;
}

static void forget_oldest(struct uvh_trace *trace)
{
	struct uvh_resource *oldest = trace->remembered.first, *trigger;

	if (oldest->frames != 0 || oldest == trace->parting) {
		unlink_from(&trace->remembered, oldest);
		append(&trace->remembered, oldest);
		return;
	}
	trigger = trigger_of(oldest);
	drop(trace, oldest);
	uvh_resource_settle(trace, trigger);
}

void uvh_resource_destroy(struct uvh_resource *resource)
{
	struct uvh_trace *trace = trace_of(resource);

	if (resource->shown.destroyed || is_stranger(resource))
		return;
	resource->shown.armed = false;
	resource->shown.destroyed = true;
	unlink_from(&trace->alive, resource);
	append(&trace->remembered, resource);
	if (uvhooks_type_kind(resource->shown.type) == UVHOOKS_KIND_EMBEDDER)
		hold_late(trace, resource);
	if (resource->first_child == NULL)
		return;
	if (resource->generation % CHAIN_MAX == 0)
		shorten_chain(trace, resource);
	if (trace->remembered.count > REMEMBERED_MAX)
		forget_oldest(trace);
}

void uvh_resource_hold(struct uvh_resource *resource)
{
	resource->frames++;
}

void uvh_resource_release(struct uvh_resource *resource)
{
	resource->frames--;
	uvh_resource_settle(trace_of(resource), resource);
}

static void free_list(struct uvh_trace *trace, struct uvh_resource_list *list)
{
	struct uvh_resource *resource = list->first, *next;

	for (; resource != NULL; resource = next) {
		next = resource->next;
		if (resource->shown.user != NULL && trace->forget != NULL)
			trace->forget(resource->shown.user);
		free(resource->state);
		free(resource);
	}
}

void uvh_resource_state(struct uvh_resource *resource, const struct uvh_stream *stream,
			const struct uvh_record *record)
{
	struct uvh_state *state = resource->state;

	if (is_stranger(resource))
		return;
	if (state == NULL)
		state = resource->state = calloc(1, sizeof(*state));
	if (state == NULL) {
		uvh_damage_memory(trace_of(resource));
		return;
	}
	/* A later one may know less: of a call that is over nobody knows what it was given. */
	if (record->text[0] != '\0' || state->text[0] == '\0')
		memcpy(state->text, record->text, sizeof(record->text));
	uvh_text_clean(state->text);
	state->shown = (struct uvh_trace_state){
	    .flags = record->flags,
	    .fd = record->fd,
	    .number = record->number != 0 ? record->number : state->shown.number,
	    .due_ns = uvh_monotonic_ms(stream, record->due_at_ms),
	    .repeat_ms = record->repeat_ms,
	    .bytes = record->bytes,
	    .text = state->text,
	    .time_ns = stream->next_ns,
	};
	resource->shown.state = &state->shown;
	if (uvhooks_type_kind(resource->shown.type) == UVHOOKS_KIND_HANDLE)
		resource->shown.unref = (record->flags & UVHOOKS_STATE_REF) == 0;
}

void uvh_resources_free(struct uvh_trace *trace)
{
	struct uvh_folder **folders = trace->folders.items;

	free_list(trace, &trace->alive);
	free_list(trace, &trace->remembered);
	for (size_t i = 0; i < trace->folders.count; i++)
		free(folders[i]->table.slots);
}

struct uvh_trace_resource *uvh_trace_find(const struct uvh_trace *trace,
					  const struct uvh_trace_process *process,
					  uvhooks_async_id id)
{
	struct uvh_resource *resource = uvh_resource_find((const struct uvh_folder *) process, id);

	(void) trace;
	return resource == NULL ? NULL : &resource->shown;
}

void uvh_trace_for_each_live(const struct uvh_trace *trace,
			     void (*visit)(struct uvh_trace_resource *resource, void *data),
			     void *data)
{
	struct uvh_resource *resource = trace->alive.first;

	for (; resource != NULL; resource = resource->next)
		visit(&resource->shown, data);
}

void uvh_trace_on_forget(struct uvh_trace *trace, void (*forget)(void *user))
{
	trace->forget = forget;
}
