/* SPDX-License-Identifier: MIT */
/*
 * Definitions: what numbers and addresses in the events mean. There are few, and each is written at
 * once, by writing the packet that they share again, longer: so they need no shared memory.
 *
 * All of it under the lock.
 */
#include "recorder.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/prctl.h>
#include <uvhooks/stacks.h>

#include "log.h"

#define HEADER_BYTES  sizeof(struct uvhooks_trace_packet)
#define PACKET_BYTES  RECORDER_DEFINITION_BYTES
#define STRING_BYTES  (PATH_MAX + 256) /* a longer one is cut */
#define RESERVE_BYTES ((size_t) 32 * 1024)

/* Those of the trace that is written to, under the lock. */
#define here (&recorder_trace->definitions)

static struct uvhooks_trace_packet *header(void)
{
	return (struct uvhooks_trace_packet *) here->packet;
}

static void begin_packet(uint64_t ticks)
{
	memcpy(header()->uuid, recorder_trace->uuid, sizeof(recorder_trace->uuid));
	header()->magic = UVHOOKS_TRACE_MAGIC;
	header()->stream_id = UVHOOKS_TRACE_DEFINITIONS;
	header()->timestamp_begin = header()->timestamp_end = ticks;
	here->used = HEADER_BYTES;
	here->written = 0;
}

/*
 * What is behind the packet's old end goes first, and then the header, by which it counts: so a
 * reader never finds a packet that promises more than is there.
 */
static int write_longer(const char *path)
{
	int error = 0;

	if (here->used > here->written && here->written > 0)
		error = recorder_file_write(
		    path, false, here->offset + here->written, here->offset + here->written,
		    here->packet + here->written, here->used - here->written);
	if (error == 0)
		error = recorder_file_write(
		    path, !here->created, here->offset + (here->written > 0 ? here->used : 0),
		    here->offset, here->packet, here->written > 0 ? HEADER_BYTES : here->used);
	return error;
}

/* Another file, since somebody has cut or deleted this one; it begins with this packet. */
static void next_file(void)
{
	here->file_number++;
	here->offset = 0;
	here->created = false;
	here->written = 0;
}

static int find_path(char path[PATH_MAX])
{
	struct log_line name = {.used = 0};

	log_line_text(&name, "definitions");
	if (here->file_number > 0) {
		log_line_text(&name, "-");
		log_line_number(&name, here->file_number);
	}
	name.text[name.used] = '\0';
	return recorder_file_path(path, name.text);
}

void recorder_define_write(void)
{
	static char path[PATH_MAX];
	int error;

	header()->content_size = header()->packet_size = here->used * 8;
	if (here->used == here->written)
		return;
	if (recorder_frozen && recorder_trace == &recorder_main) {
		if (!recorder_frozen_define(header(), here->offset, here->used))
			atomic_fetch_add(&recorder_counters.packets_not_written, 1);
		here->written = here->used;
		return;
	}
	if (find_path(path) != 0)
		return;
	error = write_longer(path);
	if (error == ENOENT || error == ESTALE) {
		next_file();
		error = find_path(path);
		if (error == 0)
			error = write_longer(path);
	}
	/* It is tried again with whatever comes next. */
	if (error != 0)
		return;
	if (!here->created)
		recorder_file_reserve(path, RESERVE_BYTES);
	here->created = true;
	here->written = here->used;
}

static void put(const void *bytes, size_t count)
{
	memcpy(here->packet + here->used, bytes, count);
	here->used += count;
}

static void begin_record_at(enum uvhooks_trace_definition number, uint64_t ticks)
{
	const uint16_t id = (uint16_t) number;

	if (PACKET_BYTES - here->used < 256 + 2 * STRING_BYTES) {
		recorder_define_write();
		if (here->written < here->used)
			atomic_fetch_add(&recorder_counters.packets_not_written, 1);
		here->offset += here->written;
		header()->packet_seq_num++;
		begin_packet(header()->timestamp_end);
	}
	/* Another processor's clock may be a little behind. */
	if (ticks < header()->timestamp_end)
		ticks = header()->timestamp_end;
	header()->timestamp_end = ticks;
	put(&id, sizeof(id));
	put(&ticks, sizeof(ticks));
}

static void begin_record(enum uvhooks_trace_definition number)
{
	begin_record_at(number, recorder_ticks());
}

static void put_64(uint64_t value)
{
	put(&value, sizeof(value));
}

static void put_32(uint32_t value)
{
	put(&value, sizeof(value));
}

static void put_16(uint16_t value)
{
	put(&value, sizeof(value));
}

static void put_string(const char *text)
{
	const size_t bytes = strlen(text);

	put(text, bytes < STRING_BYTES ? bytes : STRING_BYTES - 1);
	put("", 1);
}

void recorder_define_thread(uint64_t instance, uint32_t thread_id)
{
	char name[17] = "";

	if (!recorder_frozen)
		prctl(PR_GET_NAME, name);
	begin_record(UVHOOKS_TRACE_DEFINITION_thread);
	put_64(instance);
	put_32(thread_id);
	put_string(name);
	recorder_define_write();
}

void recorder_define_clock(const struct recorder_moment *moment)
{
	begin_record_at(UVHOOKS_TRACE_DEFINITION_clock, moment->ticks);
	put_64(moment->monotonic_ns);
	put_64(moment->realtime_ns);
	recorder_define_write();
}

static void define_counter(const char *name, uint64_t value)
{
	if (value == 0)
		return;
	begin_record(UVHOOKS_TRACE_DEFINITION_counter);
	put_64(value);
	put_string(name);
}

void recorder_define_counters(void)
{
	struct uvhooks_counters counters = {.size = sizeof(counters)};

	if (uvhooks_get_counters(&counters) == 0) {
#define XX(name) define_counter(#name, counters.name);
		UVHOOKS_COUNTER_MAP(XX)
#undef XX
	}
	define_counter("stacks_lost", uvhooks_stacks_lost());
	if (recorder_trace != &recorder_main)
		return;
#define XX(name) define_counter(#name, atomic_load(&recorder_counters.name));
	RECORDER_COUNTER_MAP(XX)
#undef XX
}

void recorder_define_end(bool process_ends)
{
	begin_record(process_ends ? UVHOOKS_TRACE_DEFINITION_end : UVHOOKS_TRACE_DEFINITION_stop);
}

void recorder_define_type(unsigned int type)
{
	if (type < UVHOOKS_TYPE_NAMED || here->type_known[type])
		return;
	begin_record(UVHOOKS_TRACE_DEFINITION_type);
	put_16((uint16_t) type);
	put_string(uvhooks_type_name(type));
	recorder_define_write();
	__atomic_store_n(&here->type_known[type], true, __ATOMIC_RELEASE);
}

static void define_libuv(const struct uvhooks_libuv *libuv, void *data)
{
	(void) data;
	begin_record(UVHOOKS_TRACE_DEFINITION_libuv);
	put_32(libuv->version);
	put_string(libuv->path[0] == '\0' ? recorder_program : libuv->path);
}

void recorder_define_libuvs(void)
{
	uvhooks_for_each_libuv(define_libuv, NULL);
}

/* The build id among the notes of a segment; in memory, and bounded by the segment. */
static void find_build_id(const char *notes, size_t bytes, uint8_t id[20])
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *) notes;
		size_t name = ((size_t) note->n_namesz + 3) & ~(size_t) 3;
		size_t whole = sizeof(*note) + name + (((size_t) note->n_descsz + 3) & ~(size_t) 3);

		if (whole > bytes)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    memcmp(notes + sizeof(*note), "GNU", 4) == 0) {
			memcpy(id, notes + sizeof(*note) + name,
			       note->n_descsz < 20 ? note->n_descsz : 20);
			return;
		}
		notes += whole;
		bytes -= whole;
	}
}

static void read_object(const struct dl_phdr_info *info, struct recorder_library *library,
			uint8_t id[20])
{
	*library = (struct recorder_library){UINTPTR_MAX, 0, info->dlpi_addr, info->dlpi_name};
	memset(id, 0, 20);
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		const uintptr_t begin = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_NOTE)
			find_build_id((const char *) begin, segment->p_memsz, id);
		if (segment->p_type != PT_LOAD)
			continue;
		if (begin < library->begin)
			library->begin = begin;
		if (begin + segment->p_memsz > library->end)
			library->end = begin + segment->p_memsz;
	}
}

static bool is_known(const struct recorder_library *library)
{
	for (size_t i = 0; i < here->library_count; i++)
		if (memcmp(&here->libraries[i], library, sizeof(*library)) == 0)
			return true;
	return false;
}

static int define_library(struct dl_phdr_info *info, size_t size, void *data)
{
	struct recorder_library library;
	uint8_t id[20];
	size_t before;

	(void) data;
	read_object(info, &library, id);
	if (library.begin >= library.end || is_known(&library))
		return 0;
	if (here->library_count == RECORDER_LIBRARIES)
		return 1;
	here->libraries[here->library_count++] = library;
	if (size >= offsetof(struct dl_phdr_info, dlpi_subs))
		here->loader_adds = info->dlpi_adds;
	begin_record(UVHOOKS_TRACE_DEFINITION_library);
	before = here->used;
	put_64(library.begin);
	put_64(library.end);
	put_64(library.bias);
	put(id, sizeof(id));
	put_string(info->dlpi_name == NULL || info->dlpi_name[0] == '\0' ? recorder_program
									 : info->dlpi_name);
	if (here->used - before <= sizeof(here->library_records) - here->library_bytes) {
		memcpy(here->library_records + here->library_bytes, here->packet + before,
		       here->used - before);
		here->library_bytes += here->used - before;
	}
	return 0;
}

/* They may have changed since an earlier trace was begun. */
void recorder_define_forget_libraries(void)
{
	here->library_count = 0;
	here->library_bytes = 0;
}

/* Says again what is known; else asks the loader. */
void recorder_define_libraries(void)
{
	const size_t fixed = 3 * sizeof(uint64_t) + 20;

	for (size_t at = 0; at < here->library_bytes;) {
		size_t bytes = fixed + strlen(here->library_records + at + fixed) + 1;

		begin_record(UVHOOKS_TRACE_DEFINITION_library);
		put(here->library_records + at, bytes);
		at += bytes;
	}
	if (here->library_bytes == 0)
		dl_iterate_phdr(define_library, NULL);
}

static int see_adds(struct dl_phdr_info *info, size_t size, void *data)
{
	if (size >= offsetof(struct dl_phdr_info, dlpi_subs))
		*(unsigned long long *) data = info->dlpi_adds;
	return 1;
}

/* A callback is where the loader has something new, if it has. */
static void look_for_libraries(const void *address)
{
	unsigned long long adds = 0;

	for (size_t i = 0; i < here->library_count; i++)
		if ((uintptr_t) address - here->libraries[i].begin <
		    here->libraries[i].end - here->libraries[i].begin)
			return;
	dl_iterate_phdr(see_adds, &adds);
	if (adds == here->loader_adds && adds != 0)
		return;
	dl_iterate_phdr(define_library, NULL);
	here->loader_adds = adds;
	recorder_define_libuvs();
}

void recorder_define_callback(const void *address)
{
	size_t slot = ((uintptr_t) address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	for (;; slot++) {
		slot &= RECORDER_CALLBACKS - 1;
		if (here->callbacks[slot] == address)
			return;
		if (here->callbacks[slot] == NULL)
			break;
	}
	if (here->callback_count == RECORDER_CALLBACKS / 2)
		return;
	here->callbacks[slot] = address;
	here->callback_count++;
	look_for_libraries(address);
	begin_record(UVHOOKS_TRACE_DEFINITION_callback);
	put_64((uintptr_t) address);
	recorder_define_write();
}

static void define_stack(const struct uvhooks_stack *stack)
{
	for (uint32_t i = 0; i < stack->address_count; i++) {
		look_for_libraries((const void *) stack->addresses[i]);
		begin_record(UVHOOKS_TRACE_DEFINITION_stack_address);
		put_32(stack->number);
		put_16((uint16_t) i);
		put_64(stack->addresses[i]);
	}
	for (uint32_t i = 0; i < stack->frame_count; i++) {
		const struct uvhooks_frame *frame = &stack->frames[i];

		begin_record(UVHOOKS_TRACE_DEFINITION_stack_frame);
		put_32(stack->number);
		put_16((uint16_t) i);
		put_32(frame->line);
		put_string(frame->function == NULL ? "" : frame->function);
		put_string(frame->file == NULL ? "" : frame->file);
	}
}

void recorder_define_stacks(uint32_t number)
{
	struct uvhooks_stack stack = {.size = sizeof(stack)};
	uint32_t known = atomic_load(&here->stacks_known);

	if (known >= number)
		return;
	while (known < number)
		if (uvhooks_read_stack(++known, &stack) == 0)
			define_stack(&stack);
	recorder_define_write();
	atomic_store(&here->stacks_known, number);
}

/* In a new folder nothing is defined yet; and nothing in it is older than the clock's first time.
 */
void recorder_define_begin(const struct recorder_moment *moment)
{
	memset(here->packet, 0, HEADER_BYTES);
	memset(here->callbacks, 0, sizeof(here->callbacks));
	memset(here->type_known, 0, sizeof(here->type_known));
	here->callback_count = 0;
	atomic_store(&here->stacks_known, 0);
	here->offset = 0;
	here->created = false;
	here->file_number = 0;
	begin_packet(moment->ticks);
}
