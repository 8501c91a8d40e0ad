/* SPDX-License-Identifier: MIT */
/* The threads of a process: each for itself, also where one has taken over another's stream. */
#include "trace_parts.h"

#include <stdlib.h>

/* Their names: the latest that was told of a thread in a stream. */
static int by_thread(const void *left, const void *right)
{
	const struct uvh_thread_name *a = left, *b = right;

	if (a->instance != b->instance)
		return a->instance < b->instance ? -1 : 1;
	if (a->thread_id != b->thread_id)
		return a->thread_id < b->thread_id ? -1 : 1;
	return 0;
}

void uvh_thread_names_sort(struct uvh_folder *folder)
{
	if (folder->thread_names.count != 0)
		qsort(folder->thread_names.items, folder->thread_names.count,
		      sizeof(struct uvh_thread_name), by_thread);
}

static const char *name_of(const struct uvh_folder *folder, uint64_t instance, uint32_t thread_id)
{
	const struct uvh_thread_name wanted = {.instance = instance, .thread_id = thread_id};
	const struct uvh_thread_name *found = NULL;

	if (folder->thread_names.count != 0)
		found = bsearch(&wanted, folder->thread_names.items, folder->thread_names.count,
				sizeof(wanted), by_thread);
	return found == NULL ? "" : found->name;
}

struct uvh_trace_thread *uvh_thread_add(struct uvh_folder *folder, uint64_t instance,
					uint32_t thread_id)
{
	struct uvh_trace_thread *thread = calloc(1, sizeof(*thread));
	struct uvh_trace_thread **item = NULL;

	if (thread != NULL)
		item = uvh_array_add(&folder->threads, sizeof(*item));
	if (item == NULL) {
		free(thread);
		uvh_damage_memory(folder->trace);
		folder->nobody.process = &folder->process;
		folder->nobody.name = "";
		return &folder->nobody;
	}
	*item = thread;
	thread->index = folder->threads.count - 1;
	thread->process = &folder->process;
	thread->thread_id = thread_id;
	thread->name = name_of(folder, instance, thread_id);
	return thread;
}

void uvh_threads_free(struct uvh_folder *folder)
{
	struct uvh_trace_thread **threads = folder->threads.items;

	for (size_t i = 0; i < folder->threads.count; i++)
		free(threads[i]);
	free(threads);
}

size_t uvh_trace_thread_count(const struct uvh_trace_process *process)
{
	return ((const struct uvh_folder *) process)->threads.count;
}

struct uvh_trace_thread *uvh_trace_thread(const struct uvh_trace_process *process, size_t index)
{
	struct uvh_trace_thread **threads = ((const struct uvh_folder *) process)->threads.items;

	return threads[index];
}
