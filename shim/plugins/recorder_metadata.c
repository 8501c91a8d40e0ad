/* SPDX-License-Identifier: MIT */
/* `metadata`: what include/uvhooks/trace.h says to C, said in TSDL, from the same lists. */
#include "recorder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "log.h"

#define TEXT_BYTES    ((size_t) 64 * 1024)
#define CLOCK_COLUMNS 20

/* Under the lock, as all that writes files of the folder. */
static char text[TEXT_BYTES];
static size_t used;
static size_t clock_begin, clock_end; /* where the clock's numbers are: they are written again */
static char path[PATH_MAX];

static void add(const char *words)
{
	size_t bytes = strlen(words);

	if (bytes > TEXT_BYTES - used)
		bytes = TEXT_BYTES - used;
	memcpy(text + used, words, bytes);
	used += bytes;
}

static void add_number(uint64_t number, unsigned int columns)
{
	struct log_line line = {.used = 0};

	log_line_number(&line, number);
	while (line.used < columns)
		log_line_text(&line, " ");
	line.text[line.used] = '\0';
	add(line.text);
}

static void add_uuid(void)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(recorder_uuid); i++) {
		const char pair[3] = {digits[recorder_uuid[i] >> 4], digits[recorder_uuid[i] & 15],
				      '\0'};

		add(i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
		add(pair);
	}
}

/* A text of the program's, in quotes. Readers disagree about what is no ASCII. */
static void add_string(const char *name, const char *value, size_t bytes)
{
	add("\t");
	add(name);
	add(" = \"");
	for (size_t i = 0; i < bytes && value[i] != '\0'; i++) {
		const char letter[3] = {value[i] == '"' || value[i] == '\\' ? '\\' : value[i],
					value[i] == '"' || value[i] == '\\' ? value[i] : '\0',
					'\0'};

		add(value[i] < ' ' || value[i] > '~' ? "?" : letter);
	}
	add("\";\n");
}

static void add_integer(const char *name, uint64_t value)
{
	add("\t");
	add(name);
	add(" = ");
	add_number(value, 0);
	add(";\n");
}

static void add_command(void)
{
	static char command[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? 0 : read(fd, command, sizeof(command));

	if (fd >= 0)
		close(fd);
	if (bytes < 0)
		bytes = 0;
	for (ssize_t i = 0; i + 1 < bytes; i++)
		if (command[i] == '\0')
			command[i] = ' ';
	add_string("command", command, (size_t) bytes);
}

static void add_environment(void)
{
	const char *launched = getenv("UVHOOKS_LAUNCHED");
	static struct utsname host;

	uname(&host);
	add("env {\n");
	add_string("hostname", host.nodename, sizeof(host.nodename));
	add_string("domain", "uvhooks", SIZE_MAX);
	add_string("tracer_name", "uvhooks", SIZE_MAX);
	add_string("tracer_version", uvhooks_version(), SIZE_MAX);
	add_string("program", recorder_program, SIZE_MAX);
	add_command();
	add_integer("pid", (uint64_t) getpid());
	add_integer("ppid", (uint64_t) getppid());
	add_string("parent", recorder_parent, SIZE_MAX);
	add_integer("launched", launched == NULL ? 0 : strtoul(launched, NULL, 10));
	add_string("mode", recorder_options.ring_bytes != 0 ? "ring" : "all", SIZE_MAX);
	add_integer("clock_is_tsc", recorder_clock_is_tsc);
	add("};\n\n");
}

static void add_clock(const struct recorder_clock *clock)
{
	clock_begin = used;
	add("\tfreq = ");
	add_number(clock->frequency, CLOCK_COLUMNS);
	add(";\n\toffset_s = ");
	add_number(clock->offset_s, CLOCK_COLUMNS);
	add(";\n\toffset = ");
	add_number(clock->offset, CLOCK_COLUMNS);
	add(";\n");
	clock_end = used;
}

static const char types[] =
    "typealias integer { size = 5; align = 1; signed = false; } := u5;\n"
    "typealias integer { size = 8; align = 8; signed = false; } := u8;\n"
    "typealias integer { size = 16; align = 8; signed = false; } := u16;\n"
    "typealias integer { size = 16; align = 8; signed = true; } := s16;\n"
    "typealias integer { size = 32; align = 8; signed = true; } := s32;\n"
    "typealias integer { size = 16; align = 8; signed = false; base = 16; } := x16;\n"
    "typealias integer { size = 32; align = 8; signed = false; } := u32;\n"
    "typealias integer { size = 48; align = 8; signed = false; base = 16; } := u48;\n"
    "typealias integer { size = 64; align = 8; signed = false; } := u64;\n"
    "typealias integer { size = 27; align = 1; signed = false; map = clock.ticks.value; } := t27;\n"
    "typealias integer { size = 64; align = 8; signed = false; map = clock.ticks.value; } := t64;\n"
    "\n";

static const char streams[] = "struct packet_context {\n"
			      "\tt64 timestamp_begin;\n"
			      "\tt64 timestamp_end;\n"
			      "\tu64 content_size;\n"
			      "\tu64 packet_size;\n"
			      "\tu64 packet_seq_num;\n"
			      "\tu64 events_discarded;\n"
			      "\tu64 id_base;\n"
			      "\tu64 execution;\n"
			      "\tu64 thread_id;\n"
			      "};\n"
			      "\n"
			      "struct event_header {\n"
			      "\tenum : u5 { compact = 0 ... 30, extended = 31 } id;\n"
			      "\tvariant <id> {\n"
			      "\t\tstruct { t27 timestamp; } compact;\n"
			      "\t\tstruct { u32 id; t64 timestamp; } extended;\n"
			      "\t} v;\n"
			      "} align(8);\n"
			      "\n"
			      "stream {\n"
			      "\tid = 0;\n"
			      "\tevent.header := struct event_header;\n"
			      "\tpacket.context := struct packet_context;\n"
			      "};\n"
			      "\n"
			      "stream {\n"
			      "\tid = 1;\n"
			      "\tevent.header := struct { u16 id; t64 timestamp; };\n"
			      "\tpacket.context := struct packet_context;\n"
			      "};\n"
			      "\n";

static void add_type_names(void)
{
	add("enum resource_type : u16 {\n");
#define XX(name, uv_name, kind)                                                                    \
	add("\t" #name " = ");                                                                     \
	add_number(UVHOOKS_##name, 0);                                                             \
	add(",\n");
	UVHOOKS_TYPE_MAP(XX)
#undef XX
	add("\tnamed = 1024 ... 65535,\n};\n\n");
}

static void begin_event(uint64_t number, const char *name, const char *stream)
{
	add("event {\n\tname = \"");
	add(name);
	add("\";\n\tid = ");
	add_number(number, 0);
	add(";\n\tstream_id = ");
	add(stream);
	add(";\n\tfields := struct {\n");
}

static void end_event(void)
{
	add("\t};\n};\n\n");
}

static void add_field(const char *type, const char *name)
{
	/* A number that has names, and one that is a set of bits. */
	if (strcmp(name, "type") == 0)
		type = "enum resource_type";
	if (strcmp(name, "flags") == 0)
		type = "x16";
	add("\t\t");
	add(type);
	add(" ");
	add(name);
	add(";\n");
}

#define ADD_FIELD(bits, sign, name) add_field(#sign #bits, #name);
#define ADD_BYTES(count, name)      add("\t\tu8 " #name "[" #count "];\n");
#define ADD_STRING(name)            add("\t\tstring " #name ";\n");
#define ADD_LAYOUT(layout, FIELDS)                                                                 \
	static void add_##layout(void)                                                             \
	{                                                                                          \
		FIELDS(ADD_FIELD)                                                                  \
	}
UVHOOKS_TRACE_LAYOUT_MAP(ADD_LAYOUT)

static void add_events(void)
{
#define XX(number, event, layout)                                                                  \
	begin_event(number, uvhooks_event_name(UVHOOKS_EVENT_##event), "0");                       \
	add_##layout();                                                                            \
	end_event();
	UVHOOKS_TRACE_RECORD_MAP(XX)
	UVHOOKS_TRACE_RARE_MAP(XX)
#undef XX
#define XX(number, name, layout)                                                                   \
	begin_event(number, #name, "0");                                                           \
	add_##layout();                                                                            \
	end_event();
	UVHOOKS_TRACE_ADDITION_MAP(XX)
#undef XX
}

static void add_definitions(void)
{
#define XX(number, name, FIELDS)                                                                   \
	begin_event(number, #name, "1");                                                           \
	FIELDS(ADD_FIELD, ADD_BYTES, ADD_STRING)                                                   \
	end_event();
	UVHOOKS_TRACE_DEFINITION_MAP(XX)
#undef XX
}

int recorder_metadata_write(const struct recorder_clock *clock)
{
	int error = recorder_file_path(path, "metadata");

	if (error != 0)
		return error;
	used = 0;
	add("/* CTF 1.8 */\n\n");
	add(types);
	add("trace {\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"");
	add_uuid();
	add("\";\n\tbyte_order = le;\n\tpacket.header := struct {\n\t\tu32 magic;\n\t\tu8 "
	    "uuid[16];\n"
	    "\t\tu32 stream_id;\n\t\tu64 stream_instance_id;\n\t};\n};\n\n");
	add_environment();
	add("clock {\n\tname = \"ticks\";\n");
	add_clock(clock);
	add("};\n\n");
	add(streams);
	add_type_names();
	add_events();
	add_definitions();
	return recorder_file_write(path, true, 0, 0, text, used);
}

int recorder_metadata_clock(const struct recorder_clock *clock)
{
	const size_t whole = used;
	int error = recorder_file_path(path, "metadata");

	if (error != 0)
		return error;
	used = clock_begin;
	add_clock(clock);
	used = whole;
	return recorder_file_write(path, false, whole, clock_begin, text + clock_begin,
				   clock_end - clock_begin);
}
