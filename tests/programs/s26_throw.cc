/* SPDX-License-Identifier: MIT */
/*
 * Rule S26, with C++ exceptions, and with threads that end inside: whatever leaves a run, an exit
 * or a resource's scope, the stores and ids before it are back.
 */
#include "stores.h"

#include <stdexcept>
#include <string>

static struct uvhooks_local_storage storage = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct uvhooks_local_storage other = UVHOOKS_LOCAL_STORAGE(release_store, 0);
static struct store a = {"a", 0};
static struct store b = {"b", 0};
static struct store c = {"c", 0};

static const char *current()
{
	return name_of(uvhooks_local_storage_get_store(&storage));
}

static void *run(struct store *store, void *(*function)(void *argument), void *argument = nullptr)
{
	return uvhooks_local_storage_run(&storage, store, function, argument);
}

static void show_releases()
{
	printf("released: a %d, b %d, c %d\n", times_released(&a), times_released(&b),
	       times_released(&c));
	a.released = b.released = c.released = 0;
}

/* The ids of the scope, to be the same before and behind. */
struct ids {
	uvhooks_async_id execution = uvhooks_execution_async_id();
	uvhooks_async_id trigger = uvhooks_trigger_async_id();

	void check() const
	{
		CHECK(uvhooks_execution_async_id() == execution);
		CHECK(uvhooks_trigger_async_id() == trigger);
	}
};

/* Thrown through run and exit, one in the other; caught between and outside. */
static void *throw_here(void *)
{
	throw std::runtime_error(std::string("with ") + current());
}

static void *enter_and_throw(void *argument)
{
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	return throw_here(argument);
}

static void *catch_between(void *)
{
	try {
		run(&b, throw_here);
		CHECK(!"run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught in %s: %s\n", current(), error.what());
	}
	try {
		uvhooks_local_storage_exit(&storage, throw_here, nullptr);
		CHECK(!"exit must not return");
	} catch (const std::runtime_error &error) {
		printf("caught in %s: %s\n", current(), error.what());
	}
	return uvhooks_local_storage_run(&other, &b, enter_and_throw, nullptr);
}

static void sync(uv_loop_t *)
{
	ids before;

	try {
		run(&a, catch_between);
		CHECK(!"run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught in %s: %s\n", current(), error.what());
	}
	before.check();
	show_releases();
}

/* Through scopes of resources: theirs, a bound function's, a trigger's and a reaction's. */
static void *throw_in_scope(void *data)
{
	const auto *resource = static_cast<const uvhooks_async_resource *>(data);

	CHECK(uvhooks_execution_async_id() == uvhooks_async_resource_async_id(resource));
	CHECK_OK(uvhooks_local_storage_enter_with(&storage, &c));
	throw std::runtime_error(std::string("with ") + current());
}

static void *make(void *data)
{
	CHECK_OK(uvhooks_async_resource_create(static_cast<uvhooks_async_resource *>(data), "Job",
					       nullptr));
	return data;
}

static void *scopes_in_b(void *data)
{
	auto *resource = static_cast<uvhooks_async_resource *>(data);
	uvhooks_bound_function bound =
	    uvhooks_async_resource_bind(resource, throw_in_scope, resource);
	ids before;

	for (int way = 0; way < 3; way++) {
		try {
			if (way == 0)
				uvhooks_async_resource_run_in_async_scope(resource, throw_in_scope,
									  resource);
			else if (way == 1)
				uvhooks_call_bound_function(&bound);
			else
				uvhooks_default_trigger_async_id_scope(
				    uvhooks_async_resource_async_id(resource),
				    uvhooks_call_bound_function, &bound);
			CHECK(!"nothing of this must return");
		} catch (const std::runtime_error &error) {
			printf("caught in %s: %s\n", current(), error.what());
		}
		before.check();
		HAS(&storage, &b);
	}
	return data;
}

static void scopes(uv_loop_t *)
{
	uvhooks_async_resource resource;

	run(&a, make, &resource);
	run(&b, scopes_in_b, &resource);
	CHECK_OK(uvhooks_async_resource_emit_destroy(&resource));
	show_releases();
}

/* Out of a callback, through run, uv_run and a run around that. */
static uv_timer_t timer;

static void throwing_sees_a(uv_timer_t *)
{
	SEES(&storage, &a);
	run(&b, throw_here);
}

static void *start_throwing(void *loop)
{
	CHECK_OK(uv_timer_init(static_cast<uv_loop_t *>(loop), &timer));
	CHECK_OK(uv_timer_start(&timer, throwing_sees_a, 1, 0));
	return loop;
}

static void *run_loop(void *loop)
{
	uv_run(static_cast<uv_loop_t *>(loop), UV_RUN_DEFAULT);
	return nullptr;
}

static void on_next_sees_a(uv_timer_t *handle)
{
	SEES(&storage, &a);
	puts("next timer");
	uv_close(reinterpret_cast<uv_handle_t *>(handle), nullptr);
}

static void *start_next(void *)
{
	CHECK_OK(uv_timer_start(&timer, on_next_sees_a, 1, 0));
	return nullptr;
}

static void callbacks(uv_loop_t *loop)
{
	ids before;

	run(&a, start_throwing, loop);
	try {
		run(&c, run_loop, loop);
		CHECK(!"run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
	HAS(&storage, nullptr);
	before.check();
	run(&a, start_next);
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	show_releases();
}

/* A destructor on the way out is still in the scope, and may enter others. */
struct on_the_way {
	~on_the_way()
	{
		HAS(&storage, &b);
		run(&c, show_c);
		HAS(&storage, &b);
	}

	static void *show_c(void *)
	{
		printf("while unwinding: %s\n", current());
		return nullptr;
	}
};

static void *throw_past(void *argument)
{
	on_the_way one;

	return throw_here(argument);
}

static void unwinding(uv_loop_t *)
{
	try {
		run(&b, throw_past);
		CHECK(!"run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught in %s: %s\n", current(), error.what());
	}
	show_releases();
}

/* Threads that end inside of it: by pthread_exit, and by cancellation. */
static void *exit_thread(void *)
{
	pthread_exit(nullptr);
}

static void *wait_for_cancel(void *)
{
	for (;;)
		pause();
}

static void *thread_exits(void *)
{
	run(&a, exit_thread);
	CHECK(!"run must not return");
	return nullptr;
}

static uv_sem_t inside;

static void *post_and_wait(void *argument)
{
	uv_sem_post(&inside);
	return wait_for_cancel(argument);
}

static void *thread_waits(void *)
{
	run(&b, post_and_wait);
	CHECK(!"run must not return");
	return nullptr;
}

static void thread_ends(uv_loop_t *)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, nullptr, thread_exits, nullptr) == 0);
	CHECK(pthread_join(thread, nullptr) == 0);
	CHECK_OK(uv_sem_init(&inside, 0));
	CHECK(pthread_create(&thread, nullptr, thread_waits, nullptr) == 0);
	uv_sem_wait(&inside);
	CHECK(pthread_cancel(thread) == 0);
	CHECK(pthread_join(thread, nullptr) == 0);
	uv_sem_destroy(&inside);
	show_releases();
}

static const struct scene scenes[] = {
    {"sync", sync},           {"scopes", scopes},           {"callbacks", callbacks},
    {"unwinding", unwinding}, {"thread_ends", thread_ends},
};

int main(int argc, char **argv)
{
	return PLAY_AND_REPORT(scenes);
}
