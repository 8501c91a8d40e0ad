/* SPDX-License-Identifier: MIT */
/*
 * From a folder to its processes and their streams. All headers of packets are looked at here, so
 * that what is wrong with them, how much there is and until when is known at once.
 */
#include "trace_open.h"
#include "trace_recover.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Bytes of a record, on the average. */
#define RECORD_BYTES 14

#define CANDIDATES_MAX 8

/* The recorder begins another file of definitions where somebody has spoiled the one before. */
#define DEFINITION_FILES 4

enum file_kind { FILE_FOREIGN, FILE_METADATA, FILE_DEFINITIONS, FILE_EVENTS };

static enum file_kind kind_of(const char *name)
{
	if (strcmp(name, "metadata") == 0)
		return FILE_METADATA;
	if (strcmp(name, "definitions") == 0 || strncmp(name, "definitions-", 12) == 0)
		return FILE_DEFINITIONS;
	return strncmp(name, "thread-", 7) == 0 ? FILE_EVENTS : FILE_FOREIGN;
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void uvh_file_names_free(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

int uvh_names(const char *path, struct dirent ***names)
{
	return scandir(path, names, is_shown, alphasort);
}

bool uvh_names_are_process(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++) {
		if (kind_of(names[i]->d_name) != FILE_FOREIGN)
			return true;
	}
	return false;
}

/* A file that vanishes while the process runs was a flight recorder's, or is missed by its number.
 */
static void tell_unreadable(const struct uvh_folder *folder, const char *name, int error)
{
	if (error != ENOENT || !folder->process.running)
		uvh_damage(folder->trace, folder->name, name, UVH_NO_OFFSET, "cannot be read: %s",
			   error == 0 ? "it has become shorter" : strerror(error));
}

/* A file of the folder, if it is one that can be read. */
static bool find_file(struct uvh_folder *folder, const char *name, struct uvh_file *file)
{
	struct uvh_trace *trace = folder->trace;
	struct stat status;
	int found = -1;
	char *path;
	unsigned char byte;

	if (asprintf(&path, "%s/%s", folder->path, name) >= 0) {
		found = lstat(path, &status);
		free(path);
	}
	if (found != 0) {
		tell_unreadable(folder, name, errno);
		return false;
	}
	if (!S_ISREG(status.st_mode)) {
		uvh_damage(trace, folder->name, name, UVH_NO_OFFSET,
			   "no regular file; it was left out");
		return false;
	}
	*file = (struct uvh_file){
	    .folder = folder,
	    .name = uvh_text(&trace->texts, name, strlen(name)),
	    .size = (uint64_t) status.st_size,
	    .fd = -1,
	};
	errno = 0;
	if (file->size == 0) {
		if (!folder->process.running)
			uvh_damage(trace, folder->name, name, UVH_NO_OFFSET, "the file is empty");
		return false;
	}
	if (uvh_file_read(file, 0, &byte, 1) != 1) {
		tell_unreadable(folder, name, errno);
		return false;
	}
	return true;
}

/* "thread-TID-I-N": I and N, as the file's name says them. */
static bool parse_name(const char *name, uint64_t *instance, uint64_t *number)
{
	char *end;

	strtoull(name + 7, &end, 10);
	if (end == name + 7 || *end != '-')
		return false;
	*instance = strtoull(end + 1, &end, 10);
	if (*end != '-')
		return false;
	*number = strtoull(end + 1, &end, 10);
	return *end == '\0';
}

/* Looks at all packets of a file. False: there are none. */
static bool scan(struct uvh_folder *folder, struct uvh_part *part)
{
	struct uvh_packet_rules rules = {
	    .uuid = folder->metadata.uuid,
	    .stream_id = UVHOOKS_TRACE_EVENTS,
	    .tell = true,
	};
	struct uvh_packet packet;
	uint64_t offset = 0;
	bool found = false;

	rules.has_instance = parse_name(part->file.name, &rules.instance, &part->number);
	while (uvh_packet_find(&part->file, offset, &rules, &packet)) {
		const struct uvhooks_trace_packet *header = &packet.header;

		if (!found) {
			part->first_sequence = header->packet_seq_num;
			part->first_begin = header->timestamp_begin;
			part->instance = header->stream_instance_id;
			part->thread_id = header->thread_id;
		}
		found = true;
		rules.has_instance = true;
		rules.instance = part->instance;
		part->discarded = header->events_discarded;
		part->bytes += packet.bytes - sizeof(*header);
		if (header->timestamp_end > folder->last_ticks)
			folder->last_ticks = header->timestamp_end;
		if (header->timestamp_begin < folder->first_ticks)
			folder->first_ticks = header->timestamp_begin;
		offset = packet.next;
	}
	uvh_file_close(&part->file);
	return found;
}

struct candidate {
	uint8_t uuid[16];
	unsigned int votes;
};

static void vote(struct candidate *candidates, const uint8_t uuid[16])
{
	for (size_t i = 0; i < CANDIDATES_MAX; i++) {
		if (candidates[i].votes != 0 && memcmp(candidates[i].uuid, uuid, 16) != 0)
			continue;
		memcpy(candidates[i].uuid, uuid, 16);
		candidates[i].votes++;
		return;
	}
}

/* The uuid that most files have: that of one file may be broken, even that in `metadata`. */
static void elect_uuid(struct uvh_folder *folder, struct uvh_file *definitions)
{
	struct uvh_metadata *metadata = &folder->metadata;
	struct uvh_part *parts = folder->parts.items;
	struct candidate candidates[CANDIDATES_MAX] = {0};
	size_t best = 0;
	uint8_t uuid[16];

	if (metadata->has_uuid)
		vote(candidates, metadata->uuid);
	if (definitions->name != NULL && uvh_packet_uuid(definitions, uuid))
		vote(candidates, uuid);
	for (size_t i = 0; i < folder->parts.count; i++) {
		if (uvh_packet_uuid(&parts[i].file, uuid))
			vote(candidates, uuid);
	}
	for (size_t i = 1; i < CANDIDATES_MAX; i++) {
		if (candidates[i].votes > candidates[best].votes)
			best = i;
	}
	if (metadata->has_uuid && memcmp(metadata->uuid, candidates[best].uuid, 16) != 0)
		uvh_damage(folder->trace, folder->name, "metadata", UVH_NO_OFFSET,
			   "its uuid is not that of the packets, which was taken; clock and names "
			   "may be those of another trace");
	memcpy(metadata->uuid, candidates[best].uuid, 16);
}

static int by_stream_and_time(const void *left, const void *right)
{
	const struct uvh_part *a = left, *b = right;

	if (a->instance != b->instance)
		return a->instance < b->instance ? -1 : 1;
	if (a->first_sequence != b->first_sequence)
		return a->first_sequence < b->first_sequence ? -1 : 1;
	if (a->first_begin != b->first_begin)
		return a->first_begin < b->first_begin ? -1 : 1;
	return strcmp(a->file.name, b->file.name);
}

/* Scans all files of events, and forgets those without any. */
static void scan_parts(struct uvh_folder *folder)
{
	struct uvh_part *parts = folder->parts.items;
	size_t count = 0;

	for (size_t i = 0; i < folder->parts.count; i++) {
		if (scan(folder, &parts[i]))
			parts[count++] = parts[i];
	}
	folder->parts.count = count;
	if (count == 0)
		return;
	folder->has_packets = true;
	qsort(parts, count, sizeof(*parts), by_stream_and_time);
}

/*
 * Only a flight recorder deletes its first files. (Where the file that begins a stream does not
 * have its first packet, an earlier folder has that.)
 */
static void tell_of_missing(const struct uvh_folder *folder, const struct uvh_part *part)
{
	if (part->first_sequence != 0 && part->number != 0 && !folder->process.flight_recorder)
		uvh_damage(folder->trace, folder->name, part->file.name, UVH_NO_OFFSET,
			   "%" PRIu64 " packets in front of this file are missing",
			   part->first_sequence);
}

/* Adds the file to a stream; if it is the first one of it, to a new one. */
static void add_part(struct uvh_folder *folder, size_t index)
{
	const struct uvh_part *part = (struct uvh_part *) folder->parts.items + index;
	struct uvh_stream *stream = folder->streams + folder->stream_count;

	if (folder->stream_count == 0 || stream[-1].instance != part->instance) {
		tell_of_missing(folder, part);
		folder->stream_count++;
		stream->folder = folder;
		stream->instance = part->instance;
		stream->first_part = index;
		stream->thread = uvh_thread_add(folder, part->instance, (uint32_t) part->thread_id);
		stream->last_ns = stream->next_ns = uvh_clock_ns(&folder->clock, part->first_begin);
		stream->ticks = part->first_begin;
	} else {
		stream--;
	}
	stream->part_count++;
	stream->thread->events_discarded = part->discarded;
	folder->trace->bytes += part->bytes;
	folder->process.events_expected += part->bytes / RECORD_BYTES;
}

static void make_streams(struct uvh_folder *folder)
{
	if (folder->parts.count == 0)
		return;
	folder->streams = calloc(folder->parts.count, sizeof(*folder->streams));
	if (folder->streams == NULL) {
		uvh_damage_memory(folder->trace);
		return;
	}
	for (size_t i = 0; i < folder->parts.count; i++)
		add_part(folder, i);
}

static const char *or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

static void describe(struct uvh_folder *folder)
{
	struct uvh_trace_process *process = &folder->process;
	const struct uvh_metadata *metadata = &folder->metadata;

	process->folder = folder->name;
	process->program = or_empty(metadata->program);
	process->command = or_empty(metadata->command);
	process->hostname = or_empty(metadata->hostname);
	process->libuv_path = or_empty(process->libuv_path);
	process->pid = (uint32_t) metadata->pid;
	process->launched = (uint32_t) metadata->launched;
	process->flight_recorder = strcmp(or_empty(metadata->mode), "ring") == 0;
	if (process->program[0] == '\0')
		process->program = folder->name;
}

/* What follows from the streams. */
static void describe_streams(struct uvh_folder *folder)
{
	struct uvh_trace_process *process = &folder->process;

	process->start_ns = folder->clock.base_ns;
	process->last_ns = process->start_ns;
	if (folder->stream_count != 0)
		process->last_ns = uvh_clock_ns(&folder->clock, folder->last_ticks);
	for (size_t i = 0; i < folder->stream_count; i++) {
		const struct uvh_trace_thread *thread = folder->streams[i].thread;

		process->events_discarded += thread->events_discarded;
		if (folder->metadata.pid == 0 &&
		    (process->pid == 0 || thread->thread_id < process->pid))
			process->pid = thread->thread_id;
	}
	/* What was lost last may be in no packet, and is counted all the same. */
	for (size_t i = 0; i < process->counter_count; i++)
		if (strcmp(process->counters[i].name, "events_discarded") == 0 &&
		    process->counters[i].value > process->events_discarded)
			process->events_discarded = process->counters[i].value;
}

static void find_files(struct uvh_folder *folder, struct dirent **names, int count,
		       struct uvh_file *metadata, struct uvh_file *definitions)
{
	size_t defined = 0;

	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;
		struct uvh_part *part;
		struct uvh_file file;

		switch (kind_of(name)) {
		case FILE_METADATA:
			if (find_file(folder, name, &file))
				*metadata = file;
			break;
		case FILE_DEFINITIONS:
			if (defined < DEFINITION_FILES && find_file(folder, name, &file))
				definitions[defined++] = file;
			break;
		case FILE_EVENTS:
			if (!find_file(folder, name, &file))
				break;
			part = uvh_array_add(&folder->parts, sizeof(*part));
			if (part == NULL)
				uvh_damage_memory(folder->trace);
			else
				part->file = file;
			uvh_file_close(&file);
			if (part != NULL)
				part->file.fd = -1;
			break;
		case FILE_FOREIGN:
			uvh_damage(folder->trace, folder->name, name, UVH_NO_OFFSET,
				   "no part of a trace; it was left out");
			break;
		}
	}
}

static void read_folder(struct uvh_folder *folder, struct dirent **names, int count)
{
	struct uvh_file metadata = {.fd = -1}, definitions[DEFINITION_FILES] = {{.fd = -1}};

	find_files(folder, names, count, &metadata, definitions);
	if (metadata.name != NULL)
		uvh_metadata_read(folder, &metadata);
	else
		uvh_damage(folder->trace, folder->name, NULL, UVH_NO_OFFSET,
			   "without its `metadata` neither program nor clock are known");
	uvh_file_close(&metadata);
	describe(folder);
	elect_uuid(folder, definitions);
	if (definitions[0].name == NULL)
		uvh_damage(folder->trace, folder->name, NULL, UVH_NO_OFFSET,
			   "without its `definitions` no names are known");
	for (size_t i = 0; i < DEFINITION_FILES && definitions[i].name != NULL; i++) {
		uvh_definitions_read(folder, &definitions[i]);
		uvh_file_close(&definitions[i]);
	}
	folder->first_ticks = UINT64_MAX;
	scan_parts(folder);
	if (folder->parts.count == 0)
		folder->first_ticks = 0;
	uvh_clock_set(folder);
	make_streams(folder);
	describe_streams(folder);
}

void uvh_folder_open(struct uvh_trace *trace, const char *path, const char *name)
{
	struct dirent **names = NULL;
	struct uvh_folder *folder = NULL, **item = NULL;
	int count = uvh_names(path, &names);
	bool runs = false;

	if (count < 0) {
		uvh_damage(trace, name, NULL, UVH_NO_OFFSET, "cannot be opened: %s",
			   strerror(errno));
		return;
	}
	if (uvh_names_are_process(names, count)) {
		/* It may add files. */
		uvh_file_names_free(names, count);
		names = NULL;
		runs = uvh_trace_recover(path);
		count = uvh_names(path, &names);
		folder = calloc(1, sizeof(*folder));
		item = folder == NULL ? NULL : uvh_array_add(&trace->folders, sizeof(*item));
	}
	if (item != NULL) {
		*item = folder;
		folder->trace = trace;
		folder->process.running = runs;
		folder->path = strdup(path);
		folder->name = uvh_text(&trace->texts, name, strlen(name));
		if (folder->path != NULL)
			read_folder(folder, names, count);
	} else {
		free(folder);
	}
	uvh_file_names_free(names, count);
}

void uvh_folder_free(struct uvh_folder *folder)
{
	for (size_t i = 0; i < folder->stream_count; i++) {
		uvh_window_free(&folder->streams[i].window);
		free(folder->streams[i].frames);
	}
	for (size_t i = 0; i < folder->parts.count; i++)
		uvh_file_close(&((struct uvh_part *) folder->parts.items)[i].file);
	free(folder->parts.items);
	free(folder->streams);
	uvh_threads_free(folder);
	uvh_definitions_free(folder);
	free(folder->path);
	free(folder);
}
