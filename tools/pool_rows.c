/* SPDX-License-Identifier: MIT */
/* Kinds of jobs: rows by number, and lines by name. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#include "demangle.h"

static bool is_row(const struct uvh_pool_row *row, const struct uvh_trace_resource *resource,
		   uint64_t work)
{
	return row->process == resource->process && row->work == work &&
	       row->callback == resource->init_callback && row->stack == resource->init_stack &&
	       row->type == resource->type && row->fs_type == resource->fs_type;
}

uint32_t uvh_pool_row_of(struct uvh_pool *pool, const struct uvh_trace_resource *resource,
			 uint64_t work)
{
	uint32_t hash =
	    uvh_hash(uvh_hash(uvh_hash(work, resource->init_callback), resource->init_stack),
		     (uintptr_t) resource->process + resource->type * 64u +
			 (unsigned int) resource->fs_type);
	struct uvh_pool_row *row;
	size_t at = 0;
	uint32_t found;

	while ((found = uvh_index_next(&pool->row_index, hash, &at)) != UVH_INDEX_END)
		if (is_row(pool->rows[found], resource, work))
			return found;
	row = uvh_zeros(1, sizeof(*row));
	row->process = resource->process;
	row->work = work;
	row->callback = resource->init_callback;
	row->stack = resource->init_stack;
	row->type = resource->type;
	row->fs_type = resource->fs_type;
	row->kind = uvh_pool_kind_of(resource->type);
	pool->rows = uvh_grow(pool->rows, &pool->row_room, pool->row_count + 1,
			      sizeof(struct uvh_pool_row *));
	pool->rows[pool->row_count] = row;
	uvh_index_add(&pool->row_index, hash, (uint32_t) pool->row_count);
	return (uint32_t) pool->row_count++;
}

/* Work that never began does not say what it is. If others from there were all alike, so is it. */
static uint64_t work_of(const struct uvh_pool *pool, const struct uvh_pool_row *row)
{
	uint64_t work = row->work;

	for (size_t i = 0; row->work == 0 && i < pool->row_count; i++) {
		const struct uvh_pool_row *other = pool->rows[i];

		if (other->kind != UVH_POOL_WORK || other->work == 0 || other->work == work ||
		    other->process != row->process || other->stack != row->stack ||
		    other->callback != row->callback)
			continue;
		if (work != 0)
			return 0;
		work = other->work;
	}
	return work;
}

static const char *what(const struct uvh_pool *pool, const struct uvh_pool_row *row)
{
	const char *call = uvhooks_fs_name(row->fs_type);
	uint64_t work;

	switch (row->kind) {
	case UVH_POOL_WORK:
		work = work_of(pool, row);
		return work == 0 ? "(none has begun)" : uvh_readable_callback(row->process, work);
	case UVH_POOL_FS:
		return call == NULL ? "(unknown call)" : call;
	case UVH_POOL_DNS:
		return row->type == UVHOOKS_GETADDRINFOREQWRAP ? "getaddrinfo" : "getnameinfo";
	case UVH_POOL_RANDOM:
	case UVH_POOL_KINDS:
		break;
	}
	return "random bytes";
}

static bool is_same_text(const char *one, const char *other)
{
	return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static bool is_same_site(const struct uvh_stack_frame *one, const struct uvh_stack_frame *other)
{
	return one == other || (one != NULL && other != NULL && uvh_stack_same_place(one, other));
}

static uint32_t line_of(struct uvh_pool_view *view, const struct uvh_pool_line *wanted)
{
	for (size_t i = 0; i < view->count; i++) {
		const struct uvh_pool_line *line = &view->lines[i];

		if (line->row->process == wanted->row->process &&
		    line->row->kind == wanted->row->kind &&
		    is_same_text(line->what, wanted->what) &&
		    is_same_text(line->callback, wanted->callback) &&
		    is_same_site(line->site, wanted->site))
			return (uint32_t) i;
	}
	view->lines = uvh_grow(view->lines, &view->room, view->count + 1, sizeof(*view->lines));
	view->lines[view->count] = *wanted;
	return (uint32_t) view->count++;
}

static void add_row(struct uvh_pool_line *line, const struct uvh_pool_row *row)
{
	line->cancelled += row->cancelled;
	line->untold += row->untold;
	line->waiting += row->waiting;
	line->running += row->running;
	if (row->waiting_ns > line->waiting_ns)
		line->waiting_ns = row->waiting_ns;
	if (row->running_ns > line->running_ns)
		line->running_ns = row->running_ns;
	uvh_histogram_merge(&line->queue, &row->queue);
	uvh_histogram_merge(&line->service, &row->service);
	uvh_histogram_merge(&line->whole, &row->whole);
}

void uvh_pool_view(const struct uvh_pool *pool, struct uvh_pool_view *view)
{
	*view = (struct uvh_pool_view){0};
	view->line_of = uvh_zeros(pool->row_count + 1, sizeof(*view->line_of));
	for (size_t i = 0; i < pool->row_count; i++) {
		const struct uvh_pool_row *row = pool->rows[i];
		const struct uvh_stack *stack = uvh_stack(row->process, row->stack);
		struct uvh_pool_line wanted = {
		    .row = row,
		    .what = what(pool, row),
		    .callback = row->callback == 0
				    ? NULL
				    : uvh_readable_callback(row->process, row->callback),
		    .site = stack == NULL ? NULL : stack->site,
		};

		view->line_of[i] = line_of(view, &wanted);
		add_row(&view->lines[view->line_of[i]], row);
	}
}

void uvh_pool_view_free(struct uvh_pool_view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		uvh_histogram_free(&view->lines[i].queue);
		uvh_histogram_free(&view->lines[i].service);
		uvh_histogram_free(&view->lines[i].whole);
	}
	free(view->lines);
	free(view->line_of);
}
