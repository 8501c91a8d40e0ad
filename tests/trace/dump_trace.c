/* SPDX-License-Identifier: MIT */
/*
 * Prints every event of a trace as tools/trace.h gives it, and on stderr what is damaged.
 *
 *	dump_trace DIR             the events, a line each
 *	dump_trace --processes DIR the processes and their threads
 *	dump_trace --live DIR      what is alive in the end, with the chain of its triggers
 *	dump_trace --answers DIR   what answers questions: stacks, states and the rarer events
 *	dump_trace --count DIR     only how many events there are, and how fast they were read
 */
#include "../../tools/trace.h"

#include "../../tools/command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* The command's own ends with main.c, which is not part of this program. */
void uvh_say(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "damage: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
}

static const char *event_name(unsigned int event)
{
	return event == UVH_TRACE_RESOURCE ? "resource" : uvhooks_event_name(event);
}

static void print_event(const struct uvh_trace_event *event)
{
	char id[UVHOOKS_ID_TEXT_BYTES], trigger[UVHOOKS_ID_TEXT_BYTES];
	char execution[UVHOOKS_ID_TEXT_BYTES], other[UVHOOKS_ID_TEXT_BYTES];

	printf("%" PRId64
	       " %s %s type=%s fs=%d trigger=%s execution=%s other=%s callback=0x%" PRIx64
	       " flags=0x%x no_loop=%d thread=%" PRIu32 " depth=%u begin=%" PRId64 " inner=%" PRId64
	       " due=%" PRId64 " %s\n",
	       event->time_ns, event_name(event->event), uvhooks_id_text(event->async_id, id),
	       uvh_trace_type_name(event->process, event->type), event->fs_type,
	       uvhooks_id_text(event->trigger_async_id, trigger),
	       uvhooks_id_text(event->execution_async_id, execution),
	       uvhooks_id_text(event->other_async_id, other), event->callback, event->flags,
	       event->no_loop, event->thread->thread_id, event->depth, event->begin_ns,
	       event->inner_ns, event->due_ns, event->process->folder);
}

static void print_stack(const struct uvh_trace_event *event)
{
	const struct uvh_trace_stack *stack = uvh_trace_stack(event->process, event->stack);
	const struct uvh_trace_line *lines;
	size_t count;

	printf(" stack %" PRIu32 " of %s", event->stack, event_name(event->stack_of));
	for (uint32_t i = 0; stack != NULL && i < stack->frame_count; i++)
		printf(" '%s' %s:%" PRIu32, stack->frames[i].function, stack->frames[i].file,
		       stack->frames[i].line);
	for (uint32_t i = 0; stack != NULL && i < stack->address_count; i++) {
		printf(" 0x%" PRIx64, stack->addresses[i]);
		lines = uvh_trace_lines(event->process, stack->addresses[i], &count);
		for (size_t j = 0; j < count; j++)
			printf("=%s %s:%" PRIu32 " %s", lines[j].function, lines[j].path,
			       lines[j].line, lines[j].module);
	}
}

static void print_answer(const struct uvh_trace_event *event)
{
	const struct uvh_trace_resource *resource = event->resource;
	const struct uvh_trace_state *state = resource == NULL ? NULL : resource->state;
	char id[UVHOOKS_ID_TEXT_BYTES];

	if (uvh_trace_is_life(event))
		return;
	printf("%s %s fs=%d",
	       event->event == UVH_TRACE_STACK   ? "stack"
	       : event->event == UVH_TRACE_STATE ? "state"
						 : event_name(event->event),
	       uvhooks_id_text(event->async_id, id), event->fs_type);
	if (event->event == UVH_TRACE_STACK)
		print_stack(event);
	if (event->event == UVH_TRACE_STATE)
		printf(" flags=%" PRIu32 " fd=%" PRId32 " due=%" PRId64 " repeat=%" PRIu64 " '%s'",
		       state->flags, state->fd, state->due_ns, state->repeat_ms, state->text);
	if (event->duration_ns != 0)
		printf(" duration=%" PRId64, event->duration_ns);
	if (event->other_thread_id != 0)
		printf(" of thread %" PRIu32, event->other_thread_id);
	if (resource == NULL)
		printf(" of none\n");
	else
		printf(" unref=%d pool=%d thread=%d stacks=%" PRIu32 ",%" PRIu32 "\n",
		       resource->unref, resource->pool_end_ns != 0, (int) resource->pool_thread,
		       resource->init_stack, resource->start_stack);
}

static void print_processes(const struct uvh_trace *trace)
{
	for (size_t i = 0; i < uvh_trace_process_count(trace); i++) {
		const struct uvh_trace_process *process = uvh_trace_process(trace, i);

		printf("%zu %s pid=%" PRIu32 " launched=%" PRIu32 " program=%s command=%s host=%s "
		       "parent=%s libuv=0x%" PRIx32 " %s ring=%d ended=%d start=%" PRId64
		       " last=%" PRId64 " discarded=%" PRIu64 "\n",
		       process->index, process->folder, process->pid, process->launched,
		       process->program, process->command, process->hostname,
		       process->parent == NULL ? "" : process->parent->folder,
		       process->libuv_version, process->libuv_path, process->flight_recorder,
		       process->ended, process->start_ns, process->last_ns,
		       process->events_discarded);
		for (size_t j = 0; j < process->counter_count; j++)
			printf("  counter %s=%" PRIu64 "\n", process->counters[j].name,
			       process->counters[j].value);
		for (size_t j = 0; j < uvh_trace_thread_count(process); j++) {
			const struct uvh_trace_thread *thread = uvh_trace_thread(process, j);

			printf("  thread %zu %" PRIu32 " %s discarded=%" PRIu64 "\n", thread->index,
			       thread->thread_id, thread->name, thread->events_discarded);
		}
	}
}

static void print_resource(struct uvh_trace_resource *resource, void *data)
{
	char id[UVHOOKS_ID_TEXT_BYTES];
	unsigned int links = 0;

	(void) data;
	printf("%s %s armed=%d seen=%d runs=%" PRIu64 " run=%" PRId64 " chain=",
	       uvhooks_id_text(resource->id, id),
	       uvh_trace_type_name(resource->process, resource->type), resource->armed,
	       resource->init_seen, resource->runs, resource->run_ns);
	for (resource = resource->trigger; resource != NULL; resource = resource->trigger) {
		if (++links <= 3)
			printf("%s%s ", uvhooks_id_text(resource->id, id),
			       resource->destroyed ? "(gone)" : "");
	}
	printf("%u\n", links);
}

/* Of the processor: others may use it, too. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void print_count(uint64_t count, double begin)
{
	double past = seconds() - begin;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("%" PRIu64 "\n", count);
	fprintf(stderr, "%.2f million events per second, %ld KiB\n", (double) count / past / 1e6,
		usage.ru_maxrss);
}

int main(int argc, char **argv)
{
	const char *what = argc == 3 ? argv[1] : "";
	double begin = seconds();
	struct uvh_trace_event event;
	struct uvh_trace *trace;
	uint64_t count = 0;

	if (argc < 2 || argc > 3)
		return 2;
	trace = uvh_trace_open(argv[argc - 1]);
	if (trace == NULL)
		return 2;
	if (strcmp(what, "--processes") == 0)
		print_processes(trace);
	for (; uvh_trace_next(trace, &event); count++) {
		if (what[0] == '\0')
			print_event(&event);
		else if (strcmp(what, "--answers") == 0)
			print_answer(&event);
	}
	if (strcmp(what, "--live") == 0)
		uvh_trace_for_each_live(trace, print_resource, NULL);
	if (strcmp(what, "--count") == 0)
		print_count(count, begin);
	uvh_trace_say_damage(trace);
	uvh_trace_close(trace);
	return 0;
}
