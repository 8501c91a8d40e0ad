# SPDX-License-Identifier: MIT
"""The format of traces, as include/uvhooks/ has it: numbers, names and layouts, in Python."""
import pathlib
import re

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "include" / "uvhooks"

HEADER_BYTES = 104
LOW_TIME = 1 << 27
SEQUENCE_BITS = 48


def macros(file_name):
    """The bodies of the macros of a header."""
    text = (INCLUDE / file_name).read_text(encoding="utf-8").replace("\\\n", " ")
    return {name: re.sub(r"/\*.*?\*/", "", body)
            for name, body in re.findall(r"^#define (UVHOOKS_\w+)\([\w, ]*\)(.*)$", text, re.M)}


def entries(body, name="XX"):
    return [[word.strip() for word in entry.split(",")]
            for entry in re.findall(name + r"\(([^()]*)\)", body)]


TYPES_H, TRACE_H = macros("types.h"), macros("trace.h")
TYPES = {entry[0]: number for number, entry in enumerate(entries(TYPES_H["UVHOOKS_TYPE_MAP"]))}
FLAGS = {entry[1]: 1 << int(entry[2]) for entry in entries(TYPES_H["UVHOOKS_FLAG_MAP"])}
FS = {name: int(number) for number, name in entries(TYPES_H["UVHOOKS_FS_MAP"])}
EVENTS = [entry[1] for entry in entries(TYPES_H["UVHOOKS_EVENT_MAP"])]
NAMED_TYPE, NO_LOOP, WIDE, RESOURCE, EXTENDED = 1024, 0x8000, 16, 14, 31

BEGINS = ("before", "work_begin", "loop_enter")
KINDS = {"before": "callback", "after": "callback", "work_begin": "work", "work_end": "work",
         "loop_enter": "loop", "loop_exit": "loop"}

# What an after has of its before.
LASTING = FLAGS["noop"] | FLAGS["cancelled"] | FLAGS["closing"]


def layout_fields(name):
    body = TRACE_H[name]
    nested = re.search(r"(UVHOOKS_TRACE_\w+)\(FIELD\)", body)
    fields = layout_fields(nested.group(1)) if nested else []
    return fields + [(int(bits), sign, field) for bits, sign, field in entries(body, "FIELD")]


LAYOUTS = {layout: layout_fields(macro)
           for layout, macro in entries(TRACE_H["UVHOOKS_TRACE_LAYOUT_MAP"], "LAYOUT")}
RECORDS = {int(number): (event.lower(), layout)
           for number, event, layout in entries(TRACE_H["UVHOOKS_TRACE_RECORD_MAP"])}
# Of one name there may be two: the first is the short one.
ADDITIONS = {}
for number, name, layout in entries(TRACE_H["UVHOOKS_TRACE_ADDITION_MAP"]):
    RECORDS[int(number)] = (name, layout)
    ADDITIONS.setdefault(name, []).append(int(number))
RARE = {event.lower(): (int(number), layout)
        for number, event, layout in entries(TRACE_H["UVHOOKS_TRACE_RARE_MAP"])}
RECORDS.update({number: (event, layout) for event, (number, layout) in RARE.items()})
# Those whose ids are whole ones.
WHOLE = {"wide", "wide_due", "stack_wide", "state"} | {layout for _, layout in RARE.values()}
DEFINITIONS = {name: int(number)
               for number, name, _ in entries(TRACE_H["UVHOOKS_TRACE_DEFINITION_MAP"])}
DEFINITION_FIELDS = {name: TRACE_H[macro]
                     for _, name, macro in entries(TRACE_H["UVHOOKS_TRACE_DEFINITION_MAP"])}
