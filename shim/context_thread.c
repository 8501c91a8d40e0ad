/* SPDX-License-Identifier: MIT */
/* Contexts of threads: made with a thread's first call, given back at its end, never freed. */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"
#include "storage.h"

static struct uvh_context *contexts; /* all ever made */
static pthread_key_t thread_end;
static bool thread_end_made;

static uint32_t kernel_thread_id(void)
{
	return (uint32_t) syscall(SYS_gettid);
}

static void begin(struct uvh_context *context, uint32_t in_use)
{
	context->frames = context->top = context->inline_frames;
	context->limit = context->frames + UVH_INLINE_FRAMES;
	context->frames->kind = UVH_FRAME_BOTTOM;
	context->in_use = in_use;
	context->next = __atomic_load_n(&contexts, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&contexts, &context->next, context, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
	}
}

/*
 * Takes a context that no thread uses, or makes one. Lock-free: a signal handler that calls
 * uv_async_send on a thread that has none may come here, even in the midst of the same.
 */
static struct uvh_context *take(void)
{
	struct uvh_context *context = __atomic_load_n(&contexts, __ATOMIC_ACQUIRE);

	for (; context != NULL; context = context->next) {
		uint32_t unused = 0;

		if (__atomic_load_n(&context->in_use, __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&context->in_use, &unused, 1, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return context;
	}
	context = uvh_map(sizeof(*context));
	if (context != NULL)
		begin(context, 1);
	return context;
}

struct uvh_context *uvh_context_make(void)
{
	int saved_errno = errno;
	struct uvh_context *context = take();

	if (context == NULL) {
		uvh_count(UVH_COUNT_contexts_exhausted);
		return NULL;
	}
	if (uvh_tls.context != NULL) {
		/* A signal handler came here while we were at it: its context is the thread's. */
		__atomic_store_n(&context->in_use, 0, __ATOMIC_RELEASE);
		return uvh_tls.context;
	}
	context->thread_id = kernel_thread_id();
	context->errno_here = &errno;
	uvh_tls.context = context;
	if (thread_end_made)
		pthread_setspecific(thread_end, context);
	errno = saved_errno;
	return context;
}

/* Those of its top level, which is no scope that is left. */
static void leave_stores(struct uvh_context *context)
{
	struct uvh_frame *bottom = context->frames;
	struct uvh_store *owned = bottom->state & UVH_FRAME_OWNS_STORES ? bottom->stores : NULL;

	bottom->state = 0;
	uvh_store_drop(owned);
}

/* The last of the thread's own code has run, or almost: a later key destructor makes a new one. */
static void give_back(void *data)
{
	struct uvh_context *context = data;

	uvh_unwind_all(context, UVHOOKS_FLAG_UNWOUND);
	uvh_home_leave(context);
	leave_stores(context);
	uvh_tls.context = NULL;
	uvh_tls.in_hook = false; /* a hook may have ended the thread */
	context->nesting = 0;
	context->cached_loop = NULL;
	context->running = NULL;
	context->root = context->root_trigger = 0;
	context->root_record = NULL;
	__atomic_store_n(&context->in_use, 0, __ATOMIC_RELEASE);
}

/* The first thread's does not depend on what the kernel gives. */
void uvh_context_init(void)
{
	static struct uvh_context first;

	begin(&first, 0);
	thread_end_made = pthread_key_create(&thread_end, give_back) == 0;
}

void uvh_context_forked(void)
{
	struct uvh_context *mine = uvh_tls.context;

	for (struct uvh_context *context = contexts; context != NULL; context = context->next) {
		if (context == mine || context->in_use == 0)
			continue;
		/* Its thread is not in this process. What it had queued belongs to the parent. */
		context->top = context->frames;
		context->frames->state = 0;
		context->running = NULL;
		context->destroys = 0;
		context->destroy_last = context->destroy_count = 0;
		context->cached_loop = NULL;
		context->root = context->root_trigger = 0;
		context->root_record = NULL;
		context->home = NULL;
		context->in_use = 0;
	}
	if (mine != NULL)
		mine->thread_id = kernel_thread_id();
}
