/* SPDX-License-Identifier: MIT */
/*
 * From events to jobs of the thread pool.
 *
 * Of what libuv itself does there only the end and the thread are known. It began when it was asked
 * for, or when that thread's job before it ended, whichever is later: a thread of the pool that has
 * nothing to do begins at once what comes in, and one that has done its job takes the next that
 * waits. (How long the thread takes to wake up counts as work, then: some 10 us.) This holds for
 * slow work as well, which may wait while threads are idle: what lets it begin is the end of other
 * slow work, and the thread that ended that goes on with it.
 *
 * Both queues are worked off in order. So where something has begun, all before it in its queue
 * has; what never ended, or not yet, is known to hold a thread by that.
 */
#include "pool.h"

#include <stdlib.h>

const char *uvh_pool_kind_name(enum uvh_pool_kind kind)
{
	static const char *const names[] = {
	    [UVH_POOL_WORK] = "work",
	    [UVH_POOL_FS] = "fs",
	    [UVH_POOL_DNS] = "dns",
	    [UVH_POOL_RANDOM] = "random",
	};

	return names[kind];
}

enum uvh_pool_kind uvh_pool_kind_of(unsigned int type)
{
	switch (type) {
	case UVHOOKS_WORKREQ:
		return UVH_POOL_WORK;
	case UVHOOKS_FSREQCALLBACK:
		return UVH_POOL_FS;
	case UVHOOKS_GETADDRINFOREQWRAP:
	case UVHOOKS_GETNAMEINFOREQWRAP:
		return UVH_POOL_DNS;
	case UVHOOKS_RANDOMREQ:
		return UVH_POOL_RANDOM;
	}
	return UVH_POOL_KINDS;
}

static struct uvh_pool_process *process_of(struct uvh_pool *pool, struct uvh_trace_process *process)
{
	struct uvh_pool_process *state;
	int64_t from_ns = pool->from_ns, to_ns = pool->to_ns;

	pool->processes = uvh_grow(pool->processes, &pool->process_room, process->index + 1,
				   sizeof(struct uvh_pool_process *));
	state = pool->processes[process->index];
	if (state != NULL)
		return state;
	state = uvh_zeros(1, sizeof(*state));
	state->process = process;
	state->unused = UVH_POOL_NOBODY;
	for (unsigned int i = 0; i < UVH_POOL_QUEUES; i++)
		state->queues[i] = (struct uvh_pool_queue){UVH_POOL_NOBODY, UVH_POOL_NOBODY};
	if (from_ns < process->start_ns)
		from_ns = process->start_ns;
	if (to_ns > process->last_ns)
		to_ns = process->last_ns;
	uvh_pool_occupancy_begin(&state->occupancy, from_ns, to_ns);
	pool->processes[process->index] = state;
	return state;
}

static struct uvh_pool_thread *thread_of(struct uvh_pool_process *state,
					 const struct uvh_trace_thread *thread)
{
	struct uvh_pool_thread *found;

	state->by_thread = uvh_grow(state->by_thread, &state->thread_room, thread->index + 1,
				    sizeof(*state->by_thread));
	found = &state->by_thread[thread->index];
	if (!found->seen)
		state->threads++;
	found->seen = true;
	return found;
}

static uint32_t hash_of(uvhooks_async_id id)
{
	return uvh_hash(id, 0);
}

static struct uvh_pool_job *job_of(struct uvh_pool_process *state, uvhooks_async_id id)
{
	size_t at = 0;
	uint32_t found;

	while ((found = uvh_index_next(&state->by_id, hash_of(id), &at)) != UVH_INDEX_END)
		if (state->under_way[found].id == id)
			return &state->under_way[found];
	return NULL;
}

static void enqueue(struct uvh_pool_process *state, struct uvh_pool_job *job)
{
	struct uvh_pool_queue *queue = &state->queues[job->queue];
	uint32_t number = (uint32_t) (job - state->under_way);

	job->before = queue->last;
	job->behind = UVH_POOL_NOBODY;
	if (queue->last == UVH_POOL_NOBODY)
		queue->first = number;
	else
		state->under_way[queue->last].behind = number;
	queue->last = number;
}

static void dequeue(struct uvh_pool_process *state, struct uvh_pool_job *job)
{
	struct uvh_pool_queue *queue = &state->queues[job->queue];

	if (job->before == UVH_POOL_NOBODY)
		queue->first = job->behind;
	else
		state->under_way[job->before].behind = job->behind;
	if (job->behind == UVH_POOL_NOBODY)
		queue->last = job->before;
	else
		state->under_way[job->behind].before = job->before;
}

static struct uvh_pool_job *add_job(struct uvh_pool_process *state,
				    const struct uvh_trace_resource *resource)
{
	uint32_t number = state->unused;
	struct uvh_pool_job *job;

	if (number == UVH_POOL_NOBODY) {
		state->under_way = uvh_grow(state->under_way, &state->job_room,
					    state->job_count + 1, sizeof(*state->under_way));
		number = (uint32_t) state->job_count++;
	} else {
		state->unused = state->under_way[number].behind;
	}
	job = &state->under_way[number];
	*job = (struct uvh_pool_job){
	    .id = resource->id,
	    .submit_ns = resource->init_seen ? resource->init_ns : 0,
	    .queue =
		uvh_pool_kind_of(resource->type) == UVH_POOL_DNS ? UVH_POOL_SLOW : UVH_POOL_FAST,
	};
	uvh_index_add(&state->by_id, hash_of(job->id), number);
	enqueue(state, job);
	return job;
}

static void remove_job(struct uvh_pool_process *state, struct uvh_pool_job *job)
{
	uint32_t number = (uint32_t) (job - state->under_way);

	if (!job->begun)
		dequeue(state, job);
	uvh_index_remove(&state->by_id, hash_of(job->id), number);
	job->id = 0;
	job->behind = state->unused;
	state->unused = number;
}

void uvh_pool_change(struct uvh_pool *pool, struct uvh_pool_process *state,
		     enum uvh_pool_change change, int64_t time_ns, uint32_t row)
{
	uvh_pool_occupancy_change(&state->occupancy, change, time_ns, pool->rows[row]->kind, row);
}

/* A thread that was idle when the job came has only woken up late: then it waited for none. */
void uvh_pool_begin_job(struct uvh_pool *pool, struct uvh_pool_process *state,
			struct uvh_pool_job *job, uint32_t row, int64_t free_ns, int64_t begin_ns)
{
	bool waited = job->submit_ns != 0 && free_ns > job->submit_ns;

	job->begun = true;
	job->begin_ns = begin_ns;
	job->row = row;
	dequeue(state, job);
	if (waited) {
		uvh_pool_change(pool, state, UVH_POOL_WAITS, job->submit_ns, row);
		uvh_pool_change(pool, state, UVH_POOL_LEAVES, begin_ns, row);
	}
	uvh_pool_change(pool, state, UVH_POOL_BEGINS, begin_ns, row);
}

/* All before it in its queue have begun by then. These are few: each of them holds a thread. */
static void begun_by(struct uvh_pool_process *state, const struct uvh_pool_job *job,
		     int64_t begin_ns)
{
	for (uint32_t i = job->before; i != UVH_POOL_NOBODY; i = state->under_way[i].before) {
		struct uvh_pool_job *before = &state->under_way[i];

		if (before->begun_by_ns != 0 && before->begun_by_ns <= begin_ns)
			break; /* and so all before that one */
		before->begun_by_ns = begin_ns;
	}
}

/*
 * When a job began that has not ended: when that thread did its last job which has done none since.
 * No such thread: one that was not seen yet, at once.
 */
static int64_t assumed_begin(struct uvh_pool_process *state, const struct uvh_pool_job *job,
			     int64_t by_ns)
{
	struct uvh_pool_thread *best = NULL;

	for (size_t i = 0; i < state->thread_room; i++) {
		struct uvh_pool_thread *thread = &state->by_thread[i];

		if (thread->seen && !thread->is_taken && thread->last_ns >= job->submit_ns &&
		    thread->last_ns <= by_ns && (best == NULL || thread->last_ns < best->last_ns))
			best = thread;
	}
	if (best == NULL)
		return job->submit_ns;
	best->is_taken = true;
	return best->last_ns;
}

void uvh_pool_begin_by_queue(struct uvh_pool *pool, struct uvh_pool_process *state)
{
	for (unsigned int i = 0; i < UVH_POOL_QUEUES; i++) {
		uint32_t number, behind;

		for (number = state->queues[i].first; number != UVH_POOL_NOBODY; number = behind) {
			struct uvh_pool_job *job = &state->under_way[number];
			const struct uvh_trace_resource *resource =
			    uvh_trace_find(pool->trace, state->process, job->id);
			int64_t begin_ns;

			behind = job->behind;
			if (job->begun_by_ns == 0)
				break;
			if (resource == NULL)
				continue;
			begin_ns = assumed_begin(state, job, job->begun_by_ns);
			uvh_pool_begin_job(pool, state, job, uvh_pool_row_of(pool, resource, 0),
					   begin_ns, begin_ns);
		}
	}
}

int64_t uvh_pool_settled_ns(const struct uvh_pool_process *state, int64_t now_ns)
{
	for (unsigned int i = 0; i < UVH_POOL_QUEUES; i++) {
		uint32_t first = state->queues[i].first;

		if (first != UVH_POOL_NOBODY && state->under_way[first].submit_ns < now_ns)
			now_ns = state->under_way[first].submit_ns;
	}
	return now_ns;
}

static void count(struct uvh_pool *pool, struct uvh_pool_process *state, int64_t now_ns)
{
	struct uvh_pool_occupancy *occupancy = &state->occupancy;

	if (!uvh_pool_occupancy_is_full(occupancy))
		return;
	uvh_pool_occupancy_count(occupancy, uvh_pool_settled_ns(state, now_ns));
	if (!uvh_pool_occupancy_is_full(occupancy))
		return;
	/* Something is stuck, and all that came after it is kept because of that. */
	uvh_pool_begin_by_queue(pool, state);
	uvh_pool_occupancy_count(occupancy, uvh_pool_settled_ns(state, now_ns));
	if (uvh_pool_occupancy_is_full(occupancy))
		occupancy->edges_wanted = occupancy->edge_count * 2;
}

static void on_work_begin(struct uvh_pool *pool, struct uvh_pool_process *state,
			  const struct uvh_trace_event *event, bool wanted)
{
	uint32_t row = uvh_pool_row_of(pool, event->resource, event->callback);
	struct uvh_pool_thread *thread = thread_of(state, event->thread);
	struct uvh_pool_job *job = job_of(state, event->async_id);

	if (job == NULL)
		job = add_job(state, event->resource);
	if (job->begun)
		return;
	state->jobs++;
	thread->is_taken = true;
	begun_by(state, job, event->time_ns);
	if (wanted && job->submit_ns != 0)
		uvh_histogram_add(&pool->rows[row]->queue, event->time_ns - job->submit_ns);
	uvh_pool_begin_job(pool, state, job, row, thread->last_ns, event->time_ns);
}

static void on_work_end(struct uvh_pool *pool, struct uvh_pool_process *state,
			const struct uvh_trace_event *event, bool wanted)
{
	struct uvh_pool_thread *thread = thread_of(state, event->thread);
	struct uvh_pool_job *job = job_of(state, event->async_id);

	thread->is_taken = false;
	thread->last_ns = event->time_ns;
	if (job == NULL || !job->begun)
		return;
	if (wanted && event->begin_ns != 0)
		uvh_histogram_add(&pool->rows[job->row]->service, event->time_ns - event->begin_ns);
	uvh_pool_change(pool, state, UVH_POOL_ENDS, event->time_ns, job->row);
	remove_job(state, job);
}

/* What libuv itself does: see the head of this file. */
static void on_pool_end(struct uvh_pool *pool, struct uvh_pool_process *state,
			const struct uvh_trace_event *event, bool wanted)
{
	uint32_t row = uvh_pool_row_of(pool, event->resource, 0);
	struct uvh_pool_thread *thread = thread_of(state, event->thread);
	struct uvh_pool_job *job = job_of(state, event->async_id);
	int64_t begin_ns = thread->last_ns;

	thread->is_taken = false;
	thread->last_ns = event->time_ns;
	state->jobs++;
	state->told_ends = true;
	if (job == NULL || job->submit_ns == 0)
		return;
	if (begin_ns < job->submit_ns)
		begin_ns = job->submit_ns;
	if (wanted) {
		uvh_histogram_add(&pool->rows[row]->queue, begin_ns - job->submit_ns);
		uvh_histogram_add(&pool->rows[row]->service, event->time_ns - begin_ns);
	}
	if (!job->begun) {
		begun_by(state, job, begin_ns);
		uvh_pool_begin_job(pool, state, job, row, begin_ns, begin_ns);
	}
	uvh_pool_change(pool, state, UVH_POOL_ENDS, event->time_ns, job->row);
	remove_job(state, job);
}

/*
 * init is told when the call that asks has returned, and the thread may have been quicker: then it
 * took no time that could be told. The row is known only now, as a stack comes behind init.
 */
static void on_early_end(struct uvh_pool *pool, struct uvh_pool_process *state,
			 struct uvh_pool_job *job, const struct uvh_trace_event *event, bool wanted)
{
	const struct uvh_trace_resource *resource = event->resource;
	uint32_t row = uvh_pool_row_of(pool, resource, 0);

	thread_of(state, uvh_trace_thread(event->process, resource->pool_thread));
	state->jobs++;
	state->told_ends = true;
	if (wanted) {
		uvh_histogram_add(&pool->rows[row]->queue, 0);
		uvh_histogram_add(&pool->rows[row]->service, 0);
	}
	begun_by(state, job, job->submit_ns);
	uvh_pool_begin_job(pool, state, job, row, job->submit_ns, job->submit_ns);
	uvh_pool_change(pool, state, UVH_POOL_ENDS, job->submit_ns, row);
	remove_job(state, job);
}

/* It has not been seen on any thread: cancelled, done elsewhere (io_uring), or not recorded. */
static void on_back(struct uvh_pool *pool, struct uvh_pool_process *state, struct uvh_pool_job *job,
		    const struct uvh_trace_event *event, bool wanted)
{
	uint32_t row = uvh_pool_row_of(pool, event->resource, 0);
	bool is_cancelled =
	    (event->flags & UVHOOKS_FLAG_CANCELLED) != 0 || event->event == UVHOOKS_EVENT_DESTROY;

	if (is_cancelled) {
		if (wanted)
			pool->rows[row]->cancelled++;
		if (job->submit_ns != 0) {
			uvh_pool_change(pool, state, UVH_POOL_WAITS, job->submit_ns, row);
			uvh_pool_change(pool, state, UVH_POOL_LEAVES, event->time_ns, row);
		}
	} else {
		state->untold++;
		if (wanted)
			pool->rows[row]->untold++;
		if (wanted && job->submit_ns != 0)
			uvh_histogram_add(&pool->rows[row]->whole, event->time_ns - job->submit_ns);
	}
	remove_job(state, job);
}

static void on_callback(struct uvh_pool *pool, struct uvh_pool_process *state,
			const struct uvh_trace_event *event, bool wanted)
{
	struct uvh_pool_job *job = job_of(state, event->async_id);

	/* There is no end of work that was cancelled. */
	if (wanted && event->event == UVHOOKS_EVENT_BEFORE && event->resource->work_end_ns != 0)
		uvh_histogram_add(&state->back, event->time_ns - event->resource->work_end_ns);
	if (job == NULL)
		return;
	if (job->begun) {
		/* Its end was lost. */
		uvh_pool_change(pool, state, UVH_POOL_ENDS, event->time_ns, job->row);
		remove_job(state, job);
	} else if ((event->flags & UVHOOKS_FLAG_FAILED) != 0) {
		remove_job(state, job);
	} else if (event->resource->pool_end_ns != 0 && job->submit_ns != 0) {
		on_early_end(pool, state, job, event, wanted);
	} else {
		on_back(pool, state, job, event, wanted);
	}
}

void uvh_pool_begin(struct uvh_pool *pool, struct uvh_trace *trace, int64_t from_ns, int64_t to_ns)
{
	*pool = (struct uvh_pool){.trace = trace, .from_ns = from_ns, .to_ns = to_ns};
}

void uvh_pool_add(struct uvh_pool *pool, const struct uvh_trace_event *event, bool wanted)
{
	struct uvh_pool_process *state;

	if (uvh_pool_kind_of(event->type) == UVH_POOL_KINDS || event->resource == NULL)
		return;
	state = process_of(pool, event->process);
	switch (event->event) {
	case UVHOOKS_EVENT_INIT:
		if (job_of(state, event->async_id) == NULL)
			add_job(state, event->resource);
		return;
	case UVHOOKS_EVENT_WORK_BEGIN:
		on_work_begin(pool, state, event, wanted);
		break;
	case UVHOOKS_EVENT_WORK_END:
		on_work_end(pool, state, event, wanted);
		break;
	case UVHOOKS_EVENT_POOL_END:
		on_pool_end(pool, state, event, wanted);
		break;
	case UVHOOKS_EVENT_BEFORE:
	case UVHOOKS_EVENT_DESTROY:
		on_callback(pool, state, event, wanted);
		break;
	default:
		return;
	}
	count(pool, state, event->time_ns);
}

const struct uvh_pool_process *uvh_pool_of(const struct uvh_pool *pool,
					   const struct uvh_trace_process *process)
{
	return process->index < pool->process_room ? pool->processes[process->index] : NULL;
}

static void free_process(struct uvh_pool_process *state)
{
	if (state == NULL)
		return;
	uvh_pool_occupancy_free(&state->occupancy);
	uvh_histogram_free(&state->back);
	uvh_index_free(&state->by_id);
	free(state->by_thread);
	free(state->under_way);
	free(state);
}

void uvh_pool_free(struct uvh_pool *pool)
{
	for (size_t i = 0; i < pool->process_room; i++)
		free_process(pool->processes[i]);
	for (size_t i = 0; i < pool->row_count; i++) {
		uvh_histogram_free(&pool->rows[i]->queue);
		uvh_histogram_free(&pool->rows[i]->service);
		uvh_histogram_free(&pool->rows[i]->whole);
		free(pool->rows[i]);
	}
	free(pool->processes);
	free(pool->rows);
	uvh_index_free(&pool->row_index);
}
