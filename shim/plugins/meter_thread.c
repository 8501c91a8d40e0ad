/* SPDX-License-Identifier: MIT */
/* Threads, their rows, and what stacks mean: what happens once, and costs more than a count. */
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uvhooks/stacks.h>

#include "meter.h"

/* Kept for the rows that count what finds no other: one of each kind and type. */
#define ROWS_KEPT (METER_ROWS / 8)

#define INDEX_SIZE (sizeof(((struct meter_thread *) 0)->index) / sizeof(uint16_t))
#define INDEX_MOST (INDEX_SIZE * 3 / 4)
#define INDEX_KEPT (INDEX_SIZE / 8)

__thread struct meter_place meter_place
    __attribute__((tls_model("initial-exec"))) = {NULL, METER_NO_GENERATION};

static pthread_key_t at_thread_end;

static bool is_own(const struct meter_thread *thread)
{
	return thread != NULL && __atomic_load_n(&thread->thread_id, __ATOMIC_RELAXED) ==
				     (uint32_t) syscall(SYS_gettid);
}

/* In the child of a fork the place is nobody's, or another thread's. */
static void give_back(void *data)
{
	struct meter_thread *thread = data;

	meter_place = (struct meter_place){NULL, METER_NO_GENERATION};
	if (!is_own(thread))
		return;
	__atomic_store_n(&thread->depth, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&thread->thread_id, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&thread->taken, 0, __ATOMIC_RELEASE);
}

int meter_threads_start(void)
{
	return pthread_key_create(&at_thread_end, give_back);
}

static struct meter_thread *take_free(void)
{
	for (uint32_t i = 0; i < METER_THREADS; i++) {
		struct meter_thread *thread = &meter->threads[i];
		uint32_t count = __atomic_load_n(&meter->area.thread_count, __ATOMIC_RELAXED);
		uint32_t nobody = 0;

		if (__atomic_load_n(&thread->taken, __ATOMIC_RELAXED) != 0 ||
		    !__atomic_compare_exchange_n(&thread->taken, &nobody, 1, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		while (count <= i &&
		       !__atomic_compare_exchange_n(&meter->area.thread_count, &count, i + 1, false,
						    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			;
		return thread;
	}
	return NULL;
}

/* One that another thread has left goes on with its rows: they are still written by one thread. */
struct meter_thread *meter_thread_take(void)
{
	const uint32_t generation = __atomic_load_n(&meter->area.generation, __ATOMIC_ACQUIRE);
	struct meter_thread *thread = meter_place.thread;

	if (!is_own(thread))
		thread = take_free();
	meter_place = (struct meter_place){thread, generation};
	if (thread == NULL)
		return NULL;
	if (thread->generation != generation)
		memset(&thread->depth, 0, sizeof(*thread) - offsetof(struct meter_thread, depth));
	thread->depth = thread->in_pool = 0;
	thread->last_end = thread->last_pool_end = thread->loop_space_plus_one = 0;
	__atomic_store_n(&thread->thread_id, (uint32_t) syscall(SYS_gettid), __ATOMIC_RELAXED);
	__atomic_store_n(&thread->generation, generation, __ATOMIC_RELEASE);
	pthread_setspecific(at_thread_end, thread);
	return thread;
}

static size_t append(char *text, size_t used, const char *more)
{
	while (more != NULL && *more != '\0' && used + 1 < METER_SCRIPT_BYTES) {
		text[used++] = *more < ' ' && *more >= 0 ? '?' : *more;
		more++;
	}
	text[used] = '\0';
	return used;
}

static size_t append_sign(char *text, size_t used, char sign)
{
	if (used + 1 < METER_SCRIPT_BYTES)
		text[used++] = sign;
	text[used] = '\0';
	return used;
}

static size_t append_number(char *text, size_t used, uint32_t number)
{
	char digits[16];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char) ('0' + number % 10);
	while ((number /= 10) != 0);
	return append(text, used, &digits[at]);
}

static void tell_script(struct meter_site *site, const struct uvhooks_stack *stack)
{
	size_t used = 0;

	site->script[0] = '\0';
	for (uint32_t i = 0; i < stack->frame_count; i++) {
		used = append(site->script, used, stack->frames[i].function);
		used = append_sign(site->script, used, '\t');
		used = append(site->script, used, stack->frames[i].file);
		used = append_sign(site->script, used, '\t');
		used = append_number(site->script, used, stack->frames[i].line);
		used = append_sign(site->script, used, '\n');
	}
}

static bool is_told(uint32_t number)
{
	const uint32_t count = __atomic_load_n(&meter->area.site_count, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < count && i < METER_SITES; i++)
		if (__atomic_load_n(&meter->sites[i].number, __ATOMIC_RELAXED) == number)
			return true;
	return false;
}

/* Says what a stack's number means. Two threads may say the same: that takes room, no more. */
static void tell_stack(uint32_t number)
{
	struct uvhooks_stack stack = {.size = sizeof(stack)};
	struct meter_site *site;
	uint32_t place;

	if (is_told(number) || uvhooks_read_stack(number, &stack) != 0)
		return;
	place = __atomic_fetch_add(&meter->area.site_count, 1, __ATOMIC_RELAXED);
	if (place >= METER_SITES) {
		__atomic_store_n(&meter->area.site_count, METER_SITES, __ATOMIC_RELAXED);
		meter_miss(&meter->area.no_site);
		return;
	}
	site = &meter->sites[place];
	site->address_count =
	    stack.address_count < METER_ADDRESSES ? stack.address_count : METER_ADDRESSES;
	for (uint32_t i = 0; i < site->address_count; i++)
		site->addresses[i] = stack.addresses[i];
	tell_script(site, &stack);
	__atomic_store_n(&site->number, number, __ATOMIC_RELEASE);
}

/* The next free row of all; 0: there is none. `kept` are left for others. */
static uint32_t take_row(uint32_t kept)
{
	uint32_t number = __atomic_load_n(&meter->area.row_count, __ATOMIC_RELAXED);

	while (number + kept < METER_ROWS)
		if (__atomic_compare_exchange_n(&meter->area.row_count, &number, number + 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return number;
	return 0;
}

static uint16_t *index_place(struct meter_thread *thread, enum meter_kind kind, unsigned int type,
			     int fs_type, uint64_t word)
{
	const uint64_t key = (uint64_t) kind << 32 | (uint64_t) type << 16 | (uint16_t) fs_type;
	uint64_t at = ((word ^ key << 20) * UINT64_C(0x9e3779b97f4a7c15)) >> 40;

	for (;; at++) {
		uint16_t *place = &thread->index[at % INDEX_SIZE];

		if (*place == 0 || meter_row_is(*place, thread, kind, type, fs_type, word))
			return place;
	}
}

static uint32_t find_or_make(struct meter_thread *thread, enum meter_kind kind, unsigned int type,
			     int fs_type, uint64_t word, bool is_kept)
{
	uint16_t *place = index_place(thread, kind, type, fs_type, word);
	struct meter_row *row;
	uint32_t number;

	if (*place != 0)
		return *place;
	if (thread->row_count >= (is_kept ? INDEX_MOST : INDEX_MOST - INDEX_KEPT))
		return 0;
	number = take_row(is_kept ? 0 : ROWS_KEPT);
	if (number == 0)
		return 0;
	row = &meter->rows[number];
	memset(row->n, 0, sizeof(row->n));
	row->type = (uint16_t) type;
	row->fs_type = (int16_t) fs_type;
	row->thread = (uint16_t) (thread - meter->threads);
	meter_set(&row->word, word);
	__atomic_store_n(&row->kind, (uint16_t) kind, __ATOMIC_RELEASE);
	thread->row_count++;
	*place = (uint16_t) number;
	if (kind == METER_SITE && (word & METER_STACK) != 0)
		tell_stack((uint32_t) word);
	return number;
}

uint32_t meter_row_make(struct meter_thread *thread, enum meter_kind kind, unsigned int type,
			int fs_type, uint64_t word)
{
	uint32_t number = find_or_make(thread, kind, type, fs_type, word, false);

	if (METER_LIKELY(number != 0))
		return number;
	meter_miss(&meter->area.no_row);
	return find_or_make(thread, kind, type, fs_type, METER_OTHERS, true);
}
