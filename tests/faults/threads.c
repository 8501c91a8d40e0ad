/* SPDX-License-Identifier: MIT */
/*
 * Words for threads and stacks:
 *
 *	small=N        so many threads, one after the other, with stacks of 64 KiB and a loop each
 *	churn=N        so many threads at one time, each with loops that begin and end, while
 *another one enables and disables two hooks of the program's all the time coroutines=N   turns in
 *which two coroutines go on in the callbacks of timers; then one of them runs a loop jump=N so many
 *callbacks that are left by longjmp
 */
#include "faults.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#define SMALL_BYTES     ((size_t) 64 * 1024)
#define COROUTINE_BYTES ((size_t) 64 * 1024)
#define COROUTINES      2
#define CHURN_MAX       100
#define CHURN_ROUNDS    5

static void *enter(void *arg)
{
	struct faults_load *load = arg;

	faults_open(load);
	faults_work(load, 40);
	faults_close(load);
	return NULL;
}

/* An open loop on the main thread keeps what libuv has for all. */
static void start_small(const char *value)
{
	static struct faults_load load;
	pthread_attr_t attributes;

	faults_open(&faults_load);
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, SMALL_BYTES) == 0);
	for (unsigned long i = 0; i < faults_number(value); i++) {
		pthread_t thread;

		CHECK(pthread_create(&thread, &attributes, enter, &load) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
	}
	CHECK(pthread_attr_destroy(&attributes) == 0);
	printf("%s small threads\n", value);
}

static atomic_bool over;
static atomic_ulong toggled, heard;

static void hear(const struct uvhooks_event *event, void *data)
{
	(void) event;
	(void) data;
	atomic_fetch_add_explicit(&heard, 1, memory_order_relaxed);
}

static void *toggle(void *arg)
{
	const struct uvhooks_callbacks some = {.size = sizeof(some), .before = hear, .after = hear};
	const struct uvhooks_callbacks others = {
	    .size = sizeof(others),
	    .init = hear,
	    .before = hear,
	    .destroy = hear,
	    .loop_enter = hear,
	};
	struct uvhooks_hook *hooks[] = {
	    uvhooks_create_hook(&some, NULL),
	    uvhooks_create_hook(&others, NULL),
	};

	(void) arg;
	while (!atomic_load(&over)) {
		const unsigned long turn = atomic_fetch_add(&toggled, 1);
		struct uvhooks_hook *hook = hooks[turn & 1];

		/* On, on, off, off: all four sets of the two are in force in turns. */
		if (uvhooks_present())
			CHECK_OK(turn & 2 ? uvhooks_hook_disable(hook) : uvhooks_hook_enable(hook));
		CHECK(sched_yield() == 0);
	}
	return NULL;
}

static void *enter_often(void *load)
{
	for (int i = 0; i < CHURN_ROUNDS; i++)
		enter(load);
	return NULL;
}

static void churn(const char *value)
{
	static struct faults_load loads[CHURN_MAX];
	static pthread_t threads[CHURN_MAX];
	const unsigned long count = faults_number(value);
	pthread_t toggler;

	CHECK(count <= CHURN_MAX);
	atomic_store(&over, false);
	CHECK(pthread_create(&toggler, NULL, toggle, NULL) == 0);
	for (unsigned long i = 0; i < count; i++)
		CHECK(pthread_create(&threads[i], NULL, enter_often, &loads[i]) == 0);
	for (unsigned long i = 0; i < count; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	atomic_store(&over, true);
	CHECK(pthread_join(toggler, NULL) == 0);
	CHECK(toggled > 0 && (!uvhooks_present() || heard > 0));
	printf("%s threads\n", value);
}

static ucontext_t coroutines[COROUTINES], scheduler;
static uv_timer_t timers[COROUTINES];
static unsigned long turns;
static uv_loop_t *current;

static void on_closed(uv_handle_t *handle)
{
	(void) handle;
	faults_called();
}

/* The callback goes on in the coroutine, until that waits for the next one. */
static void on_turn(uv_timer_t *timer)
{
	const size_t self = (size_t) (timer - timers);

	faults_called();
	CHECK(swapcontext(&scheduler, &coroutines[self]) == 0);
}

static void coroutine(int self)
{
	for (unsigned long turn = 0; turn < turns; turn++) {
		CHECK_OK(uv_timer_start(&timers[self], on_turn, 0, 0));
		CHECK(swapcontext(&coroutines[self], &scheduler) == 0);
	}
	uv_close((uv_handle_t *) &timers[self], on_closed);
	/* It has come to its end in a callback; uc_link leads back into that. */
}

static void loop_in_coroutine(int self)
{
	static struct faults_load load;

	(void) self;
	enter(&load);
}

static void make_coroutine(int self, char *stack, void (*function)(int))
{
	CHECK(getcontext(&coroutines[self]) == 0);
	coroutines[self].uc_stack.ss_sp = stack;
	coroutines[self].uc_stack.ss_size = COROUTINE_BYTES;
	coroutines[self].uc_link = &scheduler;
	makecontext(&coroutines[self], (void (*)(void)) function, 1, self);
}

static void run_coroutines(const char *value)
{
	static char stacks[COROUTINES][COROUTINE_BYTES] __attribute__((aligned(4096)));

	faults_open(&faults_load);
	current = &faults_load.loop;
	turns = faults_number(value);
	for (int i = 0; i < COROUTINES; i++) {
		CHECK_OK(uv_timer_init(current, &timers[i]));
		make_coroutine(i, stacks[i], coroutine);
		CHECK(swapcontext(&scheduler, &coroutines[i]) == 0);
	}
	CHECK_OK(uv_run(current, UV_RUN_DEFAULT));
	make_coroutine(0, stacks[0], loop_in_coroutine);
	CHECK(swapcontext(&scheduler, &coroutines[0]) == 0);
	printf("%s turns\n", value);
}

static jmp_buf out;

static void on_jump(uv_timer_t *timer)
{
	(void) timer;
	faults_called();
	longjmp(out, 1);
}

/* libuv 1.44 stops a timer before it calls it: so the loop can be run again. */
static void jump(const char *value)
{
	static uv_timer_t timer;
	volatile unsigned long left = faults_number(value);

	faults_open(&faults_load);
	CHECK_OK(uv_timer_init(&faults_load.loop, &timer));
	while (left-- > 0) {
		CHECK_OK(uv_timer_start(&timer, on_jump, 0, 0));
		if (setjmp(out) == 0)
			uv_run(&faults_load.loop, UV_RUN_DEFAULT);
	}
	uv_close((uv_handle_t *) &timer, on_closed);
	CHECK_OK(uv_run(&faults_load.loop, UV_RUN_DEFAULT));
	printf("%s jumps\n", value);
}

const struct faults_word faults_threads[] = {
    {"small", start_small}, {"churn", churn}, {"coroutines", run_coroutines},
    {"jump", jump},         {NULL, NULL},
};
