/* SPDX-License-Identifier: MIT */
/* destroy comes when nothing is on the stack any more, in the order in which it was asked for. */
#include "embedder.h"

static resource_t outer;
static resource_t inner;
static resource_t many[40000];

static void *end_it(void *resource)
{
	end(resource);
	mark("MadeAfterwards");
	return NULL;
}

/* A resource that ends itself ends behind its scope. */
static void itself(uv_loop_t *loop)
{
	(void) loop;
	make(&outer, "Job");
	run_in(&outer, end_it, &outer);
}

static void *end_both(void *argument)
{
	end(&inner);
	end(&outer);
	return argument;
}

static void *run_inner(void *argument)
{
	return run_in(&inner, end_both, argument);
}

/* ... behind the outermost one, and the first that was ended goes first. */
static void nested(uv_loop_t *loop)
{
	(void) loop;
	make(&outer, "Outer");
	make(&inner, "Inner");
	run_in(&outer, run_inner, NULL);
	mark("AtTopLevel");
}

static void end_in_callback(void)
{
	end(&inner);
	end(&outer);
}

static void in_callback(uv_loop_t *loop)
{
	make(&outer, "Outer");
	make(&inner, "Inner");
	call_in_callback(loop, end_in_callback);
}

static void end_inner(uv_work_t *req)
{
	(void) req;
	end(&inner);
}

static void end_outer(uv_work_t *req, int status)
{
	(void) req;
	CHECK_OK(status);
	end(&outer);
}

/* Work is on the stack of its pool thread. */
static void in_work(uv_loop_t *loop)
{
	static uv_work_t req;

	make(&outer, "Outer");
	make(&inner, "Inner");
	CHECK_OK(uv_queue_work(loop, &req, end_inner, end_outer));
}

static void *end_many(void *argument)
{
	for (size_t i = 0; i < COUNT(many); i++)
		end(&many[i]);
	return argument;
}

/* More than may wait: those that come too early do not come twice. */
static void forced(uv_loop_t *loop)
{
	(void) loop;
	for (size_t i = 0; i < COUNT(many); i++)
		make(&many[i], "Many");
	make(&outer, "Outer");
	run_in(&outer, end_many, NULL);
	end(&outer);
}

static const struct scene scenes[] = {
    {"itself", itself},   {"nested", nested}, {"in_callback", in_callback},
    {"in_work", in_work}, {"forced", forced},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
