/* SPDX-License-Identifier: MIT */
/*
 * All events of a trace, in the order of time: a heap of the streams, the one with the earliest
 * event on top. A stream is opened when the time of its first packet has come, and closed at its
 * end, so there may be many.
 */
#include "command.h"
#include "trace_open.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Events of one process are ordered by its clock, and others by the time that it shows. */
static bool is_earlier(const struct uvh_turn *left, const struct uvh_turn *right)
{
	const struct uvh_stream *a = left->stream, *b = right->stream;

	if (UVH_LIKELY(left->next_ns != right->next_ns))
		return left->next_ns < right->next_ns;
	if (a->folder == b->folder && a->ticks != b->ticks)
		return a->ticks < b->ticks;
	return a->order < b->order;
}

static void sift_down(struct uvh_trace *trace, size_t at)
{
	struct uvh_turn *heap = trace->heap, moved = heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= trace->heap_count)
			break;
		if (child + 1 < trace->heap_count && is_earlier(&heap[child + 1], &heap[child]))
			child++;
		if (!is_earlier(&heap[child], &moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

/* The stream on top goes to its next event, or has come to its end. */
static void advance(struct uvh_trace *trace)
{
	struct uvh_turn *top = trace->heap;

	if (UVH_LIKELY(uvh_stream_next(top->stream)))
		top->next_ns = top->stream->next_ns;
	else
		*top = trace->heap[--trace->heap_count];
	if (trace->heap_count > 1)
		sift_down(trace, 0);
}

bool uvh_trace_next(struct uvh_trace *trace, struct uvh_trace_event *event)
{
	if (UVH_UNLIKELY(trace->parting != NULL)) {
		struct uvh_resource *parting = trace->parting;

		trace->parting = NULL;
		uvh_resource_settle(trace, parting);
	}
	/* Of those not begun, the time of the packet is known, which is not after that of the
	   event. */
	while (trace->heap_count != 0 && UVH_UNLIKELY(!trace->heap[0].stream->begun)) {
		trace->heap[0].stream->begun = true;
		advance(trace);
	}
	if (UVH_UNLIKELY(trace->heap_count == 0) ||
	    UVH_UNLIKELY(trace->heap[0].next_ns > trace->to_ns))
		return false;
	uvh_stream_event(trace->heap[0].stream, event);
	advance(trace);
	return true;
}

void uvh_trace_window(struct uvh_trace *trace, int64_t from_ns, int64_t to_ns)
{
	trace->from_ns = from_ns;
	trace->to_ns = to_ns;
}

int64_t uvh_trace_within(const struct uvh_trace *trace, int64_t begin_ns, int64_t end_ns)
{
	if (begin_ns < trace->from_ns)
		begin_ns = trace->from_ns;
	if (end_ns > trace->to_ns)
		end_ns = trace->to_ns;
	return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

static void end_stream(struct uvh_stream *stream,
		       void (*visit)(const struct uvh_trace_event *event, void *data), void *data)
{
	struct uvh_trace *trace = stream->folder->trace;
	struct uvh_trace_event event;

	while (uvh_frames_end(stream, &event)) {
		struct uvh_resource *parting = trace->parting;

		if (event.resource != NULL || event.event == UVHOOKS_EVENT_LOOP_EXIT)
			visit(&event, data);
		trace->parting = NULL;
		if (parting != NULL)
			uvh_resource_settle(trace, parting);
	}
}

void uvh_trace_for_each_running(struct uvh_trace *trace,
				void (*visit)(const struct uvh_trace_event *event, void *data),
				void *data)
{
	struct uvh_folder **folders = trace->folders.items;

	for (size_t i = 0; i < trace->folders.count; i++)
		for (size_t j = 0; j < folders[i]->stream_count; j++)
			end_stream(&folders[i]->streams[j], visit, data);
}

static bool make_heap(struct uvh_trace *trace)
{
	struct uvh_folder **folders = trace->folders.items;
	size_t count = 0;

	for (size_t i = 0; i < trace->folders.count; i++)
		count += folders[i]->stream_count;
	trace->heap = calloc(count + 1, sizeof(*trace->heap));
	if (trace->heap == NULL)
		return false;
	for (size_t i = 0; i < trace->folders.count; i++) {
		for (size_t j = 0; j < folders[i]->stream_count; j++) {
			struct uvh_stream *stream = &folders[i]->streams[j];

			stream->order = trace->heap_count;
			trace->heap[trace->heap_count++] =
			    (struct uvh_turn){stream->next_ns, stream};
		}
	}
	for (size_t i = trace->heap_count / 2; i > 0; i--)
		sift_down(trace, i - 1);
	return true;
}

static int by_start(const void *left, const void *right)
{
	const struct uvh_folder *a = *(struct uvh_folder *const *) left;
	const struct uvh_folder *b = *(struct uvh_folder *const *) right;

	if (a->process.start_ns != b->process.start_ns)
		return a->process.start_ns < b->process.start_ns ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int by_name(const void *left, const void *right)
{
	const struct uvh_folder *a = *(struct uvh_folder *const *) left;
	const struct uvh_folder *b = *(struct uvh_folder *const *) right;

	return strcmp(a->name, b->name);
}

/* The folders are sorted by their names. */
static void find_parent(struct uvh_trace *trace, struct uvh_folder *folder)
{
	struct uvh_folder wanted = {.name = folder->metadata.parent}, *key = &wanted, **found;

	if (wanted.name == NULL || *wanted.name == '\0')
		return;
	found = bsearch(&key, trace->folders.items, trace->folders.count, sizeof(key), by_name);
	/* A parent began before its child: so there is no circle of them. */
	if (found != NULL && by_start(found, &folder) < 0)
		folder->process.parent = &(*found)->process;
}

static void sort_processes(struct uvh_trace *trace)
{
	struct uvh_folder **folders = trace->folders.items;

	if (trace->folders.count == 0)
		return;
	qsort(folders, trace->folders.count, sizeof(*folders), by_name);
	for (size_t i = 0; i < trace->folders.count; i++)
		find_parent(trace, folders[i]);
	qsort(folders, trace->folders.count, sizeof(*folders), by_start);
	for (size_t i = 0; i < trace->folders.count; i++)
		folders[i]->process.index = i;
}

static void open_below(struct uvh_trace *trace, const char *path, const char *name)
{
	struct stat status;
	char *below;

	if (asprintf(&below, "%s/%s", path, name) < 0) {
		uvh_damage_memory(trace);
		return;
	}
	if (lstat(below, &status) == 0 && S_ISDIR(status.st_mode))
		uvh_folder_open(trace, below, name);
	else if (S_ISLNK(status.st_mode))
		uvh_damage(trace, name, NULL, UVH_NO_OFFSET,
			   "a symbolic link, which is not followed");
	free(below);
}

/* Opens all of it. False: it has said why that is impossible. */
static bool open_all(struct uvh_trace *trace, const char *path)
{
	char *whole = realpath(path, NULL);
	struct dirent **names = NULL;
	int count = whole == NULL ? -1 : uvh_names(whole, &names);
	bool is_process = count > 0 && uvh_names_are_process(names, count);

	if (count < 0)
		uvh_say("%s cannot be opened as a trace: %s; give the folder that `uvhooks record "
			"-o` was given",
			path, strerror(errno));
	else if (is_process)
		uvh_folder_open(trace, whole, strrchr(whole, '/') + 1);
	for (int i = 0; !is_process && i < count; i++)
		open_below(trace, whole, names[i]->d_name);
	uvh_file_names_free(names, count);
	free(whole);
	return count >= 0;
}

/* Is there anything that could be shown? */
static bool is_worth_it(const struct uvh_trace *trace)
{
	struct uvh_folder **folders = trace->folders.items;

	for (size_t i = 0; i < trace->folders.count; i++) {
		if (folders[i]->has_packets || folders[i]->metadata.has_uuid)
			return true;
	}
	return false;
}

struct uvh_trace *uvh_trace_open(const char *path)
{
	struct uvh_trace *trace = calloc(1, sizeof(*trace));

	if (trace == NULL) {
		uvh_say("no memory to open %s", path);
		return NULL;
	}
	uvh_trace_window(trace, INT64_MIN, INT64_MAX);
	if (!open_all(trace, path)) {
		uvh_trace_close(trace);
		return NULL;
	}
	if (!is_worth_it(trace)) {
		uvh_trace_say_damage(trace);
		uvh_say("no trace can be read in %s; give the folder that `uvhooks record -o` was "
			"given",
			path);
		uvh_trace_close(trace);
		return NULL;
	}
	sort_processes(trace);
	if (!make_heap(trace)) {
		uvh_say("no memory to read %s", path);
		uvh_trace_close(trace);
		return NULL;
	}
	return trace;
}

void uvh_trace_close(struct uvh_trace *trace)
{
	struct uvh_folder **folders = trace->folders.items;

	uvh_resources_free(trace);
	for (size_t i = 0; i < trace->folders.count; i++)
		uvh_folder_free(folders[i]);
	free(trace->folders.items);
	free(trace->heap);
	uvh_damage_free(trace);
	uvh_texts_free(&trace->texts);
	free(trace);
}

size_t uvh_trace_process_count(const struct uvh_trace *trace)
{
	return trace->folders.count;
}

struct uvh_trace_process *uvh_trace_process(const struct uvh_trace *trace, size_t index)
{
	struct uvh_folder **folders = trace->folders.items;

	return &folders[index]->process;
}

double uvh_trace_progress(const struct uvh_trace *trace)
{
	if (trace->bytes == 0 || trace->bytes_read >= trace->bytes)
		return 1;
	return (double) trace->bytes_read / (double) trace->bytes;
}
