/* SPDX-License-Identifier: MIT */
/*
 * Events for programs: one JSON object a line.
 *
 * Always: event, id, type, uv_type, trigger, execution, loop (its id space; null for a thread),
 * thread, time_ns. Where they apply: call (the file system call), callback, sender (of a wake-up),
 * other (of a link), flags. Ids are strings, since "1:7" is none of JSON's numbers. A plugin that
 * has a word to say of each event says it first: context (null where it knows none). Nothing needs
 * escaping: log_line_type and log_symbol leave out what would.
 */
#include "log.h"

static void add_string(struct log_line *line, const char *key, const char *value)
{
	log_line_text(line, key);
	log_line_text(line, "\"");
	log_line_text(line, value);
	log_line_text(line, "\"");
}

static void add_id(struct log_line *line, const char *key, uvhooks_async_id id)
{
	log_line_text(line, key);
	log_line_text(line, "\"");
	log_line_id(line, id);
	log_line_text(line, "\"");
}

static void add_number(struct log_line *line, const char *key, uint64_t number)
{
	log_line_text(line, key);
	log_line_number(line, number);
}

static void add_flags(struct log_line *line, unsigned int flags)
{
	const char *before = ",\"flags\":[\"";

	for (; flags != 0; flags &= flags - 1) {
		log_line_text(line, before);
		log_line_text(line, uvhooks_flag_name(flags & -flags));
		before = "\",\"";
	}
	log_line_text(line, "\"]");
}

static void add_context(struct log_line *line, const char *context)
{
	if (context[0] == '\0')
		log_line_text(line, "\"context\":null");
	else
		add_string(line, "\"context\":", context);
	log_line_text(line, ",");
}

void log_json_event(struct log_line *line, const struct uvhooks_event *event,
		    const struct log_moment *moment)
{
	const char *call = uvhooks_fs_name(event->fs_type);
	char symbol[LOG_SYMBOL_BYTES];

	log_line_text(line, "{");
	if (moment->context != NULL)
		add_context(line, moment->context);
	add_string(line, "\"event\":", uvhooks_event_name(event->event));
	add_id(line, ",\"id\":", event->async_id);
	log_line_text(line, ",\"type\":\"");
	log_line_type(line, event->type);
	log_line_text(line, "\"");
	add_string(line, ",\"uv_type\":", uvhooks_uv_type_name(event->type));
	add_id(line, ",\"trigger\":", event->trigger_async_id);
	add_id(line, ",\"execution\":", event->execution_async_id);
	if (event->loop == NULL)
		log_line_text(line, ",\"loop\":null");
	else
		add_number(line, ",\"loop\":", uvhooks_id_space(event->async_id));
	add_number(line, ",\"thread\":", event->thread_id);
	add_number(line, ",\"time_ns\":", moment->time_ns);
	if (call != NULL)
		add_string(line, ",\"call\":", call);
	if (event->callback != NULL)
		add_string(line, ",\"callback\":", log_symbol(event->callback, symbol));
	if (event->event == UVHOOKS_EVENT_WAKEUP)
		add_id(line, ",\"sender\":", event->other_async_id);
	if (event->event == UVHOOKS_EVENT_LINK)
		add_id(line, ",\"other\":", event->other_async_id);
	if (event->duration_ns != 0)
		add_number(line, ",\"duration_ns\":", event->duration_ns);
	if (event->other_thread_id != 0)
		add_number(line, ",\"stuck_thread\":", event->other_thread_id);
	if (event->flags != 0)
		add_flags(line, event->flags);
	log_line_text(line, "}");
	log_line_end(line);
}

void log_json_lost(struct log_line *line, uint64_t lost, uint64_t time_ns)
{
	add_number(line, "{\"event\":\"dropped\",\"lines\":", lost);
	add_number(line, ",\"time_ns\":", time_ns);
	log_line_text(line, "}");
	log_line_end(line);
}
