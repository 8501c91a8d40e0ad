# SPDX-License-Identifier: MIT
"""The `metadata` of a trace: trace_format.py, said in TSDL."""
import re

from trace_format import DEFINITION_FIELDS, DEFINITIONS, LAYOUTS, RECORDS

METADATA_HEAD = """/* CTF 1.8 */

typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 16; align = 8; signed = true; } := int16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 32; align = 8; signed = true; } := int32_t;
typealias integer { size = 48; align = 8; signed = false; base = 16; } := uint48_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 5; align = 1; signed = false; } := uint5_t;

trace {
	major = 1;
	minor = 8;
	uuid = "UUID";
	byte_order = le;
	packet.header := struct {
		uint32_t magic;
		uint8_t uuid[16];
		uint32_t stream_id;
		uint64_t stream_instance_id;
	};
};

env {
ENV
};

"""

METADATA_STREAMS = """
typealias integer {
	size = 27; align = 1; signed = false;
	map = clock.trace.value;
} := uint27_time_t;
typealias integer {
	size = 64; align = 8; signed = false;
	map = clock.trace.value;
} := uint64_time_t;

struct packet_context {
	uint64_time_t timestamp_begin;
	uint64_time_t timestamp_end;
	uint64_t content_size;
	uint64_t packet_size;
	uint64_t packet_seq_num;
	uint64_t events_discarded;
	uint64_t id_base;
	uint64_t execution;
	uint64_t thread_id;
};

struct event_header_compact {
	enum : uint5_t { compact = 0 ... 30, extended = 31 } id;
	variant <id> {
		struct {
			uint27_time_t timestamp;
		} compact;
		struct {
			uint32_t id;
			uint64_time_t timestamp;
		} extended;
	} v;
} align(8);

struct event_header_large {
	uint16_t id;
	uint64_time_t timestamp;
} align(8);

stream {
	id = 0;
	event.header := struct event_header_compact;
	packet.context := struct packet_context;
};

stream {
	id = 1;
	event.header := struct event_header_large;
	packet.context := struct packet_context;
};

"""


def event_class(name, number, stream_id, fields):
    return (f"event {{\n\tname = \"{name}\";\n\tid = {number};\n\tstream_id = {stream_id};\n"
            f"\tfields := struct {{\n{fields}\t}};\n}};\n\n")


def event_classes():
    for number, (event, layout) in sorted(RECORDS.items()):
        fields = "".join(f"\t\t{'u' if sign == 'u' else ''}int{bits}_t {field};\n"
                         for bits, sign, field in LAYOUTS[layout])
        yield event_class(event, number, 0, fields)
    for name, number in DEFINITIONS.items():
        fields = ""
        for what, entry in re.findall(r"(FIELD|BYTES|STRING)\(([^()]*)\)", DEFINITION_FIELDS[name]):
            words = [word.strip() for word in entry.split(",")]
            if what == "FIELD":
                fields += f"\t\t{'u' if words[1] == 'u' else ''}int{words[0]}_t {words[2]};\n"
            elif what == "BYTES":
                fields += f"\t\tuint8_t {words[1]}[{words[0]}];\n"
            else:
                fields += f"\t\tstring {words[0]};\n"
        yield event_class(name, number, 1, fields)


def quoted(text):
    """As TSDL writes a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def write(uuid, env, clock):
    env_text = "".join(f"\t{key} = {quoted(value) if isinstance(value, str) else value};\n"
                       for key, value in env.items())
    clock_text = "".join(f"\t{key} = {value:<20};\n" for key, value in clock.items())
    return (METADATA_HEAD.replace("UUID", str(uuid)).replace("ENV\n", env_text) +
            "clock {\n\tname = \"trace\";\n" + clock_text + "};\n" +
            METADATA_STREAMS + "".join(event_classes()))
