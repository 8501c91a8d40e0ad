# SPDX-License-Identifier: MIT
"""
Reads what `uvhooks export` has written, as a viewer does: into slices, arrows and lives, with times
in nanoseconds since the trace began. Whatever a viewer could not make sense of is an error.
"""
import json
import pathlib
import re
import subprocess

SCHEMA = pathlib.Path(__file__).with_name("track_event.proto")


class Wrong(Exception):
    pass


def need(truth, *what):
    if not truth:
        raise Wrong(" ".join(str(word) for word in what))


class Picture:
    def __init__(self):
        self.slices = []  # (thread, begin, end, name, id)
        self.arrows = []  # ((thread, time), slice)
        self.lives = []   # (id, type, begin, end, alive at the end)


def parse_text(text):
    """protoc's text format into dictionaries of lists."""
    root = {}
    stack = [root]
    for line in text.splitlines():
        line = line.strip()
        if line == "}":
            stack.pop()
        elif line.endswith(" {"):
            key = line[:-2]
            need(not key[0].isdigit(), "a message that the schema does not know:", key)
            child = {}
            stack[-1].setdefault(key, []).append(child)
            stack.append(child)
        else:
            key, value = line.split(": ", 1)
            need(not key[0].isdigit(), "a field that the schema does not know:", line)
            if value.startswith('"'):
                octal = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), value[1:-1])
                value = octal.replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")
            elif value.lstrip("-").isdigit():
                value = int(value)
            stack[-1].setdefault(key, []).append(value)
    return root


class Perfetto:
    """Follows the packets of one file."""

    def __init__(self, path):
        self.tracks, self.events, self.tables = {}, [], {}
        self.flows, self.picture = {}, Picture()
        with open(path, "rb") as file:
            text = subprocess.run(["protoc", f"--proto_path={SCHEMA.parent}",
                                   "--decode=perfetto.protos.Trace", SCHEMA.name],
                                  stdin=file, capture_output=True, check=True).stdout.decode()
        packets = parse_text(text).get("packet", [])
        need(packets and packets[0]["sequence_flags"][0] & 1,
             "the first packet does not clear the incremental state")
        need(len({packet["trusted_packet_sequence_id"][0] for packet in packets}) == 1,
             "there are several sequences")
        clocks = {clock["clock_id"][0]: clock["timestamp"][0]
                  for clock in packets[0]["clock_snapshot"][0]["clocks"]}
        need(clocks[6] == clocks[1], "the clocks differ")
        self.base = clocks[6]
        for packet in packets:
            self.packet(packet)
        # As the viewer does: by time, and in the order of the file where that is the same.
        self.events.sort(key=lambda event: event[0])
        self.stacks = {}
        for event in self.events:
            self.event(*event)
        for uuid, stack in self.stacks.items():
            need(not stack, "a slice has no end:", self.tracks[uuid])
        for flow, ends in self.flows.items():
            need(len(ends) == 2 and ends[0][0] == "begin" and ends[1][0] == "end",
                 "flow", flow, "has not one begin and one end after it:", ends)
            self.picture.arrows.append((ends[0][1], ends[1][1]))
        self.resolve_arrows()

    def resolve_arrows(self):
        """The end of an arrow was noted as a list, to be filled when its slice had an end."""
        self.picture.arrows = [(begin, tuple(end)) for begin, end in self.picture.arrows]

    def packet(self, packet):
        for table, entries in packet.get("interned_data", [{}])[0].items():
            for entry in entries:
                known = self.tables.setdefault(table, {})
                need(entry["iid"][0] not in known, "interned twice:", entry)
                known[entry["iid"][0]] = entry.get("name", entry.get("str"))[0]
        if "track_descriptor" in packet:
            track = packet["track_descriptor"][0]
            need(track["uuid"][0] not in self.tracks, "a track is described twice:", track)
            need("parent_uuid" not in track or track["parent_uuid"][0] in self.tracks,
                 "the parent of a track is not known:", track)
            self.tracks[track["uuid"][0]] = track
        elif "track_event" in packet:
            need(packet["sequence_flags"][0] & 2, "an event that does not need its names")
            self.events.append((packet["timestamp"][0] - self.base, *self.look_up(packet)))

    def look_up(self, packet):
        """Names are looked up in the order of the file."""
        event = packet["track_event"][0]
        tables = self.tables
        need(event["track_uuid"][0] in self.tracks, "an event of an unknown track:", event)
        name = event.get("name", [None])[0]
        if "name_iid" in event:
            name = tables["event_names"][event["name_iid"][0]]
        arguments = {}
        for annotation in event.get("debug_annotations", []):
            key = tables["debug_annotation_names"][annotation["name_iid"][0]]
            if "string_value_iid" in annotation:
                value = tables["debug_annotation_string_values"][annotation["string_value_iid"][0]]
            else:
                value = annotation.get("string_value", annotation.get("bool_value"))[0]
            arguments[key] = value
        for category in event.get("category_iids", []):
            need(category in tables["event_categories"], "an unknown category:", event)
        return event, name, arguments

    def event(self, time, event, name, arguments):
        track = self.tracks[event["track_uuid"][0]]
        thread = track["thread"][0]["tid"][0] if "thread" in track else None
        stack = self.stacks.setdefault(track["uuid"][0], [])
        kind = event["type"][0]
        place = (thread, time)
        if kind == "TYPE_SLICE_BEGIN":
            need(name, "a slice without a name:", event)
            need(thread is not None or not stack, "two lives in one lane:", name)
            stack.append([thread, time, None, name, arguments.get("id")])
            place = stack[-1]
        elif kind == "TYPE_SLICE_END":
            need(stack, "an end without a begin, at", time, "in", track)
            self.ended(stack.pop(), time, track, arguments)
        else:
            need(kind == "TYPE_INSTANT" and thread is not None, "what is this:", event)
        for flow in event.get("flow_ids", []):
            self.flows.setdefault(flow, []).append(("begin", place))
        for flow in event.get("terminating_flow_ids", []):
            self.flows.setdefault(flow, []).append(("end", place))

    def ended(self, one, time, track, arguments):
        one[2] = time
        if one[0] is not None:
            self.picture.slices.append(tuple(one))
        else:
            self.picture.lives.append((one[4], track["name"][0], one[1], time,
                                       "alive at the end" in arguments))


def perfetto(path):
    return Perfetto(path).picture


def nanoseconds(text):
    """From microseconds with three decimals, without a float in between."""
    whole, _, part = text.partition(".")
    return int(whole) * 1000 + int(part.ljust(3, "0"))


def check_nesting(slices):
    stacks = {}
    for one in sorted(slices, key=lambda one: (one[1], -one[2])):
        stack = stacks.setdefault(one[0], [])
        while stack and stack[-1][2] <= one[1]:
            stack.pop()
        need(not stack or one[2] <= stack[-1][2], "two slices overlap:", stack[-1:], one)
        stack.append(one)


class Chrome:
    """Follows the events of one file."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            events = json.load(file, parse_float=str, parse_int=str)["traceEvents"]
        self.picture = Picture()
        self.begun, self.lives, self.flows, self.marks = {}, {}, {}, set()
        for event in events:
            getattr(self, "phase_" + event["ph"])(event, nanoseconds(event["ts"]),
                                                  (event["pid"], event["tid"], event["ts"]))
        need(not self.lives, "a life has no end:", self.lives)
        for flow, (begin, ends) in self.flows.items():
            need(len(ends) == 1, "flow", flow, "has not one end:", ends)
            self.picture.arrows.append((begin, ends[0]))
        check_nesting(self.picture.slices)

    def phase_M(self, event, time, place):
        pass

    def phase_X(self, event, time, place):
        if "causes" in event["args"]:
            need(event["dur"] == "0", "a mark has a length:", event)
            self.marks.add(place)
            return
        one = (int(event["tid"]), time, time + nanoseconds(event["dur"]), event["name"],
               event["args"].get("id"))
        self.picture.slices.append(one)
        self.begun[place] = one

    def phase_s(self, event, time, place):
        need(event["id"] not in self.flows and place in self.marks, "from nowhere:", event)
        self.flows[event["id"]] = ((int(event["tid"]), time), [])

    def phase_f(self, event, time, place):
        need(place in self.begun and event["bp"] == "e", "an arrow to nowhere:", event)
        need(event["id"] in self.flows, "an arrow without a begin:", event)
        self.flows[event["id"]][1].append(self.begun[place])

    def phase_b(self, event, time, place):
        key = (event["pid"], event["id2"]["local"])
        need(key not in self.lives, "it lives already:", event)
        self.lives[key] = (event["name"], time)

    def phase_e(self, event, time, place):
        key = (event["pid"], event["id2"]["local"])
        need(self.lives[key][0] == event["name"], "another's end:", event)
        self.picture.lives.append((key[1], *self.lives.pop(key), time,
                                   "alive at the end" in event["args"]))


def chrome(path):
    return Chrome(path).picture
