/* SPDX-License-Identifier: MIT */
/* A resource that was ended may still run; what it makes then is its own. */
#include "embedder.h"

static resource_t job;

static void *make_inside(void *argument)
{
	CHECK(ids_are_of(&job));
	mark("Inside");
	return argument;
}

static void *end_and_run(void *argument)
{
	end(&job);
	run_in(&job, make_inside, argument);
	return argument;
}

/* The destroy still waits for the outermost callback, and so for the scope as well. */
static void waiting(uv_loop_t *loop)
{
	resource_t outer;

	(void) loop;
	make(&outer, "Outer");
	make(&job, "Job");
	run_in(&outer, end_and_run, NULL);
	end(&outer);
}

/* ... also in its own scope. */
static void in_itself(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	run_in(&job, end_and_run, NULL);
}

/* The destroy was delivered: there is no second one. */
static void delivered(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	end(&job);
	run_in(&job, make_inside, NULL);
	CHECK(at_top_level());
	run_in(&job, make_inside, NULL);
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&job), -EALREADY);
}

static void end_in_callback(void)
{
	end(&job);
}

static void run_in_callback(void)
{
	run_in(&job, make_inside, NULL);
}

static void next_callback(uv_loop_t *loop)
{
	make(&job, "Job");
	call_in_callback(loop, end_in_callback);
	call_in_callback(loop, run_in_callback);
}

static const struct scene scenes[] = {
    {"waiting", waiting},
    {"in_itself", in_itself},
    {"delivered", delivered},
    {"next_callback", next_callback},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
