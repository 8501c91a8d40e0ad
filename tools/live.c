/* SPDX-License-Identifier: MIT */
/* How a live resource stands; the words for it are in live_words.c. */
#include "live.h"

#include <stdlib.h>
#include <uvhooks/hooks.h>

void uvh_live_begin(struct uvh_trace *trace)
{
	uvh_trace_on_forget(trace, free);
}

static void note_callback(struct uvh_live *live, const struct uvh_trace_event *event)
{
	if (event->callback != 0 && (event->flags & UVHOOKS_FLAG_CLOSING) == 0)
		live->callback = event->callback;
}

struct uvh_live *uvh_live_note(const struct uvh_trace_event *event)
{
	struct uvh_live *live;

	if (event->resource == NULL)
		return NULL;
	if (event->resource->user == NULL)
		event->resource->user = uvh_zeros(1, sizeof(*live));
	live = event->resource->user;
	switch (event->event) {
	case UVHOOKS_EVENT_FS_CALL: /* of what runs, which it says nothing of */
	case UVHOOKS_EVENT_STALL:
	case UVH_TRACE_STACK:
		return live;
	case UVH_TRACE_RESOURCE: /* nothing has happened to it */
		if (live->callback == 0)
			note_callback(live, event);
		return live;
	case UVH_TRACE_STATE:
		live->told = true;
		return live;
	case UVHOOKS_EVENT_INIT:
		live->failed = (event->flags & UVHOOKS_FLAG_FAILED) != 0;
		note_callback(live, event);
		break;
	case UVHOOKS_EVENT_START:
		note_callback(live, event);
		break;
	case UVHOOKS_EVENT_BEFORE:
		note_callback(live, event);
		live->ran |= (event->flags & UVHOOKS_FLAG_CLOSING) == 0;
		break;
	case UVHOOKS_EVENT_STOP:
		live->stop_ns = event->time_ns;
		break;
	}
	live->told = false;
	return live;
}

uint64_t uvh_live_callback(const struct uvh_trace_resource *resource)
{
	const struct uvh_live *live = resource->user;

	if (live != NULL && live->callback != 0)
		return live->callback;
	return resource->init_callback != 0 ? resource->init_callback : resource->callback;
}

bool uvh_live_is_of_loop(const struct uvh_trace_resource *resource)
{
	return !resource->no_loop && uvh_is_libuvs(resource->type);
}

bool uvh_live_is_told(const struct uvh_trace_resource *resource)
{
	const struct uvh_live *live = resource->user;

	return resource->state != NULL && live != NULL && live->told;
}

/* What libuv has active, as far as its events tell. */
static bool seems_active(const struct uvh_trace_resource *resource)
{
	const struct uvh_live *live = resource->user;

	switch (resource->type) {
	case UVHOOKS_ASYNCWRAP:
		return true;
	case UVHOOKS_PROCESSWRAP: /* until its exit callback */
		return live == NULL || (!live->ran && !live->failed);
	}
	return resource->armed;
}

enum uvh_live_standing uvh_live_standing(const struct uvh_trace_resource *resource)
{
	bool told = uvh_live_is_told(resource), active, referenced = !resource->unref;

	/* libuv counts it no more when it calls its callback. */
	if (uvhooks_type_kind(resource->type) == UVHOOKS_KIND_REQUEST)
		return resource->runs == 0 ? UVH_LIVE_PENDING : UVH_LIVE_INACTIVE;
	active =
	    told ? (resource->state->flags & UVHOOKS_STATE_ACTIVE) != 0 : seems_active(resource);
	if (told && (resource->state->flags & UVHOOKS_STATE_CLOSING) != 0)
		return UVH_LIVE_CLOSING;
	if (told)
		referenced = (resource->state->flags & UVHOOKS_STATE_REF) != 0;
	if (!active)
		return UVH_LIVE_INACTIVE;
	return referenced ? UVH_LIVE_ACTIVE : UVH_LIVE_UNREFERENCED;
}
