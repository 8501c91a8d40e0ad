/* SPDX-License-Identifier: MIT */
/* What the floors below the wrappers need of init.c: here nothing has to be made ready. */
#include <stdlib.h>

#include "context.h"
#include "control.h"
#include "init.h"

bool uvh_send_asks;

struct uvh_context *uvh_storing_context(uintptr_t here)
{
	struct uvh_context *context = uvh_context();

	if (context != NULL)
		uvh_stack_check(context, here);
	return context;
}

struct uvh_context *uvh_embedding_context(uintptr_t here)
{
	return uvh_storing_context(here);
}

bool uvh_is_off(void)
{
	return false;
}

void uvh_broken(const char *what)
{
	(void) what;
	abort();
}

void uvh_control_loop_gone(const uv_loop_t *loop)
{
	(void) loop;
}
