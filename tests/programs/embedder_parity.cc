/* SPDX-License-Identifier: MIT */
/*
 * The scenes of tests/node/embedder_parity.js, line by line, in C++: what is told of them must be
 * what Node tells of those.
 */
#include "embedder.h"

#include <stdexcept>

/* Runs a lambda in the scope of a resource. */
template <typename Function> static void run(resource_t *resource, Function function)
{
	run_in(
	    resource,
	    [](void *argument) -> void * {
		    (*static_cast<Function *>(argument))();
		    return nullptr;
	    },
	    &function);
}

/* Runs a lambda in a trigger scope. */
template <typename Function> static void scope(const resource_t *trigger, Function function)
{
	uvhooks_default_trigger_async_id_scope(
	    trigger->async_id,
	    [](void *argument) -> void * {
		    (*static_cast<Function *>(argument))();
		    return nullptr;
	    },
	    &function);
}

/* Runs a lambda as the reaction of a promise. */
template <typename Function> static void react(struct uvhooks_promise *promise, Function function)
{
	uvhooks_promise_run_reaction(
	    promise,
	    [](void *argument) -> void * {
		    (*static_cast<Function *>(argument))();
		    return nullptr;
	    },
	    &function);
}

static void nothing()
{
}

static resource_t root, a, b;

static void nested(uv_loop_t *)
{
	make(&root, "R");
	run(&root, [] {
		make(&a, "A");
		make_triggered(&b, "B", a.async_id);
		run(&a, [] {
			mark("C");
			run(&b, [] { mark("D"); });
			mark("E");
		});
		run(&b, nothing);
		end(&b);
		end(&a);
	});
	end(&root);
}

static void ended(uv_loop_t *)
{
	make(&root, "R");
	make(&a, "A");
	run(&root, [] {
		end(&a);
		run(&a, [] { mark("B"); });
		run(&root, [] { mark("C"); });
		end(&root);
	});
}

static void bound(uv_loop_t *)
{
	static struct uvhooks_bound_function function;

	make(&root, "R");
	make(&a, "A");
	function = uvhooks_async_resource_bind(
	    &a,
	    [](void *) -> void * {
		    mark("B");
		    return nullptr;
	    },
	    nullptr);
	run(&root, [] {
		uvhooks_call_bound_function(&function);
		uvhooks_call_bound_function(&function);
		end(&a);
	});
	end(&root);
}

static void thrown(uv_loop_t *)
{
	make(&root, "R");
	run(&root, [] {
		make(&a, "A");
		make(&b, "B");
		try {
			run(&a, [] {
				run(&b, [] {
					mark("C");
					throw std::runtime_error("thrown");
				});
			});
		} catch (const std::runtime_error &) {
			puts("caught");
		}
		mark("D");
		end(&a);
		end(&b);
	});
	end(&root);
}

static void trigger_scope(uv_loop_t *)
{
	make(&root, "R");
	run(&root, [] {
		make(&a, "A");
		make(&b, "B");
		scope(&a, [] {
			resource_t f;

			mark("C");
			CHECK(ids_are_of(&root));
			scope(&b, [] { mark("D"); });
			run(&b, [] { mark("E"); });
			make_triggered(&f, "F", b.async_id);
			end(&f);
			mark("G");
		});
		mark("H");
		end(&a);
		end(&b);
	});
	end(&root);
}

static uv_timer_t timers[2];

static void on_second(uv_timer_t *timer)
{
	run(&a, [] { mark("B"); });
	end(&a);
	uv_close(reinterpret_cast<uv_handle_t *>(timer), nullptr);
}

static void on_first(uv_timer_t *timer)
{
	make(&a, "A");
	CHECK_OK(uv_timer_init(timer->loop, &timers[1]));
	CHECK_OK(uv_timer_start(&timers[1], on_second, 1, 0));
	uv_close(reinterpret_cast<uv_handle_t *>(timer), nullptr);
}

static void deferred(uv_loop_t *loop)
{
	CHECK_OK(uv_timer_init(loop, &timers[0]));
	CHECK_OK(uv_timer_start(&timers[0], on_first, 1, 0));
}

static void on_stat(uv_fs_t *req)
{
	uv_fs_req_cleanup(req);
	mark("B");
	end(&a);
}

static uv_fs_t request;

static void stat(uv_loop_t *loop)
{
	make(&a, "A");
	run(&a, [loop] { CHECK_OK(uv_fs_stat(loop, &request, ".", on_stat)); });
}

static void stat_in_trigger_scope(uv_loop_t *loop)
{
	make(&a, "A");
	scope(&a, [loop] { CHECK_OK(uv_fs_stat(loop, &request, ".", on_stat)); });
}

static struct uvhooks_promise first, second, third;

static void begin(struct uvhooks_promise *promise)
{
	CHECK_OK(uvhooks_promise_create(promise));
}

static void resolve(struct uvhooks_promise *promise)
{
	CHECK_OK(uvhooks_promise_resolve(promise));
}

static void follow(const struct uvhooks_promise *parent, struct uvhooks_promise *child)
{
	CHECK_OK(uvhooks_promise_then(parent, child));
}

static void then(uv_loop_t *)
{
	begin(&first);
	resolve(&first);
	follow(&first, &second);
	react(&second, [] { make(&a, "InReaction"); });
}

static void chain(uv_loop_t *)
{
	begin(&first);
	follow(&first, &second);
	follow(&second, &third);
	resolve(&first);
	react(&second, nothing);
	react(&third, [] { make(&a, "InReaction"); });
}

static void two_children(uv_loop_t *)
{
	begin(&first);
	resolve(&first);
	follow(&first, &second);
	follow(&first, &third);
	react(&second, nothing);
	react(&third, [] { make(&a, "InReaction"); });
}

static void promise_inside(uv_loop_t *)
{
	begin(&first);
	resolve(&first);
	follow(&first, &second);
	react(&second, [] {
		begin(&third);
		resolve(&third);
	});
}

static void then_inside(uv_loop_t *)
{
	begin(&first);
	resolve(&first);
	make(&a, "A");
	run(&a, [] { follow(&first, &second); });
	react(&second, nothing);
}

static const struct scene scenes[] = {
    {"nested", nested},
    {"ended", ended},
    {"bound", bound},
    {"thrown", thrown},
    {"trigger_scope", trigger_scope},
    {"deferred", deferred},
    {"stat", stat},
    {"stat_in_trigger_scope", stat_in_trigger_scope},
    {"then", then},
    {"chain", chain},
    {"two_children", two_children},
    {"promise_inside", promise_inside},
    {"then_inside", then_inside},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
