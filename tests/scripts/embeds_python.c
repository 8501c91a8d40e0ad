/* SPDX-License-Identifier: MIT */
/*
 * A program with Python inside, from the library that is named (for all to see, as modules need it
 * without linking it): it asks for the frames before there
 * is an interpreter, in the midst of an error, when a collection is due, without the GIL, from a
 * thread that Python does not know, and when the interpreter has ended.
 */
#include <pthread.h>

#include "embeds.h"

struct object;

static struct object *(*error_occurred)(void);
static void (*set_error)(struct object *, const char *);
static void (*clear_error)(void);
static struct object **runtime_error;

/* The scripts call these with ctypes and read `asking`. */
__attribute__((visibility("default"))) int asking;
__attribute__((visibility("default"))) void ask(const char *where);
__attribute__((visibility("default"))) void ask_with_error(const char *where);

void ask(const char *where)
{
	uint32_t number;

	asking = 1;
	number = uvhooks_capture_stack();
	asking = 0;
	print_frames(where, number);
}

void ask_with_error(const char *where)
{
	set_error(*runtime_error, "on purpose");
	ask(where);
	printf("the error is %s\n", error_occurred() == *runtime_error ? "still set" : "lost");
	clear_error();
}

static void *in_thread(void *unused)
{
	ask("a thread of C");
	return unused;
}

static const char script[] =
    "import ctypes, gc, sys\n"
    "held, released = ctypes.PyDLL(None), ctypes.CDLL(None)\n"
    "def call(where, function=held.ask):\n"
    "    function(where.encode())\n"
    "class Class:\n"
    "    def method(self):\n"
    "        call('in a method')\n"
    "def generate():\n"
    "    yield call('in a generator')\n"
    "def collected(phase, info):\n"
    "    if ctypes.c_int.in_dll(held, 'asking').value:\n"
    "        print('collected meanwhile')\n"
    "call('in a function')\n"
    "Class().method()\n"
    "list(generate())\n"
    "call('with an error', held.ask_with_error)\n"
    "call('without the GIL', released.ask)\n"
    "gc.callbacks.append(collected)\n"
    "gc.set_threshold(1)\n"
    "def deep(n):\n"
    "    return deep(n - 1) if n else call('when a collection is due')\n"
    "deep(3)\n"
    "gc.set_threshold(700)\n"
    "exec(compile('def \\u00e9(): call(\"named \\u00e9\")\\n\\u00e9()', 'bad\\udc80.py', 'exec'))\n"
    "sys.stdout.flush()\n"
    "class Last:\n"
    "    def __del__(self, call=held.ask):\n"
    "        call(b'when it ends')\n"
    "sys.last = Last()\n";

int main(int argc, char **argv)
{
	pthread_t thread;
	void *library;
	int failed;

	if (argc != 2)
		return 2;
	start();
	ask("before");
	library = open_library(argv[1], RTLD_GLOBAL);
	error_occurred = function_of(library, "PyErr_Occurred");
	set_error = function_of(library, "PyErr_SetString");
	clear_error = function_of(library, "PyErr_Clear");
	runtime_error = function_of(library, "PyExc_RuntimeError");
	ask("not initialised");
	((void (*)(int)) function_of(library, "Py_InitializeEx"))(0);
	ask("in C");
	failed = ((int (*)(const char *)) function_of(library, "PyRun_SimpleString"))(script);
	if (pthread_create(&thread, NULL, in_thread, NULL) != 0)
		return 1;
	pthread_join(thread, NULL);
	((int (*)(void)) function_of(library, "Py_FinalizeEx"))();
	ask("ended");
	return failed != 0;
}
