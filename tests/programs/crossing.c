/* SPDX-License-Identifier: MIT */
/*
 * Tasks that cross eight threads, each with a loop. A task is made on one thread, with stores of
 * its own; it is handed on from loop to loop, runs a part of it on each, and two threads at once
 * say that it has ended. Whatever runs for it sees its stores and no other's, and each store is
 * released once.
 */
#include "stores.h"

#include <uvhooks/promise.h>

#define THREADS 8
#define TASKS   800

/*
 * `shared` is entered before the threads are made, so that the lists of all of them end in the same
 * elements; `request` and `step` are the tasks' own, and `sender` goes with uv_async_send.
 */
static struct uvhooks_local_storage shared = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage common = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage request = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage step = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage sender =
    UVHOOKS_LOCAL_STORAGE(release_store, UVHOOKS_LOCAL_STORAGE_FOLLOW_WAKEUPS);

/* What a task does on the threads that it comes to, in this order. */
enum part { SCOPE, TIMER, WORK, SNAPSHOT, BOUND, RESOLVE, REACT, SCOPE_AGAIN, END, PARTS = END };

/* A task's place in a queue: two of them, since two threads end it. */
struct ticket {
	struct ticket *next;
	struct task *task;
};

struct task {
	struct store request;
	struct store step[PARTS];
	struct store sender;
	struct ticket tickets[2];
	struct uvhooks_async_resource resource;
	struct uvhooks_snapshot snapshot;
	struct uvhooks_snapshot binding;
	struct uvhooks_bound_function bound;
	struct uvhooks_promise promise;
	struct uvhooks_promise reaction;
	uv_timer_t timer;
	uv_work_t work;
	int at; /* the worker that it is with */
	enum part part;
	int runs;
	int ends; /* atomic: how often a thread was told that it ended it */
};

struct worker {
	uv_thread_t thread;
	uv_loop_t loop;
	uv_async_t wake;
	uv_mutex_t lock; /* of what follows; held over uv_async_send, so that `wake` is there */
	struct ticket *first;
	bool over;
	/* the worker's own */
	struct store left;
	struct uvhooks_async_resource left_alone;
};

static struct worker workers[THREADS];
static struct task tasks[TASKS];
static int ended; /* atomic: tickets of tasks that have ended */
static uv_barrier_t begin;

static void hand_to(int number, struct ticket *ticket)
{
	struct worker *worker = &workers[number % THREADS];

	uv_mutex_lock(&worker->lock);
	if (ticket != NULL) {
		ticket->next = worker->first;
		worker->first = ticket;
	} else {
		worker->over = true;
	}
	CHECK_OK(uv_async_send(&worker->wake));
	uv_mutex_unlock(&worker->lock);
}

/* What a task sees wherever it runs; `entered` is what it has entered there. */
#define SEES_ITS_OWN(task, entered)                                                                \
	do {                                                                                       \
		SEES(&request, &(task)->request);                                                  \
		SEES(&step, entered);                                                              \
		SEES(&shared, &in_main[0]);                                                        \
		SEES(&common, &in_main[1]);                                                        \
	} while (0)

static struct store in_main[2] = {{"shared", 0}, {"common", 0}};

static void *send_on(void *data)
{
	struct task *task = data;

	task->part++;
	task->at++;
	if (task->part == END) {
		hand_to(task->at, &task->tickets[0]);
		hand_to(task->at + THREADS / 2, &task->tickets[1]);
	} else {
		hand_to(task->at, &task->tickets[0]);
	}
	return data;
}

/* Handed on with a store that goes along to the other thread, if it is the latest. */
static void hand_on(struct task *task)
{
	if (task->part == SCOPE)
		uvhooks_local_storage_run(&sender, &task->sender, send_on, task);
	else
		send_on(task);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct task *task = handle->data;

	SEES_ITS_OWN(task, &task->step[TIMER]);
	hand_on(task);
}

static void on_timer(uv_timer_t *timer)
{
	struct task *task = timer->data;

	SEES_ITS_OWN(task, &task->step[TIMER]);
	uv_close((uv_handle_t *) timer, on_timer_closed);
}

static void on_work(uv_work_t *work)
{
	struct task *task = work->data;

	SEES_ITS_OWN(task, &task->step[WORK]);
	CHECK_OK(uvhooks_local_storage_enter_with(&common, NULL));
	HAS(&common, NULL);
}

static void on_work_done(uv_work_t *work, int status)
{
	struct task *task = work->data;

	CHECK_OK(status);
	SEES_ITS_OWN(task, &task->step[WORK]);
	hand_on(task);
}

static void *start_part(void *data)
{
	struct task *task = data;
	struct worker *worker = &workers[task->at % THREADS];

	SEES_ITS_OWN(task, &task->step[task->part]);
	if (task->part == TIMER) {
		CHECK_OK(uv_timer_init(&worker->loop, &task->timer));
		task->timer.data = task;
		CHECK_OK(uv_timer_start(&task->timer, on_timer, 0, 0));
	} else if (task->part == WORK) {
		task->work.data = task;
		CHECK_OK(uv_queue_work(&worker->loop, &task->work, on_work, on_work_done));
	}
	return data;
}

/* The task's own scope: what it enters here ends with it. The one behind is left out and put in. */
static void *in_scope(void *data)
{
	struct task *task = data;

	SEES_ITS_OWN(task, NULL);
	task->runs++;
	uvhooks_local_storage_run(&step, &task->step[task->part], start_part, task);
	SEES_ITS_OWN(task, NULL);
	CHECK_OK(uvhooks_local_storage_enter_with(&shared, NULL));
	HAS(&shared, NULL);
	return data;
}

static void run_part(struct task *task)
{
	const enum part part = task->part;

	switch (part) {
	case SNAPSHOT:
		uvhooks_local_storage_run_in_snapshot(&task->snapshot, in_scope, task);
		break;
	case BOUND:
		uvhooks_call_bound_function(&task->bound);
		break;
	case RESOLVE:
		uvhooks_async_resource_run_in_async_scope(&task->promise.resource, in_scope, task);
		CHECK_OK(uvhooks_promise_resolve(&task->promise));
		break;
	case REACT:
		uvhooks_promise_run_reaction(&task->reaction, in_scope, task);
		CHECK_RESULT(uvhooks_promise_resolve(&task->reaction), -EALREADY);
		break;
	default:
		uvhooks_async_resource_run_in_async_scope(&task->resource, in_scope, task);
	}
	if (part != TIMER && part != WORK)
		hand_on(task);
}

static void end_all(void)
{
	for (int i = 0; i < THREADS; i++)
		hand_to(i, NULL);
}

/* Two threads say so at the same time, and one is told that it is the first. */
static void end_task(struct task *task)
{
	int results[] = {
	    uvhooks_async_resource_emit_destroy(&task->resource),
	    uvhooks_local_storage_release_snapshot(&task->snapshot),
	    uvhooks_local_storage_release_snapshot(&task->binding),
	    uvhooks_promise_emit_destroy(&task->promise),
	    uvhooks_promise_emit_destroy(&task->reaction),
	};

	for (size_t i = 0; i < COUNT(results); i++) {
		CHECK(results[i] == 0 || results[i] == -EALREADY);
		if (results[i] == 0)
			__atomic_add_fetch(&task->ends, 1, __ATOMIC_RELAXED);
	}
	if (__atomic_add_fetch(&ended, 1, __ATOMIC_ACQ_REL) == 2 * TASKS)
		end_all();
}

static void on_wake(uv_async_t *wake)
{
	struct worker *worker = wake->data;
	struct ticket *ticket;
	bool over;
	const struct store *from = uvhooks_local_storage_get_store(&sender);

	SEES(&request, NULL);
	SEES(&shared, &in_main[0]);
	CHECK(from == NULL || strcmp(name_of(from), "a sender") == 0);
	uv_mutex_lock(&worker->lock);
	ticket = worker->first;
	worker->first = NULL;
	over = worker->over;
	uv_mutex_unlock(&worker->lock);
	while (ticket != NULL) {
		struct ticket *next = ticket->next;

		if (ticket->task->part == END)
			end_task(ticket->task);
		else
			run_part(ticket->task);
		ticket = next;
	}
	if (over)
		uv_close((uv_handle_t *) wake, NULL);
}

static void *make_task(void *data)
{
	struct task *task = data;

	CHECK_OK(uvhooks_async_resource_create(&task->resource, "Task", NULL));
	uvhooks_local_storage_snapshot(&task->snapshot);
	task->bound = uvhooks_local_storage_bind(&task->binding, in_scope, task);
	CHECK_OK(uvhooks_promise_create(&task->promise));
	CHECK_OK(uvhooks_promise_then(&task->promise, &task->reaction));
	return data;
}

static void *leave_alone(void *data)
{
	struct worker *worker = data;

	CHECK_OK(uvhooks_async_resource_create(&worker->left_alone, "LeftAlone", NULL));
	return data;
}

static void work(void *data)
{
	struct worker *worker = data;
	int number = (int) (worker - workers);

	SEES(&shared, &in_main[0]);
	uvhooks_local_storage_run(&request, &worker->left, leave_alone, worker);
	uv_barrier_wait(&begin);
	for (int i = number; i < TASKS; i += THREADS) {
		struct task *task = &tasks[i];

		task->at = number + 1;
		uvhooks_local_storage_run(&request, &task->request, make_task, task);
		hand_to(task->at, &task->tickets[0]);
	}
	CHECK_OK(uv_run(&worker->loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(&worker->loop));
}

/* The handle is there before the first task may come; what it captures is the thread's own. */
static void *start_workers(void *data)
{
	for (int i = 0; i < THREADS; i++) {
		struct worker *worker = &workers[i];

		CHECK_OK(uv_loop_init(&worker->loop));
		CHECK_OK(uv_mutex_init(&worker->lock));
		CHECK_OK(uv_async_init(&worker->loop, &worker->wake, on_wake));
		worker->wake.data = worker;
		worker->left.name = "left";
		CHECK_OK(uv_thread_create(&worker->thread, work, worker));
	}
	return data;
}

static void *in_shared(void *data)
{
	return uvhooks_local_storage_run(&common, &in_main[1], start_workers, data);
}

static void crossing(uv_loop_t *loop)
{
	int runs = 0, ends = 0;

	for (int i = 0; i < TASKS; i++) {
		tasks[i].request.name = "a task";
		tasks[i].sender.name = "a sender";
		for (int part = 0; part < PARTS; part++)
			tasks[i].step[part].name = "a step";
		for (int j = 0; j < 2; j++)
			tasks[i].tickets[j].task = &tasks[i];
	}
	CHECK_OK(uv_barrier_init(&begin, THREADS));
	uvhooks_local_storage_run(&shared, &in_main[0], in_shared, loop);
	for (int i = 0; i < THREADS; i++) {
		CHECK_OK(uv_thread_join(&workers[i].thread));
		uv_mutex_destroy(&workers[i].lock);
		CHECK_RESULT(times_released(&workers[i].left), 1);
	}
	uv_barrier_destroy(&begin);
	for (int i = 0; i < TASKS; i++) {
		CHECK_RESULT(times_released(&tasks[i].request), 1);
		CHECK_RESULT(times_released(&tasks[i].sender), 1);
		for (int part = 0; part < PARTS; part++)
			CHECK_RESULT(times_released(&tasks[i].step[part]), 1);
		runs += tasks[i].runs;
		ends += tasks[i].ends;
	}
	CHECK_RESULT(times_released(&in_main[0]), 1);
	CHECK_RESULT(times_released(&in_main[1]), 1);
	printf("%d tasks ran %d times, and %d resources ended\n", TASKS, runs, ends);
}

/*
 * The first store of the process is entered while other threads run their loops: what is made
 * before and after carries nothing or that.
 */
#define TICKERS 4
#define TICKS   200

struct ticker {
	uv_thread_t thread;
	uv_loop_t loop;
	uv_timer_t timer;
	struct store store;
	int ticks;
};

static void on_tick(uv_timer_t *timer);

static void *start_ticking(void *data)
{
	struct ticker *ticker = data;

	CHECK_OK(uv_timer_start(&ticker->timer, on_tick, 0, 0));
	return data;
}

static void on_tick(uv_timer_t *timer)
{
	struct ticker *ticker = timer->data;
	const bool storing = ticker->ticks > TICKS / 2;

	SEES(&request, storing ? &ticker->store : NULL);
	if (++ticker->ticks == TICKS)
		uv_close((uv_handle_t *) timer, NULL);
	else if (ticker->ticks == TICKS / 2 + 1)
		uvhooks_local_storage_run(&request, &ticker->store, start_ticking, ticker);
	else
		start_ticking(ticker);
}

static void tick(void *data)
{
	struct ticker *ticker = data;

	start_ticking(ticker);
	CHECK_OK(uv_run(&ticker->loop, UV_RUN_DEFAULT));
}

static void first_store(uv_loop_t *loop)
{
	static struct ticker tickers[TICKERS];

	(void) loop;
	for (int i = 0; i < TICKERS; i++) {
		tickers[i].store.name = "a ticker";
		CHECK_OK(uv_loop_init(&tickers[i].loop));
		CHECK_OK(uv_timer_init(&tickers[i].loop, &tickers[i].timer));
		tickers[i].timer.data = &tickers[i];
		CHECK_OK(uv_thread_create(&tickers[i].thread, tick, &tickers[i]));
	}
	for (int i = 0; i < TICKERS; i++) {
		CHECK_OK(uv_thread_join(&tickers[i].thread));
		CHECK_OK(uv_loop_close(&tickers[i].loop));
		CHECK_RESULT(tickers[i].ticks, TICKS);
		CHECK_RESULT(times_released(&tickers[i].store), 1);
	}
	puts("the first store, while others run");
}

/* One thread runs a function in the scope of what another one ends. */
#define ROUNDS 2000

struct round {
	struct uvhooks_async_resource resource;
	struct store store;
	int ran;
};

static struct round rounds[ROUNDS];
static uv_barrier_t each_round;

static void *create_round(void *data)
{
	struct round *round = data;

	CHECK_OK(uvhooks_async_resource_create(&round->resource, "Round", NULL));
	return data;
}

static void *in_round(void *data)
{
	struct round *round = data;
	const struct store *seen = uvhooks_local_storage_get_store(&request);

	CHECK(seen == NULL || seen == &round->store);
	if (seen != NULL)
		CHECK(times_released(seen) == 0);
	round->ran++;
	return data;
}

static void end_rounds(void *data)
{
	(void) data;
	for (int i = 0; i < ROUNDS; i++) {
		uv_barrier_wait(&each_round);
		CHECK_OK(uvhooks_async_resource_emit_destroy(&rounds[i].resource));
	}
}

static void ended_meanwhile(uv_loop_t *loop)
{
	uv_thread_t thread;
	int ran = 0;

	(void) loop;
	CHECK_OK(uv_barrier_init(&each_round, 2));
	CHECK_OK(uv_thread_create(&thread, end_rounds, NULL));
	for (int i = 0; i < ROUNDS; i++) {
		rounds[i].store.name = "a round";
		uvhooks_local_storage_run(&request, &rounds[i].store, create_round, &rounds[i]);
		uv_barrier_wait(&each_round);
		for (int j = 0; j < 3; j++)
			uvhooks_async_resource_run_in_async_scope(&rounds[i].resource, in_round,
								  &rounds[i]);
	}
	CHECK_OK(uv_thread_join(&thread));
	uv_barrier_destroy(&each_round);
	for (int i = 0; i < ROUNDS; i++) {
		ran += rounds[i].ran;
		CHECK_RESULT(times_released(&rounds[i].store), 1);
	}
	printf("%d runs of what ended meanwhile\n", ran);
}

/* The scope has begun, and keeps its stores to its end, although the resource ends meanwhile. */
static void *end_inside(void *data)
{
	struct round *round = data;

	CHECK_OK(uvhooks_async_resource_emit_destroy(&round->resource));
	return data;
}

static void *in_ended(void *data)
{
	struct round *round = data;
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, end_inside, round) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	SEES(&request, &round->store);
	RELEASED(&round->store, 0);
	round->ran++;
	return data;
}

static void ended_inside(uv_loop_t *loop)
{
	static struct round round;

	(void) loop;
	round.store.name = "a round";
	uvhooks_local_storage_run(&request, &round.store, create_round, &round);
	uvhooks_async_resource_run_in_async_scope(&round.resource, in_ended, &round);
	CHECK_RESULT(times_released(&round.store), 1);
	SEES(&request, NULL);
	printf("%d run of what ended inside\n", round.ran);
}

static const struct scene scenes[] = {
    {"first_store", first_store},
    {"crossing", crossing},
    {"ended_meanwhile", ended_meanwhile},
    {"ended_inside", ended_inside},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
