/* SPDX-License-Identifier: MIT */
/* What crosses threads: what is done on the thread pool, and wake-ups. */
#include "report.h"

/* More senders and handles than these are not told apart. */
#define WAKEUPS_MAX 4096

void uvh_report_pool_times(const struct uvh_report *report, const struct uvh_trace_process *process,
			   enum uvh_pool_kind kind, struct uvh_report_pool_times *times)
{
	*times = (struct uvh_report_pool_times){0};
	for (size_t i = 0; i < report->pool.row_count; i++) {
		const struct uvh_pool_row *row = report->pool.rows[i];

		if (row->process != process || row->kind != kind)
			continue;
		uvh_histogram_merge(&times->queue, &row->queue);
		uvh_histogram_merge(&times->service, &row->service);
	}
}

void uvh_report_pool_times_free(struct uvh_report_pool_times *times)
{
	uvh_histogram_free(&times->queue);
	uvh_histogram_free(&times->service);
}

const struct uvh_pool_process *uvh_report_pool(const struct uvh_report *report,
					       const struct uvh_trace_process *process)
{
	for (size_t i = 0; i < report->pool.row_count; i++) {
		const struct uvh_pool_row *row = report->pool.rows[i];

		if (row->process == process && row->queue.count + row->service.count > 0)
			return uvh_pool_of(&report->pool, process);
	}
	return NULL;
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
