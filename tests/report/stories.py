#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes small traces of which everything is known.

usage: stories.py NAME DIR

Times are nanoseconds since recording began.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "trace"))

from trace_writer import (LOW_TIME, RECORDS, SEQUENCE_BITS, TYPES, Process,  # noqa: E402  (found where the line above says)
                          pack_fields)

US, MS, S = 10**3, 10**6, 10**9
FIRST_CALLBACK = 0x7f0000001000
MONOTONIC_MS = 5_000_000  # of the writer's clock, when recording begins


class Story:
    """Events in any order; they are written in that of time."""

    def __init__(self, folder, name="story-1000", **options):
        options.setdefault("pid", 1000)
        self.process = Process(folder, name, **options)
        self.process.define_library(FIRST_CALLBACK, FIRST_CALLBACK + 0x10000, FIRST_CALLBACK,
                                    "/usr/bin/story")
        self.main = self.process.thread(self.process.pid)
        self.callbacks, self.events = {}, []

    def thread(self, number, space=0):
        return self.process.thread(self.process.pid + number, f"thread {number}", space)

    def callback(self, name):
        """The address of a callback, which has this name in the trace."""
        if name not in self.callbacks:
            self.callbacks[name] = FIRST_CALLBACK + 16 * len(self.callbacks)
            self.process.define_symbol(self.callbacks[name], name)
        return self.callbacks[name]

    def at(self, time_ns, event, async_id, *, thread=None, callback=None, due_ns=None, **given):
        if callback is not None:
            given["callback"] = self.callback(callback)
        if due_ns is not None:
            given["due_ms"] = MONOTONIC_MS + due_ns // MS
        self.events.append((time_ns, len(self.events), thread or self.main, event, async_id, given))

    def run(self, begin_ns, end_ns, async_id, callback, **given):
        """A callback, from before to after."""
        flags = given.get("flags", ())
        self.at(begin_ns, "before", async_id, callback=callback, **given)
        self.at(end_ns, "after", async_id, thread=given.get("thread"), flags=flags)

    def write(self, ended=True):
        for time_ns, _, thread, event, async_id, given in sorted(self.events,
                                                                 key=lambda one: one[:2]):
            thread.event(event, async_id, self.process.begin + time_ns, **given)
        if ended:
            self.process.define_end()
        self.process.write()


def story_busy(folder):
    """A timer whose callback keeps the loop for 50 ms, among many that do not."""
    story = Story(folder)
    story.at(1 * MS, "init", 2, type="TIMERWRAP")
    story.at(1 * MS, "init", 3, type="IDLEWRAP")
    story.at(2 * MS, "loop_enter", 0)
    for number in range(100):
        story.run((3 + number) * MS, (3 + number) * MS + 10 * US, 3, "on_idle")
    story.run(110 * MS, 160 * MS, 2, "on_busy")
    story.run(170 * MS, 170 * MS + 20 * US, 3, "on_idle")
    story.at(202 * MS, "loop_exit", 0)
    story.write()


def story_late(folder):
    """A timer that is due at 20 ms, and comes when a callback of 100 ms lets it."""
    story = Story(folder)
    story.at(1 * MS, "init", 2, type="TIMERWRAP")
    story.at(2 * MS, "start", 2, callback="on_late", due_ns=20 * MS)
    story.at(3 * MS, "init", 3, type="IDLEWRAP")
    story.at(4 * MS, "loop_enter", 0)
    story.run(5 * MS, 105 * MS, 3, "on_idle")
    story.run(106 * MS, 107 * MS, 2, "on_late")
    story.at(108 * MS, "loop_exit", 0)
    story.write()


def story_pool(folder):
    """Eight jobs of 10 ms each, handed in at once, for two threads."""
    story = Story(folder)
    threads = [story.thread(1), story.thread(2)]
    story.at(0, "init", 99, type="IDLEWRAP")
    story.at(5 * MS, "loop_enter", 0)
    for job in range(8):
        begin, thread = 10 * MS + job // 2 * 10 * MS, threads[job % 2]
        story.at(1 * MS + job, "init", 2 + job, type="WORKREQ", callback="on_worked")
        story.at(begin + job, "work_begin", 2 + job, thread=thread, callback="work")
        story.at(begin + 10 * MS + job - 2, "work_end", 2 + job, thread=thread)
        story.run(begin + 11 * MS + job, begin + 11 * MS + job + 1, 2 + job, "on_worked")
        story.at(begin + 12 * MS + job, "destroy", 2 + job)
    story.at(90 * MS, "loop_exit", 0)
    story.write()


def story_wakeups(folder):
    """An async handle that is woken by its loop, by a thread, by another loop and by work."""
    story = Story(folder)
    other = story.thread(1, space=1)
    one = 1 << SEQUENCE_BITS
    story.at(0, "init", 2, type="ASYNCWRAP", callback="on_async")
    story.at(1, "init", 3, type="UVTHREAD", no_loop=True)
    story.at(2, "init", 4, type="WORKREQ")
    story.at(3, "init", one | 2, type="TIMERWRAP", thread=other, execution=one | 1)
    story.at(10, "loop_enter", 0)
    senders = [1] * 2 + [3] * 4 + [one | 2] * 3 + [4] * 1
    for number, sender in enumerate(senders):
        story.at(100 * number + 20, "wakeup", 2, other=sender, callback="on_async")
        story.run(100 * number + 30, 100 * number + 40, 2, "on_async")
    story.at(5000, "loop_exit", 0)
    story.write()


def story_leaks(folder):
    """A server forgets 1,000 connections, each with a timer, and one of them has a request."""
    story = Story(folder)
    story.at(0, "init", 2, type="TCPWRAP")
    story.at(1, "type_change", 2, type="TCPSERVERWRAP")
    story.at(2, "start", 2, callback="on_connection")
    story.at(10, "loop_enter", 0)
    for number in range(1000):
        begin, connection = 1000 * (number + 1), 10 + 2 * number
        story.at(begin, "before", 2, callback="on_connection")
        story.at(begin + 1, "init", connection, type="TCPWRAP")
        story.at(begin + 2, "start", connection, callback="on_read")
        story.at(begin + 3, "after", 2)
        story.at(begin + 4, "before", connection, callback="on_read")
        story.at(begin + 5, "init", connection + 1, type="TIMERWRAP")
        story.at(begin + 6, "after", connection)
    story.at(2 * MS, "before", 2011 - 2, callback="on_timeout")
    story.at(2 * MS + 1, "init", 5000, type="FSREQCALLBACK", fs_type="open", callback="on_open")
    story.at(2 * MS + 2, "after", 2011 - 2)
    story.run(2 * MS + 10, 2 * MS + 11, 2, "on_close", flags=["closing"])
    story.at(2 * MS + 12, "destroy", 2)
    story.at(3 * MS, "loop_exit", 0)
    story.write()


def writer(story, callback):
    """put(event, time_ns, async_id, execution): for so many timers that there are no checks."""
    stream = story.main.stream
    numbers = {RECORDS[number][0]: number for number in sorted(RECORDS, reverse=True)}

    def put(event, time_ns, async_id, execution):
        number = numbers[event]
        ticks = story.process.begin + time_ns
        stream.begin_packet(ticks, execution)
        stream.records += (number | ticks % LOW_TIME << 5).to_bytes(4, "little") + pack_fields(
            RECORDS[number][1], {
                "id": async_id, "trigger": execution, "execution": execution, "other": 0,
                "callback": 0 if event == "init" else callback, "flags": 0,
                "type": TYPES["TIMERWRAP"], "fs_type": -1})
        stream.end = ticks

    return put


def story_chain(folder, links=50_000):
    """Each timer makes the next one, and ends."""
    story = Story(folder)
    put = writer(story, story.callback("on_step"))
    put("init", 0, 2, 1)
    put("start", 1, 2, 1)
    for link in range(2, 2 + links):
        put("before", 100 * link, link, link)
        put("init", 100 * link + 1, link + 1, link)
        put("start", 100 * link + 2, link + 1, link)
        put("after", 100 * link + 10, link, link)
        put("destroy", 100 * link + 11, link, 0)
    story.write(ended=False)


def story_deep(folder, depth=70_000):
    """Callbacks one inside the other."""
    story = Story(folder)
    put = writer(story, story.callback("on_step"))
    for number in range(depth):
        put("init", number, 2 + number, 1 + number)
        put("before", number, 2 + number, 2 + number)
    for number in reversed(range(depth)):
        put("after", 2 * depth - number, 2 + number, 2 + number)
    story.write()


def story_lost(folder):
    """Events were lost, by the recorder and by the shim, and the process was killed."""
    story = Story(folder, mode="ring")
    story.at(0, "init", 2, type="TIMERWRAP")
    story.write(ended=False)
    story.main.lose()
    for number in range(7):
        story.main.event("init", 3 + number, story.process.begin + 10 + number, type="TIMERWRAP")
    story.main.lose_no_more([])
    story.main.event("init", 20, story.process.begin + 100, type="TIMERWRAP")
    story.process.define_counter("records_exhausted", 3)
    story.process.define_counter("untracked_callbacks", 0)
    story.process.write()


def story_empty(folder):
    """Nothing has happened."""
    Story(folder).write()


def story_hostile(folder):
    """Names that would do something to a terminal, or to JSON."""
    story = Story(folder, program="/bin/\033[31mred\"\\", command="\033]0;title\007 \xff\n\"x\"")
    story.at(0, "init", 2, type="Type\033[1m")
    story.at(1, "init", 3, type="Stra\xdfe", trigger=2)
    story.run(2, 5, 3, "on_it")
    story.write()


def story_two(folder):
    """A program and its child, which do the same at addresses of their own."""
    for number in range(2):
        story = Story(folder, name=f"twin-{1000 + number}", pid=1000 + number, launched=1000,
                      parent="twin-1000" if number else "",
                      realtime_ns=1_700_000_000 * S + number * 10 * MS)
        if number:
            story.callback("something_else")
        story.at(0, "init", 2, type="TIMERWRAP")
        story.at(1, "loop_enter", 0)
        story.run(10, 1010, 2, "on_timer")
        story.at(2000, "loop_exit", 0)
        story.write()


def story_ring(folder):
    """A flight recorder came late: the loop runs, and a callback of it."""
    story = Story(folder, mode="ring")
    story.at(0, "resource", 2, type="TIMERWRAP", callback="on_timer", trigger=1, execution=1)
    story.run(1 * MS, 3 * MS, 2, "on_timer")
    story.run(5 * MS, 6 * MS, 2, "on_timer")
    story.run(9 * MS, 10 * MS, 2, "on_timer")
    story.write(ended=False)


def story_nested_ring(folder):
    """A flight recorder came while a callback ran a loop inside its own."""
    story = Story(folder, mode="ring")
    story.at(0, "resource", 2, type="TIMERWRAP", callback="on_timer", trigger=1, execution=1)
    story.run(1 * MS, 3 * MS, 2, "on_timer")
    story.at(5 * MS, "loop_exit", 0)
    story.run(9 * MS, 10 * MS, 2, "on_timer")
    story.write(ended=False)


def story_mangled(folder):
    """Callbacks of C++: methods, templates, lambdas, and what only looks like one."""
    story = Story(folder)
    for number, name in enumerate((
            "_ZN4node11Environment9RunTimersEP10uv_timer_s",
            "_ZN4node12_GLOBAL__N_1L20PlatformWorkerThreadEPv",
            "_ZZN4node14ThreadPoolWork12ScheduleWorkEvENUlP9uv_work_siE0_4_FUNES2_i",
            "_ZN4node24MakeLibuvRequestCallbackI7uv_fs_sPFvPS1_EE7WrapperES2_",
            "_ZN3AppclEP10uv_timer_s", "_Zzz", "plain")):
        story.at(number, "init", 2 + number, type="TIMERWRAP")
        story.run(100 * number + 100, 100 * number + 150 - number, 2 + number, name)
    story.write()


def story_files(folder):
    """Files for two threads: each of the last two waits until another has been read."""
    story = Story(folder)
    threads = [story.thread(1), story.thread(2)]
    story.at(1 * MS, "loop_enter", 0)
    for number, (call, submit, end, thread) in enumerate((
            ("read", 10, 30, 0), ("read", 10, 40, 1), ("stat", 12, 31, 0), ("stat", 13, 41, 1))):
        async_id = 2 + number
        story.at(submit * MS, "init", async_id, type="FSREQCALLBACK", fs_type=call,
                 callback="on_" + call)
        story.at(end * MS, "pool_end", async_id, thread=threads[thread])
        story.run(50 * MS + number, 50 * MS + number + 1, async_id, "on_" + call)
        story.at(51 * MS + number, "destroy", async_id)
    story.at(60 * MS, "loop_exit", 0)
    story.write()


def story_quick_files(folder):
    """The thread was done before the call that asks had returned, which is when init is told."""
    story = Story(folder)
    thread = story.thread(1)
    story.at(1 * MS, "loop_enter", 0)
    for number in range(3):
        async_id, begin = 2 + number, (10 + 10 * number) * MS
        story.at(begin, "pool_end", async_id, thread=thread)
        story.at(begin + 1 * US, "init", async_id, type="FSREQCALLBACK", fs_type="stat",
                 callback="on_stat")
        story.run(begin + 1 * MS, begin + 1 * MS + 1, async_id, "on_stat")
        story.at(begin + 2 * MS, "destroy", async_id)
    story.at(60 * MS, "loop_exit", 0)
    story.write()


def story_old_files(folder):
    """As it was recorded when nobody said what libuv itself does on the pool."""
    story = Story(folder)
    story.at(1 * MS, "loop_enter", 0)
    for number in range(3):
        async_id = 2 + number
        story.at(10 * MS, "init", async_id, type="FSREQCALLBACK", fs_type="read",
                 callback="on_read")
        story.run((20 + number) * MS, (20 + number) * MS + 1, async_id, "on_read")
        story.at((21 + number) * MS, "destroy", async_id)
    story.at(60 * MS, "loop_exit", 0)
    story.write()


def story_stuck_files(folder):
    """Four files are never opened, so two that are asked for later wait for ever; one gave up."""
    story = Story(folder)
    story.at(0, "init", 99, type="IDLEWRAP")
    story.at(1 * MS, "loop_enter", 0)
    for number, call in enumerate(("open",) * 4 + ("stat",) * 3):
        story.at((10 + number) * MS, "init", 2 + number, type="FSREQCALLBACK", fs_type=call,
                 callback="on_" + call)
    story.run(30 * MS, 30 * MS + 1, 8, "on_stat", flags=["cancelled"])
    story.at(31 * MS, "destroy", 8)
    story.run(110 * MS, 110 * MS + 1, 99, "on_idle")
    story.write(ended=False)


def story_one_stuck(folder):
    """One thread opens what never opens, as those that were asked for later tell."""
    story = Story(folder)
    thread = story.thread(1)
    story.at(1 * MS, "loop_enter", 0)
    story.at(10 * MS, "init", 2, type="FSREQCALLBACK", fs_type="open", callback="on_open")
    for number in range(5):
        async_id, begin = 3 + number, (20 + 10 * number) * MS
        story.at(begin, "init", async_id, type="FSREQCALLBACK", fs_type="stat", callback="on_stat")
        story.at(begin + 1 * MS, "pool_end", async_id, thread=thread)
        story.run(begin + 2 * MS, begin + 2 * MS + 1, async_id, "on_stat")
        story.at(begin + 3 * MS, "destroy", async_id)
    story.at(110 * MS, "loop_exit", 0)
    story.write(ended=False)


def story_stuck(folder):
    """A callback runs when the process is killed, and nobody looked where."""
    story = Story(folder)
    story.at(0, "init", 2, type="TIMERWRAP")
    story.at(1 * MS, "loop_enter", 0)
    story.at(10 * MS, "before", 2, callback="on_stuck")
    story.write(ended=False)


def story_inside(folder):
    """A callback of 100 ms with another one inside it."""
    story = Story(folder)
    story.at(0, "init", 2, type="TIMERWRAP")
    story.at(1, "init", 3, type="Task")
    story.at(2 * MS, "loop_enter", 0)
    story.at(10 * MS, "before", 2, callback="on_timer")
    story.run(30 * MS, 80 * MS, 3, "do_task")
    story.at(110 * MS, "after", 2)
    story.at(202 * MS, "loop_exit", 0)
    story.write()


def story_elsewhere(folder):
    """Timers of a loop whose ids are not those of the thread's packet: one of them repeats."""
    story = Story(folder)
    other, one = story.thread(1), 1 << SEQUENCE_BITS
    story.at(0, "init", 2, type="UVTHREAD", no_loop=True)
    story.at(1 * MS, "before", 2, thread=other)
    for timer, callback, delay in ((one | 2, "on_once", 20), (one | 3, "on_again", 10)):
        story.at(2 * MS, "init", timer, type="TIMERWRAP", thread=other)
        story.at(2 * MS, "start", timer, thread=other, callback=callback, due_ns=delay * MS)
    story.at(3 * MS, "loop_enter", one, thread=other)
    story.run(11 * MS, 11 * MS + 1, one | 3, "on_again", thread=other, due_ns=20 * MS)
    story.run(23 * MS, 23 * MS + 1, one | 3, "on_again", thread=other, due_ns=30 * MS)
    story.run(25 * MS, 25 * MS + 1, one | 2, "on_once", thread=other)
    story.write(ended=False)


def story_calls(folder):
    """A callback of 200 ms, 150 of which are three calls of the file system; one comes before."""
    story = Story(folder)
    story.at(0, "init", 2, type="TIMERWRAP")
    story.at(1 * MS, "fs_call", 1, fs_type="stat", duration_ns=500 * US)
    story.at(2 * MS, "loop_enter", 0)
    story.at(10 * MS, "before", 2, callback="on_timer")
    story.at(70 * MS, "fs_call", 2, fs_type="read", duration_ns=50 * MS)
    story.at(120 * MS, "fs_call", 2, fs_type="read", duration_ns=40 * MS)
    story.at(190 * MS, "fs_call", 2, fs_type="open", duration_ns=60 * MS)
    story.at(210 * MS, "after", 2)
    story.run(220 * MS, 221 * MS, 2, "on_timer")
    story.at(402 * MS, "loop_exit", 0)
    story.write()


STORIES = {name[6:]: function for name, function in globals().items() if name.startswith("story_")}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in STORIES:
        sys.exit(__doc__ + "\nNAME is one of: " + ", ".join(STORIES))
    STORIES[sys.argv[1]](pathlib.Path(sys.argv[2]))
