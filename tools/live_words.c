/* SPDX-License-Identifier: MIT */
/*
 * What a live resource does, in words. Nothing is said of what is not known: a trace without the
 * details of a resource has its type and its callback still.
 */
#include "live.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uvhooks/hooks.h>

#include "terminal.h"

#define MS_NS INT64_C(1000000)

/* What it is about; "" where that was never told. */
static const char *about(const struct uvh_trace_resource *resource)
{
	return resource->state != NULL ? resource->state->text : "";
}

static int fd_of(const struct uvh_trace_resource *resource)
{
	return resource->state != NULL ? resource->state->fd : -1;
}

/* "WORD ABOUT", or without what is not known. */
static void say_about(struct uvh_words *words, const struct uvh_trace_resource *resource,
		      const char *word, const char *word_alone)
{
	char clean[UVH_LIVE_TEXT_BYTES];

	if (about(resource)[0] != '\0')
		uvh_add(words, "%s%s", word,
			uvh_clean_text(about(resource), true, clean, sizeof(clean)));
	else if (fd_of(resource) >= 0)
		uvh_add(words, "%sfd %d", word, fd_of(resource));
	else
		uvh_add(words, "%s", word_alone);
}

static bool has_flag(const struct uvh_trace_resource *resource, uint32_t flag)
{
	return uvh_live_is_told(resource) && (resource->state->flags & flag) != 0;
}

static bool is_active(const struct uvh_trace_resource *resource)
{
	enum uvh_live_standing standing = uvh_live_standing(resource);

	return standing == UVH_LIVE_ACTIVE || standing == UVH_LIVE_UNREFERENCED;
}

/* Why it is not active. */
static void say_idle(struct uvh_words *words, const struct uvh_trace_resource *resource,
		     const char *done)
{
	const struct uvh_live *live = resource->user;

	if (resource->start_ns == 0)
		uvh_add(words, "never started");
	else if (live == NULL || !live->ran || live->stop_ns >= resource->start_ns)
		uvh_add(words, "stopped");
	else
		uvh_add(words, "%s", done);
}

static void say_due(struct uvh_words *words, int64_t due_ns, int64_t now_ns)
{
	char text[UVH_TEXT_ROOM];

	if (due_ns == 0)
		uvh_add(words, "armed");
	else if (due_ns > now_ns)
		uvh_add(words, "fires in %s", uvh_duration_text(due_ns - now_ns, text));
	else if (now_ns - due_ns < 2 * MS_NS)
		uvh_add(words, "fires now");
	else
		uvh_add(words, "was to fire %s ago", uvh_duration_text(now_ns - due_ns, text));
}

static void say_timer(struct uvh_words *words, const struct uvh_trace_resource *resource,
		      int64_t now_ns)
{
	bool told = uvh_live_is_told(resource);
	char text[UVH_TEXT_ROOM];

	if (!is_active(resource)) {
		say_idle(words, resource, "has fired");
		return;
	}
	say_due(words, told ? resource->state->due_ns : resource->due_ns, now_ns);
	if (resource->state != NULL && resource->state->repeat_ms != 0) {
		if (resource->state->repeat_ms < INT64_MAX / MS_NS)
			uvh_add(
			    words, ", every %s",
			    uvh_duration_text((int64_t) resource->state->repeat_ms * MS_NS, text));
	} else if (resource->before_ns > resource->start_ns) {
		uvh_add(words, ", again and again");
	}
}

static void say_stream(struct uvh_words *words, const struct uvh_trace_resource *resource,
		       const char *reads, const char *alone)
{
	bool told = uvh_live_is_told(resource);
	char count[UVH_TEXT_ROOM];
	bool reading = told ? has_flag(resource, UVHOOKS_STATE_READING) : resource->armed;

	say_about(words, resource, "", alone);
	if (reading)
		uvh_add(words, ", %s", reads);
	if (told && resource->state->bytes != 0)
		uvh_add(words, ", %s bytes wait to be written",
			uvh_count_text(resource->state->bytes, count));
	else if (!reading && !is_active(resource))
		uvh_add(words, ", %s", resource->start_ns == 0 ? "never read" : "not read");
}

static void say_signal(struct uvh_words *words, const struct uvh_trace_resource *resource)
{
	const char *name = NULL;

	if (resource->state != NULL && resource->state->number != 0)
		name = sigabbrev_np((int) resource->state->number);
	if (!is_active(resource))
		say_idle(words, resource, "stopped, or done");
	else if (name != NULL)
		uvh_add(words, "waits for SIG%s", name);
	else if (resource->state != NULL && resource->state->number != 0)
		uvh_add(words, "waits for signal %" PRIu32, resource->state->number);
	else
		uvh_add(words, "waits for a signal");
}

static void say_process(struct uvh_words *words, const struct uvh_trace_resource *resource)
{
	const struct uvh_live *live = resource->user;
	bool exited = live != NULL && live->ran;
	char clean[UVH_LIVE_TEXT_BYTES];

	if (live != NULL && live->failed) {
		uvh_add(words, "could not be spawned");
		return;
	}
	uvh_add(words, is_active(resource) && !resource->destroyed ? "waits for child" : "child");
	if (resource->state != NULL && resource->state->number != 0)
		uvh_add(words, " %" PRIu32, resource->state->number);
	if (about(resource)[0] != '\0')
		uvh_add(words, " (%s)",
			uvh_clean_text(about(resource), true, clean, sizeof(clean)));
	if (exited)
		uvh_add(words, ", which has exited");
}

static void say_watch(struct uvh_words *words, const struct uvh_trace_resource *resource)
{
	char text[UVH_TEXT_ROOM];

	if (!is_active(resource)) {
		say_idle(words, resource, "stopped, or done");
		return;
	}
	say_about(words, resource, "watches ", "watches a path");
	if (resource->state != NULL && resource->state->repeat_ms != 0 &&
	    resource->state->repeat_ms < INT64_MAX / MS_NS)
		uvh_add(words, " every %s",
			uvh_duration_text((int64_t) resource->state->repeat_ms * MS_NS, text));
}

static void say_if_active(struct uvh_words *words, const struct uvh_trace_resource *resource,
			  const char *what)
{
	if (is_active(resource))
		uvh_add(words, "%s", what);
	else
		say_idle(words, resource, "stopped, or done");
}

/* How far the pool has come with it. */
static void say_progress(struct uvh_words *words, const struct uvh_trace_resource *resource)
{
	if (resource->pool_end_ns != 0 || resource->work_end_ns != 0)
		uvh_add(words, ", done, but the loop has not taken it");
	else if (resource->work_begin_ns != 0)
		uvh_add(words, ", which runs in the thread pool");
	else if (resource->type == UVHOOKS_WORKREQ)
		uvh_add(words, ", which waits for a thread of the pool");
}

static void say_request(struct uvh_words *words, const struct uvh_trace_resource *resource)
{
	const char *call = uvhooks_fs_name(resource->fs_type);
	char count[UVH_TEXT_ROOM];

	switch (resource->type) {
	case UVHOOKS_TCPCONNECTWRAP:
	case UVHOOKS_PIPECONNECTWRAP:
		say_about(words, resource, "connects: ", "connects");
		break;
	case UVHOOKS_WRITEWRAP:
	case UVHOOKS_UDPSENDWRAP:
		if (resource->state != NULL && resource->state->bytes != 0)
			uvh_add(words, "has %s bytes left to write",
				uvh_count_text(resource->state->bytes, count));
		else
			uvh_add(words, "writes");
		say_about(words, resource, " to ", "");
		break;
	case UVHOOKS_SHUTDOWNWRAP:
		say_about(words, resource, "shuts down ", "shuts down");
		break;
	case UVHOOKS_FSREQCALLBACK:
		uvh_add(words, "%s", call != NULL ? call : "a call of the file system");
		say_about(words, resource, " ", "");
		break;
	case UVHOOKS_GETADDRINFOREQWRAP:
	case UVHOOKS_GETNAMEINFOREQWRAP:
		say_about(words, resource, "looks up ", "looks up a name");
		break;
	case UVHOOKS_RANDOMREQ:
		uvh_add(words, "random bytes");
		break;
	case UVHOOKS_WORKREQ:
		uvh_add(words, "work");
		break;
	}
	if (resource->runs > 0)
		uvh_add(words, ", in its callback");
	else
		say_progress(words, resource);
}

static void say_handle(struct uvh_words *words, const struct uvh_trace_resource *resource,
		       int64_t now_ns)
{
	switch (resource->type) {
	case UVHOOKS_TIMERWRAP:
		say_timer(words, resource, now_ns);
		break;
	case UVHOOKS_IDLEWRAP:
		say_if_active(words, resource, "runs in each turn of the loop, which never sleeps");
		break;
	case UVHOOKS_PREPAREWRAP:
		say_if_active(words, resource, "runs before the loop sleeps");
		break;
	case UVHOOKS_CHECKWRAP:
		say_if_active(words, resource, "runs after the loop has slept");
		break;
	case UVHOOKS_ASYNCWRAP:
		uvh_add(words, "waits for uv_async_send");
		break;
	case UVHOOKS_POLLWRAP:
		if (is_active(resource))
			say_about(words, resource, "polls ", "polls a descriptor");
		else
			say_idle(words, resource, "stopped, or done");
		break;
	case UVHOOKS_SIGNALWRAP:
		say_signal(words, resource);
		break;
	case UVHOOKS_TCPSERVERWRAP:
	case UVHOOKS_PIPESERVERWRAP:
		say_about(words, resource, "listens on ", "listens");
		break;
	case UVHOOKS_TCPWRAP:
		say_stream(words, resource, "reading", "a socket");
		break;
	case UVHOOKS_PIPEWRAP:
		say_stream(words, resource, "reading", "a pipe");
		break;
	case UVHOOKS_TTYWRAP:
		say_stream(words, resource, "reading", "a terminal");
		break;
	case UVHOOKS_UDPWRAP:
		say_stream(words, resource, "receiving", "a socket");
		break;
	case UVHOOKS_PROCESSWRAP:
		say_process(words, resource);
		break;
	case UVHOOKS_FSEVENTWRAP:
	case UVHOOKS_STATWATCHER:
		say_watch(words, resource);
		break;
	}
}

const char *uvh_live_does(const struct uvh_trace_resource *resource, int64_t now_ns,
			  char text[UVH_LIVE_TEXT_BYTES])
{
	struct uvh_words words = {.text = text, .room = UVH_LIVE_TEXT_BYTES};

	text[0] = '\0';
	if (uvh_live_standing(resource) == UVH_LIVE_CLOSING)
		uvh_add(&words, "is being closed: ");
	if (uvhooks_type_kind(resource->type) == UVHOOKS_KIND_REQUEST)
		say_request(&words, resource);
	else
		say_handle(&words, resource, now_ns);
	return text;
}
