/* SPDX-License-Identifier: MIT */
/* What include/uvhooks/trace.h says to C, said in TSDL, from the same lists. */
#include "recorder_tsdl.h"

#include <string.h>
#include <uvhooks/trace.h>

/* The clock becomes more exact, and is written again in place. */
#define CLOCK_COLUMNS 20

void recorder_text_add(struct recorder_text *text, const char *words)
{
	size_t bytes = strlen(words);

	if (bytes > text->room - text->used)
		bytes = text->room - text->used;
	memcpy(text->text + text->used, words, bytes);
	text->used += bytes;
}

void recorder_text_number(struct recorder_text *text, uint64_t number, unsigned int columns)
{
	char digits[24];
	char *at = digits + sizeof(digits) - 1;
	size_t count;

	*at = '\0';
	do
		*--at = (char) ('0' + number % 10);
	while ((number /= 10) != 0);
	count = strlen(at);
	recorder_text_add(text, at);
	for (; count < columns; count++)
		recorder_text_add(text, " ");
}

/* Readers disagree about what is no ASCII. */
void recorder_text_string(struct recorder_text *text, const char *name, const char *value,
			  size_t bytes)
{
	recorder_text_add(text, "\t");
	recorder_text_add(text, name);
	recorder_text_add(text, " = \"");
	for (size_t i = 0; i < bytes && value[i] != '\0'; i++) {
		const char letter[3] = {value[i] == '"' || value[i] == '\\' ? '\\' : value[i],
					value[i] == '"' || value[i] == '\\' ? value[i] : '\0',
					'\0'};

		recorder_text_add(text, value[i] < ' ' || value[i] > '~' ? "?" : letter);
	}
	recorder_text_add(text, "\";\n");
}

void recorder_text_integer(struct recorder_text *text, const char *name, uint64_t value)
{
	recorder_text_add(text, "\t");
	recorder_text_add(text, name);
	recorder_text_add(text, " = ");
	recorder_text_number(text, value, 0);
	recorder_text_add(text, ";\n");
}

static void add_uuid(struct recorder_text *text, const uint8_t uuid[16])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 16; i++) {
		const char pair[3] = {digits[uuid[i] >> 4], digits[uuid[i] & 15], '\0'};

		recorder_text_add(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
		recorder_text_add(text, pair);
	}
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

static void add_type_names(struct recorder_text *text)
{
	recorder_text_add(text, "enum resource_type : u16 {\n");
#define XX(name, uv_name, kind)                                                                    \
	recorder_text_add(text, "\t" #name " = ");                                                 \
	recorder_text_number(text, UVHOOKS_##name, 0);                                             \
	recorder_text_add(text, ",\n");
	UVHOOKS_TYPE_MAP(XX)
#undef XX
	recorder_text_add(text, "\tnamed = 1024 ... 65535,\n};\n\n");
}

static void begin_event(struct recorder_text *text, uint64_t number, const char *name,
			const char *stream)
{
	recorder_text_add(text, "event {\n\tname = \"");
	recorder_text_add(text, name);
	recorder_text_add(text, "\";\n\tid = ");
	recorder_text_number(text, number, 0);
	recorder_text_add(text, ";\n\tstream_id = ");
	recorder_text_add(text, stream);
	recorder_text_add(text, ";\n\tfields := struct {\n");
}

static void end_event(struct recorder_text *text)
{
	recorder_text_add(text, "\t};\n};\n\n");
}

static void add_field(struct recorder_text *text, const char *type, const char *name)
{
	/* A number that has names, and one that is a set of bits. */
	if (strcmp(name, "type") == 0)
		type = "enum resource_type";
	if (strcmp(name, "flags") == 0)
		type = "x16";
	recorder_text_add(text, "\t\t");
	recorder_text_add(text, type);
	recorder_text_add(text, " ");
	recorder_text_add(text, name);
	recorder_text_add(text, ";\n");
}

#define ADD_FIELD(bits, sign, name) add_field(text, #sign #bits, #name);
#define ADD_BYTES(count, name)      recorder_text_add(text, "\t\tu8 " #name "[" #count "];\n");
#define ADD_STRING(name)            recorder_text_add(text, "\t\tstring " #name ";\n");
#define ADD_LAYOUT(layout, FIELDS)                                                                 \
	static void add_##layout(struct recorder_text *text)                                       \
	{                                                                                          \
		FIELDS(ADD_FIELD)                                                                  \
	}
UVHOOKS_TRACE_LAYOUT_MAP(ADD_LAYOUT)

static void add_events(struct recorder_text *text)
{
#define XX(number, event, layout)                                                                  \
	begin_event(text, number, uvhooks_event_name(UVHOOKS_EVENT_##event), "0");                 \
	add_##layout(text);                                                                        \
	end_event(text);
	UVHOOKS_TRACE_RECORD_MAP(XX)
	UVHOOKS_TRACE_RARE_MAP(XX)
#undef XX
#define XX(number, name, layout)                                                                   \
	begin_event(text, number, #name, "0");                                                     \
	add_##layout(text);                                                                        \
	end_event(text);
	UVHOOKS_TRACE_ADDITION_MAP(XX)
#undef XX
}

static void add_definitions(struct recorder_text *text)
{
#define XX(number, name, FIELDS)                                                                   \
	begin_event(text, number, #name, "1");                                                     \
	FIELDS(ADD_FIELD, ADD_BYTES, ADD_STRING)                                                   \
	end_event(text);
	UVHOOKS_TRACE_DEFINITION_MAP(XX)
#undef XX
}

void recorder_tsdl_begin(struct recorder_text *text, const uint8_t uuid[16])
{
	recorder_text_add(text, "/* CTF 1.8 */\n\n");
	recorder_text_add(text, types);
	recorder_text_add(text, "trace {\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"");
	add_uuid(text, uuid);
	recorder_text_add(text,
			  "\";\n\tbyte_order = le;\n\tpacket.header := struct {\n\t\tu32 magic;\n"
			  "\t\tu8 uuid[16];\n\t\tu32 stream_id;\n\t\tu64 stream_instance_id;\n"
			  "\t};\n};\n\n");
}

void recorder_tsdl_clock(struct recorder_text *text, uint64_t frequency, uint64_t offset_s,
			 uint64_t offset)
{
	recorder_text_add(text, "\tfreq = ");
	recorder_text_number(text, frequency, CLOCK_COLUMNS);
	recorder_text_add(text, ";\n\toffset_s = ");
	recorder_text_number(text, offset_s, CLOCK_COLUMNS);
	recorder_text_add(text, ";\n\toffset = ");
	recorder_text_number(text, offset, CLOCK_COLUMNS);
	recorder_text_add(text, ";\n");
}

void recorder_tsdl_end(struct recorder_text *text)
{
	recorder_text_add(text, streams);
	add_type_names(text);
	add_events(text);
	add_definitions(text);
}
