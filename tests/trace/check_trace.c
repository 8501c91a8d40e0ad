/* SPDX-License-Identifier: MIT */
#include "check_trace.h"

#include "../../tools/command.h"
#include "../../tools/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* No trace of a test has so many resources. */
#define CHAIN_MAX 1000000

/* Messages go to people's terminals: one line each, without anything that controls them. */
void uvh_say(const char *format, ...)
{
	char text[65536];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (const char *at = text; *at != '\0'; at++)
		EXPECT((unsigned char) *at >= ' ' && *at != 0x7f);
	if (getenv("CHECK_TRACE_SAYS") != NULL)
		fprintf(stderr, "%s\n", text);
}

static void expect_text(const char *text)
{
	EXPECT(text != NULL);
	for (; *text != '\0'; text++)
		EXPECT((unsigned char) *text >= ' ' && *text != 0x7f);
}

/* A number of ours is in each block, so that one that is freed twice or never is seen. */
static void forget(void *user)
{
	free(user);
}

static void check_resource(const struct uvh_trace *trace, struct uvh_trace_resource *resource)
{
	const struct uvh_trace_resource *trigger = resource->trigger;
	unsigned int links = 0;

	EXPECT(resource->process != NULL);
	EXPECT(resource->run_ns >= 0);
	EXPECT(!resource->destroyed || !resource->armed);
	for (; trigger != NULL; trigger = trigger->trigger) {
		EXPECT(trigger->process == resource->process);
		EXPECT(++links < CHAIN_MAX);
	}
	if (resource->trigger != NULL)
		EXPECT(resource->trigger->id == resource->trigger_async_id);
	EXPECT(uvh_trace_find(trace, resource->process, resource->id) != NULL);
	if (resource->state != NULL)
		expect_text(resource->state->text);
}

/* All that hangs on a number, if there is anything. */
static void check_stack(const struct uvh_trace_process *process, uint32_t number)
{
	const struct uvh_trace_stack *stack = uvh_trace_stack(process, number);

	if (stack == NULL)
		return;
	EXPECT(stack->number == number && number <= process->stack_count);
	for (uint32_t i = 0; i < stack->frame_count; i++) {
		expect_text(stack->frames[i].function);
		expect_text(stack->frames[i].file);
	}
	for (uint32_t i = 0; i < stack->address_count; i++) {
		size_t count;
		const struct uvh_trace_line *lines =
		    uvh_trace_lines(process, stack->addresses[i], &count);

		EXPECT((lines != NULL) == (count != 0));
		for (size_t j = 0; j < count; j++) {
			expect_text(lines[j].function);
			expect_text(lines[j].path);
			expect_text(lines[j].module);
		}
	}
}

/* What may be of no resource, and what may be of another one's. */
static bool is_of_none(const struct uvh_trace_event *event)
{
	switch (event->event) {
	case UVHOOKS_EVENT_LOOP_ENTER:
	case UVHOOKS_EVENT_LOOP_EXIT:
	case UVHOOKS_EVENT_LOOP_BUSY:
		EXPECT(event->resource == NULL);
		return true;
	case UVH_TRACE_STACK:
		if (event->stack_of != UVHOOKS_EVENT_FS_CALL)
			return false;
		/* fallthrough */
	case UVHOOKS_EVENT_FS_CALL:
		EXPECT(event->resource == NULL || event->resource->id == event->async_id);
		return true;
	}
	return false;
}

static void check_event(const struct uvh_trace *trace, const struct uvh_trace_event *event,
			int64_t last_ns)
{
	EXPECT(event->event <= UVH_TRACE_STATE);
	EXPECT(event->duration_ns >= 0);
	EXPECT(event->time_ns >= last_ns);
	EXPECT(event->process != NULL && event->thread != NULL);
	EXPECT(event->thread->process == event->process);
	EXPECT(uvh_trace_thread(event->process, event->thread->index) == event->thread);
	EXPECT(event->begin_ns <= event->time_ns);
	if (event->begin_ns != 0)
		EXPECT(event->inner_ns >= 0 && event->inner_ns <= event->time_ns - event->begin_ns);
	EXPECT(event->ran_ns >= 0 && event->ran_ns <= event->time_ns - event->begin_ns);
	EXPECT(event->self_ns >= 0 && event->self_ns <= event->ran_ns);
	expect_text(uvh_trace_type_name(event->process, event->type));
	expect_text(uvh_trace_callback_name(event->process, event->callback));
	check_stack(event->process, event->stack);
	if (is_of_none(event))
		return;
	if (event->event == UVH_TRACE_STATE)
		EXPECT(event->resource->state != NULL);
	EXPECT(event->resource != NULL);
	EXPECT(event->resource->id == event->async_id);
	EXPECT(event->resource->type == event->type);
	check_resource(trace, event->resource);
	if (event->event == UVHOOKS_EVENT_DESTROY)
		EXPECT(event->resource->destroyed);
	if (event->resource->user == NULL)
		event->resource->user = malloc(1);
}

struct live {
	const struct uvh_trace *trace;
	size_t count;
};

static void check_live(struct uvh_trace_resource *resource, void *data)
{
	struct live *live = data;

	EXPECT(!resource->destroyed);
	check_resource(live->trace, resource);
	live->count++;
}

static void check_running(const struct uvh_trace_event *event, void *data)
{
	EXPECT(event->unfinished);
	check_event(data, event, event->begin_ns);
}

static void check_processes(const struct uvh_trace *trace)
{
	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(trace, i);

		EXPECT(process->index == i);
		EXPECT(process->parent == NULL || process->parent->index < i);
		expect_text(process->folder);
		expect_text(process->program);
		expect_text(process->command);
		expect_text(process->hostname);
		expect_text(process->libuv_path);
		for (size_t j = 0; j < process->counter_count; j++)
			expect_text(process->counters[j].name);
		for (size_t j = 0; j < uvh_trace_thread_count(process); j++)
			expect_text(uvh_trace_thread(process, j)->name);
	}
}

struct checked check_trace(const char *path)
{
	struct uvh_trace *trace = uvh_trace_open(path);
	struct checked checked = {.opened = trace != NULL};
	struct live live = {.trace = trace};
	struct uvh_trace_event event;
	int64_t last_ns = 0;

	if (trace == NULL)
		return checked;
	uvh_trace_on_forget(trace, forget);
	check_processes(trace);
	while (uvh_trace_next(trace, &event)) {
		double progress = uvh_trace_progress(trace);

		EXPECT(progress >= 0 && progress <= 1);
		check_event(trace, &event, last_ns);
		last_ns = event.time_ns;
		checked.events++;
	}
	uvh_trace_for_each_running(trace, check_running, trace);
	uvh_trace_for_each_live(trace, check_live, &live);
	checked.damage = uvh_trace_say_damage(trace);
	uvh_trace_close(trace);
	return checked;
}
