/* SPDX-License-Identifier: MIT */
/* The program's own hooks: their order, when they begin and end to hear, and what they make. */
#include "embedder.h"

#include <time.h>

static void order(uv_loop_t *loop)
{
	struct uvhooks_hook *a = make_hearing_hook("a ");
	struct uvhooks_hook *b = make_hearing_hook("b ");

	(void) loop;
	enable(b);
	enable(a);
	/* Nothing: it is enabled. */
	enable(b);
	mark("One");
	CHECK_HEARD("b init One, a init One, b destroy One, a destroy One");
	disable(b);
	mark("Two");
	CHECK_HEARD("a init Two, a destroy Two");
	/* Nothing: it is disabled. */
	disable(b);
	enable(b);
	mark("Three");
	CHECK_HEARD("a init Three, b init Three, a destroy Three, b destroy Three");
	disable(a);
	disable(b);
	mark("Four");
	CHECK_HEARD("");
}

static resource_t job;
static struct uvhooks_hook *hook;

static void *switch_on(void *argument)
{
	enable(hook);
	return argument;
}

static void *switch_off(void *argument)
{
	disable(hook);
	return argument;
}

/* Between a before and its after: what is heard is a part. */
static void parts(uv_loop_t *loop)
{
	(void) loop;
	hook = make_hearing_hook(NULL);
	make(&job, "Job");
	run_in(&job, switch_on, NULL);
	CHECK_HEARD("after Job");
	run_in(&job, switch_off, NULL);
	CHECK_HEARD("before Job");
	run_in(&job, switch_on, NULL);
	end(&job);
	disable(hook);
	CHECK_HEARD("after Job, destroy Job");
}

static size_t found;

static void find(const struct uvhooks_resource *resource, void *data)
{
	(void) data;
	if (resource->pointer != &job)
		return;
	CHECK(resource->async_id == job.async_id);
	CHECK(resource->trigger_async_id == job.trigger_async_id);
	CHECK(uvhooks_type_kind(resource->type) == UVHOOKS_KIND_EMBEDDER);
	CHECK(strcmp(uvhooks_type_name(resource->type), "Job") == 0);
	found++;
}

static size_t finds(void)
{
	found = 0;
	uvhooks_for_each_resource(find, NULL);
	return found;
}

static void *end_job(void *argument)
{
	end(&job);
	return argument;
}

/* A hook that comes late finds what was made before, and hears the rest of it. */
static void late(uv_loop_t *loop)
{
	(void) loop;
	make(&job, "Job");
	hook = make_hearing_hook(NULL);
	enable(hook);
	CHECK(finds() == (uvhooks_present() ? 1 : 0));
	run_in(&job, end_job, NULL);
	disable(hook);
	CHECK_HEARD("before Job, after Job, destroy Job");
	CHECK(finds() == 0);
}

/* A hook for each of the things that a hook may do about `Outer`. */
static void (*do_it)(void);
static resource_t made;
static bool in_hook;

static void hear_and_do(const struct uvhooks_event *event, void *name)
{
	hear(event, name);
	if (strcmp(uvhooks_type_name(event->type), "Outer") != 0 || in_hook)
		return;
	in_hook = true;
	do_it();
	in_hook = false;
}

/* Hears all five events and does `what` at one of them. */
static struct uvhooks_hook *make_doing_hook(enum uvhooks_event_type event, void (*what)(void),
					    uint32_t flags)
{
	struct uvhooks_callbacks callbacks = hearing(flags);

	heard[0] = '\0';
	do_it = what;
	switch (event) {
	case UVHOOKS_EVENT_INIT:
		callbacks.init = hear_and_do;
		break;
	case UVHOOKS_EVENT_AFTER:
		callbacks.after = hear_and_do;
		break;
	default:
		callbacks.destroy = hear_and_do;
	}
	return uvhooks_create_hook(&callbacks, (void *) "a ");
}

static void enable_and_make(void)
{
	enable(hook);
	make(&made, "Made");
}

/* What is made in the same event is not heard by the hook that was enabled in it. */
static void enable_in_init(uv_loop_t *loop)
{
	struct uvhooks_hook *a =
	    make_doing_hook(UVHOOKS_EVENT_INIT, enable_and_make, UVHOOKS_HOOK_NESTED);

	(void) loop;
	hook = make_hearing_hook("b ");
	enable(a);
	make(&job, "Outer");
	CHECK_HEARD("a init Outer, a init Made");
	end(&job);
	CHECK_HEARD("a destroy Outer, b destroy Outer");
	if (uvhooks_present())
		end(&made);
	CHECK_HEARD("a destroy Made, b destroy Made");
	disable(a);
	disable(hook);
}

static void disable_and_make(void)
{
	disable(hook);
	make(&made, "Made");
}

/* ... and still heard by the one that was disabled in it. */
static void disable_in_init(uv_loop_t *loop)
{
	struct uvhooks_hook *a =
	    make_doing_hook(UVHOOKS_EVENT_INIT, disable_and_make, UVHOOKS_HOOK_NESTED);

	(void) loop;
	hook = make_hearing_hook("b ");
	enable(a);
	enable(hook);
	make(&job, "Outer");
	CHECK_HEARD("a init Outer, a init Made, b init Made, b init Outer");
	end(&job);
	CHECK_HEARD("a destroy Outer");
	if (uvhooks_present())
		end(&made);
	disable(a);
	CHECK_HEARD("a destroy Made");
}

static void *count(void *counter)
{
	++*(unsigned int *) counter;
	return counter;
}

static void make_in_hook(void)
{
	unsigned int counter = 0;

	make(&made, "Made");
	CHECK(made.async_id == 0 && made.trigger_async_id == 0);
	CHECK(run_in(&made, count, &counter) == &counter && counter == 1);
	end(&made);
	CHECK_RESULT(uvhooks_async_resource_emit_destroy(&made), -EALREADY);
}

/* What a hook makes is not traced, and does all the same. */
static void make_in_init(uv_loop_t *loop)
{
	struct uvhooks_hook *a = make_doing_hook(UVHOOKS_EVENT_INIT, make_in_hook, 0);

	(void) loop;
	enable(a);
	make(&job, "Outer");
	end(&job);
	disable(a);
	CHECK_HEARD("a init Outer, a destroy Outer");
}

static void make_nested_in_hook(void)
{
	unsigned int counter = 0;

	make(&made, "Made");
	CHECK(made.async_id != 0);
	CHECK(run_in(&made, count, &counter) == &counter && counter == 1);
	end(&made);
}

/* ... unless the hook asks for it; then it hears of it itself. */
static void make_nested_in_init(uv_loop_t *loop)
{
	struct uvhooks_hook *a =
	    make_doing_hook(UVHOOKS_EVENT_INIT, make_nested_in_hook, UVHOOKS_HOOK_NESTED);

	(void) loop;
	enable(a);
	make(&job, "Outer");
	end(&job);
	disable(a);
	CHECK_HEARD("a init Outer, a init Made, a before Made, a after Made, a destroy Made, "
		    "a destroy Outer");
}

/* A destroy hook may make what ends at once: its destroy comes in the same turn. */
static void make_in_destroy(uv_loop_t *loop)
{
	struct uvhooks_hook *a =
	    make_doing_hook(UVHOOKS_EVENT_DESTROY, make_nested_in_hook, UVHOOKS_HOOK_NESTED);

	(void) loop;
	enable(a);
	make(&job, "Outer");
	run_in(&job, end_job, NULL);
	disable(a);
	CHECK_HEARD("a init Outer, a before Outer, a after Outer, a destroy Outer, a init Made, "
		    "a before Made, a after Made, a destroy Made");
}

static unsigned int runs;

static void run_in_hook(void)
{
	run_in(&job, count, &runs);
}

/* An after hook that opens a scope of its own is no endless loop. */
static void scope_in_after(uv_loop_t *loop)
{
	struct uvhooks_hook *a = make_doing_hook(UVHOOKS_EVENT_AFTER, run_in_hook, 0);

	(void) loop;
	runs = 0;
	make(&job, "Outer");
	enable(a);
	run_in(&job, count, &runs);
	disable(a);
	CHECK(runs == (uvhooks_present() ? 2 : 1));
	CHECK(at_top_level());
	end(&job);
}

static uv_loop_t second;

static void mark_in_second(void)
{
	mark("InSecond");
}

static void mark_in_first(void)
{
	mark("InFirst");
}

/* A hook for one loop hears what is made while that loop runs. */
static void one_loop(uv_loop_t *loop)
{
	struct uvhooks_callbacks callbacks = hearing(0);
	struct uvhooks_hook *a;

	CHECK_OK(uv_loop_init(&second));
	heard[0] = '\0';
	callbacks.loop = &second;
	a = uvhooks_create_hook(&callbacks, NULL);
	enable(a);
	call_in_callback(loop, mark_in_first);
	CHECK_HEARD("");
	call_in_callback(&second, mark_in_second);
	CHECK_HEARD("init TIMERWRAP, before TIMERWRAP, init InSecond, after TIMERWRAP, "
		    "destroy InSecond, destroy TIMERWRAP");
	disable(a);
	CHECK_OK(uv_loop_close(&second));
}

/* Makes, enables and disables as many hooks; returns the thread's time in ns. */
static long long make_hooks(int count)
{
	const struct uvhooks_callbacks callbacks = hearing(0);
	struct timespec begin, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (int i = 0; i < count; i++) {
		struct uvhooks_hook *hook = uvhooks_create_hook(&callbacks, NULL);

		enable(hook);
		disable(hook);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec;
}

/* The ten thousandth hook is switched as fast as the first ones: it took 20 times as long. */
static void many(uv_loop_t *loop)
{
	long long first = make_hooks(1000), last = 0;

	(void) loop;
	for (int i = 0; i < 9; i++)
		last = make_hooks(1000);
	CHECK(!uvhooks_present() || last < 8 * first + 1000000);
}

static const struct scene scenes[] = {
    {"order", order},
    {"parts", parts},
    {"late", late},
    {"enable_in_init", enable_in_init},
    {"disable_in_init", disable_in_init},
    {"make_in_init", make_in_init},
    {"make_nested_in_init", make_nested_in_init},
    {"make_in_destroy", make_in_destroy},
    {"scope_in_after", scope_in_after},
    {"one_loop", one_loop},
    {"many", many},
};

int main(int argc, char **argv)
{
	return PLAY(scenes);
}
