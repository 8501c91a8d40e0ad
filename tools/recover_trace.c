/* SPDX-License-Identifier: MIT */
/*
 * The files of a trace that is made from a core file. Where the recorder had a trace, its metadata,
 * its newest definitions and the newest packet of each thread are taken as they are; else there is
 * a trace with nothing in it yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shim/plugins/recorder_tsdl.h"
#include "command.h"
#include "elf_raw.h"
#include "memory.h"
#include "recover.h"

#define METADATA_MAX     ((size_t) 1 << 20)
#define DEFINITIONS_MAX  ((size_t) 1 << 20)
#define LIBRARIES_MAX    ((size_t) 1 << 20)
#define BUFFER_BYTES_MAX ((uint64_t) 1 << 26)
#define SEGMENTS_MAX     65536
#define HEADER_BYTES     sizeof(struct uvhooks_trace_packet)
#define PAGE             UINT64_C(4096)
#define NS_PER_S         UINT64_C(1000000000)

static bool copy(const struct uvh_recovery *recovery, uint64_t address, void *to, size_t bytes)
{
	return uvh_core_read(&recovery->core, address, to, bytes) == bytes;
}

/* As many bytes as a number in the core says; NULL: none, or more than `most`. */
static char *copy_counted(const struct uvh_recovery *recovery, uint64_t address, uint64_t count_at,
			  size_t most, size_t *bytes)
{
	uint64_t count;
	char *data;

	if (!copy(recovery, count_at, &count, sizeof(count)) || count == 0 || count > most)
		return NULL;
	data = uvh_zeros(1, count + 1);
	*bytes = count;
	if (copy(recovery, address, data, count))
		return data;
	free(data);
	return NULL;
}

static void add_library(struct uvh_recovery *recovery, const struct uvh_recovered_library *library)
{
	recovery->libraries = uvh_resize(recovery->libraries, recovery->library_count + 1,
					 sizeof(*recovery->libraries));
	recovery->libraries[recovery->library_count++] = *library;
}

/* The recorder's own records of libraries: they have build ids. */
static void read_recorded_libraries(struct uvh_recovery *recovery)
{
	const size_t fixed =
	    3 * sizeof(uint64_t) + sizeof(((struct uvh_recovered_library *) 0)->build_id);
	size_t bytes = 0, at = 0;
	char *records = copy_counted(recovery, recovery->memory.libraries,
				     recovery->memory.library_bytes, LIBRARIES_MAX, &bytes);

	while (records != NULL && at + fixed < bytes) {
		struct uvh_recovered_library library;

		memcpy(&library.begin, records + at, 8);
		memcpy(&library.end, records + at + 8, 8);
		memcpy(&library.bias, records + at + 16, 8);
		memcpy(library.build_id, records + at + 24, sizeof(library.build_id));
		library.path = uvh_copy_text(records + at + fixed);
		add_library(recovery, &library);
		at += fixed + strlen(records + at + fixed) + 1;
	}
	free(records);
}

/* Where a file's first segment wants to lie; 0 for all that can be loaded anywhere. */
static uint64_t wanted_address(const char *path)
{
	struct uvh_raw raw;
	GElf_Phdr segment;
	uint64_t address = 0;

	if (uvh_raw_open(&raw, path) != 0)
		return 0;
	if (uvh_raw_segment(&raw, PT_LOAD, &segment))
		address = segment.p_vaddr / PAGE * PAGE;
	uvh_raw_close(&raw);
	return address;
}

static void take_build_id(const char *notes, size_t bytes, uint8_t id[20])
{
	Elf64_Nhdr note;

	while (bytes >= sizeof(note)) {
		size_t whole, name;

		memcpy(&note, notes, sizeof(note));
		name = ((size_t) note.n_namesz + 3) & ~(size_t) 3;
		whole = sizeof(note) + name + (((size_t) note.n_descsz + 3) & ~(size_t) 3);
		if (whole > bytes)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(notes + sizeof(note), "GNU", 4) == 0)
			memcpy(id, notes + sizeof(note) + name,
			       note.n_descsz < 20 ? note.n_descsz : 20);
		notes += whole;
		bytes -= whole;
	}
}

/* From the first page of a mapped file, which a core has unless it was told otherwise. */
static void read_build_id(const struct uvh_recovery *recovery,
			  struct uvh_recovered_library *library)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	char notes[1024];

	if (!copy(recovery, library->begin, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return;
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		if (!copy(recovery, library->begin + header.e_phoff + i * sizeof(segment), &segment,
			  sizeof(segment)))
			return;
		if (segment.p_type == PT_NOTE && segment.p_filesz <= sizeof(notes) &&
		    copy(recovery, library->bias + segment.p_vaddr, notes, segment.p_filesz))
			take_build_id(notes, segment.p_filesz, library->build_id);
	}
}

/* What the kernel has noted. */
static void read_mapped_libraries(struct uvh_recovery *recovery)
{
	const struct uvh_core *core = &recovery->core;
	struct uvh_recovered_library library = {0};

	for (size_t i = 0; i < core->mapping_count; i++) {
		const struct uvh_core_mapping *mapping = &core->mappings[i];

		if (library.path != NULL && strcmp(library.path, mapping->path) == 0) {
			recovery->libraries[recovery->library_count - 1].end = mapping->end;
			continue;
		}
		if (mapping->offset != 0)
			continue;
		library = (struct uvh_recovered_library){
		    .begin = mapping->begin,
		    .end = mapping->end,
		    .bias = mapping->begin - wanted_address(mapping->path),
		    .path = uvh_copy_text(mapping->path),
		};
		read_build_id(recovery, &library);
		add_library(recovery, &library);
	}
}

/* The program's own, which may lie elsewhere now. */
static struct uvh_recovered_library *program_of(struct uvh_recovery *recovery)
{
	const uint64_t code = recovery->core.program_code;

	for (size_t i = 0; code != 0 && i < recovery->library_count; i++)
		if (code >= recovery->libraries[i].begin && code < recovery->libraries[i].end)
			return &recovery->libraries[i];
	return NULL;
}

static const char *program_path(struct uvh_recovery *recovery)
{
	const struct uvh_recovered_library *program = program_of(recovery);

	return program != NULL ? program->path : recovery->core.name;
}

static void make_uuid(uint8_t uuid[16])
{
	if (getrandom(uuid, 16, 0) != 16)
		memset(uuid, 1, 16);
	uuid[6] = (uint8_t) ((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
}

static void read_recorded(struct uvh_recovery *recovery)
{
	struct uvhooks_trace_packet packet;
	struct uvhooks_control_area area;

	if (!uvh_process_area(recovery->process, UVHOOKS_TRACE_MEMORY, &area) ||
	    area.bytes < sizeof(recovery->memory) ||
	    !copy(recovery, area.address, &recovery->memory, sizeof(recovery->memory)))
		return;
	uvh_core_read(&recovery->core, recovery->memory.folder, recovery->recorded_in,
		      sizeof(recovery->recorded_in) - 1);
	if (recovery->recorded_in[0] == '\0' ||
	    !copy(recovery, recovery->memory.definitions, &packet, sizeof(packet)) ||
	    packet.magic != UVHOOKS_TRACE_MAGIC)
		return;
	recovery->recorded = true;
	memcpy(recovery->uuid, packet.uuid, sizeof(recovery->uuid));
	recovery->ticks = packet.timestamp_end;
	recovery->definition_packets = packet.packet_seq_num + 1;
	read_recorded_libraries(recovery);
}

void uvh_recover_read(struct uvh_recovery *recovery)
{
	struct uvh_recovered_library *program;

	recovery->ticks = recovery->core.written_s * NS_PER_S;
	make_uuid(recovery->uuid);
	read_recorded(recovery);
	if (recovery->library_count == 0)
		read_mapped_libraries(recovery);
	program = program_of(recovery);
	if (program == NULL || recovery->program == NULL)
		return;
	free(program->path);
	program->path = realpath(recovery->program, NULL);
	if (program->path == NULL)
		program->path = uvh_copy_text(recovery->program);
}

bool uvh_recover_folder(struct uvh_recovery *recovery)
{
	const char *path = program_path(recovery), *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	if (mkdir(recovery->output, 0700) != 0 && errno != EEXIST) {
		uvh_say("%s: %s", recovery->output, strerror(errno));
		return false;
	}
	for (unsigned int number = 1; number < 1000; number++) {
		char suffix[16] = "";

		if (number > 1)
			snprintf(suffix, sizeof(suffix), "-%u", number);
		if (snprintf(recovery->folder, sizeof(recovery->folder), "%s/%.64s-%d%s",
			     recovery->output, name, (int) uvh_process_pid(recovery->process),
			     suffix) >= (int) sizeof(recovery->folder))
			errno = ENAMETOOLONG;
		else if (mkdir(recovery->folder, 0700) == 0)
			return true;
		if (errno != EEXIST)
			break;
	}
	uvh_say("%s: %s", recovery->folder, strerror(errno));
	return false;
}

void uvh_recover_append(struct uvh_recovery *recovery, const char *name, const void *data,
			size_t bytes)
{
	char path[PATH_MAX + 80];
	const char *at = data;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", recovery->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && bytes > 0) {
		const ssize_t wrote = write(fd, at, bytes);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			break;
		at += wrote;
		bytes -= (size_t) wrote;
	}
	if ((fd < 0 || bytes > 0) && !recovery->failed) {
		uvh_say("%s: %s", path, strerror(errno));
		recovery->failed = true;
	}
	if (fd >= 0)
		close(fd);
}

/* Nothing was recorded: the clock is that of the file's time, in nanoseconds since 1970. */
static void write_own_metadata(struct uvh_recovery *recovery)
{
	const struct uvh_core *core = &recovery->core;
	struct recorder_text text = {uvh_zeros(1, METADATA_MAX), 0, METADATA_MAX};

	recorder_tsdl_begin(&text, recovery->uuid);
	recorder_text_add(&text, "env {\n");
	recorder_text_string(&text, "hostname", "", SIZE_MAX);
	recorder_text_string(&text, "domain", "uvhooks", SIZE_MAX);
	recorder_text_string(&text, "tracer_name", "uvhooks", SIZE_MAX);
	recorder_text_string(&text, "tracer_version", recovery->control.version, SIZE_MAX);
	recorder_text_string(&text, "program", program_path(recovery), SIZE_MAX);
	recorder_text_string(&text, "command", core->command, SIZE_MAX);
	recorder_text_integer(&text, "pid", (uint64_t) uvh_process_pid(recovery->process));
	recorder_text_integer(&text, "ppid", 0);
	recorder_text_string(&text, "parent", "", SIZE_MAX);
	recorder_text_integer(&text, "launched", 0);
	recorder_text_string(&text, "mode", "core", SIZE_MAX);
	recorder_text_integer(&text, "clock_is_tsc", 0);
	recorder_text_add(&text, "};\n\nclock {\n\tname = \"ticks\";\n");
	recorder_tsdl_clock(&text, NS_PER_S, 0, 0);
	recorder_text_add(&text, "};\n\n");
	recorder_tsdl_end(&text);
	uvh_recover_append(recovery, "metadata", text.text, text.used);
	free(text.text);
}

static void write_metadata(struct uvh_recovery *recovery)
{
	size_t bytes = 0;
	char *text = NULL;

	if (recovery->recorded)
		text = copy_counted(recovery, recovery->memory.metadata,
				    recovery->memory.metadata_bytes, METADATA_MAX, &bytes);
	if (text != NULL)
		uvh_recover_append(recovery, "metadata", text, bytes);
	else
		write_own_metadata(recovery);
	free(text);
}

/* The newest packet; older ones are in the trace's files only. */
static void write_definitions(struct uvh_recovery *recovery)
{
	struct uvhooks_trace_packet packet;
	size_t bytes;
	char *whole;

	if (!copy(recovery, recovery->memory.definitions, &packet, sizeof(packet)))
		return;
	bytes = packet.content_size / 8;
	if (bytes < HEADER_BYTES || bytes > DEFINITIONS_MAX)
		return;
	whole = uvh_zeros(1, bytes);
	if (copy(recovery, recovery->memory.definitions, whole, bytes))
		uvh_recover_append(recovery, "definitions", whole, bytes);
	free(whole);
}

static bool is_file_name(const char *name, size_t bytes)
{
	return memchr(name, '\0', bytes) != NULL && strchr(name, '/') == NULL &&
	       (strncmp(name, "thread-", 7) == 0 || strcmp(name, "definitions") == 0);
}

/* They are written behind all others. */
static bool is_newest_definitions(const struct uvh_recovery *recovery,
				  const struct uvhooks_trace_packet *packet)
{
	return packet->stream_id == UVHOOKS_TRACE_DEFINITIONS &&
	       packet->packet_seq_num + 1 == recovery->definition_packets;
}

static void write_packet(struct uvh_recovery *recovery, uint64_t address,
			 const struct uvhooks_trace_buffer *buffer)
{
	char *copied = uvh_zeros(1, buffer->committed);
	struct uvhooks_trace_packet *packet = (struct uvhooks_trace_packet *) copied;

	if (copy(recovery, address, copied, buffer->committed) &&
	    packet->magic == UVHOOKS_TRACE_MAGIC &&
	    memcmp(packet->uuid, recovery->uuid, sizeof(packet->uuid)) == 0 &&
	    !is_newest_definitions(recovery, packet)) {
		packet->timestamp_end = buffer->last;
		packet->content_size = packet->packet_size = buffer->committed * 8;
		packet->events_discarded = buffer->discarded;
		uvh_recover_append(recovery, buffer->file, copied, buffer->committed);
		recovery->packets++;
		recovery->packet_bytes += buffer->committed;
		if (buffer->last > recovery->ticks)
			recovery->ticks = buffer->last;
	}
	free(copied);
}

static void write_buffers(struct uvh_recovery *recovery,
			  const struct uvhooks_trace_memory_segment *segment)
{
	struct uvhooks_trace_buffer buffer;

	for (uint64_t i = 0; i < segment->count; i++) {
		const uint64_t address = segment->buffers + i * segment->buffer_bytes;

		if (!copy(recovery, address, &buffer, sizeof(buffer)))
			return;
		if (buffer.magic == UVHOOKS_TRACE_BUFFER_MAGIC && buffer.committed > HEADER_BYTES &&
		    buffer.committed <= segment->buffer_bytes - sizeof(buffer) &&
		    is_file_name(buffer.file, sizeof(buffer.file)))
			write_packet(recovery, address + sizeof(buffer), &buffer);
	}
}

static void write_all_buffers(struct uvh_recovery *recovery)
{
	struct uvhooks_trace_memory_segment segment;

	for (uint64_t i = 0; i < SEGMENTS_MAX; i++) {
		if (!copy(recovery, recovery->memory.segments + i * sizeof(segment), &segment,
			  sizeof(segment)) ||
		    segment.count == 0 || segment.buffer_bytes > BUFFER_BYTES_MAX ||
		    segment.buffer_bytes < sizeof(struct uvhooks_trace_buffer) + HEADER_BYTES)
			return;
		write_buffers(recovery, &segment);
	}
}

void uvh_recover_files(struct uvh_recovery *recovery)
{
	write_metadata(recovery);
	if (!recovery->recorded)
		return;
	write_all_buffers(recovery);
	write_definitions(recovery);
}

void uvh_recover_free(struct uvh_recovery *recovery)
{
	for (size_t i = 0; i < recovery->library_count; i++)
		free(recovery->libraries[i].path);
	free(recovery->libraries);
	uvh_process_close(recovery->process);
	uvh_core_close(&recovery->core);
}
