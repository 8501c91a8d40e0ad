/* SPDX-License-Identifier: MIT */
/*
 * A frozen flight recorder (frozen=1): all that it needs is made when the program starts, and from
 * then on it only stores to memory, so that a filter of system calls that comes later has nothing
 * to object to. Packets that are full go into a ring of buffers in the same shared memory, each as
 * a file of its own; so do definitions. Nothing of that is written to disk by the process: who
 * reads the trace finds it in the memory that a process leaves behind, however it ended.
 */
#include "recorder.h"

#include <string.h>

#define DEFINITION_BUFFERS 16
#define TELL_A_RING        4

bool recorder_frozen;

static char *ring, *definitions;
static size_t ring_count, next_slot, definition_next;
static uint64_t definition_packet; /* that the buffer before `definition_next` holds, and one */

static struct uvhooks_trace_buffer *buffer_at(char *memory, size_t index)
{
	return (struct uvhooks_trace_buffer *) (memory + index * RECORDER_BUFFER_BYTES);
}

/* While the process is still free to do what it likes; under the lock. */
bool recorder_frozen_begin(void)
{
	ring_count = (size_t) (recorder_options.ring_bytes / RECORDER_BUFFER_BYTES);
	ring = recorder_buffers_reserve(ring_count);
	definitions = recorder_buffers_reserve(DEFINITION_BUFFERS);
	if (ring == NULL || definitions == NULL || !recorder_streams_reserve())
		return false;
	next_slot = definition_next = 0;
	definition_packet = 0;
	recorder_frozen = true;
	return true;
}

/* What is behind `committed` is not there for whoever finds it: so that goes first, and comes last.
 */
static void fill(struct uvhooks_trace_buffer *slot, const struct uvhooks_trace_buffer *from,
		 const void *packet, size_t bytes)
{
	const size_t kept = slot->committed;

	memcpy((char *) (slot + 1) + kept, (const char *) packet + kept, bytes - kept);
	slot->last = from->last;
	slot->offset = from->offset;
	slot->discarded = from->discarded;
	memcpy(slot->file, from->file, sizeof(slot->file));
	slot->magic = UVHOOKS_TRACE_BUFFER_MAGIC;
	__atomic_store_n(&slot->committed, bytes, __ATOMIC_RELEASE);
}

/* The packet of a thread takes the place of the oldest one. */
void recorder_frozen_keep(const struct uvhooks_trace_buffer *buffer, size_t bytes)
{
	struct uvhooks_trace_buffer *slot;
	bool tell;

	recorder_lock();
	slot = buffer_at(ring, next_slot % ring_count);
	next_slot++;
	tell = next_slot % (ring_count / TELL_A_RING) == 0;
	__atomic_store_n(&slot->committed, 0, __ATOMIC_RELEASE);
	fill(slot, buffer, buffer + 1, bytes);
	recorder_unlock();
	atomic_fetch_add_explicit(&recorder_bytes_written, bytes, memory_order_relaxed);
	if (tell) {
		atomic_fetch_add(&recorder_generation, 1);
		recorder_streams_nudge();
	}
}

/* The newest packet of the definitions, which may have become longer. Under the lock. */
bool recorder_frozen_define(const struct uvhooks_trace_packet *packet, uint64_t offset,
			    size_t bytes)
{
	struct uvhooks_trace_buffer from = {
	    .file = "definitions", .offset = offset, .last = packet->timestamp_end};

	if (definition_packet != packet->packet_seq_num + 1) {
		if (definition_next == DEFINITION_BUFFERS)
			return false;
		definition_packet = packet->packet_seq_num + 1;
		definition_next++;
	}
	fill(buffer_at(definitions, definition_next - 1), &from, packet, bytes);
	return true;
}
