/* SPDX-License-Identifier: MIT */
/* C++ exceptions that leave a scope: its after comes, and the ids are as they were before it. */
#include "embedder.h"

#include <stdexcept>

static resource_t outer;
static resource_t inner;

static void *throwing(void *)
{
	CHECK(ids_are_of(&inner));
	throw std::runtime_error("from a scope");
}

/* Calls a function that throws, and says what came. */
template <typename Function> static void catching(Function function)
{
	try {
		function();
		CHECK(!"it must not return");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
}

static void to_caller(uv_loop_t *)
{
	make(&inner, "Job");
	catching([] { run_in(&inner, throwing, nullptr); });
	CHECK(at_top_level());
	mark("Behind");
	run_in(
	    &inner,
	    [](void *) -> void * {
		    CHECK(ids_are_of(&inner));
		    return nullptr;
	    },
	    nullptr);
	end(&inner);
}

static void inside(uv_loop_t *)
{
	make(&inner, "Job");
	run_in(
	    &inner,
	    [](void *) -> void * {
		    catching([] { throw std::runtime_error("kept inside"); });
		    CHECK(ids_are_of(&inner));
		    return nullptr;
	    },
	    nullptr);
	end(&inner);
}

/* The outer scope catches what leaves the inner one. */
static void to_outer_scope(uv_loop_t *)
{
	make(&outer, "Outer");
	make(&inner, "Inner");
	run_in(
	    &outer,
	    [](void *) -> void * {
		    catching([] { run_in(&inner, throwing, nullptr); });
		    CHECK(ids_are_of(&outer));
		    mark("InOuter");
		    return nullptr;
	    },
	    nullptr);
	end(&inner);
	end(&outer);
}

static void *run_inner(void *)
{
	return run_in(&inner, throwing, nullptr);
}

static void through_two(uv_loop_t *)
{
	make(&outer, "Outer");
	make(&inner, "Inner");
	catching([] { run_in(&outer, run_inner, nullptr); });
	CHECK(at_top_level());
	end(&inner);
	end(&outer);
}

static void on_timer(uv_timer_t *)
{
	run_in(&inner, throwing, nullptr);
}

/* The scope is in a callback, and both are left. */
static void through_callback(uv_loop_t *loop)
{
	static uv_timer_t timer;

	make(&inner, "Job");
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	try {
		uv_run(loop, UV_RUN_DEFAULT);
		CHECK(!"uv_run must not return");
	} catch (const std::runtime_error &error) {
		printf("caught: %s\n", error.what());
	}
	CHECK(at_top_level());
	mark("Behind");
	uv_close(reinterpret_cast<uv_handle_t *>(&timer), nullptr);
	end(&inner);
}

/* What ended in a scope that was left ends all the same. */
static void ends_and_throws(uv_loop_t *)
{
	make(&inner, "Job");
	catching([] {
		run_in(
		    &inner,
		    [](void *) -> void * {
			    end(&inner);
			    throw std::runtime_error("behind its end");
		    },
		    nullptr);
	});
}

static void trigger_scope(uv_loop_t *)
{
	make(&outer, "Cause");
	catching([] {
		uvhooks_default_trigger_async_id_scope(
		    outer.async_id,
		    [](void *) -> void * {
			    mark("OfCause");
			    throw std::runtime_error("from a trigger scope");
		    },
		    nullptr);
	});
	mark("Behind");
	end(&outer);
}

static void bound(uv_loop_t *)
{
	static struct uvhooks_bound_function function;

	make(&inner, "Job");
	function = uvhooks_async_resource_bind(&inner, throwing, nullptr);
	catching([] { uvhooks_call_bound_function(&function); });
	CHECK(at_top_level());
	end(&inner);
}

/* A reaction that throws does not resolve its promise; whoever catches may. */
static void reaction(uv_loop_t *)
{
	static struct uvhooks_promise promise;

	CHECK_OK(uvhooks_promise_create(&promise));
	catching([] {
		uvhooks_promise_run_reaction(
		    &promise, [](void *) -> void * { throw std::runtime_error("from a reaction"); },
		    nullptr);
	});
	CHECK_OK(uvhooks_promise_resolve(&promise));
	CHECK_RESULT(uvhooks_promise_resolve(&promise), -EALREADY);
	CHECK_OK(uvhooks_promise_emit_destroy(&promise));
}

/* What looks for one resource among all leaves by an exception when it has found it. */
static void walk(uv_loop_t *)
{
	if (!uvhooks_present()) {
		puts("caught: found");
		return;
	}
	make(&outer, "Sought");
	catching([] {
		uvhooks_for_each_resource([](const struct uvhooks_resource *,
					     void *) { throw std::runtime_error("found"); },
					  nullptr);
	});
	make(&inner, "Job");
	end(&inner);
	end(&outer);
}

static const struct scene scenes[] = {
    {"to_caller", to_caller},
    {"inside", inside},
    {"to_outer_scope", to_outer_scope},
    {"through_two", through_two},
    {"through_callback", through_callback},
    {"ends_and_throws", ends_and_throws},
    {"trigger_scope", trigger_scope},
    {"bound", bound},
    {"reaction", reaction},
    {"walk", walk},
};

/* Nobody catches: the process dies where it threw. Not a scene, as none can follow. */
static void uncaught()
{
	make(&inner, "Job");
	run_in(&inner, throwing, nullptr);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "uncaught") == 0)
		uncaught();
	return PLAY(scenes);
}
