/* SPDX-License-Identifier: MIT */
/*
 * The frames of a thread that is stuck.
 *
 * Only who holds the GIL may look at them. A thread that sleeps or waits for a file or a socket has
 * let it go, and one that runs Python does so every 5 ms if asked; but code in C may keep it for as
 * long as it likes, and an interpreter that ends never gives it out again and ends who waits for
 * it. So a thread of our own asks for it, and the watchdog waits a while for the answer and no
 * longer. Nobody waits for that thread: the process may end at any time.
 */
#include "python.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 50
#define FRAMES      64
#define TEXT_BYTES  16384
#define STACK_BYTES (256 * 1024)

/*
 * IDLE -> ASKED -> ANSWERED -> IDLE, or, if the answer came too late, ASKED -> LATE -> IDLE. Who
 * asks may read the answer from ANSWERED on, and until it asks again; our thread writes it while
 * ASKED or LATE.
 */
enum state { IDLE, ASKED, ANSWERED, LATE };

static struct {
	pid_t process; /* a child of fork has neither the thread nor a lock to rely on */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum state state;
	uint32_t thread_id;
} question;

static struct {
	struct uvhooks_frame frames[FRAMES];
	size_t count;
	char text[TEXT_BYTES];
	size_t used;
} answer;

static struct object *attribute(struct object *object, const char *name)
{
	struct object *value =
	    object != NULL ? python_functions.PyObject_GetAttrString(object, name) : NULL;

	if (value == NULL)
		python_functions.PyErr_Clear();
	return value;
}

static void drop(struct object *object)
{
	if (object != NULL)
		python_functions.Py_DecRef(object);
}

/* An attribute that is a number; 0: there is none. */
static unsigned long number_of(struct object *object, const char *name)
{
	struct object *value = attribute(object, name);
	unsigned long number = value != NULL ? python_functions.PyLong_AsUnsignedLong(value) : 0;

	drop(value);
	if (number != (unsigned long) -1)
		return number;
	python_functions.PyErr_Clear();
	return 0;
}

/* What Python calls the thread with the kernel's id: a pthread_t. 0: Python does not know it. */
static unsigned long identity_in(struct object *threading, uint32_t thread_id)
{
	struct object *active = attribute(threading, "_active");
	struct object *first = attribute(threading, "_main_thread");
	struct object *key, *thread;
	unsigned long found = 0;
	ptrdiff_t at = 0;

	/* A child of fork may still have the kernel's ids of its parent. */
	if (thread_id == (uint32_t) getpid())
		found = number_of(first, "_ident");
	while (found == 0 && active != NULL &&
	       python_functions.PyDict_Next(active, &at, &key, &thread) != 0) {
		python_functions.Py_IncRef(thread);
		if (number_of(thread, "_native_id") == thread_id)
			found = number_of(thread, "_ident");
		python_functions.Py_DecRef(thread);
	}
	drop(first);
	drop(active);
	return found;
}

static unsigned long identity_of(uint32_t thread_id)
{
	struct object *modules = python_functions.PyImport_GetModuleDict();
	struct object *threading =
	    modules != NULL ? python_functions.PyDict_GetItemString(modules, "threading") : NULL;

	if (thread_id == python_first_thread.id)
		return (unsigned long) python_first_thread.identity;
	return threading != NULL ? identity_in(threading, thread_id) : 0;
}

/* What the frames point to may be gone once the GIL is. */
static const char *keep(const char *text)
{
	size_t bytes = text != NULL ? strlen(text) + 1 : 0;
	char *kept = answer.text + answer.used;

	if (bytes == 0 || bytes > TEXT_BYTES - answer.used)
		return "";
	memcpy(kept, text, bytes);
	answer.used += bytes;
	return kept;
}

/* {identity: frame} of all threads, as sys._current_frames() gives it. */
static struct object *current_frames(void)
{
	struct object *function = python_functions.PySys_GetObject("_current_frames");

	return function != NULL ? python_functions.PyObject_CallObject(function, NULL) : NULL;
}

static void look_at(uint32_t thread_id)
{
	unsigned long identity = identity_of(thread_id);
	struct object *all = identity != 0 ? current_frames() : NULL;
	struct object *key =
	    all != NULL ? python_functions.PyLong_FromUnsignedLong(identity) : NULL;
	struct object *frame = key != NULL ? python_functions.PyDict_GetItem(all, key) : NULL;

	if (frame != NULL)
		answer.count = python_frames(frame, answer.frames, FRAMES);
	for (size_t i = 0; i < answer.count; i++) {
		answer.frames[i].function = keep(answer.frames[i].function);
		answer.frames[i].file = keep(answer.frames[i].file);
	}
	drop(key);
	drop(all);
	python_functions.PyErr_Clear();
}

static void find_answer(uint32_t thread_id)
{
	bool collects;
	int gil;

	answer.count = 0;
	answer.used = 0;
	if (!python_runs())
		return;
	gil = python_functions.PyGILState_Ensure();
	collects = python_functions.PyGC_Disable != NULL && python_functions.PyGC_Disable() != 0;
	if (python_runs())
		look_at(thread_id);
	if (collects)
		python_functions.PyGC_Enable();
	python_functions.PyGILState_Release(gil);
}

static void *answer_questions(void *unused)
{
	uint32_t thread_id;

	(void) unused;
	pthread_mutex_lock(&question.lock);
	for (;;) {
		while (question.state != ASKED)
			pthread_cond_wait(&question.changed, &question.lock);
		thread_id = question.thread_id;
		pthread_mutex_unlock(&question.lock);
		find_answer(thread_id);
		pthread_mutex_lock(&question.lock);
		question.state = question.state == ASKED ? ANSWERED : IDLE;
		pthread_cond_broadcast(&question.changed);
	}
	return NULL;
}

/* Makes our thread, which takes none of the program's signals. */
static bool start(void)
{
	pthread_condattr_t condition;
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int error;

	question.state = IDLE;
	pthread_mutex_init(&question.lock, NULL);
	pthread_condattr_init(&condition);
	pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
	pthread_cond_init(&question.changed, &condition);
	pthread_condattr_destroy(&condition);

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, answer_questions, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error == 0)
		question.process = getpid();
	return error == 0;
}

static bool wait_for_answer(void)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += PATIENCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (question.state == ASKED && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&question.changed, &question.lock, &until);
	if (question.state == ANSWERED) {
		question.state = IDLE;
		return true;
	}
	question.state = LATE;
	return false;
}

size_t python_frames_of_thread(uint32_t thread_id, struct uvhooks_frame *frames, size_t max)
{
	size_t count = 0;

	if (question.process != getpid() && !start())
		return 0;
	pthread_mutex_lock(&question.lock);
	if (question.state == IDLE) {
		question.state = ASKED;
		question.thread_id = thread_id;
		pthread_cond_broadcast(&question.changed);
		if (wait_for_answer())
			count = answer.count < max ? answer.count : max;
		memcpy(frames, answer.frames, count * sizeof(frames[0]));
	}
	pthread_mutex_unlock(&question.lock);
	return count;
}
