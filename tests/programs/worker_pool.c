/* SPDX-License-Identifier: MIT */
/*
 * A pool of threads whose tasks are async resources: what Node's documentation shows under "Using
 * AsyncResource for a Worker thread pool".
 *
 *	worker_pool          adds up numbers for ten requests, and answers each of them
 *	worker_pool notes    the same, and notes on stderr which request it was about
 *
 * A hundred tasks: five for each request, and one more for the answer to each of these.
 */
#include <stdbool.h>

#include <uvhooks/async_resource.h>
#include <uvhooks/local_storage.h>

#include "program.h"

/* The pool. */

/* A task as the pool sees it: from worker_pool_run_task until its callback has returned. */
struct task_info {
	struct uvhooks_async_resource resource;
	void (*work)(void *task);      /* is called on one of the pool's threads */
	void *(*callback)(void *task); /* and then this, on the loop's */
	void *task;
	struct task_info *next;
};

struct task_queue {
	struct task_info *first;
	struct task_info **end;
};

struct worker_pool {
	uv_mutex_t mutex; /* of all that stands here */
	uv_cond_t to_do;
	struct task_queue waiting;
	struct task_queue done;
	bool closing;
	uv_async_t wakeup; /* something is done */
	uv_thread_t *threads;
	unsigned int thread_count;
};

static void make_empty(struct task_queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void push(struct task_queue *queue, struct task_info *info)
{
	info->next = NULL;
	*queue->end = info;
	queue->end = &info->next;
}

static struct task_info *shift(struct task_queue *queue)
{
	struct task_info *info = queue->first;

	if (info != NULL)
		queue->first = info->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	return info;
}

/* What runs now is the trigger of the task, and the task keeps its local storages. */
static int worker_pool_run_task(struct worker_pool *pool, void (*work)(void *task),
				void *(*callback)(void *task), void *task)
{
	struct task_info *info = malloc(sizeof(*info));

	if (info == NULL)
		return UV_ENOMEM;
	uvhooks_async_resource_create(&info->resource, "WorkerPoolTaskInfo", NULL);
	info->work = work;
	info->callback = callback;
	info->task = task;
	uv_mutex_lock(&pool->mutex);
	push(&pool->waiting, info);
	uv_cond_signal(&pool->to_do);
	uv_mutex_unlock(&pool->mutex);
	return 0;
}

static void work_for_pool(void *argument)
{
	struct worker_pool *pool = argument;
	struct task_info *info;

	uv_mutex_lock(&pool->mutex);
	for (;;) {
		while ((info = shift(&pool->waiting)) == NULL && !pool->closing)
			uv_cond_wait(&pool->to_do, &pool->mutex);
		if (info == NULL)
			break;
		uv_mutex_unlock(&pool->mutex);
		info->work(info->task);
		uv_mutex_lock(&pool->mutex);
		push(&pool->done, info);
		uv_async_send(&pool->wakeup);
	}
	uv_mutex_unlock(&pool->mutex);
}

/* Runs on the loop's thread, woken by a thread of the pool; each callback runs in its task's scope.
 */
static void on_done(uv_async_t *wakeup)
{
	struct worker_pool *pool = wakeup->data;
	struct task_info *info, *next;

	uv_mutex_lock(&pool->mutex);
	info = pool->done.first;
	make_empty(&pool->done);
	uv_mutex_unlock(&pool->mutex);

	for (; info != NULL; info = next) {
		next = info->next;
		uvhooks_async_resource_run_in_async_scope(&info->resource, info->callback,
							  info->task);
		uvhooks_async_resource_emit_destroy(&info->resource); /* a task runs once */
		free(info);
	}
}

static void worker_pool_open(struct worker_pool *pool, uv_loop_t *loop, unsigned int threads)
{
	CHECK_OK(uv_mutex_init(&pool->mutex));
	CHECK_OK(uv_cond_init(&pool->to_do));
	CHECK_OK(uv_async_init(loop, &pool->wakeup, on_done));
	pool->wakeup.data = pool;
	make_empty(&pool->waiting);
	make_empty(&pool->done);
	pool->closing = false;
	pool->thread_count = threads;
	pool->threads = calloc(threads, sizeof(*pool->threads));
	CHECK(pool->threads != NULL);
	for (unsigned int i = 0; i < threads; i++)
		CHECK_OK(uv_thread_create(&pool->threads[i], work_for_pool, pool));
}

/* To be called when every task has had its callback, or from the last one. */
static void worker_pool_close(struct worker_pool *pool)
{
	uv_mutex_lock(&pool->mutex);
	pool->closing = true;
	uv_cond_broadcast(&pool->to_do);
	uv_mutex_unlock(&pool->mutex);
	for (unsigned int i = 0; i < pool->thread_count; i++)
		CHECK_OK(uv_thread_join(&pool->threads[i]));
	free(pool->threads);
	uv_close((uv_handle_t *) &pool->wakeup, NULL);
	uv_cond_destroy(&pool->to_do);
	uv_mutex_destroy(&pool->mutex);
}

/* What uses it. */

#define REQUESTS 10
#define SUMS     5

struct sum {
	struct request *request;
	int a, b, result;
};

struct request {
	int number;
	uv_timer_t timer; /* by which it comes */
	struct sum sums[SUMS];
	int open;
	int total;
	char answer[64];
	uv_fs_t write;
};

static struct worker_pool pool;
static struct request requests[REQUESTS];
static int answered, callbacks;
static bool notes;

/* The first tasks wait for each other, one on each thread: so all of them have worked. */
static uv_barrier_t all_work;
static unsigned int begun;

/* The request that all this is about, as far as the shim carries it. */
static struct uvhooks_local_storage current_request = UVHOOKS_LOCAL_STORAGE(NULL, 0);

static void note(const char *what)
{
	const struct request *request = uvhooks_local_storage_get_store(&current_request);

	if (!notes)
		return;
	if (request != NULL)
		fprintf(stderr, "request %d %s\n", request->number, what);
	else
		fprintf(stderr, "some request %s\n", what);
}

static void on_write(uv_fs_t *write)
{
	struct request *request = write->data;

	CHECK_RESULT(write->result, (int) strlen(request->answer));
	uv_fs_req_cleanup(write);
	note("is answered");
	uv_close((uv_handle_t *) &request->timer, NULL);
	if (++answered == REQUESTS)
		worker_pool_close(&pool);
}

static void answer(struct request *request)
{
	uv_buf_t text;

	snprintf(request->answer, sizeof(request->answer), "a request: %d\n", request->total);
	text = uv_buf_init(request->answer, (unsigned int) strlen(request->answer));
	request->write.data = request;
	CHECK_OK(uv_fs_write(request->timer.loop, &request->write, STDOUT_FILENO, &text, 1, -1,
			     on_write));
}

static void add(void *task)
{
	struct sum *sum = task;

	if (__atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED) < pool.thread_count)
		uv_barrier_wait(&all_work);
	sum->result = sum->a + sum->b;
}

static void *on_total(void *task)
{
	struct sum *sum = task;
	struct request *request = sum->request;

	callbacks++;
	note("has a sum");
	request->total += sum->result;
	if (--request->open == 0)
		answer(request);
	return NULL;
}

/* The first answer is half of the next task, which this one triggers. */
static void *on_sum(void *task)
{
	struct sum *sum = task;

	callbacks++;
	note("has half a sum");
	sum->a = sum->result;
	sum->b = 100;
	CHECK_OK(worker_pool_run_task(&pool, add, on_total, sum));
	return NULL;
}

static void *handle_request(void *argument)
{
	struct request *request = argument;

	note("comes");
	request->open = SUMS;
	for (int i = 0; i < SUMS; i++) {
		request->sums[i] = (struct sum){request, i, 42, 0};
		CHECK_OK(worker_pool_run_task(&pool, add, on_sum, &request->sums[i]));
	}
	return NULL;
}

static void on_request(uv_timer_t *timer)
{
	uvhooks_local_storage_run(&current_request, timer->data, handle_request, timer->data);
}

/* As many as there are processors, two at least, and no more than tasks that wait for nothing. */
static unsigned int thread_count(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (processors < 2)
		return 2;
	return processors < REQUESTS * SUMS ? (unsigned int) processors : REQUESTS * SUMS;
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	unsigned int threads = thread_count();

	notes = argc == 2 && strcmp(argv[1], "notes") == 0;
	CHECK(loop != NULL && (argc == 1 || notes));
	CHECK_OK(uv_barrier_init(&all_work, threads));
	worker_pool_open(&pool, loop, threads);
	for (int i = 0; i < REQUESTS; i++) {
		requests[i].number = i + 1;
		requests[i].timer.data = &requests[i];
		CHECK_OK(uv_timer_init(loop, &requests[i].timer));
		CHECK_OK(uv_timer_start(&requests[i].timer, on_request, 1, 0));
	}
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	CHECK_OK(uv_loop_close(loop));
	uv_barrier_destroy(&all_work);
	printf("%d tasks\n", callbacks);
	report_counters();
	return 0;
}
