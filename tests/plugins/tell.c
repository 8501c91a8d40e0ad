/* SPDX-License-Identifier: MIT */
/*
 * Tells of what answers questions about a program: how resources stand, what keeps a loop busy,
 * what was done in the pool, and file system calls without a callback. With source=1 it is a source
 * of stacks, too, whose numbers count up, and has two annotators: the second is asked where the
 * first has nothing to say.
 *
 *	file=PATH     the report
 *	state=EVENT   of which event of a resource its state is told: init, start or none
 */
#include "report.h"

#include <inttypes.h>
#include <pthread.h>
#include <uvhooks/stacks.h>

static pthread_t main_thread;
static uint32_t numbers;
static bool annotates;

static void tell_state(uvhooks_async_id id, unsigned int type, const void *pointer)
{
	struct uvhooks_state state = {.size = sizeof(state)};
	char text[UVHOOKS_ID_TEXT_BYTES];
	const int result = uvhooks_resource_state(type, pointer, &state);

	uvhooks_id_text(id, text);
	if (result != 0) {
		REPORT("state %s %s: %d\n", text, uvhooks_type_name(type), result);
		return;
	}
	REPORT("state %s %s:%s%s%s%s%s%s%s%s%s '%s'\n", text, uvhooks_type_name(type),
	       state.flags & UVHOOKS_STATE_ACTIVE ? " active" : "",
	       state.flags & UVHOOKS_STATE_REF ? " ref" : "",
	       state.flags & UVHOOKS_STATE_CLOSING ? " closing" : "",
	       state.flags & UVHOOKS_STATE_READING ? " reading" : "", state.fd >= 0 ? " fd" : "",
	       state.number != 0 ? " number" : "", state.due_ms != 0 ? " due" : "",
	       state.repeat_ms == 5000 ? " every5s" : "", state.bytes != 0 ? " bytes" : "",
	       state.text);
}

static void on_made(const struct uvhooks_event *event, void *data)
{
	(void) data;
	if (numbers != 0)
		REPORT("stack %" PRIu32 " %s %s\n", event->stack, uvhooks_event_name(event->event),
		       uvhooks_type_name(event->type));
	else
		tell_state(event->async_id, event->type, event->pointer);
}

static void on_rare(const struct uvhooks_event *event, void *data)
{
	char id[UVHOOKS_ID_TEXT_BYTES];

	(void) data;
	REPORT("%s %s %s%s%s%s\n", uvhooks_event_name(event->event),
	       uvhooks_id_text(event->async_id, id), uvhooks_type_name(event->type),
	       event->fs_type >= 0 ? " " : "",
	       event->fs_type >= 0 ? uvhooks_fs_name(event->fs_type) : "",
	       pthread_equal(pthread_self(), main_thread) ? " on the main thread" : " elsewhere");
	if ((event->event == UVHOOKS_EVENT_FS_CALL) != (event->duration_ns != 0))
		REPORT("duration %" PRIu64 "\n", event->duration_ns);
}

static void tell_resource(const struct uvhooks_resource *resource, void *data)
{
	if (resource->loop == data)
		tell_state(resource->async_id, resource->type, resource->pointer);
}

static void on_busy(const struct uvhooks_event *event, void *data)
{
	on_rare(event, data);
	uvhooks_for_each_resource(tell_resource, event->loop);
}

static uint32_t capture(const struct uvhooks_place *place, void *data)
{
	struct uvhooks_frame frames[4];
	size_t count = uvhooks_annotate(place, frames, 4);

	(void) data;
	if (!annotates) {
		annotates = true;
		REPORT("annotated by %s line %" PRIu32 " of %zu\n", frames[0].function,
		       frames[0].line, count);
	}
	errno = EXDEV; /* nobody is to notice */
	return numbers++;
}

static int read_number(uint32_t number, struct uvhooks_stack *stack, void *data)
{
	(void) data;
	if (number >= numbers)
		return -ENOENT;
	*stack = (struct uvhooks_stack){.size = sizeof(*stack), .number = number};
	return 0;
}

static size_t says_nothing(const struct uvhooks_place *place, struct uvhooks_frame *frames,
			   size_t max, void *data)
{
	(void) place;
	(void) frames;
	(void) max;
	(void) data;
	return 0;
}

static size_t says_more(const struct uvhooks_place *place, struct uvhooks_frame *frames, size_t max,
			void *data)
{
	(void) place;
	(void) data;
	frames[0] = (struct uvhooks_frame){.function = "says_more", .line = 12};
	return max + 1; /* it is not believed */
}

static void be_source(void)
{
	static const struct uvhooks_annotator annotators[] = {
	    {.size = sizeof(annotators[0]), .language = "none", .annotate = says_nothing},
	    {.size = sizeof(annotators[0]), .language = "more", .annotate = says_more},
	};
	const struct uvhooks_stack_source source = {
	    .size = sizeof(source), .capture = capture, .read = read_number};
	const struct uvhooks_stack_source wrong = {.size = sizeof(source), .read = read_number};
	struct uvhooks_stack stack = {.size = sizeof(stack)};
	int result;

	numbers = 1;
	REPORT("no source: %" PRIu32 " %d\n", uvhooks_capture_stack(),
	       uvhooks_read_stack(1, &stack));
	REPORT("annotators: %d %d %d\n", uvhooks_add_annotator(NULL),
	       uvhooks_add_annotator(&annotators[0]), uvhooks_add_annotator(&annotators[1]));
	result = uvhooks_set_stack_source(&wrong);
	REPORT("sources: %d", result);
	result = uvhooks_set_stack_source(&source);
	REPORT(" %d %d\n", result, uvhooks_set_stack_source(&source));
	REPORT("here: %" PRIu32 " %d %d\n", uvhooks_capture_stack(), uvhooks_read_stack(1, &stack),
	       uvhooks_read_stack(99, &stack));
}

static int tell_init(struct uvhooks_plugin_args *args)
{
	static struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .ref = on_rare,
	    .unref = on_rare,
	    .pool_end = on_rare,
	    .fs_call = on_rare,
	    .loop_busy = on_busy,
	};
	const char *state = option(args, "state", "none");

	if (args->dry_run)
		return 0;
	if (report_open(args) != 0)
		return -1;
	main_thread = pthread_self();
	if (option(args, "source", NULL) != NULL) {
		be_source();
		callbacks.init = callbacks.start = on_made;
	}
	if (strcmp(state, "init") == 0)
		callbacks.init = on_made;
	if (strcmp(state, "start") == 0)
		callbacks.start = on_made;
	return hook(args, &callbacks, NULL);
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "tell",
    .summary = "tells how resources stand",
    .init = tell_init,
};
