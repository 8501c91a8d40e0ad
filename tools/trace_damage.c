/* SPDX-License-Identifier: MIT */
/* What is wrong with the files of a trace. */
#include "command.h"
#include "trace_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A file can be broken in as many places as it has bytes; so many are told. */
#define DAMAGE_MAX 100

void uvh_damage(struct uvh_trace *trace, const char *folder, const char *file, uint64_t offset,
		const char *format, ...)
{
	char where[64] = "", *what = NULL, *text = NULL, **item;
	va_list arguments;

	if (trace->damage.count == DAMAGE_MAX) {
		trace->more_damage++;
		return;
	}
	va_start(arguments, format);
	if (vasprintf(&what, format, arguments) < 0)
		what = NULL;
	va_end(arguments);
	if (offset != UVH_NO_OFFSET)
		snprintf(where, sizeof(where), ", at byte %" PRIu64, offset);
	if (what == NULL || asprintf(&text, "%s%s%s%s: %s", folder, file == NULL ? "" : "/",
				     file == NULL ? "" : file, where, what) < 0)
		text = NULL;
	free(what);
	item = text == NULL ? NULL : uvh_array_add(&trace->damage, sizeof(*item));
	if (item == NULL) {
		free(text);
		trace->more_damage++;
		return;
	}
	uvh_text_clean(text);
	*item = text;
}

void uvh_damage_memory(struct uvh_trace *trace)
{
	if (!trace->told_of_memory)
		uvh_damage(trace, "memory", NULL, UVH_NO_OFFSET,
			   "there is too little of it for all that was alive in the program; some "
			   "resources are shown without what is known of them");
	trace->told_of_memory = true;
}

size_t uvh_trace_say_damage(const struct uvh_trace *trace)
{
	struct uvh_folder **folders = trace->folders.items;
	char **items = trace->damage.items;

	for (size_t i = 0; i < trace->folders.count; i++)
		if (folders[i]->overtaken)
			uvh_say("%s: its flight recorder went on while this was read, and removed "
				"events from the middle of it",
				folders[i]->name);
	for (size_t i = 0; i < trace->damage.count; i++)
		uvh_say("%s", items[i]);
	if (trace->more_damage != 0)
		uvh_say("%zu more parts of the trace cannot be read", trace->more_damage);
	return trace->damage.count + trace->more_damage;
}

void uvh_damage_free(struct uvh_trace *trace)
{
	char **items = trace->damage.items;

	for (size_t i = 0; i < trace->damage.count; i++)
		free(items[i]);
	free(items);
}
