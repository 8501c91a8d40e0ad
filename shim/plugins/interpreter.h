/* SPDX-License-Identifier: MIT */
/*
 * The functions of a script language's interpreter, in whatever object of the process they are: the
 * program, a library that it links, or one that comes later. A plugin that uses them links nothing
 * and needs no header of theirs, and is nearly free where there is no such interpreter.
 */
#ifndef INTERPRETER_H
#define INTERPRETER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERPRETER_FUNCTIONS 40 /* the most that one has */

/*
 * `found` is set once, when all `functions` are: who sees it true may read them, and the object
 * that they are in is never unloaded. Until then nobody but who set `looking` writes them.
 */
struct interpreter {
	const char *const *names; /* the first one is what it is known by */
	void **functions;         /* in the order of the names; NULL: it has none such */
	size_t count;
	size_t required; /* it is none without the first so many */
	atomic_bool found;
	atomic_bool looking;
	atomic_uint asked;
	_Atomic uint64_t objects_added; /* the loader's count when they were looked through last */
};

bool interpreter_look(struct interpreter *interpreter);

/* Is it in the process, with all that is required? */
static inline bool interpreter_found(struct interpreter *interpreter)
{
	return atomic_load_explicit(&interpreter->found, memory_order_acquire) ||
	       interpreter_look(interpreter);
}

/* The start of the loaded object that has this address; 0: none, as of code made at run time. */
uintptr_t interpreter_object_of(uintptr_t address);

#endif
