/* SPDX-License-Identifier: MIT */
#include "stacks.h"

#include "emit.h"

#define ANNOTATORS 8

/* Written once, before `uvh_stacks_on` is set. */
static struct uvhooks_stack_source source;
UVH_HOT bool uvh_stacks_on;

static const struct uvhooks_annotator *annotators[ANNOTATORS];
static size_t annotator_count;

int uvhooks_set_stack_source(const struct uvhooks_stack_source *wanted)
{
	int result = 0;

	if (wanted == NULL || wanted->size < sizeof(*wanted) || wanted->capture == NULL ||
	    wanted->read == NULL)
		return -EINVAL;
	uvh_lock();
	if (uvh_stacks_on) {
		result = -EEXIST;
	} else {
		source = *wanted;
		__atomic_store_n(&uvh_stacks_on, true, __ATOMIC_RELEASE);
	}
	uvh_unlock();
	return result;
}

int uvhooks_add_annotator(const struct uvhooks_annotator *annotator)
{
	int result = 0;

	if (annotator == NULL || annotator->size < sizeof(*annotator) ||
	    annotator->annotate == NULL)
		return -EINVAL;
	uvh_lock();
	if (annotator_count == ANNOTATORS) {
		result = -ENOSPC;
	} else {
		annotators[annotator_count] = annotator;
		__atomic_store_n(&annotator_count, annotator_count + 1, __ATOMIC_RELEASE);
	}
	uvh_unlock();
	return result;
}

/* What a guarded call can carry: a plugin may be written in C++. */
struct capture {
	const struct uvhooks_place *place;
	uint32_t number;
};

struct annotation {
	const struct uvhooks_annotator *annotator;
	const struct uvhooks_place *place;
	struct uvhooks_frame *frames;
	size_t max, count;
};

static void run_capture(const struct uvhooks_event *event, void *data)
{
	struct capture *capture = data;

	(void) event;
	capture->number = source.capture(capture->place, source.data);
}

static void run_annotator(const struct uvhooks_event *event, void *data)
{
	struct annotation *annotation = data;

	(void) event;
	annotation->count = annotation->annotator->annotate(
	    annotation->place, annotation->frames, annotation->max, annotation->annotator->data);
}

/* Calls into a plugin: what that does with libuv is no event, and errno stays. */
static void call_plugin(uvhooks_event_cb function, void *data)
{
	const int saved_errno = errno;
	const uint8_t quiet = uvh_tls.quiet;
	void *exception;

	uvh_tls.quiet = 1;
	exception = uvh_guarded_call(NULL, data, function);
	if (UVH_UNLIKELY(exception != NULL))
		uvh_exception_drop(exception);
	uvh_tls.quiet = quiet;
	errno = saved_errno;
}

uint32_t uvh_stack_take(unsigned int event, unsigned int type)
{
	const struct uvhooks_place place = {
	    .size = sizeof(place),
	    .event = (uint16_t) event,
	    .type = (uint16_t) type,
	};
	struct capture capture = {.place = &place};

	if (__atomic_load_n(&uvh_stacks_on, __ATOMIC_ACQUIRE))
		call_plugin(run_capture, &capture);
	return capture.number;
}

size_t uvhooks_annotate(const struct uvhooks_place *place, struct uvhooks_frame *frames, size_t max)
{
	const size_t count = __atomic_load_n(&annotator_count, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < count; i++) {
		struct annotation annotation = {annotators[i], place, frames, max, 0};

		call_plugin(run_annotator, &annotation);
		if (annotation.count != 0)
			return annotation.count < max ? annotation.count : max;
	}
	return 0;
}

uint32_t uvhooks_capture_stack(void)
{
	return uvh_stack_take(UVHOOKS_PLACE_NO_EVENT, UVHOOKS_NONE);
}

int uvhooks_read_stack(uint32_t number, struct uvhooks_stack *stack)
{
	if (stack == NULL || stack->size < sizeof(*stack))
		return -EINVAL;
	if (number == 0 || !__atomic_load_n(&uvh_stacks_on, __ATOMIC_ACQUIRE))
		return -ENOENT;
	return source.read(number, stack, source.data);
}

uint64_t uvhooks_stacks_lost(void)
{
	if (!__atomic_load_n(&uvh_stacks_on, __ATOMIC_ACQUIRE) || source.lost == NULL)
		return 0;
	return source.lost(source.data);
}

void uvh_emit_with_stack(struct uvh_context *context, enum uvhooks_event_type event,
			 const struct uvh_record *record, uvhooks_async_id execution,
			 uvhooks_async_id other, void *callback, unsigned int flags)
{
	struct uvh_places *places = uvh_places(record);
	struct uvhooks_event told;

	if (!uvh_is_wanted(event) || uvh_tls.quiet)
		return;
	uvh_describe(&told, context, uvh_head(event, flags), record, execution, other, callback);
	/* An idler that drives a scheduler is started anew in each turn of the loop: once tells. */
	if (event == UVHOOKS_EVENT_START && record->type == UVHOOKS_IDLEWRAP &&
	    places->id == told.async_id && places->start_stack != 0)
		told.stack = places->start_stack;
	else
		told.stack = uvh_stack_take(event, record->type);
	/* Who walks over all resources may read it meanwhile. */
	if (__atomic_load_n(&places->id, __ATOMIC_RELAXED) != told.async_id) {
		__atomic_store_n(&places->init_stack, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&places->start_stack, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&places->id, told.async_id, __ATOMIC_RELEASE);
	}
	__atomic_store_n(event == UVHOOKS_EVENT_INIT ? &places->init_stack : &places->start_stack,
			 told.stack, __ATOMIC_RELAXED);
	uvh_dispatch(context, &told);
}

int uvhooks_emit_stall(const struct uvhooks_event *event)
{
	struct uvh_context *context = uvh_context();
	struct uvhooks_event told = {
	    .event = UVHOOKS_EVENT_STALL,
	    .fs_type = UVHOOKS_FS_NONE,
	};

	if (event == NULL || event->size < sizeof(*event))
		return -EINVAL;
	if (context == NULL)
		return -ENOMEM;
	told.async_id = event->async_id;
	told.execution_async_id = uvh_execution_id(context);
	told.type = event->type;
	told.pointer = event->pointer;
	told.loop = event->loop;
	told.callback = event->callback;
	told.stack = event->stack;
	told.other_thread_id = event->other_thread_id;
	told.duration_ns = event->duration_ns;
	uvh_dispatch(context, &told);
	return 0;
}
