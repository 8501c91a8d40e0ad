/* SPDX-License-Identifier: MIT */
/*
 * The hot path: an event becomes a few counts in rows that only this thread writes. There is no
 * lock and no atomic operation that reads and writes in it.
 */
#include "meter.h"
#include "recorder.h"

static struct meter_thread *find_thread(uint64_t now)
{
	struct meter_area *area = &meter->area;

	if (METER_UNLIKELY(now >= meter_get(&area->until)) && !meter_is_watched(now))
		return NULL;
	if (METER_LIKELY(meter_place.generation ==
			 __atomic_load_n(&area->generation, __ATOMIC_RELAXED)))
		return meter_place.thread;
	if (__atomic_load_n(&area->watching, __ATOMIC_RELAXED) == 0)
		return NULL;
	return meter_thread_take();
}

/* Each event begins with this: when, and for which thread? NULL: it does not count. */
static inline __attribute__((always_inline)) struct meter_thread *begin(uint64_t *now)
{
	struct meter_thread *thread;

	*now = recorder_ticks();
	if (METER_LIKELY(meter_place.generation ==
			     __atomic_load_n(&meter->area.generation, __ATOMIC_RELAXED) &&
			 *now < meter_get(&meter->area.until)))
		thread = meter_place.thread;
	else
		thread = find_thread(*now);
	if (METER_UNLIKELY(thread == NULL) &&
	    __atomic_load_n(&meter->area.watching, __ATOMIC_RELAXED) != 0)
		meter_miss(&meter->area.no_thread);
	return thread;
}

/* The count `which` of a row goes up. */
static inline void count(uint32_t row, unsigned int which, uint64_t more)
{
	meter_add(&meter->rows[row].n[which], more);
}

/* What a loop's thread does with resources of its own: then all of that loop's are known. */
static bool is_of_loop(const struct uvhooks_event *event)
{
	return event->type >= UVHOOKS_TIMERWRAP && event->type <= UVHOOKS_WORKREQ;
}

static inline void know_space(struct meter_thread *thread, const struct uvhooks_event *event)
{
	if (METER_UNLIKELY(!meter_space_is_begun(event->async_id)) &&
	    (is_of_loop(event) || event->event == UVHOOKS_EVENT_INIT))
		meter_space_begin(thread, event->async_id,
				  event->event == UVHOOKS_EVENT_INIT ? event->async_id : 0);
}

/* The row of `kind` for an event, `known` if that is the one. */
static inline uint32_t row_of(struct meter_thread *thread, enum meter_kind kind,
			      const struct uvhooks_event *event, uint64_t word, uint32_t known)
{
	if (METER_LIKELY(meter_row_is(known, thread, kind, event->type, event->fs_type, word)))
		return known;
	return meter_row_make(thread, kind, event->type, event->fs_type, word);
}

/* This thread's row for the place where a resource was made. */
static inline uint32_t site_row(struct meter_thread *thread, const struct uvhooks_event *event,
				const struct meter_slot *slot)
{
	const uint32_t known = slot != NULL ? slot->site : 0;

	return row_of(thread, METER_SITE, event,
		      known != 0 ? meter_get(&meter->rows[known].word) : METER_BEFORE, known);
}

/* Where it is made: the stack, else the callback that runs. */
static uint64_t made_at(const struct meter_thread *thread, const struct uvhooks_event *event)
{
	const uint32_t depth = thread->depth;
	const struct meter_frame *top = &thread->frames[depth - 1];

	if (event->stack != 0)
		return METER_STACK | event->stack;
	if (uvhooks_id_sequence(event->execution_async_id) == 1)
		return METER_AT_TOP_LEVEL;
	if (depth == 0 || depth > METER_DEPTH || top->id != event->execution_async_id)
		return METER_BEFORE;
	return top->callback;
}

static void on_init(const struct uvhooks_event *event, void *data)
{
	uint64_t now;
	struct meter_thread *thread = begin(&now);
	struct meter_slot slot = {0};

	(void) data;
	if (thread == NULL)
		return;
	know_space(thread, event);
	slot.site = row_of(thread, METER_SITE, event, made_at(thread, event), 0);
	slot.ticks = now;
	count(slot.site, METER_SITE_MADE, 1);
	if (meter_slot_add(event->async_id, &slot) != NULL && meter_is_for_pool(event->type))
		count(row_of(thread, METER_POOL, event, 0, 0), METER_POOL_SUBMITTED, 1);
}

static void on_destroy(const struct uvhooks_event *event, void *data)
{
	uint64_t now;
	struct meter_thread *thread = begin(&now);
	struct meter_slot *slot;
	uint32_t row;

	(void) data;
	if (thread == NULL)
		return;
	know_space(thread, event);
	slot = meter_slot_find(event->async_id);
	row = site_row(thread, event, slot);
	count(row, METER_SITE_CLOSED, 1);
	if (slot == NULL) {
		/* It was about to end when what was alive was listed. */
		count(row, METER_SITE_LISTED, meter_get(&meter->area.no_slot) == 0);
		return;
	}
	if (meter_is_for_pool(event->type) &&
	    (slot->in_pool & (METER_HAS_BEGUN | METER_HAS_ENDED)) == 0) {
		row = row_of(thread, METER_POOL, event, 0, 0);
		count(row, METER_POOL_UNTOLD, 1);
		count(row, METER_POOL_SETTLED, slot->in_pool & METER_WAS_LISTED);
	}
	meter_slot_free(event->async_id);
}

/* The callback has begun: its frame. */
static void push(struct meter_thread *thread, const struct uvhooks_event *event, uint64_t now,
		 struct meter_slot *slot, bool is_work)
{
	const uint64_t callback = (uintptr_t) event->callback;
	const uint32_t depth = thread->depth;
	struct meter_frame *frame = &thread->frames[depth];

	meter_add(&thread->begun, 1);
	__atomic_store_n(&thread->depth, depth + 1, __ATOMIC_RELEASE);
	if (METER_UNLIKELY(depth >= METER_DEPTH)) {
		meter_miss(&meter->area.too_deep);
		return;
	}
	frame->id = event->async_id;
	frame->callback = callback;
	frame->inside = 0;
	frame->type = event->type;
	frame->fs_type = event->fs_type;
	frame->is_work = is_work;
	frame->is_outer = !is_work && event->loop != NULL &&
			  (depth == 0 || uvhooks_id_space(thread->frames[depth - 1].id) !=
					     uvhooks_id_space(event->async_id));
	frame->site = site_row(thread, event, slot);
	frame->row = row_of(thread, is_work ? METER_WORK : METER_CALLBACK, event, callback,
			    slot != NULL && !is_work ? slot->callback : 0);
	if (slot != NULL && !is_work && METER_UNLIKELY(slot->callback != frame->row))
		slot->callback = frame->row;
	__atomic_store_n(&frame->begin, now, __ATOMIC_RELEASE);
}

/* One that took longer than others of late. */
static __attribute__((noinline)) void note_long(struct meter_thread *thread,
						const struct meter_frame *frame, uint64_t now)
{
	struct meter_long *shortest = &thread->longest[0][0];
	uint64_t bar = UINT64_MAX;

	if (now - thread->window > meter->area.window_ticks) {
		for (unsigned int i = 0; i < METER_LONGEST; i++) {
			thread->longest[1][i] = thread->longest[0][i];
			thread->longest[0][i].ticks = 0;
		}
		thread->window = now;
		thread->bar = 0;
	}
	for (unsigned int i = 1; i < METER_LONGEST; i++)
		if (thread->longest[0][i].ticks < shortest->ticks)
			shortest = &thread->longest[0][i];
	if (now - frame->begin <= shortest->ticks)
		return;
	meter_set(&shortest->ticks, 0);
	shortest->id = frame->id;
	shortest->callback = frame->callback;
	shortest->begin = frame->begin;
	shortest->type = frame->type;
	shortest->fs_type = frame->fs_type;
	__atomic_store_n(&shortest->ticks, now - frame->begin, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < METER_LONGEST; i++)
		if (thread->longest[0][i].ticks < bar)
			bar = thread->longest[0][i].ticks;
	thread->bar = bar;
}

static void count_loop(struct meter_thread *thread, const struct meter_frame *frame, uint64_t now)
{
	const unsigned int space = uvhooks_id_space(frame->id);

	if (METER_UNLIKELY(thread->loop_space_plus_one != (uint64_t) space + 1)) {
		thread->loop_row =
		    meter_row_make(thread, METER_LOOP, UVHOOKS_NONE, UVHOOKS_FS_NONE, space);
		thread->loop_space_plus_one = (uint64_t) space + 1;
	}
	count(thread->loop_row, METER_LOOP_RUNS, 1);
	count(thread->loop_row, METER_LOOP_TICKS, now - frame->begin);
	if (frame->begin - thread->last_end > meter->area.turn_ticks)
		count(thread->loop_row, METER_LOOP_TURNS, 1);
	thread->last_end = now;
}

/* The frame of a callback that ends; NULL: there is none. What lies above was left by longjmp. */
static struct meter_frame *find_frame(struct meter_thread *thread, uint64_t id)
{
	uint32_t depth = thread->depth;

	if (METER_UNLIKELY(depth > METER_DEPTH)) {
		thread->depth = depth - 1;
		return NULL;
	}
	while (depth > 0 && thread->frames[depth - 1].id != id)
		depth--;
	if (METER_UNLIKELY(depth == 0))
		return NULL;
	return &thread->frames[depth - 1];
}

static struct meter_frame *pop(struct meter_thread *thread, uint64_t id, uint64_t now)
{
	struct meter_frame *frame = find_frame(thread, id);
	uint64_t ran;

	if (METER_UNLIKELY(frame == NULL))
		return NULL;
	ran = now - frame->begin;
	count(frame->row, METER_CALLBACK_RUNS, 1);
	count(frame->row, METER_CALLBACK_TICKS, ran);
	count(frame->row, METER_CALLBACK_SELF, ran - frame->inside);
	meter_most(&meter->rows[frame->row].n[METER_CALLBACK_MOST], ran);
	if (METER_LIKELY(!frame->is_work)) {
		count(frame->site, METER_SITE_RUNS, 1);
		count(frame->site, METER_SITE_TICKS, ran);
	}
	if (frame > thread->frames)
		frame[-1].inside += ran;
	if (METER_LIKELY(frame->is_outer))
		count_loop(thread, frame, now);
	if (METER_UNLIKELY(ran > thread->bar) && !frame->is_work)
		note_long(thread, frame, now);
	__atomic_store_n(&thread->depth, (uint32_t) (frame - thread->frames), __ATOMIC_RELEASE);
	meter_add(&thread->ended, 1);
	return frame;
}

static void on_before(const struct uvhooks_event *event, void *data)
{
	uint64_t now;
	struct meter_thread *thread = begin(&now);

	(void) data;
	if (thread == NULL)
		return;
	know_space(thread, event);
	push(thread, event, now, meter_slot_find(event->async_id), false);
}

static void on_after(const struct uvhooks_event *event, void *data)
{
	uint64_t now;
	struct meter_thread *thread = begin(&now);

	(void) data;
	if (thread != NULL)
		pop(thread, event->async_id, now);
}

/* A request has waited from when it was submitted, and held this thread. */
static void count_times(struct meter_thread *thread, const struct uvhooks_event *event,
			const struct meter_slot *slot, uint64_t begin, uint64_t end)
{
	const uint32_t row = row_of(thread, METER_TIMES, event, 0, 0);
	struct meter_row *times = &meter->rows[row];

	if (slot == NULL || slot->ticks == 0 || begin < slot->ticks)
		return;
	count(row, METER_TIMES_COUNT, 1);
	count(row, METER_TIMES_QUEUE, begin - slot->ticks);
	meter_most(&times->n[METER_TIMES_QUEUE_MOST], begin - slot->ticks);
	count(row, METER_TIMES_SERVICE, end - begin);
	meter_most(&times->n[METER_TIMES_SERVICE_MOST], end - begin);
}

static void on_work_begin(const struct uvhooks_event *event, void *data)
{
	uint64_t now;
	struct meter_thread *thread = begin(&now);
	struct meter_slot *slot;

	(void) data;
	if (thread == NULL)
		return;
	slot = meter_slot_find(event->async_id);
	thread->in_pool = 1;
	if (slot != NULL) {
		const uint32_t row = row_of(thread, METER_POOL, event, 0, 0);

		count(row, METER_POOL_BEGUN, 1);
		count(row, METER_POOL_SETTLED, slot->in_pool & METER_WAS_LISTED);
		slot->in_pool |= METER_HAS_BEGUN;
	}
	push(thread, event, now, slot, true);
}

static void on_work_end(const struct uvhooks_event *event, void *data)
{
	uint64_t now;
	struct meter_thread *thread = begin(&now);
	struct meter_slot *slot;
	const struct meter_frame *frame;
	uint32_t row;

	(void) data;
	if (thread == NULL)
		return;
	slot = meter_slot_find(event->async_id);
	frame = pop(thread, event->async_id, now);
	thread->last_pool_end = now;
	if (slot == NULL)
		return;
	row = row_of(thread, METER_POOL, event, 0, 0);
	if ((slot->in_pool & METER_HAS_BEGUN) == 0) {
		count(row, METER_POOL_BEGUN, 1);
		count(row, METER_POOL_SETTLED, slot->in_pool & METER_WAS_LISTED);
	}
	slot->in_pool |= METER_HAS_BEGUN | METER_HAS_ENDED;
	count(row, METER_POOL_ENDED, 1);
	if (frame != NULL)
		count_times(thread, event, slot, frame->begin, now);
}

/* It began when this thread was free and it was there. */
static void on_pool_end(const struct uvhooks_event *event, void *data)
{
	uint64_t now;
	struct meter_thread *thread = begin(&now);
	struct meter_slot *slot;
	uint32_t row;

	(void) data;
	if (thread == NULL)
		return;
	slot = meter_slot_find(event->async_id);
	thread->in_pool = 1;
	if (slot != NULL) {
		row = row_of(thread, METER_POOL, event, 0, 0);
		count(row, METER_POOL_ENDED, 1);
		count(row, METER_POOL_SETTLED, slot->in_pool & METER_WAS_LISTED);
		slot->in_pool |= METER_HAS_ENDED;
		count_times(
		    thread, event, slot,
		    slot->ticks > thread->last_pool_end ? slot->ticks : thread->last_pool_end, now);
	}
	thread->last_pool_end = now;
}

struct uvhooks_hook *meter_make_hook(void)
{
	static const struct uvhooks_callbacks callbacks = {
	    .size = sizeof(callbacks),
	    .init = on_init,
	    .before = on_before,
	    .after = on_after,
	    .destroy = on_destroy,
	    .work_begin = on_work_begin,
	    .work_end = on_work_end,
	    .pool_end = on_pool_end,
	};

	return uvhooks_create_hook(&callbacks, NULL);
}
