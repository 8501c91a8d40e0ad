/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "context.h"
#include "libuv.h"
#include "types.h"

static struct uvhooks_control_area areas[UVHOOKS_CONTROL_AREA_MAX];
static struct uvhooks_control_loop loops[UVHOOKS_CONTROL_LOOP_MAX];
static bool working; /* a request is being worked off */
static char request_text[UVHOOKS_CONTROL_REQUEST_BYTES];
static char answer_text[UVHOOKS_CONTROL_ANSWER_BYTES];

/*
 * Wakers, one for each entry of `loops`. libuv calls their functions, so what one says of its loop
 * is only changed while it is in no queue, or its loop is gone.
 */
static uv_async_t wakers[UVHOOKS_CONTROL_LOOP_MAX];

/* In initialised data, where its magic is from the start. */
__attribute__((aligned(UVHOOKS_CONTROL_ALIGNMENT))) struct uvhooks_control uvh_control = {
    .magic = UVHOOKS_CONTROL_MAGIC,
    .abi = UVHOOKS_CONTROL_ABI,
    .size = sizeof(struct uvhooks_control),
    .version = UVHOOKS_VERSION,
};

#define SAME(theirs, ours)                                                                         \
	_Static_assert(offsetof(struct uvhooks_control_record, theirs) ==                          \
			   offsetof(struct uvh_record, ours),                                      \
		       "a record is what tools outside read")
SAME(pointer, owner);
SAME(index, index);
SAME(generation, generation);
SAME(async_id, id);
SAME(callbacks, callback);
SAME(space, space);
SAME(flags, flags);
SAME(type, type);
SAME(fs_type, fs_type);
SAME(trigger_async_id, trigger);
SAME(arm_async_id, arm);
_Static_assert((int) UVHOOKS_CONTROL_RECORD_ARMED == UVH_RECORD_ARMED &&
		   (int) UVHOOKS_CONTROL_RECORD_QUEUED == UVH_RECORD_QUEUED &&
		   (int) UVHOOKS_CONTROL_RECORD_ENDED == UVH_RECORD_ENDED &&
		   (int) UVHOOKS_CONTROL_RECORD_EMBEDDER == UVH_RECORD_EMBEDDER &&
		   (int) UVHOOKS_CONTROL_RECORD_DESTROYED == UVH_RECORD_DESTROYED,
	       "and so are its flags");
_Static_assert(
    offsetof(struct uvh_context, top) == 0 &&
	offsetof(struct uvhooks_control_frame, async_id) == offsetof(struct uvh_frame, id) &&
	offsetof(struct uvhooks_control_frame, here) == offsetof(struct uvh_frame, here) &&
	offsetof(struct uvhooks_control_frame, record) == offsetof(struct uvh_frame, record) &&
	offsetof(struct uvhooks_control_frame, callback) == offsetof(struct uvh_frame, callback),
    "a frame is what tools outside read");

static uint64_t address_of(const void *pointer)
{
	return (uint64_t) (uintptr_t) pointer;
}

/* Adds to a text what fits of another one. */
static void append(char *text, size_t bytes, const char *more)
{
	const size_t used = strlen(text);
	const size_t length = strlen(more);
	const size_t room = bytes - 1 - used;

	memcpy(text + used, more, length < room ? length : room);
}

void uvh_control_begin(void)
{
	struct timespec now = {0, 0};

	clock_gettime(CLOCK_BOOTTIME, &now);
	uvh_control.begin_ns = (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
	uvh_control.counters = address_of(uvh_counts);
	uvh_control.counter_count = UVH_COUNT_MAX;
	uvh_control.record_bytes = sizeof(struct uvh_record);
	uvh_control.segments = address_of(uvh_segments);
	uvh_control.record_limit = address_of(&uvh_record_limit);
	uvh_control.segment_bits = UVH_SEGMENT_BITS;
	uvh_control.loop_count = UVHOOKS_CONTROL_LOOP_MAX;
	uvh_control.loops = address_of(loops);
	uvh_control.hook_set = address_of(&uvh_hook_set);
	uvh_control.type_names = address_of(uvh_type_names());
	uvh_control.areas = address_of(areas);
	uvh_control.area_count = UVHOOKS_CONTROL_AREA_MAX;
	uvh_control.request_text = address_of(request_text);
	uvh_control.answer_text = address_of(answer_text);
	__atomic_store_n(&uvh_control.pid, getpid(), __ATOMIC_RELAXED);
	uvh_control_state(UVHOOKS_CONTROL_ALIVE);
}

/* A request that the parent's tool has made is the parent's. */
void uvh_control_forked(void)
{
	uvh_control.request = 0;
	__atomic_store_n(&working, false, __ATOMIC_RELAXED);
	__atomic_store_n(&uvh_control.pid, getpid(), __ATOMIC_RELAXED);
}

void uvh_control_state(enum uvhooks_control_state state)
{
	__atomic_or_fetch(&uvh_control.state, state, __ATOMIC_RELEASE);
}

void uvh_control_libuv(void)
{
	const struct uvh_libuv *libuv = &uvh_libuvs[0];
	const unsigned int version = libuv->real.uv_version();

	snprintf(uvh_control.libuv, sizeof(uvh_control.libuv), "%u.%u.%u, %s", version >> 16,
		 version >> 8 & 0xff, version & 0xff,
		 libuv->rule == UVH_RULE_PATCHED ? "patched" : "linked");
	uvh_control_state(UVHOOKS_CONTROL_LIBUV);
}

void uvh_control_plugin(const char *name)
{
	if (uvh_control.plugins[0] != '\0')
		append(uvh_control.plugins, sizeof(uvh_control.plugins), ",");
	append(uvh_control.plugins, sizeof(uvh_control.plugins), name);
}

/* The number of the request that waits, or 0. */
static uint32_t is_asked(void)
{
	const uint32_t request = __atomic_load_n(&uvh_control.request, __ATOMIC_ACQUIRE);

	return request == __atomic_load_n(&uvh_control.answered, __ATOMIC_RELAXED) ? 0 : request;
}

/*
 * libuv calls it, on the thread that drives the loop: between two callbacks, the program's or
 * none. A plugin may load libraries here, and what it does with libuv is not traced.
 */
static void woken(uv_async_t *waker)
{
	static char text[sizeof(request_text)];
	const int saved_errno = errno;
	uint32_t request;
	int cancel;

	(void) waker;
	if (!is_asked() || __atomic_exchange_n(&working, true, __ATOMIC_ACQUIRE))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	/* Another loop may have been woken, too, and have been quicker. */
	if ((request = is_asked()) != 0)
		memcpy(text, request_text, sizeof(text));
	/*
	 * Nor has it been taken back, or another one begun, while it was copied: a look that also
	 * writes does not come before the copy.
	 */
	if (request != 0 &&
	    __atomic_fetch_add(&uvh_control.request, 0, __ATOMIC_ACQ_REL) == request) {
		memset(answer_text, 0, sizeof(answer_text));
		uvh_tls.quiet++;
		if (memchr(text, '\0', sizeof(text)) == NULL) {
			append(answer_text, sizeof(answer_text), "the request is too long");
			uvh_control.status = -E2BIG;
		} else {
			uvh_control.status =
			    uvh_control_answer(text, answer_text, sizeof(answer_text));
		}
		uvh_tls.quiet--;
		__atomic_store_n(&uvh_control.answered, request, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&working, false, __ATOMIC_RELEASE);
	pthread_setcancelstate(cancel, NULL);
	errno = saved_errno;
}

/*
 * Puts a waker behind libuv's own uv_async_t in the loop's queue of them, where one is as long as
 * the loop is. A loop that does not look like one (a libuv that was changed) gets none. A queue's
 * element is two pointers, to the next and to the one before, in every libuv.
 */
static bool add_waker(uv_loop_t *loop, uv_async_t *waker)
{
	uv_async_t *own = &loop->wq_async;
	void **mine = (void **) (void *) &waker->queue;
	void **first = (void **) (void *) &own->queue;
	void **second = first[0];

	_Static_assert(sizeof(waker->queue) == 2 * sizeof(void *), "an element of a queue");
	if (own->type != UV_ASYNC || own->loop != loop || second == NULL || second[1] != first)
		return false;
	memset(waker, 0, sizeof(*waker));
	waker->type = UV_ASYNC;
	waker->loop = loop;
	waker->async_cb = woken;
	mine[0] = second;
	mine[1] = first;
	second[1] = mine;
	first[0] = mine;
	return true;
}

static struct uvhooks_control_loop *entry_of(uint64_t loop)
{
	for (size_t i = 0; i < UVHOOKS_CONTROL_LOOP_MAX; i++)
		if (__atomic_load_n(&loops[i].loop, __ATOMIC_RELAXED) == loop)
			return &loops[i];
	return NULL;
}

static void show(struct uvhooks_control_loop *entry, uint64_t loop)
{
	__atomic_add_fetch(&entry->generation, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&entry->loop, loop, __ATOMIC_RELEASE);
}

void uvh_control_loop_runs(uv_loop_t *loop, struct uvh_space *space)
{
	struct uvhooks_control_loop *entry;

	uvh_lock();
	space->listed = true;
	entry = entry_of(0);
	if (entry == NULL) {
		uvh_control.loops_unlisted++;
	} else {
		uv_async_t *waker = &wakers[entry - loops];

		entry->waker_pending = add_waker(loop, waker) ? address_of(&waker->pending) : 0;
		entry->wake_fd = address_of(&loop->async_io_watcher.fd);
		entry->user = address_of(&space->user);
		entry->space = space->number;
		show(entry, address_of(loop));
	}
	uvh_unlock();
}

/* Hidden entries keep the loop's address, with a bit that no address has. */
#define HIDDEN 1u

void uvh_control_loop_hide(const uv_loop_t *loop)
{
	struct uvhooks_control_loop *entry = entry_of(address_of(loop));

	if (entry != NULL)
		show(entry, address_of(loop) | HIDDEN);
}

void uvh_control_loop_show(const uv_loop_t *loop)
{
	struct uvhooks_control_loop *entry = entry_of(address_of(loop) | HIDDEN);

	if (entry != NULL)
		show(entry, address_of(loop));
}

void uvh_control_loop_gone(const uv_loop_t *loop)
{
	uvh_control_loop_hide(loop);

	struct uvhooks_control_loop *entry = entry_of(address_of(loop) | HIDDEN);

	if (entry != NULL)
		show(entry, 0);
}

int uvhooks_publish(const char *name, const void *address, size_t bytes)
{
	struct uvhooks_control_area *area = NULL;

	if (name == NULL || name[0] == '\0' || address == NULL || bytes == 0 ||
	    strnlen(name, sizeof(area->name)) == sizeof(area->name))
		return -EINVAL;
	uvh_lock();
	for (size_t i = 0; i < UVHOOKS_CONTROL_AREA_MAX && area == NULL; i++)
		if (areas[i].name[0] == '\0' || strcmp(areas[i].name, name) == 0)
			area = &areas[i];
	if (area != NULL) {
		__atomic_store_n(&area->bytes, 0, __ATOMIC_RELEASE);
		memcpy(area->name, name, strlen(name) + 1);
		area->address = address_of(address);
		__atomic_store_n(&area->bytes, bytes, __ATOMIC_RELEASE);
	}
	uvh_unlock();
	return area == NULL ? -ENOSPC : 0;
}
