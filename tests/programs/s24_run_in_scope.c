/* SPDX-License-Identifier: MIT */
/* What run_in_async_scope returns, and bound functions wherever they are called. */
#include "embedder.h"

#include <pthread.h>

static resource_t job;
static struct uvhooks_bound_function bound;

static void *give_back(void *argument)
{
	return argument;
}

static void value(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	CHECK(run_in(&job, give_back, &job) == &job);
	CHECK(run_in(&job, give_back, NULL) == NULL);
	CHECK(run_in(&job, give_back, (void *) -1) == (void *) -1);
	end(&job);
}

static void *in_job(void *argument)
{
	CHECK(ids_are_of(&job));
	mark("InJob");
	return argument;
}

static void bind_job(void)
{
	make(&job, "Job");
	bound = uvhooks_async_resource_bind(&job, in_job, &bound);
}

static void called(uv_loop_t *loop)
{
	(void) loop;
	bind_job();
	CHECK(uvhooks_call_bound_function(&bound) == &bound);
	CHECK(uvhooks_call_bound_function(&bound) == &bound);
	end(&job);
}

/* A bound function has the type that pthread_create asks for. */
static void in_plain_thread(uv_loop_t *loop)
{
	pthread_t thread;
	void *result = NULL;

	(void) loop;
	bind_job();
	CHECK(pthread_create(&thread, NULL, uvhooks_call_bound_function, &bound) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == &bound);
	end(&job);
}

static void work(uv_work_t *req)
{
	CHECK(uvhooks_call_bound_function(req->data) == req->data);
}

static void behind_work(uv_work_t *req, int status)
{
	CHECK_OK(status);
	CHECK(uvhooks_call_bound_function(req->data) == req->data);
	end(&job);
}

/* On the thread pool, within the work, and in its callback. */
static void in_work(uv_loop_t *loop)
{
	static uv_work_t req;

	bind_job();
	req.data = &bound;
	CHECK_OK(uv_queue_work(loop, &req, work, behind_work));
}

static void on_timer(uv_timer_t *timer)
{
	CHECK(uvhooks_call_bound_function(timer->data) == timer->data);
	uv_close((uv_handle_t *) timer, NULL);
}

static void in_callback(uv_loop_t *loop)
{
	static uv_timer_t timer;

	bind_job();
	timer.data = &bound;
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	end(&job);
}

#define THREADS 4
static pthread_barrier_t barrier;

static void *meet(void *argument)
{
	CHECK(ids_are_of(&job));
	pthread_barrier_wait(&barrier);
	mark("Met");
	pthread_barrier_wait(&barrier);
	CHECK(ids_are_of(&job));
	return argument;
}

/* Several threads are in the scope of one resource at once. */
static void several(uv_loop_t *loop)
{
	pthread_t threads[THREADS];

	(void) loop;
	make(&job, "Job");
	bound = uvhooks_async_resource_bind(&job, meet, NULL);
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, uvhooks_call_bound_function, &bound) == 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(pthread_barrier_destroy(&barrier) == 0);
	end(&job);
}

static const struct scene scenes[] = {
    {"value", value},     {"called", called},           {"in_plain_thread", in_plain_thread},
    {"in_work", in_work}, {"in_callback", in_callback}, {"several", several},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
