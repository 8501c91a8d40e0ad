/* SPDX-License-Identifier: MIT */
/* uvhooks_execution_async_resource in scopes: the resource itself. */
#include "embedder.h"

#include <setjmp.h>

static struct uvhooks_resource current(void)
{
	struct uvhooks_resource resource;

	memset(&resource, 0xff, sizeof resource);
	resource.size = sizeof resource;
	CHECK_OK(uvhooks_execution_async_resource(&resource));
	CHECK(resource.async_id == uvhooks_execution_async_id());
	CHECK(resource.trigger_async_id == uvhooks_trigger_async_id());
	return resource;
}

static bool is_root(void)
{
	struct uvhooks_resource resource = current();

	return resource.pointer == NULL && resource.type == UVHOOKS_NONE;
}

/* Is it this one, of this type? Without the shim nothing is known but the root. */
static bool is(const resource_t *resource, const char *type)
{
	struct uvhooks_resource now = current();

	if (!uvhooks_present())
		return is_root();
	return now.pointer == resource && now.async_id == resource->async_id &&
	       now.trigger_async_id == resource->trigger_async_id &&
	       strcmp(uvhooks_type_name(now.type), type) == 0 &&
	       uvhooks_type_kind(now.type) == UVHOOKS_KIND_EMBEDDER &&
	       now.fs_type == UVHOOKS_FS_NONE;
}

static resource_t outer;
static resource_t inner;

static void *in_inner(void *argument)
{
	CHECK(is(&inner, "Inner"));
	return argument;
}

static void *in_outer(void *argument)
{
	CHECK(is(&outer, "Outer"));
	run_in(&inner, in_inner, argument);
	CHECK(is(&outer, "Outer"));
	return argument;
}

static void nested(uv_loop_t *loop)
{
	(void) loop;
	CHECK(is_root());
	make(&outer, "Outer");
	make(&inner, "Inner");
	CHECK(is_root());
	run_in(&outer, in_outer, NULL);
	CHECK(is_root());
	end(&inner);
	end(&outer);
}

static void *by_number(void *argument)
{
	if (uvhooks_present()) {
		CHECK(current().type == UVHOOKS_HTTPCLIENTREQUEST);
		CHECK(current().pointer == &outer);
	}
	return argument;
}

/* Node's types are known by their numbers. */
static void nodes_type(uv_loop_t *loop)
{
	(void) loop;
	make(&outer, "HTTPCLIENTREQUEST");
	run_in(&outer, by_number, NULL);
	end(&outer);
}

static uv_timer_t timer;

static void on_timer(uv_timer_t *handle)
{
	if (uvhooks_present())
		CHECK(current().pointer == handle && current().type == UVHOOKS_TIMERWRAP);
	run_in(&outer, in_outer, NULL);
	if (uvhooks_present())
		CHECK(current().pointer == handle);
	uv_close((uv_handle_t *) handle, NULL);
}

static void in_callback(uv_loop_t *loop)
{
	make(&outer, "Outer");
	make(&inner, "Inner");
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, on_timer, 0, 0));
	CHECK_OK(uv_run(loop, UV_RUN_DEFAULT));
	end(&inner);
	end(&outer);
}

static void *ended(void *argument)
{
	end(&inner);
	CHECK(is(&inner, "Inner"));
	return argument;
}

/* A resource that ended in its scope is still the one that runs. */
static void ends_inside(uv_loop_t *loop)
{
	(void) loop;
	make(&inner, "Inner");
	run_in(&inner, ended, NULL);
	CHECK(is_root());
}

static void *in_trigger_scope(void *argument)
{
	CHECK(is_root());
	return argument;
}

static void trigger_scope(uv_loop_t *loop)
{
	(void) loop;
	make(&outer, "Outer");
	uvhooks_default_trigger_async_id_scope(outer.async_id, in_trigger_scope, NULL);
	end(&outer);
}

static jmp_buf out;

static void *jumping(void *argument)
{
	(void) argument;
	CHECK(is(&inner, "Inner"));
	longjmp(out, 1);
}

/* The first question after a longjmp out of scopes is about the resource. */
static void after_longjmp(uv_loop_t *loop)
{
	struct uvhooks_resource resource = {.size = sizeof resource};

	(void) loop;
	make(&inner, "Inner");
	if (setjmp(out) == 0)
		run_in(&inner, jumping, NULL);
	CHECK_OK(uvhooks_execution_async_resource(&resource));
	CHECK(resource.pointer == NULL && resource.type == UVHOOKS_NONE);
	end(&inner);
}

static const struct scene scenes[] = {
    {"nested", nested},
    {"nodes_type", nodes_type},
    {"in_callback", in_callback},
    {"ends_inside", ends_inside},
    {"trigger_scope", trigger_scope},
    {"after_longjmp", after_longjmp},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
