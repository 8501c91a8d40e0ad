/* SPDX-License-Identifier: MIT */
/* One frame as data. */
#include "top.h"

static void json_lines(struct uvh_json *json, const char *key, const struct uvh_top_lines *lines,
		       const struct uvh_top_style *style, enum uvh_top_view view)
{
	uvh_json_array(json, key);
	for (size_t i = 0; i < lines->count; i++) {
		const struct uvh_top_line *line = &lines->lines[i];

		if (!uvh_top_passes(style, line->type, line->call, line->what))
			continue;
		uvh_json_object(json, NULL);
		uvh_json_text(json, "type", line->type);
		uvh_json_text(json, "call", line->call[0] != '\0' ? line->call : NULL);
		if (view == UVH_TOP_SITES)
			uvh_json_text(json, "where", line->what);
		if (view == UVH_TOP_CALLBACKS) {
			uvh_json_text(json, "callback", line->what);
			uvh_json_bool(json, "in_pool", line->in_pool);
		} else {
			uvh_json_number(json, "live", (int64_t) line->live);
			uvh_json_number(json, "made", (int64_t) line->made);
			uvh_json_number(json, "closed", (int64_t) line->closed);
		}
		uvh_json_number(json, "callbacks", (int64_t) line->runs);
		uvh_json_number(json, "ns", line->ns);
		uvh_json_number(json, "busy_ns", line->busy_ns > 0 ? line->busy_ns : 0);
		if (view == UVH_TOP_CALLBACKS)
			uvh_json_number(json, "self_ns", line->self_ns);
		if (view != UVH_TOP_SITES)
			uvh_json_number(json, "max_ns", line->most_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void json_loops(struct uvh_json *json, const struct uvh_top_frame *frame)
{
	uvh_json_array(json, "loops");
	for (size_t i = 0; i < frame->loop_count; i++) {
		const struct uvh_top_loop *loop = &frame->loops[i];

		uvh_json_object(json, NULL);
		uvh_json_number(json, "loop", loop->space);
		if (loop->busy >= 0) {
			uvh_json_fraction(json, "busy", loop->busy);
			uvh_json_number(json, "callbacks", (int64_t) loop->runs);
			uvh_json_number(json, "turns", (int64_t) loop->turns);
		}
		if (loop->callback[0] != '\0') {
			uvh_json_object(json, "runs");
			uvh_json_id(json, "id", loop->id);
			uvh_json_text(json, "type", loop->type[0] != '\0' ? loop->type : NULL);
			uvh_json_text(json, "callback", loop->callback);
			if (loop->for_ns >= 0)
				uvh_json_number(json, "for_ns", loop->for_ns);
			uvh_json_object_end(json);
		}
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void json_pool(struct uvh_json *json, const struct uvh_top_frame *frame,
		      const struct uvh_top_style *style)
{
	uvh_json_object(json, "pool");
	uvh_json_number(json, "threads", (int64_t) frame->pool_threads);
	uvh_json_number(json, "running", (int64_t) frame->pool_running);
	uvh_json_number(json, "waiting", (int64_t) frame->pool_waiting);
	uvh_json_array(json, "kinds");
	for (size_t i = 0; i < frame->pool_count; i++) {
		const struct uvh_top_pool_line *line = &frame->pool[i];
		const char *kind = uvh_pool_kind_name(line->kind);

		if (!uvh_top_passes(style, kind, line->call, ""))
			continue;
		uvh_json_object(json, NULL);
		uvh_json_text(json, "kind", kind);
		uvh_json_text(json, "call", line->call[0] != '\0' ? line->call : NULL);
		uvh_json_number(json, "running", (int64_t) line->running);
		uvh_json_number(json, "waiting", (int64_t) line->waiting);
		uvh_json_number(json, "done", (int64_t) line->done);
		uvh_json_number(json, "wait_mean_ns", line->wait_ns);
		uvh_json_number(json, "wait_max_ns", line->wait_most_ns);
		uvh_json_number(json, "run_mean_ns", line->run_ns);
		uvh_json_number(json, "run_max_ns", line->run_most_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
	uvh_json_object_end(json);
}

static void json_longest(struct uvh_json *json, const struct uvh_top_frame *frame,
			 const struct uvh_top_style *style)
{
	uvh_json_array(json, "longest");
	for (size_t i = 0; i < frame->longest_count; i++) {
		const struct uvh_top_long *item = &frame->longest[i];

		if (!uvh_top_passes(style, item->type, item->callback, ""))
			continue;
		uvh_json_object(json, NULL);
		uvh_json_id(json, "id", item->id);
		uvh_json_text(json, "type", item->type);
		uvh_json_text(json, "callback", item->callback);
		uvh_json_number(json, "ns", item->ns);
		uvh_json_bool(json, "runs", item->runs);
		if (!item->runs)
			uvh_json_number(json, "ago_ns", item->ago_ns);
		uvh_json_object_end(json);
	}
	uvh_json_array_end(json);
}

static void json_lost(struct uvh_json *json, const struct uvh_top_frame *frame)
{
	static const char *const names[] = {
#define XX(name) #name,
	    UVHOOKS_COUNTER_MAP(XX)
#undef XX
	};

	uvh_json_object(json, "lost");
	for (size_t i = 0; i < frame->sample->counter_count && i < sizeof(names) / sizeof(names[0]);
	     i++)
		uvh_json_number(json, names[i], (int64_t) frame->sample->counters[i]);
	uvh_json_number(json, "not_counted", (int64_t) frame->untold);
	uvh_json_object_end(json);
}

void uvh_top_json(struct uvh_top *top, const struct uvh_top_style *style)
{
	const struct uvh_top_frame *frame = &top->frame;
	struct uvh_json *json = uvh_json_new();
	char text[sizeof(frame->sample->control.libuv) + 1] = "";

	__builtin_memcpy(text, frame->sample->control.libuv, sizeof(text) - 1);
	uvh_json_object(json, NULL);
	uvh_json_number(json, "pid", frame->pid);
	uvh_json_text(json, "program", frame->program);
	uvh_json_text(json, "libuv", text);
	uvh_json_bool(json, "measured", frame->is_metered);
	uvh_json_fraction(json, "seconds", frame->seconds);
	uvh_json_number(json, "live", (int64_t) frame->live);
	uvh_json_number(json, "made", (int64_t) frame->made);
	uvh_json_number(json, "closed", (int64_t) frame->closed);
	uvh_json_number(json, "callbacks", (int64_t) frame->runs);
	json_loops(json, frame);
	json_pool(json, frame, style);
	json_lines(json, "types", &frame->types, style, UVH_TOP_TYPES);
	json_lines(json, "sites", &frame->sites, style, UVH_TOP_SITES);
	json_lines(json, "by_callback", &frame->callbacks, style, UVH_TOP_CALLBACKS);
	json_longest(json, frame, style);
	json_lost(json, frame);
	uvh_json_text(json, "trouble", top->trouble[0] != '\0' ? top->trouble : NULL);
	uvh_json_object_end(json);
	uvh_json_free(json);
}
