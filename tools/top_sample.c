/* SPDX-License-Identifier: MIT */
/*
 * What lives in a process, and what the meter has counted, read at one moment. The process goes on
 * meanwhile, so what is read may be half new: it is bounded here, and what makes no sense is left
 * out.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top.h"

/* The meter's clock has no other rates than processors have. */
#define FREQUENCY_MIN UINT64_C(1000000)
#define FREQUENCY_MAX UINT64_C(100000000000)

/* A thread is read up to here. */
#define THREAD_BYTES offsetof(struct meter_thread, index)

/* How often all is read again where a long callback has ended meanwhile. */
#define TRIES 4

#define LONG_NS 1000000

int64_t uvh_top_now_ns(clockid_t clock)
{
	struct timespec now = {0, 0};

	clock_gettime(clock, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t ticks_now(const struct meter_area *area)
{
#ifdef __x86_64__
	if (area->clock_is_tsc != 0)
		return __builtin_ia32_rdtsc();
#endif
	(void) area;
	return (uint64_t) uvh_top_now_ns(CLOCK_MONOTONIC);
}

static bool copy(struct uvh_process *process, uint64_t address, void *to, size_t bytes)
{
	return uvh_process_read(process, address, to, bytes) == bytes;
}

static bool read_area(struct uvh_process *process, struct meter_area *area)
{
	struct uvhooks_control_area found;

	return uvh_process_area(process, "meter", &found) && found.bytes >= sizeof(*area) &&
	       copy(process, found.address, area, sizeof(*area)) &&
	       area->version == METER_VERSION && area->watching != 0 && area->generation != 0 &&
	       area->frequency >= FREQUENCY_MIN && area->frequency <= FREQUENCY_MAX;
}

/* Those of this generation; the others are zeros. */
static bool read_threads(struct uvh_process *process, const struct meter_area *area,
			 struct meter_thread *threads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct meter_thread *thread = &threads[i];
		const uint64_t address = area->threads + i * sizeof(*thread);

		if (!copy(process, address, thread, THREAD_BYTES))
			return false;
		if (thread->generation != area->generation)
			memset(thread, 0, sizeof(*thread));
		if (thread->depth > METER_DEPTH)
			thread->depth = METER_DEPTH;
	}
	return true;
}

static bool read_rows(struct uvh_process *process, struct uvh_top_sample *sample)
{
	const struct meter_area *area = &sample->area;

	sample->row_count = area->row_count < METER_ROWS ? area->row_count : METER_ROWS;
	sample->rows = uvh_zeros(sample->row_count + 1, sizeof(*sample->rows));
	return copy(process, area->rows, sample->rows, sample->row_count * sizeof(*sample->rows));
}

/* A callback that had run for long may be counted or not, where it ended while rows were read. */
static bool has_long_ended(const struct uvh_top_sample *sample, const struct meter_thread *before)
{
	for (size_t i = 0; i < sample->thread_count; i++) {
		const struct meter_thread *now = &sample->threads[i];

		if (before[i].depth != 0 &&
		    uvh_top_ns(sample, sample->ticks - before[i].frames[0].begin) > LONG_NS &&
		    (now->depth == 0 || now->frames[0].begin != before[i].frames[0].begin))
			return true;
	}
	return false;
}

static void forget_meter(struct uvh_top_sample *sample)
{
	free(sample->rows);
	free(sample->threads);
	sample->rows = NULL;
	sample->threads = NULL;
	sample->row_count = sample->thread_count = 0;
	sample->is_metered = false;
}

/* False: it should be read again. */
static bool read_meter_once(struct uvh_process *process, struct uvh_top_sample *sample)
{
	struct meter_area again;
	struct meter_thread *before;
	bool is_good;

	if (!read_area(process, &sample->area))
		return true;
	sample->thread_count =
	    sample->area.thread_count < METER_THREADS ? sample->area.thread_count : METER_THREADS;
	sample->threads = uvh_zeros(sample->thread_count + 1, sizeof(*sample->threads));
	before = uvh_zeros(sample->thread_count + 1, sizeof(*before));
	is_good = read_threads(process, &sample->area, before, sample->thread_count);
	sample->ticks = ticks_now(&sample->area);
	is_good = is_good && read_rows(process, sample) &&
		  read_threads(process, &sample->area, sample->threads, sample->thread_count) &&
		  !has_long_ended(sample, before) && read_area(process, &again) &&
		  again.generation == sample->area.generation;
	free(before);
	sample->is_metered = is_good;
	return is_good;
}

static void read_meter(struct uvh_process *process, struct uvh_top_sample *sample)
{
	for (unsigned int tries = 0; tries < TRIES; tries++) {
		forget_meter(sample);
		if (read_meter_once(process, sample))
			break;
	}
	if (!sample->is_metered)
		forget_meter(sample);
}

static void add_record(const struct uvhooks_control_record *record, void *data)
{
	struct uvh_top_sample *sample = data;

	sample->records = uvh_grow(sample->records, &sample->record_room, sample->record_count + 1,
				   sizeof(*record));
	sample->records[sample->record_count++] = *record;
}

static void add_loop(const struct uvhooks_control_loop *loop,
		     const struct uvhooks_control_frame *frame, void *data)
{
	struct uvh_top_sample *sample = data;

	sample->loops = uvh_grow(sample->loops, &sample->loop_room, sample->loop_count + 1,
				 sizeof(*sample->loops));
	sample->loops[sample->loop_count++] = (struct uvh_top_loop_read){*loop, *frame};
}

static int compare_records(const void *one, const void *other)
{
	const struct uvhooks_control_record *a = one, *b = other;

	return (a->async_id > b->async_id) - (a->async_id < b->async_id);
}

bool uvh_top_sample(struct uvh_process *process, struct uvh_top_sample *sample)
{
	const size_t most = sizeof(sample->counters) / sizeof(sample->counters[0]);

	*sample = (struct uvh_top_sample){.now_ns = uvh_top_now_ns(CLOCK_BOOTTIME)};
	if (!uvh_process_control(process, &sample->control))
		return false;
	read_meter(process, sample);
	if (!uvh_process_each_record(process, add_record, sample) ||
	    !uvh_process_each_loop(process, add_loop, sample))
		return false;
	qsort(sample->records, sample->record_count, sizeof(*sample->records), compare_records);
	sample->counter_count =
	    sample->control.counter_count < most ? sample->control.counter_count : most;
	for (size_t i = 0; i < sample->counter_count; i++)
		sample->counters[i] = uvh_process_counter(process, i);
	return true;
}

void uvh_top_sample_free(struct uvh_top_sample *sample)
{
	forget_meter(sample);
	free(sample->records);
	free(sample->loops);
	*sample = (struct uvh_top_sample){.now_ns = 0};
}

const struct uvhooks_control_record *uvh_top_record(const struct uvh_top_sample *sample,
						    uvhooks_async_id id)
{
	const struct uvhooks_control_record wanted = {.async_id = id};

	if (sample->record_count == 0)
		return NULL;
	return bsearch(&wanted, sample->records, sample->record_count, sizeof(wanted),
		       compare_records);
}

bool uvh_top_slot(struct uvh_process *process, const struct uvh_top_sample *sample,
		  uvhooks_async_id id, struct meter_slot *slot)
{
	struct meter_bucket bucket;
	struct meter_space space;

	if (!sample->is_metered ||
	    !copy(process, sample->area.spaces + uvhooks_id_space(id) * sizeof(struct meter_space),
		  &space, sizeof(space)) ||
	    space.generation != sample->area.generation)
		return false;
	for (uint32_t level = 0; level < space.level_count && level < METER_LEVELS; level++) {
		const uint64_t place = id & (METER_LEVEL_BUCKETS(level) - 1);

		if (!copy(process, space.buckets[level] + place * sizeof(bucket), &bucket,
			  sizeof(bucket)))
			return false;
		for (unsigned int way = 0; way < METER_WAYS; way++)
			if (bucket.ids[way] == id && bucket.slots[way].site < sample->row_count) {
				*slot = bucket.slots[way];
				return true;
			}
	}
	return false;
}
