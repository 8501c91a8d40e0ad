/* SPDX-License-Identifier: MIT */
#include "export_flows.h"

#include <stdlib.h>

#include "export.h"
#include "memory.h"

/*
 * So many resources that have ended are remembered, for wake-ups that they sent before, and for
 * those of an embedder's that run once more. A power of two. Ids are given out in a row, so a place
 * is taken by another only when the loop has made as many.
 */
#define PAST_COUNT (1u << 17)

/* The latest slice of a resource. */
struct latest {
	struct uvh_export_name *name; /* NULL: there is none */
	const struct uvh_trace_thread *thread;
	int64_t begin_ns;
	int64_t end_ns;
	bool runs;
	bool is_shown;
	uint32_t user;
};

/* What is known of a resource for the sake of arrows. */
struct known {
	struct uvh_cause cause;    /* of the callback that comes next */
	struct uvh_cause resolved; /* of a promise: where it was settled */
	struct latest latest;
};

struct past {
	const struct uvh_trace_process *process; /* NULL: free */
	uvhooks_async_id id;
	struct known known;
};

/* A resource that the reader knows. */
struct state {
	struct uvh_flows *flows;
	const struct uvh_trace_process *process;
	uvhooks_async_id id;
	struct known known;
	bool lives;
	struct uvh_life life;
};

/* What runs in a thread. Invariant: each slice of the stack runs within those before it. */
struct stack {
	struct uvh_slice *slices;
	size_t depth, room;
	struct uvh_trace_thread *thread;
	uint32_t row;    /* in the list of all */
	int64_t last_ns; /* of its latest event */
};

struct uvh_flows {
	struct uvh_trace *trace;
	struct uvh_trace_filter *filter;
	const struct uvh_export_format *format;
	struct uvh_export *export;
	struct stack **stacks; /* all of them */
	size_t stack_count, stack_room;
	struct uvh_index top_index; /* those with top-level code, by its execution id */
	struct past *past;
	struct uvh_export_name *top_level, *loop;
	int64_t now_ns;
	struct uvh_flow_counts counts;
};

static size_t place_of(const struct uvh_trace_process *process, uvhooks_async_id id)
{
	uint64_t space = uvh_hash(process->index, uvhooks_id_space(id));

	return (uvhooks_id_sequence(id) + space) % PAST_COUNT;
}

static void end_life(struct state *state, int64_t time_ns, bool is_alive, uint16_t flags)
{
	const struct uvh_flows *flows = state->flows;

	if (!state->lives)
		return;
	state->lives = false;
	state->life.time_ns = time_ns;
	state->life.is_alive = is_alive;
	state->life.flags = flags;
	if (flows->format->life_end != NULL)
		flows->format->life_end(flows->export, &state->life);
}

static void forget(void *user)
{
	struct state *state = user;
	struct uvh_flows *flows = state->flows;

	end_life(state, flows->now_ns, true, 0);
	flows->past[place_of(state->process, state->id)] =
	    (struct past){state->process, state->id, state->known};
	free(state);
}

struct uvh_flows *uvh_flows_new(struct uvh_trace *trace, struct uvh_trace_filter *filter,
				const struct uvh_export_format *format, struct uvh_export *export)
{
	struct uvh_flows *flows = uvh_zeros(1, sizeof(*flows));

	flows->trace = trace;
	flows->filter = filter;
	flows->format = format;
	flows->export = export;
	flows->past = uvh_zeros(PAST_COUNT, sizeof(*flows->past));
	flows->top_level = uvh_export_name(export->names, "top level");
	flows->loop = uvh_export_name(export->names, "uv_run");
	uvh_trace_on_forget(trace, forget);
	return flows;
}

/* NULL: nothing is known of it, or not any more. */
static const struct known *known_of(const struct uvh_flows *flows,
				    const struct uvh_trace_process *process, uvhooks_async_id id)
{
	const struct uvh_trace_resource *resource = uvh_trace_find(flows->trace, process, id);
	const struct past *past = &flows->past[place_of(process, id)];

	if (resource != NULL && resource->user != NULL)
		return &((const struct state *) resource->user)->known;
	return past->process == process && past->id == id ? &past->known : NULL;
}

static struct state *state_of(struct uvh_flows *flows, struct uvh_trace_resource *resource)
{
	struct state *state = resource->user;
	const struct known *known;

	if (state == NULL) {
		state = uvh_zeros(1, sizeof(*state));
		known = known_of(flows, resource->process, resource->id);
		if (known != NULL)
			state->known = *known;
		state->flows = flows;
		state->process = resource->process;
		state->id = resource->id;
		resource->user = state;
	}
	return state;
}

static struct stack *stack_of(struct uvh_flows *flows, struct uvh_trace_thread *thread)
{
	struct stack *stack = thread->user;

	if (stack == NULL) {
		stack = uvh_zeros(1, sizeof(*stack));
		stack->thread = thread;
		thread->user = stack;
		flows->stacks = uvh_grow(flows->stacks, &flows->stack_room, flows->stack_count + 1,
					 sizeof(*flows->stacks));
		stack->row = (uint32_t) flows->stack_count;
		flows->stacks[flows->stack_count++] = stack;
	}
	return stack;
}

static struct uvh_slice *top_of(const struct stack *stack)
{
	return stack->depth == 0 ? NULL : &stack->slices[stack->depth - 1];
}

/* What happens now in this thread is caused by what runs there. */
static struct uvh_cause cause_here(const struct stack *stack, const struct uvh_trace_event *event)
{
	const struct uvh_slice *slice = top_of(stack);

	if (slice == NULL)
		return (struct uvh_cause){0};
	return (struct uvh_cause){
	    .name = slice->name,
	    .thread = slice->thread,
	    .time_ns = event->time_ns,
	    .how = event->event,
	    .is_shown = slice->is_shown,
	    .user = slice->user,
	};
}

/* The same for what happened in a slice at a time that is not known, up to its end or to now. */
static struct uvh_cause cause_within(const struct latest *latest, int64_t now_ns,
				     enum uvhooks_event_type how)
{
	int64_t end_ns = latest->runs ? now_ns : latest->end_ns;

	return (struct uvh_cause){
	    .name = latest->name,
	    .thread = latest->thread,
	    /* Its last moment, so that a viewer finds the slice there. */
	    .time_ns = end_ns > latest->begin_ns ? end_ns - 1 : latest->begin_ns,
	    .how = how,
	    .is_shown = latest->is_shown,
	    .user = latest->user,
	};
}

static struct latest latest_from(const struct uvh_slice *slice, bool runs)
{
	return (struct latest){
	    .name = slice->name,
	    .thread = slice->thread,
	    .begin_ns = slice->begin_ns,
	    .end_ns = slice->end_ns,
	    .runs = runs,
	    .is_shown = slice->is_shown,
	    .user = slice->user,
	};
}

/* The top-level code with this execution id, in whatever thread; it runs until the thread ends. */
static struct latest latest_at_top_level(const struct uvh_flows *flows,
					 const struct uvh_trace_event *event, uvhooks_async_id id)
{
	uint32_t hash = uvh_hash(event->process->index, id);
	uint32_t row;
	size_t at = 0;

	while ((row = uvh_index_next(&flows->top_index, hash, &at)) != UVH_INDEX_END) {
		const struct stack *stack = flows->stacks[row];

		if (stack->thread->process == event->process && stack->slices[0].id == id)
			return latest_from(&stack->slices[0], true);
	}
	return (struct latest){0};
}

static struct uvh_cause cause_of_wakeup(const struct uvh_flows *flows,
					const struct uvh_trace_event *event)
{
	uvhooks_async_id id = event->other_async_id;
	const struct known *sender = known_of(flows, event->process, id);
	struct latest latest = {0};

	if (uvhooks_id_sequence(id) == 1)
		latest = latest_at_top_level(flows, event, id);
	else if (sender != NULL)
		latest = sender->latest;
	return cause_within(&latest, event->time_ns, UVHOOKS_EVENT_WAKEUP);
}

/* The slice ends; whoever wants to know about it later is told. */
static void ended(struct uvh_flows *flows, struct uvh_slice *slice)
{
	struct uvh_trace_process *process =
	    uvh_trace_process(flows->trace, slice->thread->process->index);
	struct uvh_trace_resource *resource;
	struct state *state;

	if (slice->kind == UVH_SLICE_TOP_LEVEL || slice->kind == UVH_SLICE_LOOP)
		return;
	resource = uvh_trace_find(flows->trace, process, slice->id);
	state = resource == NULL ? NULL : resource->user;
	if (state == NULL)
		return;
	if (state->known.latest.runs && state->known.latest.begin_ns == slice->begin_ns)
		state->known.latest = latest_from(slice, false);
	if (slice->kind == UVH_SLICE_WORK) {
		struct latest latest = latest_from(slice, false);

		state->known.cause = cause_within(&latest, slice->end_ns, UVHOOKS_EVENT_WORK_END);
	}
}

static void pop(struct uvh_flows *flows, struct stack *stack, int64_t time_ns, bool is_cut)
{
	struct uvh_slice *slice = top_of(stack);

	slice->end_ns = time_ns;
	slice->is_cut = is_cut;
	if (stack->depth > 1)
		slice[-1].inner_ns += time_ns - slice->begin_ns;
	if (flows->format->end != NULL)
		flows->format->end(flows->export, slice);
	ended(flows, slice);
	stack->depth--;
}

/* Ends the slice of an after, work_end or loop_exit, and what still runs within it. */
static void pop_event(struct uvh_flows *flows, struct stack *stack,
		      const struct uvh_trace_event *event, enum uvh_slice_kind kind)
{
	size_t at = stack->depth;

	while (at > 0 &&
	       (stack->slices[at - 1].kind != kind || stack->slices[at - 1].id != event->async_id))
		at--;
	if (at == 0)
		return; /* it began before the trace did */
	while (stack->depth > at)
		pop(flows, stack, event->time_ns, true);
	top_of(stack)->flags |= event->flags;
	pop(flows, stack, event->time_ns, false);
}

/* The slice that the event begins, on top of the stack; the format is still to be told. */
static struct uvh_slice *push(struct uvh_flows *flows, struct stack *stack,
			      const struct uvh_trace_event *event, enum uvh_slice_kind kind,
			      bool is_shown)
{
	struct uvh_slice *slice;

	stack->slices =
	    uvh_grow(stack->slices, &stack->room, stack->depth + 1, sizeof(*stack->slices));
	slice = &stack->slices[stack->depth++];
	*slice = (struct uvh_slice){
	    .kind = kind,
	    .is_shown = is_shown,
	    .type = event->type,
	    .flags = event->flags,
	    .fs_type = event->fs_type,
	    .thread = stack->thread,
	    .id = event->async_id,
	    .trigger = event->trigger_async_id,
	    .begin_ns = event->time_ns,
	};
	switch (kind) {
	case UVH_SLICE_TOP_LEVEL:
		slice->name = flows->top_level;
		slice->id = event->execution_async_id;
		slice->trigger = 0;
		slice->type = UVHOOKS_NONE;
		slice->flags = 0;
		break;
	case UVH_SLICE_LOOP:
		slice->name = flows->loop;
		break;
	default:
		slice->name =
		    uvh_export_name_of_callback(flows->export->names, event->process, event->type,
						event->fs_type, event->callback);
	}
	return slice;
}

static void tell_begin(struct uvh_flows *flows, struct stack *stack)
{
	struct uvh_slice *slice = top_of(stack);

	if (flows->format->begin != NULL)
		flows->format->begin(flows->export, slice, stack->depth > 1 ? slice - 1 : NULL);
}

/* What brought the callback about. */
static struct uvh_cause cause_of(const struct uvh_flows *flows, const struct state *state,
				 const struct uvh_trace_event *event)
{
	const struct known *trigger = event->type == UVHOOKS_PROMISE
					  ? known_of(flows, event->process, event->trigger_async_id)
					  : NULL;

	if (trigger != NULL && trigger->resolved.name != NULL)
		return trigger->resolved;
	return state->known.cause;
}

static void begin(struct uvh_flows *flows, struct stack *stack, struct state *state,
		  const struct uvh_trace_event *event, bool is_wanted)
{
	bool is_work = event->event == UVHOOKS_EVENT_WORK_BEGIN;
	struct uvh_slice *slice =
	    push(flows, stack, event, is_work ? UVH_SLICE_WORK : UVH_SLICE_CALLBACK, is_wanted);

	slice->cause = cause_of(flows, state, event);
	tell_begin(flows, stack);
	state->known.latest = latest_from(slice, true);
	flows->counts.slices += slice->is_shown;
	flows->counts.arrows += uvh_slice_has_arrow(slice);
}

static void begin_life(struct uvh_flows *flows, struct state *state,
		       const struct uvh_trace_event *event)
{
	state->lives = true;
	state->life = (struct uvh_life){
	    .process = event->process,
	    .thread = event->thread,
	    .name = uvh_export_name_of_resource(flows->export->names, event->process, event->type,
						event->fs_type),
	    .id = event->async_id,
	    .trigger = event->trigger_async_id,
	    .type = event->type,
	    .fs_type = event->fs_type,
	    .no_loop = event->no_loop,
	    .init_seen = event->resource->init_seen,
	    .time_ns = event->time_ns,
	};
	flows->counts.lives++;
	if (flows->format->life_begin != NULL)
		flows->format->life_begin(flows->export, &state->life);
}

static void follow_life(struct uvh_flows *flows, struct state *state,
			const struct uvh_trace_event *event, bool is_wanted)
{
	if (event->event == UVHOOKS_EVENT_DESTROY) {
		end_life(state, event->time_ns, false, event->flags);
		return;
	}
	if (state->life.type != event->type)
		end_life(state, event->time_ns, false, 0);
	if (is_wanted && !state->lives && !event->resource->destroyed &&
	    (event->flags & UVHOOKS_FLAG_AFTER_DESTROY) == 0)
		begin_life(flows, state, event);
}

static void follow_slices(struct uvh_flows *flows, struct stack *stack, struct state *state,
			  const struct uvh_trace_event *event, bool is_wanted)
{
	switch (event->event) {
	case UVHOOKS_EVENT_INIT:
	case UVHOOKS_EVENT_START:
		state->known.cause = cause_here(stack, event);
		state->known.cause.is_shown &= is_wanted;
		break;
	case UVHOOKS_EVENT_PROMISE_RESOLVE:
		state->known.resolved = cause_here(stack, event);
		state->known.resolved.is_shown &= is_wanted;
		break;
	case UVHOOKS_EVENT_WAKEUP:
		state->known.cause = cause_of_wakeup(flows, event);
		break;
	case UVHOOKS_EVENT_BEFORE:
	case UVHOOKS_EVENT_WORK_BEGIN:
		begin(flows, stack, state, event, is_wanted);
		break;
	case UVHOOKS_EVENT_AFTER:
		pop_event(flows, stack, event, UVH_SLICE_CALLBACK);
		break;
	case UVHOOKS_EVENT_WORK_END:
		pop_event(flows, stack, event, UVH_SLICE_WORK);
		break;
	}
}

void uvh_flows_event(struct uvh_flows *flows, const struct uvh_trace_event *event)
{
	bool is_wanted = uvh_trace_filter_wants(flows->filter, flows->trace, event);
	struct stack *stack = stack_of(flows, event->thread);
	struct state *state;

	if (!uvh_trace_is_life(event))
		return;
	flows->now_ns = event->time_ns;
	stack->last_ns = event->time_ns;
	if (stack->depth == 0 && event->event != UVH_TRACE_RESOURCE &&
	    uvhooks_id_sequence(event->execution_async_id) == 1) {
		push(flows, stack, event, UVH_SLICE_TOP_LEVEL, is_wanted);
		tell_begin(flows, stack);
		uvh_index_add(&flows->top_index,
			      uvh_hash(event->process->index, event->execution_async_id),
			      stack->row);
	}
	if (event->event == UVHOOKS_EVENT_LOOP_ENTER) {
		push(flows, stack, event, UVH_SLICE_LOOP, is_wanted);
		tell_begin(flows, stack);
	} else if (event->event == UVHOOKS_EVENT_LOOP_EXIT) {
		pop_event(flows, stack, event, UVH_SLICE_LOOP);
	}
	if (event->resource == NULL)
		return;
	state = state_of(flows, event->resource);
	follow_life(flows, state, event, is_wanted);
	follow_slices(flows, stack, state, event, is_wanted);
}

static void end_living(struct uvh_trace_resource *resource, void *data)
{
	const struct uvh_flows *flows = data;
	struct state *state = resource->user;

	if (state == NULL || !state->lives)
		return;
	/* One process may have ended long before another. */
	end_life(state,
		 resource->process->last_ns < flows->now_ns &&
			 resource->process->last_ns > state->life.time_ns
		     ? resource->process->last_ns
		     : flows->now_ns,
		 true, 0);
}

void uvh_flows_end(struct uvh_flows *flows, struct uvh_flow_counts *counts)
{
	for (size_t i = 0; i < flows->stack_count; i++) {
		struct stack *stack = flows->stacks[i];

		while (stack->depth > 0)
			pop(flows, stack, stack->last_ns,
			    top_of(stack)->kind != UVH_SLICE_TOP_LEVEL);
		stack->thread->user = NULL;
		free(stack->slices);
		free(stack);
	}
	uvh_trace_for_each_live(flows->trace, end_living, flows);
	uvh_trace_on_forget(flows->trace, free);
	*counts = flows->counts;
	uvh_index_free(&flows->top_index);
	free(flows->stacks);
	free(flows->past);
	free(flows);
}
