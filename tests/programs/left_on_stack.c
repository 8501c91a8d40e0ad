/* SPDX-License-Identifier: MIT */
/*
 * A timer on the stack of a function that has returned, and which was never closed: it is alive for
 * libuv, and nobody may look into it.
 */
#include "program.h"

#include <uvhooks/hooks.h>

static void never(uv_timer_t *timer)
{
	(void) timer;
	CHECK(!"the loop does not run");
}

static int state_of(const void *pointer)
{
	struct uvhooks_state state = {.size = sizeof(state)};

	return uvhooks_resource_state(UVHOOKS_TIMERWRAP, pointer, &state);
}

__attribute__((noinline)) static void begin(uv_loop_t *loop, uintptr_t *place)
{
	uv_timer_t timer;

	*place = (uintptr_t) &timer;
	CHECK_OK(uv_timer_init(loop, &timer));
	CHECK_OK(uv_timer_start(&timer, never, 1000, 0));
	CHECK_RESULT(state_of(&timer), uvhooks_present() ? 0 : -ENOSYS);
}

int main(void)
{
	static uv_loop_t loop; /* not closed either: that would look into it */
	uintptr_t place;

	CHECK_OK(uv_loop_init(&loop));
	begin(&loop, &place);
	CHECK_RESULT(state_of((const void *) place), uvhooks_present() ? -ENOENT : -ENOSYS);
	puts("left");
	return 0;
}
