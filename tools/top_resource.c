/* SPDX-License-Identifier: MIT */
/*
 * One resource: how it stands, where it was made, and what led to it: its trigger, that one's
 * trigger, and so on up, as far as they still live.
 */
#include <stdio.h>
#include <string.h>

#include "top.h"

#define STEPS_MAX  64
#define STACK_MAX  16
#define KINDS_MAX  8
#define LINE_BYTES 1024

/* What is known of a resource. */
struct facts {
	const struct uvhooks_control_record *record; /* NULL: it lives no more */
	const char *type, *call, *callback;
	bool is_noted;  /* the meter knows of it: */
	int64_t age_ns; /* -1: older than watching */
	uint64_t site;  /* as in a row of METER_SITE */
};

static void find_facts(struct uvh_top *top, uvhooks_async_id id, struct facts *facts)
{
	const struct uvh_top_sample *sample = top->frame.sample;
	const struct uvhooks_control_record *record = uvh_top_record(sample, id);
	struct meter_slot slot;
	const char *call;

	*facts = (struct facts){.record = record, .age_ns = -1};
	if (record == NULL)
		return;
	call = uvhooks_fs_name(record->fs_type);
	facts->type = uvh_top_type(top->names, record->type);
	facts->call = call != NULL ? call : "";
	facts->callback = uvh_top_callback(top->names, record->callbacks[0]);
	facts->is_noted = uvh_top_slot(top->process, sample, id, &slot);
	if (!facts->is_noted)
		return;
	facts->site = sample->rows[slot.site].word;
	if (slot.ticks != 0 && slot.ticks < sample->ticks)
		facts->age_ns = uvh_top_ns(sample, sample->ticks - slot.ticks);
}

/* "TIMERWRAP on_timeout", "FSREQCALLBACK open on_open" */
static void write_name(const struct facts *facts, char *text, size_t bytes)
{
	snprintf(text, bytes, "%s%s%s%s%s", facts->type, facts->call[0] != '\0' ? " " : "",
		 facts->call, facts->callback[0] != '\0' ? " " : "", facts->callback);
}

/* "made at server.c:12 in main, 3.20 s ago"; "": nothing is known. */
static void write_made(struct uvh_top *top, const struct facts *facts, char *text, size_t bytes)
{
	const char *site;
	char age[UVH_TEXT_ROOM], ago[48] = "";

	text[0] = '\0';
	if (!facts->is_noted)
		return;
	site = uvh_top_site(top->names, top->frame.sample, facts->site);
	if (facts->age_ns >= 0)
		snprintf(ago, sizeof(ago), ", %s ago", uvh_duration_text(facts->age_ns, age));
	snprintf(text, bytes, "made %s%s%s",
		 facts->site == METER_BEFORE || strncmp(site, "in ", 3) == 0 ? "" : "at ", site,
		 ago);
}

static size_t stack_of(struct uvh_top *top, const struct facts *facts,
		       const struct uvh_stack_frame **frames)
{
	if (!facts->is_noted)
		return 0;
	return uvh_top_stack(top->names, top->frame.sample, facts->site, frames);
}

/* Frames of the runtime are left out as long as others remain. */
static void say_stack(struct uvh_top *top, const struct facts *facts, struct uvh_top_text *text)
{
	const struct uvh_stack_frame *frames;
	const size_t count = stack_of(top, facts, &frames);
	size_t own = 0, shown = 0;
	char line[LINE_BYTES];

	if (count != 0)
		uvh_top_say(text, UVH_DIM, "  stack where it was made");
	for (size_t i = 0; i < count; i++)
		own += frames[i].origin != UVH_FRAME_OF_RUNTIME;
	for (size_t i = 0; i < count && shown < STACK_MAX; i++) {
		if (own != 0 && frames[i].origin == UVH_FRAME_OF_RUNTIME)
			continue;
		shown++;
		uvh_top_say(text, UVH_PLAIN, "    %s",
			    uvh_stack_frame_text(&frames[i], false, line, sizeof(line)));
	}
}

static bool is_root(uvhooks_async_id id)
{
	return uvhooks_id_sequence(id) <= 1;
}

static const char *root_text(uvhooks_async_id id)
{
	return uvhooks_id_sequence(id) == 0 ? "libuv itself" : "top level";
}

static void say_causes(struct uvh_top *top, const struct uvhooks_control_record *record,
		       struct uvh_top_text *text)
{
	uvhooks_async_id id = record->trigger_async_id;
	char shown[UVHOOKS_ID_TEXT_BYTES], name[LINE_BYTES], made[LINE_BYTES];

	uvh_top_say(text, UVH_DIM, "  caused by");
	for (unsigned int steps = 0; !is_root(id) && steps < STEPS_MAX; steps++) {
		struct facts facts;

		find_facts(top, id, &facts);
		uvhooks_id_text(id, shown);
		if (facts.record == NULL) {
			uvh_top_say(text, UVH_PLAIN,
				    "    %s, which lives no more: what led there is not known",
				    shown);
			return;
		}
		write_name(&facts, name, sizeof(name));
		write_made(top, &facts, made, sizeof(made));
		uvh_top_say(text, UVH_PLAIN, "    %s %s%s%s", shown, name,
			    made[0] != '\0' ? "  " : "", made);
		id = facts.record->trigger_async_id;
	}
	uvh_top_say(text, UVH_PLAIN, "    %s", is_root(id) ? root_text(id) : "...");
}

/* What it has caused that lives, by type. */
struct caused {
	struct {
		const char *type;
		uint64_t count;
	} kinds[KINDS_MAX];
	size_t kind_count;
	uint64_t all, others;
};

static void find_caused(struct uvh_top *top, uvhooks_async_id id, struct caused *caused)
{
	const struct uvh_top_sample *sample = top->frame.sample;

	*caused = (struct caused){.all = 0};
	for (size_t i = 0; i < sample->record_count; i++) {
		const char *type;
		size_t kind;

		if (sample->records[i].trigger_async_id != id)
			continue;
		type = uvh_top_type(top->names, sample->records[i].type);
		for (kind = 0; kind < caused->kind_count; kind++)
			if (caused->kinds[kind].type == type)
				break;
		caused->all++;
		if (kind == KINDS_MAX) {
			caused->others++;
			continue;
		}
		if (kind == caused->kind_count)
			caused->kinds[caused->kind_count++].type = type;
		caused->kinds[kind].count++;
	}
}

static void say_caused(struct uvh_top *top, uvhooks_async_id id, struct uvh_top_text *text)
{
	char line[LINE_BYTES] = "";
	struct caused caused;
	size_t used = 0;

	find_caused(top, id, &caused);
	if (caused.all == 0)
		return;
	for (size_t i = 0; i < caused.kind_count && used < sizeof(line) - 1; i++)
		used += (size_t) snprintf(
		    line + used, sizeof(line) - used, "%s%llu %s", i != 0 ? ", " : "",
		    (unsigned long long) caused.kinds[i].count, caused.kinds[i].type);
	if (caused.others != 0 && used < sizeof(line) - 1)
		snprintf(line + used, sizeof(line) - used, ", %llu others",
			 (unsigned long long) caused.others);
	uvh_top_say(text, UVH_PLAIN, "  has caused, of what lives: %s", line);
}

static const struct uvh_top_loop *running_in(const struct uvh_top *top, uvhooks_async_id id)
{
	for (size_t i = 0; i < top->frame.loop_count; i++)
		if (top->frame.loops[i].id == id && top->frame.loops[i].callback[0] != '\0')
			return &top->frame.loops[i];
	return NULL;
}

/* In whose callback it was started last. */
static void say_started(struct uvh_top *top, const struct uvhooks_control_record *record,
			struct uvh_top_text *text)
{
	char shown[UVHOOKS_ID_TEXT_BYTES], name[LINE_BYTES] = "";
	const uvhooks_async_id id = record->arm_async_id;
	struct facts facts;

	if (id == 0)
		return;
	if (is_root(id)) {
		uvh_top_say(text, UVH_PLAIN, "  started last by %s", root_text(id));
		return;
	}
	find_facts(top, id, &facts);
	if (facts.record != NULL)
		write_name(&facts, name, sizeof(name));
	uvh_top_say(text, UVH_PLAIN, "  started last by %s %s", uvhooks_id_text(id, shown),
		    facts.record != NULL ? name : "(gone)");
}

bool uvh_top_resource(struct uvh_top *top, uvhooks_async_id id, struct uvh_top_text *text)
{
	char shown[UVHOOKS_ID_TEXT_BYTES], name[LINE_BYTES], line[LINE_BYTES];
	const struct uvh_top_loop *loop = running_in(top, id);
	const char *uv_name;
	struct facts facts;

	find_facts(top, id, &facts);
	if (facts.record == NULL)
		return false;
	write_name(&facts, name, sizeof(name));
	uv_name = uvhooks_uv_type_name(facts.record->type);
	uvh_top_say(text, UVH_TITLE, "%s %s%s%s%s", uvhooks_id_text(id, shown), name,
		    uv_name[0] == 'u' && uv_name[1] == 'v' ? "  (" : "",
		    uv_name[0] == 'u' && uv_name[1] == 'v' ? uv_name : "",
		    uv_name[0] == 'u' && uv_name[1] == 'v' ? ")" : "");
	write_made(top, &facts, line, sizeof(line));
	if (line[0] != '\0')
		uvh_top_say(text, UVH_PLAIN, "  %s", line);
	if (loop != NULL)
		uvh_top_say(text, UVH_WARN, "  %s", uvh_top_loop_text(loop, line, sizeof(line)));
	say_started(top, facts.record, text);
	say_caused(top, id, text);
	say_causes(top, facts.record, text);
	say_stack(top, &facts, text);
	return true;
}

static void json_site(struct uvh_top *top, struct uvh_json *json, const struct facts *facts)
{
	uvh_json_text(json, "where",
		      facts->is_noted ? uvh_top_site(top->names, top->frame.sample, facts->site)
				      : NULL);
	if (facts->age_ns >= 0)
		uvh_json_number(json, "age_ns", facts->age_ns);
}

static void json_facts(struct uvh_top *top, struct uvh_json *json, uvhooks_async_id id,
		       const struct facts *facts)
{
	uvh_json_id(json, "id", id);
	uvh_json_bool(json, "lives", facts->record != NULL);
	if (facts->record == NULL)
		return;
	uvh_json_text(json, "type", facts->type);
	uvh_json_text(json, "call", facts->call[0] != '\0' ? facts->call : NULL);
	uvh_json_text(json, "callback", facts->callback[0] != '\0' ? facts->callback : NULL);
	if (facts->record->arm_async_id != 0)
		uvh_json_id(json, "started_by", facts->record->arm_async_id);
	json_site(top, json, facts);
}

static void json_causes(struct uvh_top *top, struct uvh_json *json,
			const struct uvhooks_control_record *record)
{
	uvhooks_async_id id = record->trigger_async_id;
	struct facts facts = {.record = record};

	uvh_json_array(json, "causes");
	for (unsigned int steps = 0; !is_root(id) && steps < STEPS_MAX && facts.record != NULL;
	     steps++) {
		find_facts(top, id, &facts);
		uvh_json_object(json, NULL);
		json_facts(top, json, id, &facts);
		uvh_json_object_end(json);
		if (facts.record != NULL)
			id = facts.record->trigger_async_id;
	}
	uvh_json_array_end(json);
	uvh_json_text(json, "root",
		      facts.record == NULL || !is_root(id) ? "unknown" : root_text(id));
}

static void json_stack(struct uvh_top *top, struct uvh_json *json, const struct facts *facts)
{
	const struct uvh_stack_frame *frames;
	char line[LINE_BYTES];
	const size_t count = stack_of(top, facts, &frames);

	uvh_json_array(json, "stack");
	for (size_t i = 0; i < count; i++)
		uvh_json_text(json, NULL,
			      uvh_stack_frame_text(&frames[i], true, line, sizeof(line)));
	uvh_json_array_end(json);
}

bool uvh_top_resource_json(struct uvh_top *top, uvhooks_async_id id)
{
	struct uvh_json *json;
	struct caused caused;
	struct facts facts;

	find_facts(top, id, &facts);
	if (facts.record == NULL)
		return false;
	json = uvh_json_new();
	uvh_json_object(json, NULL);
	uvh_json_number(json, "pid", top->frame.pid);
	json_facts(top, json, id, &facts);
	json_causes(top, json, facts.record);
	find_caused(top, id, &caused);
	uvh_json_object(json, "caused");
	for (size_t i = 0; i < caused.kind_count; i++)
		uvh_json_number(json, caused.kinds[i].type, (int64_t) caused.kinds[i].count);
	uvh_json_object_end(json);
	uvh_json_number(json, "caused_live", (int64_t) caused.all);
	json_stack(top, json, &facts);
	uvh_json_object_end(json);
	uvh_json_free(json);
	return true;
}
