/* SPDX-License-Identifier: MIT */
/*
 * Events for people: seconds since the start, the event indented by the callbacks around it, the
 * resource, and why.
 *
 *	  0.000052  init 2 TIMERWRAP (uv_timer_t) trigger=1 execution=1
 *	  0.000071  loop_enter 0 execution=1
 *	  0.010194    before 2 TIMERWRAP (uv_timer_t) trigger=1 execution=2 callback=on_timer
 *	  0.010240      init 3 FSREQCALLBACK (uv_fs_open) trigger=2 execution=2 callback=on_open
 *
 * A plugin that has a word to say of each event puts it in front: [c1] 0.000052 init ...
 */
#include "log.h"

#define SECOND_NS INT64_C(1000000000)

/* Deeper nesting is not indented further: a line stays readable, and in its buffer. */
#define DEPTH_MAX 32

#define CONTEXT_COLUMNS 7

static void add_time(struct log_line *line, uint64_t time_ns)
{
	log_line_padded(line, time_ns / SECOND_NS, 3, ' ');
	log_line_text(line, ".");
	log_line_padded(line, time_ns % SECOND_NS / 1000, 6, '0');
	log_line_text(line, "  ");
}

/* Padded, as most are short: what comes next stands in a column. */
static void add_context(struct log_line *line, const char *context)
{
	size_t begin = line->used;

	log_line_text(line, "[");
	log_line_text(line, context[0] == '\0' ? "-" : context);
	log_line_text(line, "]");
	while (line->used - begin < CONTEXT_COLUMNS)
		log_line_text(line, " ");
}

/* libuv has no name for what is the program's own. */
static void add_type(struct log_line *line, const struct uvhooks_event *event)
{
	const char *call = uvhooks_fs_name(event->fs_type);

	log_line_text(line, " ");
	log_line_type(line, event->type);
	if (uvhooks_type_kind(event->type) == UVHOOKS_KIND_EMBEDDER)
		return;
	log_line_text(line, " (");
	if (call != NULL) {
		log_line_text(line, "uv_fs_");
		log_line_text(line, call);
	} else {
		log_line_text(line, uvhooks_uv_type_name(event->type));
	}
	log_line_text(line, ")");
}

static void add_id(struct log_line *line, const char *key, uvhooks_async_id id)
{
	log_line_text(line, key);
	log_line_id(line, id);
}

static void add_flags(struct log_line *line, unsigned int flags)
{
	const char *before = " (";

	for (; flags != 0; flags &= flags - 1) {
		log_line_text(line, before);
		log_line_text(line, uvhooks_flag_name(flags & -flags));
		before = ", ";
	}
	log_line_text(line, ")");
}

void log_text_event(struct log_line *line, const struct uvhooks_event *event,
		    const struct log_moment *moment)
{
	char symbol[LOG_SYMBOL_BYTES];
	unsigned int depth;

	if (moment->context != NULL)
		add_context(line, moment->context);
	add_time(line, moment->time_ns);
	for (depth = 0; depth < moment->depth && depth < DEPTH_MAX; ++depth)
		log_line_text(line, "  ");
	log_line_text(line, uvhooks_event_name(event->event));
	add_id(line, " ", event->async_id);
	if (event->type != UVHOOKS_NONE) {
		add_type(line, event);
		add_id(line, " trigger=", event->trigger_async_id);
	}
	add_id(line, " execution=", event->execution_async_id);
	if (event->event == UVHOOKS_EVENT_WAKEUP)
		add_id(line, " sender=", event->other_async_id);
	if (event->event == UVHOOKS_EVENT_LINK)
		add_id(line, " other=", event->other_async_id);
	if (event->callback != NULL) {
		log_line_text(line, " callback=");
		log_line_text(line, log_symbol(event->callback, symbol));
	}
	if (event->duration_ns != 0) {
		log_line_text(line, " duration_ns=");
		log_line_number(line, event->duration_ns);
	}
	if (event->other_thread_id != 0) {
		log_line_text(line, " stuck_thread=");
		log_line_number(line, event->other_thread_id);
	}
	if (event->flags != 0)
		add_flags(line, event->flags);
	if (moment->show_thread) {
		log_line_text(line, " thread=");
		log_line_number(line, event->thread_id);
	}
	log_line_end(line);
}

void log_text_lost(struct log_line *line, uint64_t lost, uint64_t time_ns)
{
	add_time(line, time_ns);
	log_line_text(line, "dropped ");
	log_line_number(line, lost);
	log_line_text(line, " lines that could not be written");
	log_line_end(line);
}
