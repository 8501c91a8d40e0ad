/* SPDX-License-Identifier: MIT */
/*
 * Rule S26, across threads: what a new thread's top level sees, what uv_async_send takes along
 * where a storage asks for it, and snapshots and bound functions that run elsewhere than they were
 * taken.
 */
#include "stores.h"

#include <signal.h>
#include <sys/time.h>

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage following =
    UVHOOKS_LOCAL_STORAGE(release_store, UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS);
static struct store a = {"a", 0};
static struct store b = {"b", 0};
static struct store c = {"c", 0};
static struct store d = {"d", 0};

static uv_async_t async;

static void *run(struct store *store, void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(&storage, store, function, argument);
}

static void *run_following(struct store *store, void *(*function)(void *argument), void *argument)
{
	return uvhooks_local_storage_run(&following, store, function, argument);
}

/* A thread begins with the stores of who made it, and keeps what it enters to itself. */
static void grandchild_sees_b(void *argument)
{
	(void) argument;
	SEES(&storage, &b);
}

static void child_sees_a(void *argument)
{
	uv_thread_t thread;

	SEES(&storage, &a);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &b));
	CHECK_OK(uv_thread_create(&thread, grandchild_sees_b, argument));
	CHECK_OK(uv_thread_join(&thread));
	HAS(&storage, &b);
	/* Bare, what is entered at a thread's top level is not released when it ends. */
	if (!uvhooks_present())
		CHECK_OK(uvhooks_local_storage_enter_with(&storage, NULL));
}

static void *make_thread(void *thread)
{
	CHECK_OK(uv_thread_create(thread, child_sees_a, NULL));
	return thread;
}

static void nothing_is_left(void *argument)
{
	(void) argument;
	SEES(&storage, NULL);
}

static void threads(uv_loop_t *loop)
{
	uv_thread_t thread;

	(void) loop;
	a.released = b.released = 0;
	run(&a, make_thread, &thread);
	CHECK_OK(uv_thread_join(&thread));
	SEES(&storage, NULL);
	CHECK_OK(uv_thread_create(&thread, nothing_is_left, NULL));
	CHECK_OK(uv_thread_join(&thread));
	RELEASED(&a, 1);
	RELEASED(&b, 1);
	puts("threads begin where they are made");
}

/* A thread that libuv does not make begins with nothing. */
static void child_of_plain(void *argument)
{
	(void) argument;
	SEES(&storage, &c);
}

static void *make_in_plain(void *thread)
{
	CHECK_OK(uv_thread_create(thread, child_of_plain, NULL));
	return thread;
}

static void *plain_thread(void *argument)
{
	uv_thread_t thread;

	(void) argument;
	SEES(&storage, NULL);
	run(&c, make_in_plain, &thread);
	CHECK_OK(uv_thread_join(&thread));
	SEES(&storage, NULL);
	return NULL;
}

static void *start_plain_thread(void *argument)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, plain_thread, argument) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	return argument;
}

static void plain_threads(uv_loop_t *loop)
{
	run(&a, start_plain_thread, loop);
	puts("other threads begin with nothing");
}

/* uv_async_send moves no store but of those storages that want it. */
static void on_async(uv_async_t *handle)
{
	const struct store *const *expected = handle->data;

	puts("woken");
	SEES(&storage, expected[0]);
	SEES(&following, expected[1]);
}

static void *init_async(void *loop)
{
	CHECK_OK(uv_async_init(loop, &async, on_async));
	return loop;
}

static void *init_for_both(void *loop)
{
	return run(&a, init_async, loop);
}

static void *wake_up(void *argument)
{
	CHECK_OK(uv_async_send(&async));
	return argument;
}

static void *send_for_both(void *argument)
{
	return run(&d, wake_up, argument);
}

static void receive_wakeup(uv_loop_t *loop, const struct store *plain, const struct store *followed)
{
	const struct store *expected[2] = {plain, followed};

	async.data = (void *) expected;
	CHECK(uv_run(loop, UV_RUN_ONCE) != 0);
}

static void *in_thread(void *argument)
{
	run_following(&d, wake_up, argument);
	return argument;
}

static void on_send_signal(int number)
{
	(void) number;
	uv_async_send(&async);
}

static void *raise_signal(void *argument)
{
	CHECK(raise(SIGUSR2) == 0);
	return argument;
}

static void wakeups(uv_loop_t *loop)
{
	pthread_t thread;

	run_following(&b, init_for_both, loop);
	CHECK_OK(uv_async_send(&async));
	receive_wakeup(loop, &a, &b);

	/* The latest that had one. Afterwards it is forgotten. */
	run_following(&d, send_for_both, loop);
	run_following(&c, send_for_both, loop);
	receive_wakeup(loop, &a, &c);
	CHECK_OK(uv_async_send(&async));
	receive_wakeup(loop, &a, &b);

	/* The storage that does not follow alone: nothing comes along. */
	run(&d, wake_up, loop);
	receive_wakeup(loop, &a, &b);

	CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	receive_wakeup(loop, &a, &d);

	CHECK(signal(SIGUSR2, on_send_signal) != SIG_ERR);
	run_following(&c, raise_signal, loop);
	receive_wakeup(loop, &a, &c);
	CHECK(signal(SIGUSR2, SIG_DFL) != SIG_ERR);

	/* What is sent and never received goes with the handle. */
	run_following(&d, wake_up, loop);
	uv_close((uv_handle_t *) &async, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	uvhooks_local_storage_disable(&following);
}

/* The latest sender has no store: then the callback has that of the init, whoever sent before. */
static void latest_without(uv_loop_t *loop)
{
	run_following(&b, init_for_both, loop);
	run_following(&c, wake_up, loop);
	CHECK_OK(uv_async_send(&async));
	receive_wakeup(loop, &a, &b);
	uv_close((uv_handle_t *) &async, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
}

/*
 * A timer of the system sends while stores come and go on the thread that it interrupts. Which of
 * them it meets is chance; but it is always one that is there.
 */
static struct store turns[4] = {{"0", 0}, {"1", 0}, {"2", 0}, {"3", 0}};
static volatile sig_atomic_t signals_left;
static int woken;

static void on_interrupt(int number)
{
	(void) number;
	if (signals_left > 0) {
		signals_left--;
		uv_async_send(&async);
	}
}

static void on_interrupted(uv_async_t *handle)
{
	const struct store *seen = uvhooks_local_storage_get_store(&following);

	(void) handle;
	CHECK(seen == NULL || seen == &b || (seen >= turns && seen < turns + 4));
	if (seen != NULL)
		CHECK(strcmp(name_of(seen), "b") == 0 || name_of(seen)[1] == '\0');
	SEES(&storage, NULL);
	woken++;
}

static void *enter_another(void *store)
{
	CHECK_OK(uvhooks_local_storage_enter_with(&following, store));
	HAS(&following, store);
	return store;
}

static void *init_interrupted(void *loop)
{
	CHECK_OK(uv_async_init(loop, &async, on_interrupted));
	return loop;
}

static void interrupts(uv_loop_t *loop)
{
	const struct itimerval often = {{0, 200}, {0, 200}};
	const struct itimerval never = {{0, 0}, {0, 0}};
	unsigned long entered[4] = {0, 0, 0, 0};

	memset(turns, 0, sizeof turns);
	for (int i = 0; i < 4; i++)
		turns[i].name = &"0\0001\0002\0003"[2 * i];
	b.released = 0;
	run_following(&b, init_interrupted, loop);
	signals_left = 500;
	CHECK(signal(SIGALRM, on_interrupt) != SIG_ERR);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (unsigned long i = 0; signals_left > 0; i++) {
		run_following(&turns[i % 2], enter_another, &turns[2 + i % 2]);
		entered[i % 2]++;
		entered[2 + i % 2]++;
		if (i % 16 == 0)
			uv_run(loop, UV_RUN_NOWAIT);
	}
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(signal(SIGALRM, SIG_DFL) != SIG_ERR);
	CHECK_OK(uv_async_send(&async));
	CHECK(uv_run(loop, UV_RUN_ONCE) != 0);
	uv_close((uv_handle_t *) &async, NULL);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK(woken > 0);
	for (int i = 0; i < 4; i++)
		CHECK((unsigned long) times_released(&turns[i]) == entered[i]);
	CHECK_RESULT(times_released(&b), 1);
	puts("sent from signal handlers");
}

/* A snapshot runs on any thread, also on several at once, and has all the stores and the ids. */
#define RUNNERS 4

struct taken {
	struct uvhooks_snapshot snapshot;
	uvhooks_async_id id;
};

static void *in_snapshot(void *argument)
{
	const struct taken *taken = argument;

	SEES(&storage, &a);
	SEES(&following, &b);
	CHECK(uvhooks_execution_async_id() == taken->id);
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &d));
	HAS(&storage, &d);
	return argument;
}

static void *run_snapshot(void *argument)
{
	struct taken *taken = argument;

	for (int i = 0; i < 100; i++)
		CHECK(uvhooks_local_storage_run_in_snapshot(&taken->snapshot, in_snapshot, taken) ==
		      taken);
	return NULL;
}

static void *take_snapshot(void *argument)
{
	struct taken *taken = argument;

	uvhooks_local_storage_snapshot(&taken->snapshot);
	taken->id = uvhooks_async_resource_async_id(&taken->snapshot.resource);
	return argument;
}

static void *take_for_both(void *argument)
{
	return run(&a, take_snapshot, argument);
}

static void snapshots(uv_loop_t *loop)
{
	struct taken taken;
	pthread_t runners[RUNNERS];

	(void) loop;
	a.released = b.released = d.released = 0;
	run_following(&b, take_for_both, &taken);
	for (int i = 0; i < RUNNERS; i++)
		CHECK(pthread_create(&runners[i], NULL, run_snapshot, &taken) == 0);
	run_snapshot(&taken);
	for (int i = 0; i < RUNNERS; i++)
		CHECK(pthread_join(runners[i], NULL) == 0);
	RELEASED(&a, 0);
	RELEASED(&b, 0);
	RELEASED(&d, 100 * (RUNNERS + 1));
	CHECK_OK(uvhooks_local_storage_release_snapshot(&taken.snapshot));
	RELEASED(&a, 1);
	RELEASED(&b, 1);
	CHECK_RESULT(uvhooks_local_storage_release_snapshot(&taken.snapshot), -EALREADY);
	puts("a snapshot on many threads");
}

/* A bound function is handed over as any function with its argument. */
static void *bound_to_a(void *argument)
{
	SEES(&storage, &a);
	return argument;
}

struct binding {
	struct uvhooks_snapshot snapshot;
	struct uvhooks_bound_function function;
};

static void *bind_function(void *argument)
{
	struct binding *binding = argument;

	binding->function = uvhooks_local_storage_bind(&binding->snapshot, bound_to_a, &d);
	return argument;
}

static void call_from_timer(uv_timer_t *timer)
{
	struct binding *binding = timer->data;

	SEES(&storage, &c);
	CHECK(uvhooks_call_bound_function(&binding->function) == &d);
	SEES(&storage, &c);
	uv_close((uv_handle_t *) timer, NULL);
}

static void *start_calling_timer(void *argument)
{
	static uv_timer_t timer;

	CHECK_OK(uv_timer_init(uv_default_loop(), &timer));
	timer.data = argument;
	CHECK_OK(uv_timer_start(&timer, call_from_timer, 1, 0));
	return argument;
}

static void bound(uv_loop_t *loop)
{
	struct binding binding;
	pthread_t thread;
	void *result;

	a.released = 0;
	run(&a, bind_function, &binding);
	CHECK(run(&c, uvhooks_call_bound_function, &binding.function) == &d);
	CHECK(pthread_create(&thread, NULL, uvhooks_call_bound_function, &binding.function) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == &d);
	run(&c, start_calling_timer, &binding);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	RELEASED(&a, 0);
	CHECK_OK(uvhooks_local_storage_release_snapshot(&binding.snapshot));
	RELEASED(&a, 1);
	puts("a bound function on many threads");
}

static const struct scene scenes[] = {
    {"threads", threads},       {"plain_threads", plain_threads},
    {"wakeups", wakeups},       {"latest_without", latest_without},
    {"interrupts", interrupts}, {"snapshots", snapshots},
    {"bound", bound},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
