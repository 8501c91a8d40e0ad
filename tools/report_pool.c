/* SPDX-License-Identifier: MIT */
/* What crosses threads: work on the thread pool, and wake-ups. */
#include "report.h"

/* More senders and handles than these are not told apart. */
#define WAKEUPS_MAX 4096

static struct uvh_report_pool *pool_of(const struct uvh_trace_event *event)
{
	return &uvh_report_process(event->process)->pool;
}

/* So many threads are busy from now on. */
static void set_busy(struct uvh_report_pool *pool, unsigned int busy, int64_t now_ns)
{
	unsigned int most = pool->busy > busy ? pool->busy : busy;

	pool->busy_ns =
	    uvh_grow(pool->busy_ns, &pool->busy_room, (size_t) most + 1, sizeof(*pool->busy_ns));
	if (pool->since_ns != 0)
		pool->busy_ns[pool->busy] += now_ns - pool->since_ns;
	pool->since_ns = now_ns;
	pool->busy = busy;
	if (busy > pool->most)
		pool->most = busy;
}

void uvh_report_work_begin(const struct uvh_trace_event *event)
{
	struct uvh_report_thread *thread = uvh_report_thread(event->thread);
	struct uvh_report_pool *pool = pool_of(event);

	pool->jobs++;
	if (event->resource->init_seen)
		uvh_histogram_add(&pool->queue, event->time_ns - event->resource->init_ns);
	if (!thread->worked)
		pool->threads++;
	thread->worked = true;
	if (!thread->works)
		set_busy(pool, pool->busy + 1, event->time_ns);
	thread->works = true;
}

void uvh_report_work_end(const struct uvh_trace_event *event)
{
	struct uvh_report_thread *thread = uvh_report_thread(event->thread);
	struct uvh_report_pool *pool = pool_of(event);

	if (event->begin_ns != 0)
		uvh_histogram_add(&pool->service, event->time_ns - event->begin_ns);
	if (thread->works)
		set_busy(pool, pool->busy - 1, event->time_ns);
	thread->works = false;
}

void uvh_report_work_back(const struct uvh_trace_event *event)
{
	/* There is none where the work was cancelled. */
	if (event->resource->work_end_ns != 0)
		uvh_histogram_add(&pool_of(event)->back,
				  event->time_ns - event->resource->work_end_ns);
}

void uvh_report_pool_end(struct uvh_report_process *state, int64_t end_ns)
{
	if (state->pool.jobs != 0 && end_ns > state->pool.since_ns)
		set_busy(&state->pool, state->pool.busy, end_ns);
}

double uvh_report_pool_mean(const struct uvh_report_pool *pool)
{
	double weighted = 0, all = 0;

	for (size_t busy = 0; busy < pool->busy_room; busy++) {
		weighted += (double) pool->busy_ns[busy] * (double) busy;
		all += (double) pool->busy_ns[busy];
	}
	return all > 0 ? weighted / all : 0;
}

double uvh_report_pool_all_busy(const struct uvh_report_pool *pool)
{
	double all = 0;

	for (size_t busy = 0; busy < pool->busy_room; busy++)
		all += (double) pool->busy_ns[busy];
	if (!(all > 0) || pool->threads >= pool->busy_room)
		return 0;
	return (double) pool->busy_ns[pool->threads] / all;
}

static bool is_wakeup(const struct uvh_report_wakeup *one, const struct uvh_report_wakeup *other)
{
	return one->process == other->process && one->id == other->id &&
	       one->sender_space == other->sender_space && one->sender_type == other->sender_type &&
	       one->sender_is_top == other->sender_is_top;
}

static struct uvh_report_wakeup *wakeup_of(struct uvh_report *report,
					   const struct uvh_report_wakeup *wanted)
{
	uint32_t hash =
	    uvh_hash(wanted->id, (uintptr_t) wanted->process + (wanted->sender_space << 16) +
				     wanted->sender_type * 2u + wanted->sender_is_top);
	size_t at = 0;
	uint32_t row;

	while ((row = uvh_index_next(&report->wakeup_index, hash, &at)) != UVH_INDEX_END)
		if (is_wakeup(&report->wakeups[row], wanted))
			return &report->wakeups[row];
	report->wakeups = uvh_grow(report->wakeups, &report->wakeup_room, report->wakeup_count + 1,
				   sizeof(*report->wakeups));
	report->wakeups[report->wakeup_count] = *wanted;
	uvh_index_add(&report->wakeup_index, hash, (uint32_t) report->wakeup_count);
	return &report->wakeups[report->wakeup_count++];
}

void uvh_report_wakeup(struct uvh_report *report, const struct uvh_trace_event *event)
{
	const struct uvh_trace_resource *sender =
	    uvh_trace_find(report->trace, event->process, event->other_async_id);
	struct uvh_report_wakeup wanted = {
	    .process = event->process,
	    .id = event->async_id,
	    .callback = event->callback,
	    .sender_space = uvhooks_id_space(event->other_async_id),
	    .sender_type = sender == NULL ? UVHOOKS_NONE : sender->type,
	    .sender_is_top = uvhooks_id_sequence(event->other_async_id) == 1,
	};

	if (report->wakeup_count >= WAKEUPS_MAX) {
		wanted.id = 0;
		wanted.callback = 0;
	}
	wakeup_of(report, &wanted)->count++;
}

bool uvh_report_wakeup_crosses(const struct uvh_report_wakeup *wakeup)
{
	return wakeup->sender_space != uvhooks_id_space(wakeup->id) ||
	       wakeup->sender_type == UVHOOKS_UVTHREAD || wakeup->sender_type == UVHOOKS_WORKREQ;
}
