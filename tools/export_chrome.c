/* SPDX-License-Identifier: MIT */
/*
 * Chrome's JSON trace format, for chrome://tracing, DevTools, Perfetto and speedscope: slices as X,
 * lives as nestable b and e (their ids are the process's own), arrows as s and f.
 *
 * An X is written when its slice has ended, with its arrow, so events are not in the order of time,
 * which the format allows. B and E would be, but DevTools pairs them across threads. An arrow ends
 * at the begin of its slice and begins at a mark, an X of no length, as DevTools binds an arrow
 * only to what begins at the same moment.
 */
#include <stdlib.h>
#include <string.h>
#include <uvhooks/hooks.h>
#include <yajl/yajl_gen.h>

#include "export.h"
#include "terminal.h"

/* One category for all that arrows join: DevTools looks for their ends in that of the arrow. */
#define CATEGORY          "uvhooks"
#define RESOURCE_CATEGORY "resource"

#define TEXT_BYTES 4096

struct chrome {
	struct uvh_export *export;
	yajl_gen gen;
	uint8_t **threads; /* told already; by index of process and thread */
	size_t *thread_rooms;
	size_t process_count;
	uint64_t flow;
};

static void put(struct chrome *chrome, const char *text)
{
	yajl_gen_string(chrome->gen, (const unsigned char *) text, strlen(text));
}

static void put_text(struct chrome *chrome, const char *key, const char *text)
{
	put(chrome, key);
	put(chrome, text);
}

static void put_number(struct chrome *chrome, const char *key, int64_t number)
{
	put(chrome, key);
	yajl_gen_integer(chrome->gen, number);
}

static void put_yes(struct chrome *chrome, const char *key)
{
	put(chrome, key);
	yajl_gen_bool(chrome->gen, true);
}

static void put_id(struct chrome *chrome, const char *key, uvhooks_async_id id)
{
	char text[UVHOOKS_ID_TEXT_BYTES];

	put_text(chrome, key, uvhooks_id_text(id, text));
}

static void put_map(struct chrome *chrome, const char *key)
{
	put(chrome, key);
	yajl_gen_map_open(chrome->gen);
}

/* Microseconds, to the nanosecond. */
static void put_ns(struct chrome *chrome, const char *key, int64_t ns)
{
	char text[32];
	int used =
	    snprintf(text, sizeof(text), "%lld.%03d", (long long) (ns / 1000), (int) (ns % 1000));

	put(chrome, key);
	yajl_gen_number(chrome->gen, text, (size_t) used);
}

/* Since the trace began: as a double, as readers keep it, 1970 would be too far away. */
static int64_t since_begin(const struct chrome *chrome, int64_t time_ns)
{
	int64_t base_ns = chrome->export->base_ns;

	return time_ns > base_ns ? time_ns - base_ns : 0;
}

static void put_time(struct chrome *chrome, int64_t time_ns)
{
	put_ns(chrome, "ts", since_begin(chrome, time_ns));
}

static void open_event(struct chrome *chrome, const char *phase, const char *name,
		       const char *category, uint32_t pid, uint32_t tid)
{
	yajl_gen_map_open(chrome->gen);
	put_text(chrome, "ph", phase);
	put_text(chrome, "name", name);
	put_text(chrome, "cat", category);
	put_number(chrome, "pid", pid);
	put_number(chrome, "tid", tid);
}

static void flush(struct chrome *chrome)
{
	const unsigned char *text;
	size_t bytes;

	yajl_gen_get_buf(chrome->gen, &text, &bytes);
	fwrite_unlocked(text, 1, bytes, chrome->export->file);
	putc_unlocked('\n', chrome->export->file);
	yajl_gen_clear(chrome->gen);
}

/* Each event stands on a line, so that a person can look for one, and a program need not hold all.
 */
static void close_event(struct chrome *chrome)
{
	yajl_gen_map_close(chrome->gen);
	flush(chrome);
}

static void write_name(struct chrome *chrome, const char *what, const struct uvh_trace_process *of,
		       uint32_t tid, const char *name)
{
	char clean[TEXT_BYTES];

	open_event(chrome, "M", what, "__metadata", of->pid, tid);
	put_time(chrome, 0);
	put_map(chrome, "args");
	put_text(chrome, "name", uvh_clean_text(name, true, clean, sizeof(clean)));
	yajl_gen_map_close(chrome->gen);
	close_event(chrome);
}

static void tell_thread(struct chrome *chrome, const struct uvh_trace_thread *thread)
{
	const struct uvh_trace_process *process = thread->process;
	size_t at = process->index;

	if (chrome->threads[at] == NULL)
		write_name(chrome, "process_name", process, process->pid,
			   uvh_export_program(process));
	chrome->threads[at] =
	    uvh_grow(chrome->threads[at], &chrome->thread_rooms[at], thread->index + 1, 1);
	if (chrome->threads[at][thread->index] != 0)
		return;
	chrome->threads[at][thread->index] = 1;
	if (thread->name[0] != '\0')
		write_name(chrome, "thread_name", process, thread->thread_id, thread->name);
}

static void open_slice(struct chrome *chrome, const char *phase, const char *name,
		       const struct uvh_trace_thread *thread, int64_t time_ns)
{
	tell_thread(chrome, thread);
	open_event(chrome, phase, name, CATEGORY, thread->process->pid, thread->thread_id);
	put_time(chrome, time_ns);
}

static void open_chrome(struct uvh_export *export)
{
	struct chrome *chrome = uvh_zeros(1, sizeof(*chrome));

	export->data = chrome;
	chrome->export = export;
	chrome->process_count = uvh_trace_process_count(export->trace);
	chrome->threads = uvh_zeros(chrome->process_count, sizeof(*chrome->threads));
	chrome->thread_rooms = uvh_zeros(chrome->process_count, sizeof(*chrome->thread_rooms));
	chrome->gen = yajl_gen_alloc(NULL);
	yajl_gen_map_open(chrome->gen);
	put_text(chrome, "displayTimeUnit", "ns");
	put_map(chrome, "otherData");
	put_text(chrome, "producer", "uvhooks " UVHOOKS_VERSION);
	put_number(chrome, "began_ns_since_1970", export->base_ns);
	yajl_gen_map_close(chrome->gen);
	put(chrome, "traceEvents");
	yajl_gen_array_open(chrome->gen);
	flush(chrome);
}

static void write_flow_end(struct chrome *chrome, const char *phase,
			   const struct uvh_trace_thread *thread, int64_t time_ns)
{
	open_slice(chrome, phase, "cause", thread, time_ns);
	put_number(chrome, "id", (int64_t) chrome->flow);
	if (phase[0] == 'f')
		put_text(chrome, "bp", "e"); /* ends at what runs there, not at what comes next */
	close_event(chrome);
}

static void write_mark(struct chrome *chrome, const struct uvh_slice *slice)
{
	const struct uvh_cause *cause = &slice->cause;
	char text[TEXT_BYTES];

	snprintf(text, sizeof(text), "%s %s", uvh_export_how(cause->how), slice->name->type->text);
	open_slice(chrome, "X", text, cause->thread, cause->time_ns);
	put_number(chrome, "dur", 0);
	put_map(chrome, "args");
	put_id(chrome, "causes", slice->id);
	yajl_gen_map_close(chrome->gen);
	close_event(chrome);
	chrome->flow++;
	write_flow_end(chrome, "s", cause->thread, cause->time_ns);
}

static void put_flags(struct chrome *chrome, unsigned int flags)
{
	char text[UVH_EXPORT_FLAGS_BYTES];

	if (flags != 0)
		put_text(chrome, "flags", uvh_export_flags(flags, text));
}

static void put_arguments(struct chrome *chrome, const struct uvh_slice *slice)
{
	const char *call = uvhooks_fs_name(slice->fs_type);

	put_map(chrome, "args");
	if (slice->kind != UVH_SLICE_TOP_LEVEL)
		put_id(chrome, "id", slice->id);
	if (slice->kind == UVH_SLICE_CALLBACK || slice->kind == UVH_SLICE_WORK) {
		put_id(chrome, "trigger", slice->trigger);
		put_text(chrome, "type", slice->name->type->text);
		if (slice->name->callback != NULL)
			put_text(chrome, "callback", slice->name->callback->text);
		if (call != NULL)
			put_text(chrome, "call", call);
	}
	put_flags(chrome, slice->flags);
	if (slice->is_cut)
		put_yes(chrome, "unfinished");
	yajl_gen_map_close(chrome->gen);
}

static void end(struct uvh_export *export, const struct uvh_slice *slice)
{
	struct chrome *chrome = export->data;
	bool has_arrow = uvh_slice_has_arrow(slice);

	if (!slice->is_shown)
		return;
	if (has_arrow)
		write_mark(chrome, slice);
	open_slice(chrome, "X", slice->name->text, slice->thread, slice->begin_ns);
	put_ns(chrome, "dur",
	       since_begin(chrome, slice->end_ns) - since_begin(chrome, slice->begin_ns));
	put_arguments(chrome, slice);
	close_event(chrome);
	if (has_arrow)
		write_flow_end(chrome, "f", slice->thread, slice->begin_ns);
}

static void open_life(struct chrome *chrome, const char *phase, const struct uvh_life *life)
{
	tell_thread(chrome, life->thread);
	open_event(chrome, phase, life->name->type->text, RESOURCE_CATEGORY, life->process->pid,
		   life->thread->thread_id);
	put_time(chrome, life->time_ns);
	put_map(chrome, "id2");
	put_id(chrome, "local", life->id);
	yajl_gen_map_close(chrome->gen);
	put_map(chrome, "args");
}

static void life_begin(struct uvh_export *export, struct uvh_life *life)
{
	struct chrome *chrome = export->data;
	const char *call = uvhooks_fs_name(life->fs_type);

	open_life(chrome, "b", life);
	put_id(chrome, "id", life->id);
	put_id(chrome, "trigger", life->trigger);
	if (call != NULL)
		put_text(chrome, "call", call);
	if (!life->init_seen)
		put_yes(chrome, "made before the trace");
	yajl_gen_map_close(chrome->gen);
	close_event(chrome);
}

static void life_end(struct uvh_export *export, const struct uvh_life *life)
{
	struct chrome *chrome = export->data;

	open_life(chrome, "e", life);
	if (life->is_alive)
		put_yes(chrome, "alive at the end");
	put_flags(chrome, life->flags);
	yajl_gen_map_close(chrome->gen);
	close_event(chrome);
}

static void close_chrome(struct uvh_export *export)
{
	struct chrome *chrome = export->data;

	yajl_gen_array_close(chrome->gen);
	yajl_gen_map_close(chrome->gen);
	flush(chrome);
	yajl_gen_free(chrome->gen);
	for (size_t i = 0; i < chrome->process_count; i++)
		free(chrome->threads[i]);
	free(chrome->threads);
	free(chrome->thread_rooms);
	free(chrome);
}

const struct uvh_export_format uvh_export_chrome = {
    .name = "chrome",
    .summary = "the same as JSON, for chrome://tracing and others; several times as large",
    .next = "open FILE in chrome://tracing or https://ui.perfetto.dev",
    .open = open_chrome,
    .end = end,
    .life_begin = life_begin,
    .life_end = life_end,
    .close = close_chrome,
};
