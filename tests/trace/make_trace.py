#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes traces for tests, as the recorder would.

usage: make_trace.py scene NAME DIR        a small story; prints the events that are in it, complete
       make_trace.py scenes                the names of the stories
       make_trace.py random DIR [--events N] [--threads N] [--seed N]
                                           the same with random events, up to some 100,000
       make_trace.py answers DIR           what answers questions; see trace-reader.bats
       make_trace.py seeds DIR             inputs of tests/fuzz/fuzz_trace.c, made of the stories
       make_trace.py big DIR [--events N] [--threads N] [--packet BYTES] [--chain]
                                           as many events as you like, quickly; prints their number
"""
import argparse
import pathlib
import random
import re
import struct
import sys
import tempfile

sys.dont_write_bytecode = True  # the tree stays as it is

from trace_format import HEADER_BYTES, LOW_TIME, SEQUENCE_BITS, TYPES
from trace_writer import Process

MS = 10**6
ON_TIMER, ON_STAT, ON_WORK, AFTER_WORK, ON_ASYNC, ON_CLOSE = (
    0x7f0000001000 + 16 * number for number in range(6))


def story(process, begin):
    """A timer asks for a file and for work; the work wakes the loop up."""
    main = process.thread(process.pid, "story")
    pool = process.thread(process.pid + 1, "")
    at = iter(range(begin + 1000, begin + 10**9, 100_000)).__next__
    process.define_library(0x7f0000000000, 0x7f0000010000, 0x7f0000000000, "/opt/story")
    process.define_libuv(0x012c02, "/opt/libuv.so.1")
    process.define_symbol(ON_TIMER, "on_timer")
    process.define_symbol(ON_STAT, "on_stat")
    main.init(2, at(), type="TIMERWRAP")
    main.start(2, at(), callback=ON_TIMER, due_ms=5_000_001)
    main.init(3, at(), type="ASYNCWRAP", callback=ON_ASYNC)
    main.loop_enter(0, at())
    main.before(2, at(), callback=ON_TIMER, due_ms=5_000_002)
    main.init(4, at(), type="FSREQCALLBACK", fs_type="stat", callback=ON_STAT)
    main.init(5, at(), type="WORKREQ", callback=AFTER_WORK)
    main.after(2, at())
    pool.work_begin(5, at(), callback=ON_WORK)
    pool.wakeup(3, at(), other=5, callback=ON_ASYNC)
    main.before(3, at(), callback=ON_ASYNC)
    main.after(3, at())
    main.before(4, at(), callback=ON_STAT)
    pool.work_end(5, at())
    main.after(4, at())
    main.stream.flush()
    main.destroy(4, at())
    main.before(5, at(), callback=AFTER_WORK)
    main.stop(2, at(), callback=ON_TIMER)
    main.after(5, at())
    main.destroy(5, at())
    main.before(2, at(), callback=ON_CLOSE, flags=["closing"])
    main.after(2, at(), flags=["closing"])
    main.destroy(2, at())
    main.destroy(3, at(), flags=["loop_closed"])
    main.loop_exit(0, at())
    process.define_clock(at())
    process.define_end()
    return main, pool


def scene_story(folder):
    process = Process(folder, "story-1000", pid=1000, launched=1000)
    story(process, process.begin)
    return [process]


def scene_tsc(folder):
    """The clock is no clock of nanoseconds, and the first packet begins late."""
    process = Process(folder, "tsc-1001", pid=1001, frequency=2_500_000_000, begin=7 * 10**15)
    story(process, process.begin + 5 * 10**9)
    return [process]


def scene_monotonic(folder):
    process = Process(folder, "mono-1002", pid=1002, is_tsc=False, begin=5_000_000 * MS)
    story(process, process.begin)
    return [process]


def scene_wide(folder):
    """Ids of other spaces, extended headers, named types, links, everything else that is rare."""
    process = Process(folder, "wide-1003", pid=1003)
    main = process.thread(1003, "main \"quoted\" name")
    second = process.thread(1004, "second", space=1)
    at, one = process.begin, 1 << SEQUENCE_BITS
    main.init(2, at + 10, type="TCPWRAP", extended=True)
    main.type_change(2, at + 20, type="TCPSERVERWRAP")
    main.loop_enter(0, at + 30)
    main.before(2, at + 40, callback=0xffffffffffff)
    main.init(3, at + 50, type="TCPWRAP", trigger=one | 9)
    main.link(2, at + 60, other=3)
    main.init((1 << 33) | 4, at + 70, type="my type", trigger=3)
    main.init(5, at + 80, type="PROMISE", no_loop=True)
    main.promise_resolve(5, at + 90)
    main.before(5, at + 100, callback=1)
    main.before((1 << 33) | 4, at + 110, callback=2, flags=["noop"])
    # Two frames are left at once, and the inner one says nothing.
    main.after(5, at + 120, flags=["unwound"])
    main.after(2, at + 130)
    main.destroy(5, at + 140)
    main.before(5, at + 150, type="PROMISE", trigger=2, no_loop=True, flags=["after_destroy"])
    main.after(5, at + 160, type="PROMISE", trigger=2, no_loop=True, flags=["after_destroy"])
    main.loop_exit(0, at + 170, flags=["unwound"])
    # Longer than the compact header can say, by one tick and by many.
    main.init(6, at + 170 + LOW_TIME, type="IDLEWRAP")
    main.start(6, at + 169 + 2 * LOW_TIME, callback=3)
    main.stop(6, at + 10 * LOW_TIME, callback=3)
    main.init(7, at + 11 * LOW_TIME, type="other type", execution=0)
    second.init(one | 2, at + 55, type="TIMERWRAP", trigger=2, execution=one | 1)
    second.start(one | 2, at + 65, execution=one | 1, callback=4, due_ms=5_000_000, wide=True)
    second.before(one | 2, at + 75, callback=4)
    second.init(8, at + 85, type="UVTHREAD", no_loop=True)
    second.after(one | 2, at + 95)
    second.start(one | 2, at + 95, execution=one | 1, callback=4, due_ms=5_000_003)
    second.before(one | 2, at + 96, callback=4, due_ms=5_000_004, wide=True)
    second.after(one | 2, at + 97)
    second.before(one | 2, at + 98, callback=4, due_ms=5_000_005)
    second.after(one | 2, at + 99)
    process.define_counter("untracked_callbacks", 7)
    return [process]


def scene_backwards(folder):
    """A clock that stands still, and goes back a little: the thread's order holds."""
    process = Process(folder, "backwards-1004", pid=1004)
    main = process.thread(1004, "main")
    main.init(2, process.begin + 1000, type="TIMERWRAP")
    main.start(2, process.begin + 1000, callback=4, due_ms=5_000_003)
    main.stream.flush()
    main.stop(2, process.begin + 900, callback=4)
    main.init(3, process.begin + 1001, type="TIMERWRAP")
    return [process]


def scene_lost(folder):
    """Events were lost in the middle, with the ends of callbacks among them."""
    process = Process(folder, "lost-1005", pid=1005)
    main = process.thread(1005, "main")
    at = process.begin
    main.init(2, at + 10, type="TIMERWRAP")
    main.init(3, at + 20, type="IDLEWRAP")
    main.loop_enter(0, at + 30)
    main.before(2, at + 40, callback=1)
    main.lose()
    main.init(4, at + 50, type="CHECKWRAP")
    main.after(2, at + 60)
    main.before(3, at + 70, callback=2)
    main.lose_no_more([("loop", 0), ("callback", 3)])
    main.init(5, at + 80, type="FSREQCALLBACK", fs_type="open")
    main.after(3, at + 90)
    main.before(4, at + 100, callback=3)
    main.after(4, at + 110)
    main.init(4, at + 115, type="CHECKWRAP", wide=True)
    main.loop_exit(0, at + 120)
    return [process]


def make_answers(folder):
    """What answers questions: stacks and their lines, states, and the rarer events."""
    process = Process(folder, "answers-1009", pid=1009)
    main = process.thread(1009, "main")
    pool = process.thread(1010, "")
    dog = process.thread(1011, "watchdog")
    at = iter(range(process.begin + 1000, process.begin + 10**9, 100_000)).__next__
    process.define_stack(1, [0x7f0000001011, 0x7f0000001021])
    process.define_stack(2, [0x7f0000001011], [("made", "a.lua", 12), ("", "b.lua", 0)])
    process.define_stack(4, [])
    process.define_line(0x7f0000001021, "main", "/src/main.c", 30, "/opt/story")
    process.define_line(0x7f0000001011, "inner", "/src/main.c", 10, "/opt/story")
    process.define_line(0x7f0000001011, "outer", "/src/main.c", 20, "/opt/story")
    main.init(2, at(), type="TIMERWRAP")
    main.add("stack", 2, main.stream.end, stack=1)
    main.start(2, at(), callback=ON_TIMER, due_ms=5_000_001)
    main.add("stack", 2, main.stream.end, stack=2, wide=True)
    main.add("state", 2, main.stream.end, flags=3, fd=-1, due_at_ms=5_000_001, repeat_ms=500)
    main.unref(2, at())
    main.loop_enter(0, at())
    main.init(3, at(), type="FSREQCALLBACK", fs_type="open", callback=ON_STAT)
    main.add("state", 3, main.stream.end, flags=3, fd=-1, text=b"/tmp/\x1b[31m\xc3\xa4" + b"x" * 90)
    main.add("state", 3, main.stream.end, flags=3, fd=7)
    pool.pool_end(3, at())
    main.before(2, at(), callback=ON_TIMER, due_ms=5_000_002)
    main.event("fs_call", 2, at(), fs_type="read", duration_ns=2**63, execution=2)
    main.add("stack", 2, main.stream.end, stack=1)
    dog.event("stall", 2, at(), duration_ns=100_000_000, thread_id=1009)
    dog.add("stack", 2, dog.stream.end, stack=4)
    main.after(2, at())
    main.ref(2, at())
    main.unref(2, at())
    main.loop_exit(0, at())
    main.event("fs_call", 1, at(), fs_type="stat", duration_ns=5, execution=1)
    main.event("loop_busy", 0, at())
    main.resource(4, at(), type="IDLEWRAP", callback=ON_TIMER)
    main.add("stack", 4, main.stream.end, stack=0)
    main.add("stack", 4, main.stream.end, stack=1)
    return [process]


def scene_ring(folder):
    """A flight recorder's: the beginning is gone, and what is alive is told."""
    process = Process(folder, "ring-1006", pid=1006, mode="ring")
    main = process.thread(1006, "main")
    at = process.begin
    main.init(2, at + 10, type="TIMERWRAP")
    main.start(2, at + 15, callback=9)
    main.loop_enter(0, at + 20)
    main.init(3, at + 30, type="WORKREQ")
    main.before(2, at + 40, callback=9)
    main.stream.next_file()
    main.forget([("callback", 2)])
    main.resource(2, at + 50, other=1, callback=9)
    main.init(4, at + 60, type="FSREQCALLBACK", fs_type="open", callback=8)
    main.stream.next_file()
    main.stop(2, at + 65, callback=9)
    main.after(2, at + 70)
    main.stream.flush()
    main.before(3, at + 80, callback=7)
    main.after(3, at + 90)
    main.destroy(3, at + 100)
    main.stream.next_file()
    main.before(4, at + 110, callback=8)
    main.after(4, at + 120)
    main.destroy(4, at + 130)
    main.loop_exit(0, at + 140)
    return [process]


def scene_family(folder):
    """A program, its child, and what the child became by exec."""
    first = Process(folder, "sh-1007", pid=1007, launched=1007, command="sh -c \"x\\y\"\nz")
    second = Process(folder, "sh-1008", pid=1008, launched=1007, parent="sh-1007",
                     realtime_ns=1_700_000_000 * 10**9 + 50_000, frequency=3 * 10**9, begin=10**9)
    third = Process(folder, "node-1008-2", pid=1008, launched=1007, parent="sh-1008",
                    realtime_ns=1_700_000_000 * 10**9 + 3 * MS)
    for process in (first, second, third):
        story(process, process.begin)
    return [first, second, third]


SCENES = {name[6:]: function for name, function in globals().items() if name.startswith("scene_")}


class RandomThread:
    """Does what a thread with a loop of its own may do."""

    def __init__(self, process, number, generator):
        self.thread = process.thread(process.pid + number, f"thread {number}", space=number)
        self.space, self.random = number << SEQUENCE_BITS, generator
        self.next_id, self.live, self.at = 2, [], process.begin + number
        self.running = []

    def due_ms(self, number):
        if self.thread.process.resources[number]["type"] != TYPES["TIMERWRAP"]:
            return None
        return self.random.choice((None, 5_000_000 + self.random.randrange(1000)))

    def step(self):
        thread, rng = self.thread, self.random
        self.at += rng.choice((1, 10, 1000, 100_000)) * rng.randrange(1, 10)
        if rng.randrange(1000) == 0:
            self.at += LOW_TIME + rng.randrange(3 * LOW_TIME)
        if rng.randrange(500) == 0:
            thread.stream.flush()
        execution = self.running[-1][0] if self.running else self.space | 1
        choice = rng.randrange(10)
        if choice < 3 and len(self.live) < 1000:
            number = self.space | self.next_id
            self.next_id += 1
            self.live.append(number)
            thread.init(number, self.at, type=rng.choice(("TIMERWRAP", "WRITEWRAP", "a name")),
                        execution=execution, trigger=rng.choice([execution] + self.live[-9:-1]),
                        callback=rng.randrange(1, 1 << 47), no_loop=rng.randrange(9) == 0)
        elif choice < 5 and self.live and len(self.running) < 20:
            self.running.append((rng.choice(self.live),))
            thread.before(self.running[-1][0], self.at, callback=rng.randrange(1, 1 << 47),
                          flags=rng.choice(((), (), ("cancelled",), ("at_exit",))),
                          due_ms=self.due_ms(self.running[-1][0]))
        elif choice < 8 and self.running:
            number = self.running.pop()[0]
            if rng.randrange(4) == 0:
                thread.after(number, self.at, flags=["unwound"])
            else:
                thread.after(number, self.at)
        elif choice == 8 and self.live:
            number = rng.choice(self.live)
            thread.start(number, self.at, execution=execution, due_ms=self.due_ms(number))
        elif choice == 9 and self.live:
            index = rng.randrange(len(self.live))
            if (self.live[index],) not in self.running:
                thread.destroy(self.live.pop(index), self.at)


def make_random(folder, events, threads, seed):
    process = Process(folder, f"random-{seed}", pid=2000 + seed)
    generator = random.Random(seed)
    made = [RandomThread(process, number, generator) for number in range(threads)]
    while sum(len(one.thread.expected) for one in made) < events:
        generator.choice(made).step()
    process.define_clock(max(one.at for one in made))
    process.define_end()
    return [process]


class BigStream:
    """Packets that differ in ids and times only: each begins at a multiple of 2^27 ticks."""

    # Number, whether the id is that of what is made, what follows it (None: as in an init).
    CHAIN = [
        (1, 0, struct.pack("<6sH", ON_TIMER.to_bytes(6, "little"), 0)),
        (0, 1, None),
        (2, 0, b""),
        (3, 0, b""),
    ]
    PATTERN = [
        (1, 0, struct.pack("<6sH", ON_TIMER.to_bytes(6, "little"), 0)),
        (0, 1, None),
        (5, 0, struct.pack("<I6sH", 2, ON_TIMER.to_bytes(6, "little"), 0)),
        (2, 0, b""),
        (1, 1, struct.pack("<6sH", ON_STAT.to_bytes(6, "little"), 0)),
        (2, 1, b""),
        (3, 1, b""),
    ]

    def __init__(self, process, index, packet_bytes, chain):
        pattern = self.CHAIN if chain else self.PATTERN
        space = index << SEQUENCE_BITS
        instance, thread_id = index, process.pid + index
        self.header = [0xc1fc1fc1, process.uuid.bytes, 0, instance, 0, 0, 0, 0, 0, 0, space, space,
                       thread_id]
        self.path = process.folder / f"thread-{thread_id}-{instance}-0"
        self.begin = (process.begin // LOW_TIME + 1) * LOW_TIME
        setup = struct.pack("<I3I6sHHh", 0 | 1 << 5, 2, 1, 1, bytes(6), 0, 1, -1)
        body, ids, events = bytearray(), bytearray(), 0
        time, step = 100 + index, 20 * (packet_bytes // 16 + 1)
        self.step = min(step, LOW_TIME // (packet_bytes // 8 + 1))
        while len(body) < packet_bytes - 256:
            own, made = 2 + chain * events, 3 + events
            for number, is_made, rest in pattern:
                body += struct.pack("<II", number | time << 5, made if is_made else own)
                ids += struct.pack("<II", 0, is_made or chain)
                if rest is None:
                    body += struct.pack("<II6sHHh", own, own, ON_STAT.to_bytes(6, "little"), 0, 22, 6)
                    ids += struct.pack("<II", chain, chain) + bytes(12)
                else:
                    body += rest
                    ids += bytes(len(rest))
                time += self.step
            events += 1
        self.setup, self.per_packet = setup, events * len(pattern)
        self.last = time - self.step
        self.body = int.from_bytes(body, "little")
        self.bytes = len(body)
        self.ids = int.from_bytes(ids, "little") * events

    def write(self, events):
        packets = max(1, events // self.per_packet)
        header = self.header
        with open(self.path, "wb", buffering=1 << 20) as file:
            for number in range(packets):
                begin = self.begin + number * LOW_TIME
                setup = self.setup if number == 0 else b""
                header[4], header[5] = begin, begin + self.last
                header[6] = header[7] = 8 * (HEADER_BYTES + len(setup) + self.bytes)
                header[8] = number
                file.write(struct.pack("<I16sI10Q", *header) + setup +
                           self.body.to_bytes(self.bytes, "little"))
                self.body += self.ids
        return packets * self.per_packet + 1


def make_big(folder, events, threads, packet_bytes, chain):
    """A timer that asks for a file each time; or timers of which each makes the next."""
    process = Process(folder, "big-3000", pid=3000)
    streams = [BigStream(process, index, packet_bytes, chain) for index in range(threads)]
    process.define_symbol(ON_TIMER, "on_timer")
    process.define_symbol(ON_STAT, "on_stat")
    process.write()
    written = sum(stream.write(events // threads) for stream in streams)
    print(written)


def short_metadata(process):
    """Without what is the same in all traces, which no reader of ours asks for."""
    return re.sub(r"(?ms)^typealias.*?;\n|^(struct|stream|event) .*?^};\n", "", process.metadata())


def make_seeds(folder, into):
    """A seed for each process of each story."""
    into.mkdir(parents=True, exist_ok=True)
    for function in [*SCENES.values(), make_answers]:
        for process in function(folder):
            process.write()
            files = sorted(process.folder.glob("thread-*"))[:2]
            text = short_metadata(process).encode()
            parts = [text, (process.folder / "definitions").read_bytes()]
            parts += [file.read_bytes() for file in files] + [b""] * (2 - len(files))
            sizes = struct.pack("<3H", *(len(part) for part in parts[:3]))
            (into / process.folder.name).write_bytes(sizes + b"".join(parts))


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    scene = verbs.add_parser("scene")
    scene.add_argument("name", choices=SCENES)
    scene.add_argument("--short", action="store_true", help="less metadata")
    verbs.add_parser("scenes")
    seeds = verbs.add_parser("seeds")
    answers = verbs.add_parser("answers")
    some = verbs.add_parser("random")
    big = verbs.add_parser("big")
    big.add_argument("--packet", type=int, default=65536)
    big.add_argument("--chain", action="store_true")
    some.add_argument("--seed", type=int, default=1)
    for verb in (scene, some, seeds, big, answers):
        verb.add_argument("dir", type=pathlib.Path)
    for verb in (some, big):
        verb.add_argument("--events", type=int, default=1000)
        verb.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.verb == "scenes":
        print("\n".join(SCENES))
        return 0
    if options.verb == "seeds":
        with tempfile.TemporaryDirectory() as folder:
            make_seeds(folder, options.dir)
        return 0
    if options.verb == "answers":
        for process in make_answers(options.dir):
            process.write()
        return 0
    if options.verb == "big":
        make_big(options.dir, options.events, options.threads, options.packet, options.chain)
        return 0
    if options.verb == "scene":
        processes = SCENES[options.name](options.dir)
        if options.short:
            for process in processes:
                process.metadata = lambda text=short_metadata(process): text
    else:
        processes = make_random(options.dir, options.events, options.threads, options.seed)
    events = []
    for process in processes:
        process.write()
        events += process.expected()
    for _, line in sorted(events, key=lambda event: event[0]):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
