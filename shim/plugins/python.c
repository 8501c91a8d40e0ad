/* SPDX-License-Identifier: MIT */
/*
 * The python plugin: the Python functions that run where a stack is taken, for CPython 3.7 and
 * later, in any program: an annotator (see uvhooks/stacks.h).
 *
 * Frames are those of the calling thread if it holds the GIL; in a stall, those of the thread that
 * is stuck, once it has let the GIL go: see python_stall.c.
 */
#include "python.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <uvhooks/plugin.h>

#include "interpreter.h"

#define OLDEST_MINOR             7
#define MINOR_OF_THREAD_STATES   12 /* from here on each thread knows its own thread state */
#define MINOR_OF_QUALIFIED_NAMES 11

struct python_functions python_functions;
struct python_first_thread python_first_thread;

static const char *const names[] = {
#define XX(name, result, arguments) #name,
    PYTHON_REQUIRED(XX) PYTHON_OPTIONAL(XX)
#undef XX
};

static struct interpreter interpreter = {
    .names = names,
    .functions = (void **) &python_functions,
    .count = sizeof(names) / sizeof(names[0]),
#define XX(name, result, arguments) +1
    .required = 0 PYTHON_REQUIRED(XX),
#undef XX
};

_Static_assert(sizeof(struct python_functions) == sizeof(names), "a name for each function");

/* The N of version 3.N; 0: it is none that is known. */
static unsigned int read_minor_version(void)
{
	const char *version = python_functions.Py_GetVersion();
	unsigned int minor = 0;

	if (version == NULL || strncmp(version, "3.", 2) != 0)
		return 0;
	for (version += 2; *version >= '0' && *version <= '9' && minor < 1000; version++)
		minor = minor * 10 + (unsigned int) (*version - '0');
	return minor >= OLDEST_MINOR ? minor : 0;
}

/* Python writes the text anew each time: it is read once. */
static unsigned int minor_version(void)
{
	static atomic_uint known; /* 1 more than the version */
	unsigned int version = atomic_load_explicit(&known, memory_order_relaxed);

	if (version == 0) {
		version = read_minor_version() + 1;
		atomic_store_explicit(&known, version, memory_order_relaxed);
	}
	return version - 1;
}

bool python_runs(void)
{
	int (*is_finalizing)(void);

	if (!interpreter_found(&interpreter) || python_functions.Py_IsInitialized() == 0 ||
	    minor_version() == 0)
		return false;
	is_finalizing = python_functions.Py_IsFinalizing;
	if (is_finalizing == NULL)
		is_finalizing = python_functions._Py_IsFinalizing;
	return is_finalizing != NULL && is_finalizing() == 0;
}

/*
 * Before 3.12 the current thread state is that of whoever holds the GIL: so it must be the one that
 * was made for this thread. Later it is this thread's, or NULL while the thread has let go.
 */
static bool holds_gil(void)
{
	void *(*get)(void) = python_functions.PyThreadState_GetUnchecked;
	void *current;

	if (get == NULL)
		get = python_functions._PyThreadState_UncheckedGet;
	current = get != NULL ? get() : NULL;
	return current != NULL && (minor_version() >= MINOR_OF_THREAD_STATES ||
				   current == python_functions.PyGILState_GetThisThreadState());
}

static struct object *attribute(struct object *object, const char *name)
{
	struct object *value = python_functions.PyObject_GetAttrString(object, name);

	if (value == NULL)
		python_functions.PyErr_Clear();
	return value;
}

/* The text that an attribute of a code object has. The code keeps it. */
static const char *text_of(struct object *code, const char *name)
{
	struct object *value = attribute(code, name);
	const char *text;

	if (value == NULL)
		return "";
	text = python_functions.PyUnicode_AsUTF8(value);
	if (text == NULL)
		python_functions.PyErr_Clear();
	python_functions.Py_DecRef(value);
	return text != NULL ? text : "";
}

static void write_frame(struct object *frame, struct uvhooks_frame *to)
{
	bool qualified = minor_version() >= MINOR_OF_QUALIFIED_NAMES;
	struct object *code;
	int line = python_functions.PyFrame_GetLineNumber(frame);

	*to = (struct uvhooks_frame){.line = line > 0 ? (uint32_t) line : 0};
	code = python_functions.PyFrame_GetCode != NULL ? python_functions.PyFrame_GetCode(frame)
							: attribute(frame, "f_code");
	if (code == NULL)
		return;
	to->function = text_of(code, qualified ? "co_qualname" : "co_name");
	to->file = text_of(code, "co_filename");
	python_functions.Py_DecRef(code);
}

/* A new reference to who called `frame`, or NULL. */
static struct object *caller_of(struct object *frame)
{
	struct object *back, *code;

	if (python_functions.PyFrame_GetBack != NULL)
		return python_functions.PyFrame_GetBack(frame);
	back = attribute(frame, "f_back");
	if (back == NULL)
		return NULL;
	/* None stands for no frame, and has no code. */
	code = attribute(back, "f_code");
	python_functions.Py_DecRef(code != NULL ? code : back);
	return code != NULL ? back : NULL;
}

size_t python_frames(struct object *frame, struct uvhooks_frame *frames, size_t max)
{
	struct object *back;
	size_t count = 0;

	python_functions.Py_IncRef(frame);
	while (frame != NULL && count < max) {
		write_frame(frame, &frames[count++]);
		back = caller_of(frame);
		python_functions.Py_DecRef(frame);
		frame = back;
	}
	if (frame != NULL)
		python_functions.Py_DecRef(frame);
	return count;
}

/*
 * What it makes (from 3.11 on a frame is an object only once somebody asks for it) must not set off
 * a collection, which would run any code of the program; and an error that is set stays.
 */
static size_t frames_of_this_thread(struct uvhooks_frame *frames, size_t max)
{
	struct object *type, *value, *traceback;
	struct object *frame;
	bool collects;
	size_t count = 0;

	collects = python_functions.PyGC_Disable != NULL && python_functions.PyGC_Disable() != 0;
	python_functions.PyErr_Fetch(&type, &value, &traceback);
	frame = python_functions.PyEval_GetFrame();
	if (frame != NULL)
		count = python_frames(frame, frames, max);
	python_functions.PyErr_Restore(type, value, traceback);
	if (collects)
		python_functions.PyGC_Enable();
	return count;
}

static size_t annotate(const struct uvhooks_place *place, struct uvhooks_frame *frames, size_t max,
		       void *data)
{
	(void) data;
	if (!python_runs())
		return 0;
	if (place->thread_id != 0)
		return python_frames_of_thread(place->thread_id, frames, max);
	return holds_gil() ? frames_of_this_thread(frames, max) : 0;
}

static int python_init(struct uvhooks_plugin_args *args)
{
	static const struct uvhooks_annotator annotator = {
	    .size = sizeof(annotator),
	    .language = "Python",
	    .annotate = annotate,
	};
	int error;

	if (args->count != 0)
		return uvhooks_plugin_error(args, "unknown option '%s'; python takes none",
					    args->options[0].key);
	if (args->dry_run)
		return 0;
	python_first_thread.id = (uint32_t) gettid();
	python_first_thread.identity = (uintptr_t) pthread_self();
	error = uvhooks_add_annotator(&annotator);
	if (error != 0)
		return uvhooks_plugin_error(args, "it cannot be added: %s", strerror(-error));
	return 0;
}

UVHOOKS_PLUGIN = {
    .size = sizeof(struct uvhooks_plugin),
    .abi = UVHOOKS_PLUGIN_ABI,
    .name = "python",
    .summary = "adds the functions of Python to stacks",
    .init = python_init,
};
