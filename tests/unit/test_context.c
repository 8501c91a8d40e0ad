/* SPDX-License-Identifier: MIT */
/* The execution stack: deep nesting, forced destroys, and hooks that come and go. */
#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "context.h"
#include "hooks.h"

static uv_loop_t loop;

static struct uvh_record *make_record(void)
{
	struct uvh_space *space = uvh_space_of_loop(uvh_context(), &loop);
	struct uvh_record *record = uvh_space_take(space, uvh_context());

	record->id = uvh_space_next_id(space);
	return record;
}

static unsigned int events[UVHOOKS_EVENT_MAX];
static unsigned int forced;

static void count(const struct uvhooks_event *event, void *data)
{
	(void) data;
	events[event->event]++;
	forced += (event->flags & UVHOOKS_FLAG_FORCED) != 0;
	errno = EDOM;
}

static const struct uvhooks_callbacks counting = {
    .size = sizeof(counting),
    .before = count,
    .after = count,
    .destroy = count,
};

static void nest(int depth)
{
	struct uvh_record *record = make_record();

	UVH_LAST_SCOPE(scope);
	scope.here = UVH_HERE();
	uvh_enter(&scope, record, NULL, 0, UVH_FRAME_CALLBACK, true);
	CHECK_EQUAL(uvh_execution_id(uvh_context()), record->id);
	if (depth > 1)
		nest(depth - 1);
	CHECK_EQUAL(uvh_execution_id(uvh_context()), record->id);
	scope.returned = true;
}

static void check_depth(void)
{
	events[UVHOOKS_EVENT_DESTROY] = 0;
	nest(5000);
	CHECK(uvh_context()->top == uvh_context()->frames);
	CHECK_EQUAL(events[UVHOOKS_EVENT_BEFORE], 5000);
	CHECK_EQUAL(events[UVHOOKS_EVENT_AFTER], 5000);
	CHECK_EQUAL(events[UVHOOKS_EVENT_DESTROY], 5000);
	CHECK_EQUAL(forced, 0);
}

/* In a callback that never ends, destroys do not wait for ever; its own does. */
static void check_forced(void)
{
	enum { COUNT = 40000 };
	struct uvh_record *outer = make_record();

	events[UVHOOKS_EVENT_DESTROY] = 0;
	{
		UVH_LAST_SCOPE(scope);
		scope.here = UVH_HERE();
		uvh_enter(&scope, outer, NULL, 0, UVH_FRAME_CALLBACK, true);
		uvh_end(uvh_context(), outer, 0);
		for (int i = 0; i < COUNT; i++)
			uvh_end(uvh_context(), make_record(), 0);
		CHECK(events[UVHOOKS_EVENT_DESTROY] > COUNT / 2);
		CHECK(outer->id != 0);
		scope.returned = true;
	}
	CHECK_EQUAL(events[UVHOOKS_EVENT_DESTROY], COUNT + 1);
	CHECK(forced > 0);
	CHECK_EQUAL(uvh_counted(UVH_COUNT_forced_destroys), forced);
}

static void check_hooks(void)
{
	struct uvhooks_callbacks wrong = counting;
	struct uvhooks_hook *hooks[300];

	wrong.size = 8;
	CHECK(uvhooks_create_hook(NULL, NULL) == NULL);
	CHECK(uvhooks_create_hook(&wrong, NULL) == NULL);
	CHECK_EQUAL(uvhooks_hook_enable(NULL), -EINVAL);
	CHECK_EQUAL(uvhooks_hook_disable(NULL), -EINVAL);
	/* Toggling for ever takes no memory: the sets are the same two. */
	hooks[0] = uvhooks_create_hook(&counting, NULL);
	uvhooks_hook_enable(hooks[0]);
	const struct uvh_hook_set *set = uvh_hook_set;
	uvhooks_hook_disable(hooks[0]);
	for (int i = 0; i < 100000; i++) {
		uvhooks_hook_enable(hooks[0]);
		CHECK(uvh_hook_set == set);
		uvhooks_hook_disable(hooks[0]);
		CHECK(uvh_hook_set == NULL);
	}
	for (int i = 0; i < 300; i++) {
		hooks[i] = uvhooks_create_hook(&counting, NULL);
		CHECK_EQUAL(uvhooks_hook_enable(hooks[i]), i < 256 ? 0 : -ENOMEM);
	}
	for (int i = 0; i < 300; i++)
		CHECK_EQUAL(uvhooks_hook_disable(hooks[i]), 0);
	CHECK(uvh_hook_set == NULL);
}

int main(void)
{
	struct uvhooks_hook *hook;

	uvh_context_init();
	CHECK(uvh_spaces_init(uvh_context()));
	check_hooks();
	hook = uvhooks_create_hook(&counting, NULL);
	CHECK_EQUAL(uvhooks_hook_enable(hook), 0);
	errno = 0;
	check_depth();
	CHECK_EQUAL(errno, 0);
	check_forced();
	uvhooks_hook_disable(hook);
	CHECK_DONE();
}
