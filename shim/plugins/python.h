/* SPDX-License-Identifier: MIT */
/*
 * What the files of the python plugin share: the functions of CPython that it calls, and frames.
 *
 * All but two are of its public C API; what is not (the current thread state without a check,
 * whether the interpreter ends) is public under another name in the latest versions. Nothing is
 * read out of its structs, which every version changes.
 */
#ifndef PYTHON_H
#define PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uvhooks/stacks.h>

struct object; /* PyObject */

/* What every version has, and what only some have: then another function does, or none is needed.
 */
#define PYTHON_REQUIRED(XX)                                                                        \
	XX(PyEval_GetFrame, struct object *, (void) )                                              \
	XX(PyFrame_GetLineNumber, int, (struct object *) )                                         \
	XX(PyObject_GetAttrString, struct object *, (struct object *, const char *) )              \
	XX(PyUnicode_AsUTF8, const char *, (struct object *) )                                     \
	XX(Py_IncRef, void, (struct object *) )                                                    \
	XX(Py_DecRef, void, (struct object *) )                                                    \
	XX(PyErr_Fetch, void, (struct object **, struct object **, struct object **) )             \
	XX(PyErr_Restore, void, (struct object *, struct object *, struct object *) )              \
	XX(PyErr_Clear, void, (void) )                                                             \
	XX(Py_IsInitialized, int, (void) )                                                         \
	XX(Py_GetVersion, const char *, (void) )                                                   \
	XX(PyGILState_GetThisThreadState, void *, (void) )                                         \
	XX(PyGILState_Ensure, int, (void) )                                                        \
	XX(PyGILState_Release, void, (int) )                                                       \
	XX(PySys_GetObject, struct object *, (const char *) )                                      \
	XX(PyObject_CallObject, struct object *, (struct object *, struct object *) )              \
	XX(PyImport_GetModuleDict, struct object *, (void) )                                       \
	XX(PyDict_GetItem, struct object *, (struct object *, struct object *) )                   \
	XX(PyDict_GetItemString, struct object *, (struct object *, const char *) )                \
	XX(PyDict_Next, int, (struct object *, ptrdiff_t *, struct object **, struct object **) )  \
	XX(PyLong_AsUnsignedLong, unsigned long, (struct object *) )                               \
	XX(PyLong_FromUnsignedLong, struct object *, (unsigned long) )

#define PYTHON_OPTIONAL(XX)                                                                        \
	XX(PyThreadState_GetUnchecked, void *, (void) )          /* from 3.13 on */                \
	XX(_PyThreadState_UncheckedGet, void *, (void) )         /* before */                      \
	XX(Py_IsFinalizing, int, (void) )                        /* from 3.13 on */                \
	XX(_Py_IsFinalizing, int, (void) )                       /* before */                      \
	XX(PyFrame_GetCode, struct object *, (struct object *) ) /* from 3.9 on */                 \
	XX(PyFrame_GetBack, struct object *, (struct object *) ) /* from 3.9 on */                 \
	XX(PyGC_Disable, int, (void) )                           /* from 3.10 on */                \
	XX(PyGC_Enable, int, (void) )

struct python_functions {
#define XX(name, result, arguments) result(*name) arguments;
	PYTHON_REQUIRED(XX)
	PYTHON_OPTIONAL(XX)
#undef XX
};

extern struct python_functions python_functions;

/* The thread that loaded the plugin, mostly the first: as the kernel calls it, and its pthread_t.
 */
struct python_first_thread {
	uint32_t id;
	uintptr_t identity;
};

extern struct python_first_thread python_first_thread;

/* Is there an interpreter that runs and does not end just now? */
bool python_runs(void);

/*
 * Writes the frames from `frame` outwards and returns how many. The caller holds the GIL. The texts
 * are of the code that runs: good while it does.
 */
size_t python_frames(struct object *frame, struct uvhooks_frame *frames, size_t max);

/*
 * The frames of another thread, told by a thread of our own, as the caller would have to wait for
 * the GIL. None if that takes long. The texts are good until the next call.
 */
size_t python_frames_of_thread(uint32_t thread_id, struct uvhooks_frame *frames, size_t max);

#endif
