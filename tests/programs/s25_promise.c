/* SPDX-License-Identifier: MIT */
/* Promises: who triggers whom, and what is told when. */
#include "embedder.h"

#include <pthread.h>

static struct uvhooks_promise first;
static struct uvhooks_promise second;
static struct uvhooks_promise third;

static void resolve(struct uvhooks_promise *promise)
{
	CHECK_OK(uvhooks_promise_resolve(promise));
}

static void finish(struct uvhooks_promise *promise)
{
	CHECK_OK(uvhooks_promise_emit_destroy(promise));
}

static void *react(void *argument)
{
	CHECK(ids_are(second.resource.async_id, first.resource.async_id));
	mark("InReaction");
	return argument;
}

/* Promise.resolve(1).then(f) */
static void then(uv_loop_t *loop)
{
	(void) loop;
	CHECK_OK(uvhooks_promise_create(&first));
	resolve(&first);
	CHECK_OK(uvhooks_promise_then(&first, &second));
	CHECK(uvhooks_promise_run_reaction(&second, react, &first) == &first);
	CHECK(at_top_level());
	finish(&first);
	finish(&second);
}

static void *check_ids(void *promise)
{
	CHECK(ids_are_of(&((struct uvhooks_promise *) promise)->resource));
	return promise;
}

/* p.then(f), parent.then(g), and p, which is `first`, resolves later. */
static void resolve_three(struct uvhooks_promise *parent)
{
	CHECK_OK(uvhooks_promise_create(&first));
	CHECK_OK(uvhooks_promise_then(&first, &second));
	CHECK_OK(uvhooks_promise_then(parent, &third));
	resolve(&first);
	uvhooks_promise_run_reaction(&second, check_ids, &second);
	uvhooks_promise_run_reaction(&third, check_ids, &third);
	finish(&first);
	finish(&second);
	finish(&third);
}

/* p.then(f).then(g) */
static void chain(uv_loop_t *loop)
{
	(void) loop;
	resolve_three(&second);
}

/* p.then(f); p.then(g) */
static void two_children(uv_loop_t *loop)
{
	(void) loop;
	resolve_three(&first);
}

static void *resolve_itself(void *argument)
{
	resolve(&second);
	return argument;
}

/* The second time is none, whoever did it first. */
static void twice(uv_loop_t *loop)
{
	(void) loop;
	CHECK_OK(uvhooks_promise_create(&first));
	CHECK_OK(uvhooks_promise_then(&first, &second));
	resolve(&first);
	CHECK_RESULT(uvhooks_promise_resolve(&first), -EALREADY);
	uvhooks_promise_run_reaction(&second, resolve_itself, NULL);
	CHECK_RESULT(uvhooks_promise_resolve(&second), -EALREADY);
	finish(&first);
	finish(&second);
	CHECK_RESULT(uvhooks_promise_emit_destroy(&first), -EALREADY);
}

/* A promise may end unsettled; and the memory may then be another's. */
static void never(uv_loop_t *loop)
{
	(void) loop;
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_OK(uvhooks_promise_create(&first));
		finish(&first);
	}
	CHECK_OK(uvhooks_promise_create(&first));
	resolve(&first);
	finish(&first);
}

static void *make_promise(void *argument)
{
	CHECK_OK(uvhooks_promise_create(&third));
	resolve(&third);
	return argument;
}

/* new Promise() in a reaction is triggered by the reaction's promise, as anything made there. */
static void inside(uv_loop_t *loop)
{
	(void) loop;
	CHECK_OK(uvhooks_promise_create(&first));
	resolve(&first);
	CHECK_OK(uvhooks_promise_then(&first, &second));
	uvhooks_promise_run_reaction(&second, make_promise, NULL);
	finish(&first);
	finish(&second);
	finish(&third);
}

static void *call_then(void *argument)
{
	CHECK_OK(uvhooks_promise_then(&first, &second));
	return argument;
}

/* A child is its parent's, whatever runs and whichever scope it is made in. */
static void then_elsewhere(uv_loop_t *loop)
{
	resource_t job;

	(void) loop;
	CHECK_OK(uvhooks_promise_create(&first));
	make(&job, "Job");
	run_in(&job, call_then, NULL);
	finish(&second);
	uvhooks_default_trigger_async_id_scope(job.async_id, call_then, NULL);
	finish(&second);
	end(&job);
	finish(&first);
}

static void wrong(uv_loop_t *loop)
{
	unsigned int times = 0;

	(void) loop;
	CHECK_RESULT(uvhooks_promise_create(NULL), -EINVAL);
	CHECK_OK(uvhooks_promise_create(&first));
	CHECK_RESULT(uvhooks_promise_then(NULL, &second), -EINVAL);
	CHECK_RESULT(uvhooks_promise_then(&first, NULL), -EINVAL);
	CHECK_RESULT(uvhooks_promise_resolve(NULL), -EINVAL);
	CHECK_RESULT(uvhooks_promise_emit_destroy(NULL), -EINVAL);
	CHECK(uvhooks_promise_run_reaction(NULL, call_then, &times) == &times);
	finish(&first);
	finish(&second);
}

static pthread_barrier_t barrier;

static void *resolve_at_once(void *argument)
{
	int *result = argument;

	pthread_barrier_wait(&barrier);
	*result = uvhooks_promise_resolve(&first);
	return NULL;
}

/* Of two threads that resolve it at once one wins. */
static void two_threads(uv_loop_t *loop)
{
	pthread_t threads[2];
	int results[2];

	(void) loop;
	CHECK_OK(uvhooks_promise_create(&first));
	CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
	for (size_t i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, resolve_at_once, &results[i]) == 0);
	for (size_t i = 0; i < 2; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(pthread_barrier_destroy(&barrier) == 0);
	CHECK(results[0] + results[1] == -EALREADY && results[0] * results[1] == 0);
	finish(&first);
}

/* A hook that comes late hears the rest of a promise, and of the chain behind it. */
static void late(uv_loop_t *loop)
{
	struct uvhooks_hook *hook = make_hearing_hook(NULL);

	(void) loop;
	CHECK_OK(uvhooks_promise_create(&first));
	enable(hook);
	CHECK_OK(uvhooks_promise_then(&first, &second));
	resolve(&first);
	uvhooks_promise_run_reaction(&second, check_ids, &second);
	disable(hook);
	finish(&first);
	finish(&second);
	CHECK_HEARD(
	    "init PROMISE, promise_resolve PROMISE, before PROMISE, promise_resolve PROMISE, "
	    "after PROMISE");
}

static const struct scene scenes[] = {
    {"then", then},
    {"chain", chain},
    {"two_children", two_children},
    {"twice", twice},
    {"never", never},
    {"inside", inside},
    {"then_elsewhere", then_elsewhere},
    {"wrong", wrong},
    {"two_threads", two_threads},
    {"late", late},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
