/* SPDX-License-Identifier: MIT */
/* What lives in a process, and what it does: read from its memory while its threads change it. */
#include <stdlib.h>
#include <string.h>

#include "process_parts.h"
#include "terminal.h"

/* No shim has more: 64 million resources. */
#define SEGMENTS_MAX 16384

/* A resource is the program's as long as its destroy was not queued, nor told. */
#define ENDED_FLAGS (UVHOOKS_CONTROL_RECORD_QUEUED | UVHOOKS_CONTROL_RECORD_DESTROYED)

struct walk {
	struct uvh_process *process;
	void (*record)(const struct uvhooks_control_record *record, void *data);
	void *data;
	char *first, *second; /* two copies of a segment */
};

/*
 * A record may change while it is read. One that has the same id in two copies was alive throughout
 * the time between, and what never changes of it was read whole.
 */
static void walk_copies(const struct walk *walk, uint32_t index, size_t count)
{
	const size_t bytes = walk->process->control.record_bytes;
	struct uvhooks_control_record one, other;

	for (size_t i = 0; i < count; i++) {
		memcpy(&one, walk->first + i * bytes, sizeof(one));
		if (one.async_id == 0)
			continue;
		memcpy(&other, walk->second + i * bytes, sizeof(other));
		if (one.async_id == other.async_id && other.index == index + i &&
		    !((one.flags | other.flags) & ENDED_FLAGS))
			walk->record(&other, walk->data);
	}
}

static bool walk_segment(const struct walk *walk, size_t number, size_t count)
{
	const struct uvhooks_control *control = &walk->process->control;
	const size_t bytes = count * control->record_bytes;
	uint64_t address;

	if (!uvh_process_copy(walk->process, control->segments + number * sizeof(address), &address,
			      sizeof(address)) ||
	    !uvh_process_copy(walk->process, address, walk->first, bytes) ||
	    !uvh_process_copy(walk->process, address, walk->second, bytes))
		return false;
	walk_copies(walk, (uint32_t) (number << control->segment_bits), count);
	return true;
}

static bool walk_all(const struct walk *walk, uint32_t limit)
{
	const size_t in_segment = (size_t) 1 << walk->process->control.segment_bits;

	for (size_t number = 0; number * in_segment < limit; number++) {
		size_t left = limit - number * in_segment;

		if (!walk_segment(walk, number, left < in_segment ? left : in_segment))
			return false;
	}
	return true;
}

bool uvh_process_each_record(struct uvh_process *process,
			     void (*record)(const struct uvhooks_control_record *record,
					    void *data),
			     void *data)
{
	const size_t bytes = (size_t) process->control.record_bytes
			     << process->control.segment_bits;
	struct walk walk = {.process = process, .record = record, .data = data};
	uint32_t limit;
	bool whole;

	if (!uvh_process_copy(process, process->control.record_limit, &limit, sizeof(limit)) ||
	    limit >> process->control.segment_bits > SEGMENTS_MAX)
		return false;
	walk.first = malloc(2 * bytes);
	if (walk.first == NULL)
		return false;
	walk.second = walk.first + bytes;
	whole = walk_all(&walk, limit);
	free(walk.first);
	return whole;
}

bool uvh_process_loop(struct uvh_process *process, size_t place, struct uvhooks_control_loop *loop)
{
	return uvh_process_copy(process, process->control.loops + place * sizeof(*loop), loop,
				sizeof(*loop));
}

void uvh_process_frame(struct uvh_process *process, const struct uvhooks_control_loop *loop,
		       struct uvhooks_control_frame *frame)
{
	uint64_t context, top;

	if (!uvh_process_copy(process, loop->user, &context, sizeof(context)) || context == 0 ||
	    !uvh_process_copy(process, context, &top, sizeof(top)) ||
	    !uvh_process_copy(process, top, frame, sizeof(*frame)))
		memset(frame, 0, sizeof(*frame));
	else if (frame->here == 0) /* the bottom of the stack: below all uv_run() */
		frame->async_id = ((uint64_t) loop->space << UVHOOKS_ID_SEQUENCE_BITS) + 1;
}

bool uvh_process_each_loop(struct uvh_process *process,
			   void (*loop)(const struct uvhooks_control_loop *loop,
					const struct uvhooks_control_frame *frame, void *data),
			   void *data)
{
	struct uvhooks_control_loop entry, again;
	struct uvhooks_control_frame frame;

	for (size_t place = 0; place < process->control.loop_count; place++) {
		if (!uvh_process_loop(process, place, &entry))
			return false;
		/* The address of one that is being closed is odd. */
		if (entry.loop == 0 || entry.loop % 2 != 0)
			continue;
		uvh_process_frame(process, &entry, &frame);
		if (!uvh_process_loop(process, place, &again))
			return false;
		if (memcmp(&entry, &again, sizeof(entry)) == 0)
			loop(&entry, &frame, data);
	}
	return true;
}

static void read_type_name(struct uvh_process *process, unsigned int type, char *name, size_t bytes)
{
	uint64_t names, text;

	if (!uvh_process_copy(process, process->control.type_names, &names, sizeof(names)) ||
	    names == 0 ||
	    !uvh_process_copy(process, names + (type - UVHOOKS_TYPE_NAMED) * sizeof(text), &text,
			      sizeof(text)) ||
	    text == 0)
		return;
	name[uvh_process_read(process, text, name, bytes - 1)] = '\0';
}

const char *uvh_process_type_name(struct uvh_process *process, unsigned int type)
{
	char name[UVHOOKS_TYPE_NAME_BYTES] = "";

	if (type < UVHOOKS_TYPE_NAMED)
		return uvhooks_type_name(type);
	if (type <= UINT16_MAX)
		read_type_name(process, type, name, sizeof(name));
	return uvh_clean_text(name[0] != '\0' ? name : "UNKNOWN", true, process->type_name,
			      sizeof(process->type_name));
}

uint64_t uvh_process_counter(struct uvh_process *process, size_t number)
{
	uint64_t value;

	if (number >= process->control.counter_count ||
	    !uvh_process_copy(process, process->control.counters + number * sizeof(value), &value,
			      sizeof(value)))
		return 0;
	return value;
}

bool uvh_process_area(struct uvh_process *process, const char *name,
		      struct uvhooks_control_area *area)
{
	for (size_t place = 0; place < process->control.area_count; place++) {
		if (!uvh_process_copy(process, process->control.areas + place * sizeof(*area), area,
				      sizeof(*area)))
			return false;
		if (area->bytes != 0 && strncmp(area->name, name, sizeof(area->name)) == 0)
			return true;
	}
	return false;
}
