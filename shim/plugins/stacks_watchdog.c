/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: what runs for too long, while it runs.
 *
 * A hook notes on each thread what runs there now, and since when; a thread of the plugin's own
 * looks at that a few times in each period. It is there only while a loop runs: it comes with the
 * first, and goes a while after the last, since a process ends with its last thread, whoever's.
 *
 * Invariant: what a thread notes, only that thread writes; `version` is odd while it does. All of
 * it is wiped in the child of any fork, where there is no watchdog yet.
 */
#include "stacks.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
/* It cannot see by fences that what they order is no race; who needs them is not sanitized. */
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#define THREADS     256
#define LEVELS      16 /* of callbacks in loops in callbacks */
#define STACK_BYTES ((size_t) 256 << 10)

#define NS_PER_MS UINT64_C(1000000)

/* How often it looks in each period; how long it goes on without a loop; when it asks for the dead.
 */
#define LOOKS      4
#define LINGER     16
#define DEAD_TURNS 32

/* A callback; in libuv, where a thread may rest, if the id is 0. */
struct level {
	uvhooks_async_id id;
	void *pointer, *loop, *callback;
	uint16_t type;
};

struct watched {
	atomic_uint thread_id; /* 0: free */
	atomic_uint version;
	_Atomic uint64_t since_ns;
	atomic_uint depth;
	unsigned int deeper; /* levels for which there was no room */
	struct level levels[LEVELS];
};

struct watch {
	atomic_uint runs; /* the watchdog's thread */
	struct watched threads[THREADS];
};

/* The watchdog's own, of each thread. */
struct told {
	unsigned int version;
	uint64_t next_ns;
};

static struct watch *watch;
static struct told told[THREADS];

static __thread struct watched *here __attribute__((tls_model("initial-exec")));

/* Good to a few milliseconds, for a few nanoseconds. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

/* A place for this thread; what another of the same id has left is free. NULL: there is none. */
static struct watched *take_place(void)
{
	unsigned int thread_id = (unsigned int) syscall(SYS_gettid);
	struct watched *found = NULL;

	for (size_t i = 0; i < THREADS; i++) {
		struct watched *place = &watch->threads[i];
		unsigned int owner = thread_id;

		if (atomic_compare_exchange_strong(&place->thread_id, &owner, 0))
			owner = 0;
		if (owner != 0 || found != NULL)
			continue;
		if (atomic_compare_exchange_strong(&place->thread_id, &owner, thread_id)) {
			found = place;
			atomic_store(&place->depth, 0);
			place->deeper = 0;
		}
	}
	return found;
}

static struct watched *this_place(void)
{
	if (STACKS_UNLIKELY(here == NULL ||
			    atomic_load_explicit(&here->thread_id, memory_order_relaxed) == 0))
		here = take_place();
	return here;
}

static void begin_note(struct watched *place)
{
	atomic_store_explicit(&place->version,
			      atomic_load_explicit(&place->version, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void end_note(struct watched *place)
{
	atomic_store_explicit(&place->since_ns, now_ns(), memory_order_relaxed);
	atomic_store_explicit(&place->version,
			      atomic_load_explicit(&place->version, memory_order_relaxed) + 1,
			      memory_order_release);
}

static STACKS_RAW void push(struct watched *place, const struct uvhooks_event *event,
			    uvhooks_async_id id)
{
	unsigned int depth = atomic_load_explicit(&place->depth, memory_order_relaxed);

	if (depth == LEVELS) {
		place->deeper++;
		return;
	}
	begin_note(place);
	place->levels[depth] =
	    (struct level){id, event->pointer, event->loop, event->callback, event->type};
	atomic_store_explicit(&place->depth, depth + 1, memory_order_relaxed);
	end_note(place);
}

/* Back to what was below it, whose time begins anew. What was left by longjmp goes with it. */
static void pop(struct watched *place, uvhooks_async_id id)
{
	unsigned int depth = atomic_load_explicit(&place->depth, memory_order_relaxed);

	if (place->deeper > 0) {
		place->deeper--;
		return;
	}
	while (depth > 0 && place->levels[depth - 1].id != id)
		depth--;
	if (depth == 0)
		return;
	begin_note(place);
	atomic_store_explicit(&place->depth, depth - 1, memory_order_relaxed);
	end_note(place);
}

static void *watch_all(void *data);

/* With all signals blocked, which the new thread has from its maker. */
static bool start_thread(void)
{
	struct stacks_guard guard;
	pthread_attr_t attributes;
	pthread_t thread;
	bool started;

	stacks_guard_enter(&guard);
	started = pthread_attr_init(&attributes) == 0;
	if (started) {
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attributes, STACK_BYTES);
		started = pthread_create(&thread, &attributes, watch_all, NULL) == 0;
		pthread_attr_destroy(&attributes);
	}
	stacks_guard_leave(&guard);
	return started;
}

/* The watchdog sees what was noted, or it is seen here that it ends. */
static void need_watchdog(void)
{
	unsigned int runs = 0;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&watch->runs) == 0 &&
	    atomic_compare_exchange_strong(&watch->runs, &runs, 1) && !start_thread())
		atomic_store(&watch->runs, 0);
}

static void on_event(const struct uvhooks_event *event, void *data)
{
	struct watched *place;

	(void) data;
	/* A thread's function is no callback of a loop, and an embedder's scope is in one. */
	if (event->type == UVHOOKS_UVTHREAD ||
	    uvhooks_type_kind(event->type) == UVHOOKS_KIND_EMBEDDER)
		return;
	place = this_place();
	if (place == NULL)
		return;
	switch (event->event) {
	case UVHOOKS_EVENT_BEFORE:
		push(place, event, event->async_id);
		break;
	case UVHOOKS_EVENT_AFTER:
		pop(place, event->async_id);
		return;
	case UVHOOKS_EVENT_LOOP_ENTER:
		push(place, event, 0);
		break;
	default:
		pop(place, 0);
		return;
	}
	if (STACKS_UNLIKELY(atomic_load_explicit(&place->depth, memory_order_relaxed) == 1))
		need_watchdog();
}

/* What a thread does. False: it changes right now, and so is not stuck. */
static STACKS_RAW bool read_place(struct watched *place, struct level *level, unsigned int *depth,
				  unsigned int *version, uint64_t *since_ns)
{
	*version = atomic_load_explicit(&place->version, memory_order_acquire);
	*depth = atomic_load_explicit(&place->depth, memory_order_relaxed);
	*since_ns = atomic_load_explicit(&place->since_ns, memory_order_relaxed);
	if (*depth > 0)
		*level = place->levels[*depth - 1];
	atomic_thread_fence(memory_order_acquire);
	return *version % 2 == 0 &&
	       *version == atomic_load_explicit(&place->version, memory_order_relaxed);
}

/*
 * The number of its stack, or 0. What is seen counts only if the same callback still runs; an
 * annotator may have to wait.
 */
static uint32_t look_where(struct watched *place, unsigned int thread_id, unsigned int version,
			   const struct level *level)
{
	uintptr_t addresses[STACKS_DEPTH_MAX];
	struct uvhooks_frame frames[STACKS_FRAMES_MAX];
	struct uvhooks_place asked = {.size = sizeof(asked),
				      .event = UVHOOKS_EVENT_STALL,
				      .type = level->type,
				      .thread_id = thread_id,
				      .addresses = addresses};
	size_t count;
	uint32_t number;
	uint64_t hash;

	asked.address_count = (uint32_t) stacks_look_at(thread_id, addresses, stacks_options.depth);
	if (atomic_load(&place->version) != version)
		return 0;
	count = uvhooks_annotate(&asked, frames, STACKS_FRAMES_MAX);
	if (atomic_load(&place->version) != version)
		count = 0;
	if (asked.address_count == 0 && count == 0)
		return 0;
	number = stacks_find(addresses, asked.address_count, frames, count, &hash);
	return number != 0 ? number
			   : stacks_keep(addresses, asked.address_count, frames, count, hash);
}

static void tell(struct watched *place, const struct level *level, unsigned int version,
		 uint64_t duration_ns)
{
	unsigned int thread_id = atomic_load(&place->thread_id);
	struct uvhooks_event event = {.size = sizeof(event),
				      .event = UVHOOKS_EVENT_STALL,
				      .async_id = level->id,
				      .type = level->type,
				      .pointer = level->pointer,
				      .loop = level->loop,
				      .callback = level->callback,
				      .other_thread_id = thread_id,
				      .duration_ns = duration_ns};

	event.stack = look_where(place, thread_id, version, level);
	/* It may just have ended. Its time is told by its events then. */
	if (event.stack != 0 || atomic_load(&place->version) == version)
		uvhooks_emit_stall(&event);
}

/* Is it in a loop? */
static bool look(struct watched *place, struct told *last)
{
	uint64_t since_ns, now = now_ns(), period_ns = stacks_options.watchdog_ms * NS_PER_MS;
	unsigned int depth, version;
	struct level level = {0};

	if (period_ns == 0)
		return false; /* it was stopped; what is noted is of then */
	if (!read_place(place, &level, &depth, &version, &since_ns))
		return true;
	if (depth == 0)
		return false;
	if (last->version != version)
		*last = (struct told){version, period_ns};
	if (level.id == 0 || now < since_ns || now - since_ns < last->next_ns)
		return true;
	while (now - since_ns >= last->next_ns)
		last->next_ns *= 2;
	tell(place, &level, version, now - since_ns);
	return true;
}

/* A thread may end anywhere, and then nobody notes it. */
static void free_places_of_dead(void)
{
	for (size_t i = 0; i < THREADS; i++) {
		unsigned int owner = atomic_load(&watch->threads[i].thread_id);

		if (owner != 0 && !stacks_is_alive(owner))
			atomic_compare_exchange_strong(&watch->threads[i].thread_id, &owner, 0);
	}
}

static bool look_at_all(void)
{
	bool found = false;

	for (size_t i = 0; i < THREADS; i++)
		if (atomic_load_explicit(&watch->threads[i].thread_id, memory_order_relaxed) != 0)
			found |= look(&watch->threads[i], &told[i]);
	return found;
}

/* May the thread end? A loop that is entered meanwhile sees that there is none, or it is seen. */
static bool may_end(void)
{
	unsigned int runs = 0;

	atomic_store(&watch->runs, 0);
	atomic_thread_fence(memory_order_seq_cst);
	return !look_at_all() || !atomic_compare_exchange_strong(&watch->runs, &runs, 1);
}

/* The period may change at any time. */
static uint64_t pause_between_looks(void)
{
	const uint64_t pause_ns = stacks_options.watchdog_ms * NS_PER_MS / LOOKS;

	if (pause_ns < NS_PER_MS)
		return NS_PER_MS;
	return pause_ns > 1000 * NS_PER_MS ? 1000 * NS_PER_MS : pause_ns;
}

static void *watch_all(void *data)
{
	unsigned int idle = 0;

	(void) data;
	prctl(PR_SET_NAME, "uvhooks-watch");
	memset(told, 0, sizeof(told)); /* that of the parent of a fork */
	for (unsigned int turn = 1;; turn++) {
		const uint64_t pause_ns = pause_between_looks();
		struct timespec pause = {(time_t) (pause_ns / (1000 * NS_PER_MS)),
					 (long) (pause_ns % (1000 * NS_PER_MS))};

		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		if (turn % DEAD_TURNS == 0)
			free_places_of_dead();
		idle = look_at_all() ? 0 : idle + 1;
		if (idle >= LINGER && may_end())
			return NULL;
	}
}

static void wipe_by_hand(void)
{
	memset(watch, 0, sizeof(*watch));
}

static struct uvhooks_hook *hook;

static bool prepare(void)
{
	static bool prepared;

	if (prepared)
		return true;
	watch = stacks_reserve(sizeof(*watch));
	prepared = watch != NULL && stacks_look_start() == 0 &&
		   (madvise(watch, sizeof(*watch), MADV_WIPEONFORK) == 0 ||
		    pthread_atfork(NULL, NULL, wipe_by_hand) == 0);
	return prepared;
}

/* Threads take new places, in which nothing is noted: of what runs now the beginning is unknown. */
static void forget_places(void)
{
	for (size_t i = 0; i < THREADS; i++)
		atomic_store(&watch->threads[i].thread_id, 0);
}

int stacks_watchdog_start(struct uvhooks_plugin_args *args)
{
	const struct uvhooks_callbacks callbacks = {.size = sizeof(callbacks),
						    .before = on_event,
						    .after = on_event,
						    .loop_enter = on_event,
						    .loop_exit = on_event};

	if (!prepare())
		return uvhooks_plugin_error(args, "no memory for a watchdog");
	forget_places();
	if (hook == NULL)
		hook = uvhooks_create_hook(&callbacks, NULL);
	if (uvhooks_hook_enable(hook) != 0)
		return uvhooks_plugin_error(args, "no memory for a hook");
	return 0;
}

void stacks_watchdog_stop(void)
{
	uvhooks_hook_disable(hook);
}
