/* SPDX-License-Identifier: MIT */
/* What the floors below the wrappers need of init.c: here nothing has to be made ready. */
#include "context.h"
#include "init.h"

bool uvh_send_asks;

struct uvh_context *uvh_embedding_context(uintptr_t here)
{
	struct uvh_context *context = uvh_context();

	if (context != NULL)
		uvh_stack_check(context, here);
	return context;
}
