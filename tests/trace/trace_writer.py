# SPDX-License-Identifier: MIT
"""Writes traces as the recorder does, and says what a reader must find in them.

Numbers and layouts come from include/uvhooks/; when a record may be short is decided here anew, by
the rules in trace.h. What a reader must make of an event is collected in `expected`, one line each,
as tests/trace/dump_trace.c prints it.
"""
import pathlib
import struct
import uuid

import trace_metadata
from trace_format import (
    ADDITIONS, BEGINS, DEFINITIONS, EVENTS, EXTENDED, FLAGS, FS, HEADER_BYTES, KINDS, LASTING,
    LAYOUTS, LOW_TIME, NAMED_TYPE, NO_LOOP, RARE, RECORDS, RESOURCE, SEQUENCE_BITS, TYPES,
    WHOLE, WIDE)


def pack_fields(layout, values):
    return b"".join((values[name] & (1 << bits) - 1).to_bytes(bits // 8, "little")
                    for bits, _, name in LAYOUTS[layout])


def space_of(number):
    return number >> SEQUENCE_BITS


def text_id(number):
    space = space_of(number)
    return f"{space}:{number & (1 << SEQUENCE_BITS) - 1}" if space else str(number)


def find(stack, kind, number):
    return next((index for index in reversed(range(len(stack)))
                 if stack[index][:2] == [kind, number]), None)


class Stream:
    """Packets of one stream, in one file or several."""

    def __init__(self, process, stream_id, instance, thread_id, file_format):
        self.process, self.stream_id, self.instance = process, stream_id, instance
        self.thread_id, self.file_format = thread_id, file_format
        self.files = {0: b""}
        self.file = 0
        self.sequence = 0
        self.discarded = 0
        self.id_base = 0
        self.records = bytearray()
        self.begin = self.end = None
        self.execution = 0

    def header(self, content_bytes, begin, end):
        return struct.pack("<I16sI10Q", 0xc1fc1fc1, self.process.uuid.bytes, self.stream_id,
                           self.instance, begin, end, content_bytes * 8, content_bytes * 8,
                           self.sequence, self.discarded, self.id_base, self.execution,
                           self.thread_id)

    def begin_packet(self, ticks, execution):
        if self.begin is None:
            self.begin, self.end, self.execution = ticks, ticks, execution

    def flush(self):
        """Ends the packet."""
        if self.begin is None:
            return
        data = bytes(self.records)
        self.files[self.file] += self.header(HEADER_BYTES + len(data), self.begin, self.end) + data
        self.sequence += 1
        self.records.clear()
        self.begin = None

    def next_file(self):
        self.flush()
        self.file += 1
        self.files[self.file] = b""

    def write(self, folder):
        self.flush()
        for number, data in self.files.items():
            if data:
                (folder / self.file_format.format(number)).write_bytes(data)


class Thread:
    """The events of one thread: `event` and its short names write one each."""

    def __init__(self, process, thread_id, instance, name):
        self.process, self.thread_id = process, thread_id
        self.stream = Stream(process, 0, instance, thread_id, f"thread-{thread_id}-{instance}-{{}}")
        self.running = []  # [kind, id, callback, flags]
        self.stack = []    # [kind, id, callback, flags, begin_ns, inner_ns], as a reader must see it
        self.last = None
        self.expected = []
        self.lost = False
        if name:
            process.define("thread", struct.pack("<QI", instance, thread_id) + name.encode() + b"\0")

    def execution(self):
        return self.running[-1][1] if self.running else 1

    def lose(self):
        """What comes now is not recorded, but counted as discarded."""
        self.lost = True
        self.stream.flush()

    def lose_no_more(self, stack):
        """Recorded again. `stack` is what a reader then knows to be on it: kinds and ids."""
        self.lost = False
        self.know(stack)

    def know(self, stack):
        """A loop is the one from before; of a callback it is not known whether it is."""
        frames = {frame[1]: frame[4:] for frame in self.stack if frame[0] == "loop"}
        self.stack = [[kind, number, 0, 0] + frames.get(number, [0, 0]) for kind, number in stack]

    def forget(self, stack):
        """The files up to now are gone, as a flight recorder's are. `stack`: see lose_no_more."""
        self.stream.flush()
        for number in self.stream.files:
            self.stream.files[number] = b""
        self.expected.clear()
        self.process.known.clear()
        self.stack = []
        self.know(stack)
        self.last = None

    def event(self, name, async_id, at, *, wide=False, extended=False, due_ms=None, **given):
        """Times are ticks. What is not given follows from the resource, as it does in a program."""
        process = self.process
        truth = process.resources.setdefault(async_id, {
            "type": 0, "fs_type": -1, "trigger": 0, "no_loop": False, "arm": 0})
        is_loop = name in ("loop_enter", "loop_exit")
        is_new = name == "init"
        values = {
            "id": async_id, "trigger": truth["trigger"], "execution": self.execution(), "other": 0,
            "callback": 0, "flags": 0, "type": truth["type"], "fs_type": truth["fs_type"],
            "no_loop": truth["no_loop"], "due_ms": due_ms, "duration_ns": 0, "thread_id": 0}
        if name in ("before", "work_begin"):
            values["execution"] = async_id
        elif name in ("after", "work_end"):
            values["execution"] = async_id
            index = find(self.running, KINDS[name], async_id)
            if index is not None:
                values["callback"], values["flags"] = self.running[index][2:]
        elif name in ("wakeup", "destroy"):
            values["execution"] = async_id >> SEQUENCE_BITS << SEQUENCE_BITS
        elif name == "start":
            values["other"] = given.get("execution", values["execution"])
        elif name == "stop":
            values["other"] = truth["arm"]
        elif is_loop:
            values.update(type=0, trigger=0)
        if is_new and "trigger" not in given:
            values["trigger"] = values["execution"]
        if isinstance(given.get("type"), str):
            given["type"] = process.type_number(given["type"])
        if isinstance(given.get("fs_type"), str):
            given["fs_type"] = FS[given["fs_type"]]
        if "flags" in given:
            values["flags"] = sum(FLAGS[flag] for flag in given.pop("flags"))
        values.update(given)
        if is_new or name == "type_change" or name == "resource":
            truth.update({key: values[key] for key in ("type", "fs_type", "trigger", "no_loop")})
        if name == "start":
            truth["arm"] = values["other"]
        number = self.choose(name, values, truth, wide)
        self.run(name, values)
        if self.lost:
            self.stream.discarded += 1
            return
        self.put(number, values, at, extended)
        self.expect(name, number, values, at)

    def choose(self, name, values, truth, wide):
        """The number of the record: short where all that it leaves out follows from the others."""
        if name == "resource":
            return RESOURCE
        if name in RARE:
            return RARE[name][0]
        same = all(values[key] == truth[key] for key in ("type", "fs_type", "trigger", "no_loop"))
        number = EVENTS.index(name)
        short = number in RECORDS and (same or name == "init") and not wide
        layout = RECORDS[number][1] if short else "wide"
        held = {field for _, _, field in LAYOUTS[layout]}
        own, base = values["id"], self.stream.id_base
        ids = [values[field] for field in ("id", "trigger", "execution") if field in held]
        short = short and all(number >> 32 == base >> 32 for number in ids)
        if name in ("before", "after", "work_begin", "work_end"):
            short = short and values["execution"] == own and not values["flags"] & ~LASTING
        elif name in ("wakeup", "destroy"):
            short = short and values["execution"] == own >> SEQUENCE_BITS << SEQUENCE_BITS
        elif name == "start":
            short = short and values["other"] == values["execution"]
        elif name == "stop":
            short = short and values["other"] == truth["arm"]
        elif values["other"] != 0:
            short = False
        if "flags" not in held and values["flags"] and name not in ("after", "work_end"):
            short = False
        if values["due_ms"] is not None:
            return next(due for due, (event, layout) in RECORDS.items() if event == name and
                        layout.endswith("_due") and (layout == "wide_due") != short)
        return number if short else WIDE + number

    def put(self, number, values, at, extended):
        stream = self.stream
        layout = RECORDS[number][1]
        stream.begin_packet(at, values["execution"])
        fields = dict(values)
        for field in ("id", "trigger", "execution"):
            if layout not in WHOLE:
                fields[field] -= stream.id_base
        if fields["due_ms"] is None:
            fields["due_ms"] = 0
        if values["no_loop"] and (layout in ("wide", "wide_due", "init")):
            fields["flags"] |= NO_LOOP
        if extended or number > EXTENDED or at - stream.end >= LOW_TIME:
            stream.records += struct.pack("<BIQ", EXTENDED, number, at)
        else:
            stream.records += struct.pack("<I", number | at % LOW_TIME << 5)
        stream.records += pack_fields(layout, fields)
        stream.end = at

    def add(self, name, async_id, at, *, wide=False, **values):
        """A stack or a state: what it says follows from nothing."""
        number = ADDITIONS[name][-1 if wide else 0]
        fields = {field: 0 for _, _, field in LAYOUTS[RECORDS[number][1]]}
        text = values.pop("text", b"").ljust(96, b"\0")
        fields.update({f"text_{index}": int.from_bytes(text[8 * index:8 * index + 8], "little")
                       for index in range(12) if f"text_{index}" in fields})
        self.put(number, {**fields, "id": async_id, "trigger": 0, "execution": 0, "due_ms": 0,
                          "no_loop": False, **values}, at, False)

    def run(self, name, values):
        kind = KINDS.get(name)
        if name in BEGINS:
            self.running.append([kind, values["id"], values["callback"], values["flags"]])
        elif kind is not None:
            del self.running[find(self.running, kind, values["id"]):]

    def nest(self, name, async_id, at_ns, callback, flags):
        """Enters or leaves; returns depth, begin, inner, and callback and flags of what was left."""
        if name in BEGINS:
            self.stack.append([KINDS[name], async_id, callback, flags, at_ns, 0])
            return len(self.stack) - 1, 0, 0, 0, 0
        index = find(self.stack, KINDS.get(name), async_id)
        if index is None:
            return len(self.stack), 0, 0, 0, 0
        inner = sum(frame[5] for frame in self.stack[index:])
        _, _, callback, flags, begin, _ = self.stack[index]
        del self.stack[index:]
        if self.stack:
            self.stack[-1][5] += at_ns - begin if begin else inner
        return len(self.stack), begin, inner if begin else 0, callback, flags

    def expect(self, name, number, values, at):
        process, async_id = self.process, values["id"]
        time_ns = process.to_ns(at)
        if self.last is not None:
            time_ns = max(time_ns, self.last)
        self.last = time_ns
        is_loop = name in ("loop_enter", "loop_exit")
        known = process.known.setdefault(async_id, {
            "type": 0, "fs_type": -1, "trigger": 0, "no_loop": False, "due": 0, "callback": 0})
        layout = RECORDS[number][1]
        is_wide = layout in ("wide", "wide_due")
        if (is_wide or layout == "init") and not is_loop:
            known.update({key: values[key] for key in ("type", "fs_type", "trigger", "no_loop")})
        has_due = any(field == "due_ms" for _, _, field in LAYOUTS[layout])
        due_ns = process.due_to_ns(values["due_ms"]) if has_due else 0
        due = 0
        if name == "start":
            known["due"] = due_ns
        elif name == "stop":
            known["due"] = 0
        elif name == "before":
            due = 0 if values["flags"] & FLAGS["closing"] else known["due"]
            known["due"] = due_ns
        depth, begin, inner, callback, flags = self.nest(name, async_id, time_ns,
                                                         values["callback"], values["flags"])
        if name not in ("after", "work_end") or is_wide:
            callback, flags = values["callback"], values["flags"]
            if callback and name in ("init", "before", "start", "resource"):
                known["callback"] = callback
        elif callback == 0:
            callback = known["callback"]
        shown = values if is_wide else {**values, **known}
        self.expected.append((time_ns, (
            f"{time_ns} {name} {text_id(async_id)} type={process.type_name(shown['type'])}"
            f" fs={shown['fs_type']} trigger={text_id(shown['trigger'])}"
            f" execution={text_id(values['execution'])} other={text_id(values['other'])}"
            f" callback={callback:#x} flags={flags:#x} no_loop={int(shown['no_loop'])}"
            f" thread={self.thread_id} depth={depth} begin={begin} inner={inner} due={due}"
            f" {process.folder.name}")))
        if name == "destroy":
            process.known.pop(async_id)

    def __getattr__(self, name):
        if name in EVENTS or name == "resource":
            return lambda *arguments, **given: self.event(name, *arguments, **given)
        raise AttributeError(name)


class Process:
    """One process's folder. `begin` is in ticks; what is written comes later than that."""

    def __init__(self, parent_folder, name, *, pid, frequency=10**9, begin=10**12, is_tsc=True,
                 realtime_ns=1_700_000_000 * 10**9, monotonic_ns=5_000_000 * 10**6, mode="all",
                 program="/opt/story", command="story --now", parent="", launched=0,
                 hostname="host", uuid_seed=None):
        self.folder = pathlib.Path(parent_folder) / name
        self.pid, self.frequency, self.begin, self.is_tsc = pid, frequency, begin, is_tsc
        self.realtime_ns, self.monotonic_ns, self.mode = realtime_ns, monotonic_ns, mode
        if not is_tsc:
            self.frequency, self.monotonic_ns = 10**9, begin
        self.program, self.command, self.parent = program, command, parent
        self.launched, self.hostname = launched, hostname
        self.uuid = uuid.uuid5(uuid.NAMESPACE_URL, uuid_seed or name)
        self.definitions = Stream(self, 1, 0, pid, "definitions")
        self.threads = []
        self.resources, self.known, self.types = {}, {}, {}
        self.define_clock(begin)

    def to_ns(self, ticks):
        elapsed = (ticks - self.begin) * 10**9
        return self.realtime_ns + (2 * elapsed + self.frequency) // (2 * self.frequency)

    def due_to_ns(self, due_ms):
        return due_ms * 10**6 + self.realtime_ns - self.monotonic_ns

    def define(self, name, data, at=None):
        at = at if at is not None else max(self.begin, self.definitions.end or 0)
        self.definitions.begin_packet(at, 0)
        self.definitions.records += struct.pack("<HQ", DEFINITIONS[name], at) + data
        self.definitions.end = at

    def define_clock(self, at):
        elapsed = (at - self.begin) * 10**9 // self.frequency
        self.define("clock", struct.pack("<QQ", self.monotonic_ns + elapsed,
                                         self.realtime_ns + elapsed), at)

    def define_library(self, begin, end, bias, path, build_id=bytes(20)):
        self.define("library", struct.pack("<QQQ20s", begin, end, bias, build_id) +
                    path.encode() + b"\0")

    def define_symbol(self, address, name):
        self.define("symbol", struct.pack("<Q", address) + name.encode() + b"\0")

    def define_libuv(self, version, path):
        self.define("libuv", struct.pack("<I", version) + path.encode() + b"\0")

    def define_counter(self, name, value):
        self.define("counter", struct.pack("<Q", value) + name.encode() + b"\0")

    def define_stack(self, number, addresses, frames=()):
        for depth, address in enumerate(addresses):
            self.define("stack_address", struct.pack("<IHQ", number, depth, address))
        for depth, (function, path, line) in enumerate(frames):
            self.define("stack_frame", struct.pack("<IHI", number, depth, line) +
                        function.encode() + b"\0" + path.encode() + b"\0")

    def define_line(self, address, function, path, line, module):
        self.define("line", struct.pack("<QI", address, line) + function.encode() + b"\0" +
                    path.encode() + b"\0" + module.encode() + b"\0")

    def define_end(self, at=None):
        self.define("end", b"", at)

    def type_number(self, name):
        if name in TYPES:
            return TYPES[name]
        if name not in self.types:
            self.types[name] = NAMED_TYPE + len(self.types)
            self.define("type", struct.pack("<H", self.types[name]) + name.encode() + b"\0")
        return self.types[name]

    def type_name(self, number):
        names = {**{value: key for key, value in TYPES.items()},
                 **{value: key for key, value in self.types.items()}}
        return names.get(number, "UNKNOWN")

    def thread(self, thread_id, name="", space=0):
        made = Thread(self, thread_id, len(self.threads), name)
        made.stream.id_base = space << SEQUENCE_BITS
        self.threads.append(made)
        return made

    def metadata(self):
        offset_s, rest_ns = divmod(self.realtime_ns - self.begin * 10**9 // self.frequency, 10**9)
        clock = {"freq": self.frequency, "offset_s": offset_s,
                 "offset": rest_ns * self.frequency // 10**9}
        env = {"hostname": self.hostname, "domain": "uvhooks", "tracer_name": "uvhooks",
               "tracer_version": "0.1.0", "program": self.program, "command": self.command,
               "pid": self.pid, "ppid": 1, "parent": self.parent, "launched": self.launched,
               "mode": self.mode, "clock_is_tsc": int(self.is_tsc)}
        return trace_metadata.write(self.uuid, env, clock)

    def write(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "metadata").write_text(self.metadata(), encoding="utf-8")
        self.definitions.write(self.folder)
        for thread in self.threads:
            thread.stream.write(self.folder)

    def expected(self):
        return [event for thread in self.threads for event in thread.expected]
