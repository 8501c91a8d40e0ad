/* SPDX-License-Identifier: MIT */
/*
 * Perfetto's protobuf, for ui.perfetto.dev and its trace_processor.
 *
 *	process
 *	  thread                        its slices, nested; marks where an arrow begins
 *	  resources of loop 0
 *	    TIMERWRAP (lane 0, 1, ...)  lives: one at a time in a lane
 *	    ...
 *
 * A track for each resource would be too many to look at. So a life takes the first free lane of
 * its process, loop and type, and there are as many as were alive at one time; the viewer shows
 * tracks of one name and parent as one.
 *
 * An arrow begins at a mark, an event without length: the slice that it lies in was begun before
 * anybody knew that there would be an arrow. A mark is written when its arrow ends, so packets are
 * not in the order of time, which the format allows. For each track they are but for marks.
 */
#include "export_perfetto.h"

#include <stdlib.h>
#include <string.h>

#include "terminal.h"

/* Where lives of one kind are drawn. */
struct lane_group {
	uint64_t place; /* process and loop */
	const struct uvh_export_name *type;
	uint64_t parent_uuid;
	uint64_t *busy; /* a bit for each lane */
	size_t word_count, word_room;
	uint64_t *uuids; /* of the lanes' tracks; 0: not made yet */
	size_t uuid_room;
	size_t first_free; /* no word before this one has a free lane */
};

struct perfetto {
	struct uvh_export *export;
	bool *processes; /* told already; by index */
	size_t process_room;
	uint8_t **threads; /* the same, by index of process and thread */
	size_t *thread_rooms;
	size_t thread_count; /* of both arrays */
	uint64_t *parents;   /* tracks that groups of lanes lie below: places and uuids in turn */
	size_t parent_count, parent_room;
	struct lane_group *groups;
	size_t group_count, group_room;
	struct uvh_index group_index;
	uint64_t next_uuid;
	uint64_t flow;
};

/* uuids: the process above, below it its threads, or, with LANES, what is not a thread. */
#define PROCESS_SHIFT 40
#define LANES         (UINT64_C(1) << 39)

#define TEXT_BYTES 4096

static uint64_t process_uuid(const struct uvh_trace_process *process)
{
	return (uint64_t) (process->index + 1) << PROCESS_SHIFT;
}

static void tell_process(struct perfetto *perfetto, const struct uvh_trace_process *process)
{
	Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
	Perfetto__ProcessDescriptor descriptor = PERFETTO__PROCESS_DESCRIPTOR__INIT;
	char name[TEXT_BYTES], command[TEXT_BYTES];
	char *words[1] = {command};

	perfetto->processes = uvh_grow(perfetto->processes, &perfetto->process_room,
				       process->index + 1, sizeof(*perfetto->processes));
	if (perfetto->processes[process->index])
		return;
	perfetto->processes[process->index] = true;
	uvh_clean_text(uvh_export_program(process), true, name, sizeof(name));
	uvh_clean_text(process->command, true, command, sizeof(command));
	descriptor.has_pid = true;
	descriptor.pid = (int32_t) process->pid;
	descriptor.process_name = name;
	descriptor.n_cmdline = 1;
	descriptor.cmdline = words;
	descriptor.has_start_timestamp_ns = true;
	descriptor.start_timestamp_ns = process->start_ns;
	track.has_uuid = true;
	track.uuid = process_uuid(process);
	track.process = &descriptor;
	uvh_packet_write_track(perfetto->export->file, &track);
}

static void write_thread(struct perfetto *perfetto, const struct uvh_trace_thread *thread,
			 uint64_t uuid)
{
	Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
	Perfetto__ThreadDescriptor descriptor = PERFETTO__THREAD_DESCRIPTOR__INIT;
	char name[TEXT_BYTES];

	uvh_clean_text(thread->name, true, name, sizeof(name));
	descriptor.has_pid = descriptor.has_tid = true;
	descriptor.pid = (int32_t) thread->process->pid;
	descriptor.tid = (int32_t) thread->thread_id;
	descriptor.thread_name = name[0] == '\0' ? NULL : name;
	track.has_uuid = track.has_parent_uuid = true;
	track.uuid = uuid;
	track.parent_uuid = process_uuid(thread->process);
	track.thread = &descriptor;
	uvh_packet_write_track(perfetto->export->file, &track);
}

/* The uuid of a thread's track; tells of it the first time. */
static uint64_t thread_track(struct perfetto *perfetto, const struct uvh_trace_thread *thread)
{
	size_t process = thread->process->index;
	uint64_t uuid = process_uuid(thread->process) | (thread->index + 1);

	perfetto->threads[process] = uvh_grow(
	    perfetto->threads[process], &perfetto->thread_rooms[process], thread->index + 1, 1);
	if (perfetto->threads[process][thread->index] == 0) {
		perfetto->threads[process][thread->index] = 1;
		tell_process(perfetto, thread->process);
		write_thread(perfetto, thread, uuid);
	}
	return uuid;
}

static uint64_t write_track(struct perfetto *perfetto, const struct uvh_trace_process *process,
			    uint64_t parent_uuid, const char *name)
{
	Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;

	tell_process(perfetto, process);
	track.has_uuid = track.has_parent_uuid = true;
	track.uuid = process_uuid(process) | LANES | ++perfetto->next_uuid;
	track.parent_uuid = parent_uuid;
	track.name = (char *) name;
	uvh_packet_write_track(perfetto->export->file, &track);
	return track.uuid;
}

/* The track that has the resources of a loop below it. */
static uint64_t parent_track(struct perfetto *perfetto, const struct uvh_life *life, uint64_t place)
{
	char name[64] = "resources without a loop";
	uint64_t uuid;

	for (size_t i = 0; i < perfetto->parent_count; i += 2)
		if (perfetto->parents[i] == place)
			return perfetto->parents[i + 1];
	if (!life->no_loop)
		snprintf(name, sizeof(name), "resources of loop %u", uvhooks_id_space(life->id));
	uuid = write_track(perfetto, life->process, process_uuid(life->process), name);
	perfetto->parents = uvh_grow(perfetto->parents, &perfetto->parent_room,
				     perfetto->parent_count + 2, sizeof(*perfetto->parents));
	perfetto->parents[perfetto->parent_count++] = place;
	perfetto->parents[perfetto->parent_count++] = uuid;
	return uuid;
}

static uint32_t group_of(struct perfetto *perfetto, const struct uvh_life *life)
{
	uint64_t place = (uint64_t) life->process->index << 32 |
			 (life->no_loop ? UINT32_MAX : uvhooks_id_space(life->id));
	const struct uvh_export_name *type = life->name->type;
	uint32_t hash = uvh_hash(place, type->index);
	struct lane_group *group;
	uint32_t row;
	size_t at = 0;

	while ((row = uvh_index_next(&perfetto->group_index, hash, &at)) != UVH_INDEX_END)
		if (perfetto->groups[row].place == place && perfetto->groups[row].type == type)
			return row;
	row = (uint32_t) perfetto->group_count++;
	perfetto->groups = uvh_grow(perfetto->groups, &perfetto->group_room, perfetto->group_count,
				    sizeof(*perfetto->groups));
	group = &perfetto->groups[row];
	group->place = place;
	group->type = type;
	group->parent_uuid = parent_track(perfetto, life, place);
	uvh_index_add(&perfetto->group_index, hash, row);
	return row;
}

/* The first free lane of a group, which is busy then. */
static uint32_t take_bit(struct lane_group *group)
{
	size_t word = group->first_free;
	unsigned int bit;

	while (word < group->word_count && group->busy[word] == UINT64_MAX)
		word++;
	if (word == group->word_count)
		group->busy = uvh_grow(group->busy, &group->word_room, ++group->word_count,
				       sizeof(*group->busy));
	bit = (unsigned int) __builtin_ctzll(~group->busy[word]);
	group->busy[word] |= UINT64_C(1) << bit;
	group->first_free = word;
	return (uint32_t) (word * 64 + bit);
}

/* A lane for a life, from its begin on; its track. */
static uint64_t take_lane(struct perfetto *perfetto, struct uvh_life *life)
{
	uint32_t row = group_of(perfetto, life);
	struct lane_group *group = &perfetto->groups[row];
	uint32_t lane = take_bit(group);

	life->user = (uint64_t) row << 32 | lane;
	group->uuids = uvh_grow(group->uuids, &group->uuid_room, lane + 1, sizeof(*group->uuids));
	if (group->uuids[lane] == 0)
		group->uuids[lane] =
		    write_track(perfetto, life->process, group->parent_uuid, group->type->text);
	return group->uuids[lane];
}

/* The same at its end: the lane is free then. */
static uint64_t leave_lane(struct perfetto *perfetto, const struct uvh_life *life)
{
	struct lane_group *group = &perfetto->groups[life->user >> 32];
	uint32_t lane = (uint32_t) life->user;

	group->busy[lane / 64] &= ~(UINT64_C(1) << lane % 64);
	if (lane / 64 < group->first_free)
		group->first_free = lane / 64;
	return group->uuids[lane];
}

static void open_perfetto(struct uvh_export *export)
{
	struct perfetto *perfetto = uvh_zeros(1, sizeof(*perfetto));
	size_t count = uvh_trace_process_count(export->trace);

	perfetto->export = export;
	perfetto->threads = uvh_zeros(count, sizeof(*perfetto->threads));
	perfetto->thread_rooms = uvh_zeros(count, sizeof(*perfetto->thread_rooms));
	perfetto->thread_count = count;
	export->data = perfetto;
	uvh_packet_write_first(export->file, export->base_ns);
}

static enum uvh_perfetto_category category_of(const struct uvh_slice *slice)
{
	switch (slice->kind) {
	case UVH_SLICE_TOP_LEVEL:
		return UVH_CATEGORY_TOP_LEVEL;
	case UVH_SLICE_LOOP:
		return UVH_CATEGORY_LOOP;
	case UVH_SLICE_WORK:
		return UVH_CATEGORY_WORK;
	default:
		return UVH_CATEGORY_CALLBACK;
	}
}

/* Where the arrow begins that ends at this slice: "start TIMERWRAP". */
static void write_mark(struct perfetto *perfetto, const struct uvh_slice *slice)
{
	const struct uvh_cause *cause = &slice->cause;
	struct uvh_packet mark;
	char text[TEXT_BYTES];

	snprintf(text, sizeof(text), "%s %s", uvh_export_how(cause->how), slice->name->type->text);
	uvh_packet_begin(&mark, PERFETTO__TRACK_EVENT__TYPE__TYPE_INSTANT,
			 thread_track(perfetto, cause->thread), cause->time_ns, UVH_CATEGORY_CAUSE);
	uvh_packet_name(&mark, uvh_export_name(perfetto->export->names, text));
	uvh_packet_text(&mark, UVH_KEY_CAUSES, uvhooks_id_text(slice->id, mark.ids[0]));
	uvh_packet_flow(&mark, ++perfetto->flow, false);
	uvh_packet_write(perfetto->export->file, &mark);
}

static void begin(struct uvh_export *export, struct uvh_slice *slice, const struct uvh_slice *outer)
{
	struct perfetto *perfetto = export->data;
	bool is_callback = slice->kind == UVH_SLICE_CALLBACK || slice->kind == UVH_SLICE_WORK;
	const char *call = uvhooks_fs_name(slice->fs_type);
	struct uvh_packet packet;

	(void) outer;
	if (!slice->is_shown)
		return;
	if (uvh_slice_has_arrow(slice))
		write_mark(perfetto, slice);
	uvh_packet_begin(&packet, PERFETTO__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN,
			 thread_track(perfetto, slice->thread), slice->begin_ns,
			 category_of(slice));
	uvh_packet_name(&packet, slice->name);
	if (slice->kind == UVH_SLICE_LOOP)
		uvh_packet_text(&packet, UVH_KEY_ID, uvhooks_id_text(slice->id, packet.ids[0]));
	if (is_callback) {
		uvh_packet_ids(&packet, slice->id, slice->trigger);
		uvh_packet_often(&packet, UVH_KEY_TYPE, slice->name->type);
		if (slice->name->callback != NULL)
			uvh_packet_often(&packet, UVH_KEY_CALLBACK, slice->name->callback);
		if (call != NULL)
			uvh_packet_text(&packet, UVH_KEY_CALL, (char *) call);
		uvh_packet_flags(&packet, slice->flags);
	}
	if (uvh_slice_has_arrow(slice))
		uvh_packet_flow(&packet, perfetto->flow, true);
	slice->user = slice->flags;
	uvh_packet_write(export->file, &packet);
}

static void end(struct uvh_export *export, const struct uvh_slice *slice)
{
	struct uvh_packet packet;

	if (!slice->is_shown)
		return;
	uvh_packet_begin(&packet, PERFETTO__TRACK_EVENT__TYPE__TYPE_SLICE_END,
			 thread_track(export->data, slice->thread), slice->end_ns,
			 UVH_CATEGORY_NONE);
	if (slice->is_cut)
		uvh_packet_yes(&packet, UVH_KEY_UNFINISHED);
	/* Those that were not told at its begin. */
	uvh_packet_flags(&packet, slice->flags & ~slice->user);
	uvh_packet_write(export->file, &packet);
}

static void life_begin(struct uvh_export *export, struct uvh_life *life)
{
	struct perfetto *perfetto = export->data;
	char id[UVHOOKS_ID_TEXT_BYTES], text[TEXT_BYTES];
	struct uvh_packet packet;

	uvh_packet_begin(&packet, PERFETTO__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN,
			 take_lane(perfetto, life), life->time_ns, UVH_CATEGORY_RESOURCE);
	snprintf(text, sizeof(text), "%s %s", life->name->text, uvhooks_id_text(life->id, id));
	packet.event.name = text;
	uvh_packet_ids(&packet, life->id, life->trigger);
	if (!life->init_seen)
		uvh_packet_yes(&packet, UVH_KEY_EARLIER);
	uvh_packet_write(export->file, &packet);
}

static void life_end(struct uvh_export *export, const struct uvh_life *life)
{
	struct uvh_packet packet;

	uvh_packet_begin(&packet, PERFETTO__TRACK_EVENT__TYPE__TYPE_SLICE_END,
			 leave_lane(export->data, life), life->time_ns, UVH_CATEGORY_NONE);
	if (life->is_alive)
		uvh_packet_yes(&packet, UVH_KEY_ALIVE);
	uvh_packet_flags(&packet, life->flags);
	uvh_packet_write(export->file, &packet);
}

static void close_perfetto(struct uvh_export *export)
{
	struct perfetto *perfetto = export->data;

	for (size_t i = 0; i < perfetto->group_count; i++) {
		free(perfetto->groups[i].busy);
		free(perfetto->groups[i].uuids);
	}
	for (size_t i = 0; i < perfetto->thread_count; i++)
		free(perfetto->threads[i]);
	uvh_index_free(&perfetto->group_index);
	free(perfetto->groups);
	free(perfetto->parents);
	free(perfetto->threads);
	free(perfetto->thread_rooms);
	free(perfetto->processes);
	free(perfetto);
}

const struct uvh_export_format uvh_export_perfetto = {
    .name = "perfetto",
    .summary = "protobuf for https://ui.perfetto.dev: threads, lives of resources, arrows",
    .next = "open FILE in https://ui.perfetto.dev",
    .is_binary = true,
    .open = open_perfetto,
    .begin = begin,
    .end = end,
    .life_begin = life_begin,
    .life_end = life_end,
    .close = close_perfetto,
};
