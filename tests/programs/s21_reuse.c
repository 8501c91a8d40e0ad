/* SPDX-License-Identifier: MIT */
/* The same memory for one resource after the other: each has an id and an end of its own. */
#include "embedder.h"

static resource_t job;

static void *check_ids(void *resource)
{
	CHECK(ids_are_of(resource));
	return resource;
}

static void at_once(uv_loop_t *loop)
{
	(void) loop;
	for (unsigned int i = 0; i < 3; i++) {
		make(&job, "Job");
		run_in(&job, check_ids, &job);
		end(&job);
		CHECK_RESULT(uvhooks_async_resource_emit_destroy(&job), -EALREADY);
	}
}

static void *end_and_make(void *argument)
{
	uvhooks_async_id old = job.async_id;

	end(&job);
	make(&job, "Second");
	CHECK(uvhooks_present() ? job.async_id != old && job.trigger_async_id == old
				: job.async_id == 0);
	run_in(&job, check_ids, &job);
	return argument;
}

/* While the destroy of the first one still waits, even for its own scope. */
static void waiting(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "First");
	run_in(&job, end_and_make, NULL);
	end(&job);
}

static void *end_and_spoil(void *argument)
{
	end(&job);
	memset(&job, 0xa5, sizeof job);
	return argument;
}

/* The memory is the program's again at once, whatever it then holds. */
static void spoiled(uv_loop_t *loop)
{
	resource_t outer;

	(void) loop;
	make(&outer, "Outer");
	make(&job, "Job");
	run_in(&outer, end_and_spoil, NULL);
	end(&outer);
	/* Nor does it matter what memory holds that is made a resource. */
	make(&job, "OfSpoiled");
	run_in(&job, check_ids, &job);
	end(&job);
}

static void *free_own(void *argument)
{
	end(argument);
	free(argument);
	mark("BehindFree");
	return NULL;
}

/* A job that is freed in its own scope, as queues do. */
static void freed_inside(uv_loop_t *loop)
{
	(void) loop;
	for (unsigned int i = 0; i < 3; i++) {
		resource_t *own = malloc(sizeof *own);

		CHECK(own != NULL);
		make(own, "Freed");
		run_in(own, free_own, own);
		CHECK(at_top_level());
	}
}

static void make_over(void)
{
	make(&job, "Forgotten");
	make(&job, "Next");
	run_in(&job, check_ids, &job);
	end(&job);
}

/* A resource over one that was never ended: that one ends with its loop. */
static void forgotten(uv_loop_t *loop)
{
	call_in_callback(loop, make_over);
}

static const struct scene scenes[] = {
    {"at_once", at_once},           {"waiting", waiting},     {"spoiled", spoiled},
    {"freed_inside", freed_inside}, {"forgotten", forgotten},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
