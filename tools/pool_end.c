/* SPDX-License-Identifier: MIT */
/* What is under way when the trace ends: it runs on a thread of the pool, or waits for one. */
#include <stdlib.h>

#include "pool.h"

struct ending {
	struct uvh_pool *pool;
	struct uvh_pool_process *state;
	bool (*wants)(const struct uvh_trace_resource *resource, void *data);
	void *data;
	int64_t end_ns;
	size_t threads;
	size_t busy, slow_busy;
};

static void tell_open(const struct ending *ending, const struct uvh_pool_job *job,
		      const struct uvh_trace_resource *resource, struct uvh_pool_row *row)
{
	int64_t ns = ending->end_ns - (job->begun ? job->begin_ns : job->submit_ns);

	if (!ending->wants(resource, ending->data))
		return;
	if (job->begun) {
		row->running++;
		if (ns > row->running_ns)
			row->running_ns = ns;
	} else {
		row->waiting++;
		if (ns > row->waiting_ns)
			row->waiting_ns = ns;
	}
}

/* Nothing behind it in its queue has begun: it runs if there is a thread to spare, else it waits.
 */
static bool has_thread(const struct ending *ending, const struct uvh_pool_job *job)
{
	return ending->busy < ending->threads &&
	       (job->queue == UVH_POOL_FAST ||
		ending->slow_busy < uvh_pool_slow_threads(ending->threads));
}

static void end_job(struct ending *ending, struct uvh_pool_job *job)
{
	const struct uvh_trace_resource *resource =
	    uvh_trace_find(ending->pool->trace, ending->state->process, job->id);
	uint32_t row;

	if (resource == NULL || (job->submit_ns == 0 && !job->begun))
		return;
	row = job->begun ? job->row : uvh_pool_row_of(ending->pool, resource, 0);
	/* Work that has begun says so. */
	if (!job->begun && has_thread(ending, job) && resource->type != UVHOOKS_WORKREQ) {
		uvh_pool_begin_job(ending->pool, ending->state, job, row, 0, job->submit_ns);
		ending->busy++;
		ending->slow_busy += job->queue == UVH_POOL_SLOW;
	} else if (!job->begun) {
		uvh_pool_change(ending->pool, ending->state, UVH_POOL_WAITS, job->submit_ns, row);
	}
	tell_open(ending, job, resource, ending->pool->rows[row]);
}

/* In the order in which they came; first what holds a thread. */
static int compare_jobs(const void *one, const void *other)
{
	const struct uvh_pool_job *a = *(struct uvh_pool_job *const *) one;
	const struct uvh_pool_job *b = *(struct uvh_pool_job *const *) other;

	if (a->begun != b->begun)
		return a->begun ? -1 : 1;
	return (a->submit_ns > b->submit_ns) - (a->submit_ns < b->submit_ns);
}

static void end_jobs(struct ending *ending)
{
	struct uvh_pool_process *state = ending->state;
	struct uvh_pool_job **jobs = uvh_zeros(state->job_count + 1, sizeof(struct uvh_pool_job *));
	size_t count = 0;

	for (size_t i = 0; i < state->job_count; i++) {
		struct uvh_pool_job *job = &state->under_way[i];

		if (job->id == 0)
			continue;
		jobs[count++] = job;
		ending->busy += job->begun;
		ending->slow_busy += job->begun && job->queue == UVH_POOL_SLOW;
	}
	if (count > 0)
		qsort(jobs, count, sizeof(struct uvh_pool_job *), compare_jobs);
	for (size_t i = 0; i < count; i++)
		end_job(ending, jobs[i]);
	free(jobs);
}

static void end_process(struct ending *ending)
{
	struct uvh_pool_process *state = ending->state;
	struct uvh_pool_occupancy *occupancy = &state->occupancy;
	size_t known;

	ending->end_ns = occupancy->to_ns;
	uvh_pool_begin_by_queue(ending->pool, state);
	uvh_pool_occupancy_count(occupancy, uvh_pool_settled_ns(state, ending->end_ns));
	ending->threads = uvh_pool_threads(state);
	known = ending->threads;
	if (!uvh_pool_is_exact(state) && known < UVH_POOL_DEFAULT_THREADS)
		ending->threads = UVH_POOL_DEFAULT_THREADS;
	end_jobs(ending);
	state->assumed = ending->busy > known;
	uvh_pool_occupancy_end(occupancy);
}

void uvh_pool_end(struct uvh_pool *pool,
		  bool (*wants)(const struct uvh_trace_resource *resource, void *data), void *data)
{
	for (size_t i = 0; i < pool->process_room; i++) {
		struct ending ending = {
		    .pool = pool, .state = pool->processes[i], .wants = wants, .data = data};

		if (ending.state != NULL)
			end_process(&ending);
	}
}
