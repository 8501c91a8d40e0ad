/* SPDX-License-Identifier: MIT */
#include "interpreter.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* Behind so many questions a program is hardly one of scripts: from then on few of them look. */
#define ASKED_OFTEN       1000
#define ASKED_OFTEN_EVERY 64

/* The names of all objects, each with its NUL, one behind the other. */
struct name_list {
	char *text;
	size_t bytes;
};

static int read_added(struct dl_phdr_info *info, size_t size, void *data)
{
	(void) size;
	*(uint64_t *) data = info->dlpi_adds;
	return 1;
}

/* The loader holds a lock meanwhile: so the objects are opened later. */
static int add_name(struct dl_phdr_info *info, size_t size, void *data)
{
	struct name_list *list = data;
	size_t bytes = strlen(info->dlpi_name) + 1;
	char *text;

	(void) size;
	if (bytes == 1)
		return 0;
	text = realloc(list->text, list->bytes + bytes);
	if (text == NULL)
		return 1;
	memcpy(text + list->bytes, info->dlpi_name, bytes);
	list->text = text;
	list->bytes += bytes;
	return 0;
}

/* An object that is loaded for itself alone, as with RTLD_LOCAL; it stays open. NULL: none. */
static void *local_object(const char *function)
{
	struct name_list list = {NULL, 0};
	void *object = NULL;
	const char *name;

	dl_iterate_phdr(add_name, &list);
	for (size_t at = 0; at < list.bytes && object == NULL; at += strlen(name) + 1) {
		name = list.text + at;
		object = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
		if (object != NULL && dlsym(object, function) == NULL) {
			dlclose(object);
			object = NULL;
		}
	}
	free(list.text);
	return object;
}

/* Its functions will be called for as long as the process lives. */
static void keep_loaded(void *function)
{
	Dl_info info;

	if (dladdr(function, &info) != 0 && info.dli_fname != NULL)
		dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static bool look_through_objects(struct interpreter *interpreter)
{
	void *object = RTLD_DEFAULT;

	if (dlsym(object, interpreter->names[0]) == NULL) {
		object = local_object(interpreter->names[0]);
		if (object == NULL)
			return false;
	}
	for (size_t i = 0; i < interpreter->count; i++) {
		interpreter->functions[i] = dlsym(object, interpreter->names[i]);
		if (interpreter->functions[i] == NULL && i < interpreter->required)
			return false;
	}
	keep_loaded(interpreter->functions[0]);
	return true;
}

bool interpreter_look(struct interpreter *interpreter)
{
	unsigned int asked = atomic_load_explicit(&interpreter->asked, memory_order_relaxed);
	uint64_t added = 0;
	bool found;

	/* Two threads may count as one. */
	atomic_store_explicit(&interpreter->asked, asked + 1, memory_order_relaxed);
	if (asked > ASKED_OFTEN && asked % ASKED_OFTEN_EVERY != 0)
		return false;
	dl_iterate_phdr(read_added, &added);
	if (added == atomic_load_explicit(&interpreter->objects_added, memory_order_relaxed) ||
	    atomic_exchange(&interpreter->looking, true))
		return false;
	atomic_store_explicit(&interpreter->objects_added, added, memory_order_relaxed);
	found = look_through_objects(interpreter);
	atomic_store_explicit(&interpreter->found, found, memory_order_release);
	atomic_store(&interpreter->looking, false);
	return found;
}

/* Newer than the oldest glibc that we run with. */
extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));

uintptr_t interpreter_object_of(uintptr_t address)
{
	struct dl_find_object object;
	Dl_info info;

	if (_dl_find_object != NULL)
		return _dl_find_object((void *) address, &object) == 0
			   ? (uintptr_t) object.dlfo_map_start
			   : 0;
	return dladdr((void *) address, &info) != 0 ? (uintptr_t) info.dli_fbase : 0;
}
