#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the JSON events of the log plugin against the rules that every stream of events keeps.

usage: check_events.py [--late] [--ended] [--named-triggers] [--nested-hooks] FILE...

Each FILE is the log of one process. Prints each broken rule as FILE:LINE: what is wrong, and exits 1
if there was one.

  --late            the log begins in the middle (a forked child): what was made before is unknown,
                    and may end
  --ended           every resource has been destroyed by the end of the log
  --named-triggers  the program names triggers, of single resources or for a scope, and may name any
  --nested-hooks    hooks make resources, or functions that release stores do, also behind a destroy:
                    there nothing runs
"""

import functools
import json
import re
import sys

OPTIONS = {"--late", "--ended", "--named-triggers", "--nested-hooks"}

KEYS = ["event", "id", "type", "uv_type", "trigger", "execution", "loop", "thread", "time_ns"]
MORE_KEYS = ["call", "callback", "sender", "other", "flags"]

NODE_EVENTS = {"init", "before", "after", "destroy"}
EVENTS = NODE_EVENTS | {
    "promise_resolve", "start", "stop", "wakeup", "work_begin", "work_end", "link", "type_change",
    "loop_enter", "loop_exit",
}
LOOP_EVENTS = {"loop_enter", "loop_exit"}
# Which event opens a scope that another one ends.
OPENED_BY = {"after": "before", "work_end": "work_begin"}

HANDLES = {
    "TIMERWRAP": "uv_timer_t", "IDLEWRAP": "uv_idle_t", "PREPAREWRAP": "uv_prepare_t",
    "CHECKWRAP": "uv_check_t", "ASYNCWRAP": "uv_async_t", "POLLWRAP": "uv_poll_t",
    "SIGNALWRAP": "uv_signal_t", "TCPWRAP": "uv_tcp_t", "TCPSERVERWRAP": "uv_tcp_t",
    "PIPEWRAP": "uv_pipe_t", "PIPESERVERWRAP": "uv_pipe_t", "TTYWRAP": "uv_tty_t",
    "UDPWRAP": "uv_udp_t", "PROCESSWRAP": "uv_process_t", "FSEVENTWRAP": "uv_fs_event_t",
    "STATWATCHER": "uv_fs_poll_t",
}
REQUESTS = {
    "TCPCONNECTWRAP": "uv_connect_t", "PIPECONNECTWRAP": "uv_connect_t",
    "WRITEWRAP": "uv_write_t", "SHUTDOWNWRAP": "uv_shutdown_t", "UDPSENDWRAP": "uv_udp_send_t",
    "FSREQCALLBACK": "uv_fs_t", "GETADDRINFOREQWRAP": "uv_getaddrinfo_t",
    "GETNAMEINFOREQWRAP": "uv_getnameinfo_t", "RANDOMREQ": "uv_random_t", "WORKREQ": "uv_work_t",
}
UV_TYPES = {**HANDLES, **REQUESTS, "UVTHREAD": "uv_thread_t", "NONE": "none"}
# A resource of the program's own has no type of libuv, and may have any name, those above included.
EMBEDDER = "none"
NAME = re.compile(r"[^\x00-\x1f\x7f]+")
NAME_BYTES = 63
SERVERS = {"TCPWRAP": "TCPSERVERWRAP", "PIPEWRAP": "PIPESERVERWRAP"}
# Made by calls that work on a handle: it is their trigger.
ON_HANDLE = {
    "TCPCONNECTWRAP": {"TCPWRAP"},
    "PIPECONNECTWRAP": {"PIPEWRAP"},
    "WRITEWRAP": {"TCPWRAP", "PIPEWRAP", "TTYWRAP"},
    "SHUTDOWNWRAP": {"TCPWRAP", "PIPEWRAP", "TTYWRAP"},
    "UDPSENDWRAP": {"UDPWRAP"},
}
FLAGS = {
    "unwound", "failed", "reused", "loop_closed", "at_exit", "noop", "cancelled", "closing", "forced",
    "thread_ended", "after_destroy",
}
# Flags of embedder resources alone, and the events that may have them.
EMBEDDER_FLAGS = {"thread_ended": {"destroy"}, "after_destroy": {"before", "after"}}
ID = re.compile(r"(?:([1-9][0-9]*):)?(0|[1-9][0-9]*)")


class Broken(Exception):
    """A rule that does not hold."""


def require(condition, message):
    if not condition:
        raise Broken(message)


def parse_id(text):
    if not isinstance(text, str):
        raise Broken(f"an id is a string, not {text!r}")
    return parse_text(text)


# The same ids come again and again.
@functools.cache
def parse_text(text):
    match = ID.fullmatch(text)
    require(match, f"no id: {text!r}")
    return int(match[1] or 0), int(match[2])


def type_of(event):
    """The type, such that an embedder's TCPWRAP is none."""
    if event["uv_type"] == EMBEDDER and event["event"] not in LOOP_EVENTS:
        return "embedder " + event["type"]
    return event["type"]


class Resource:
    def __init__(self, event):
        self.type = type_of(event)
        self.embedder = self.type.startswith("embedder ")
        self.trigger = event["trigger"]
        self.open = 0  # how many of its callbacks are on stacks
        self.callbacks = 0
        self.closing = False
        self.started = False
        self.work = None  # None, "work_begin", "work_end"
        self.resolved = False
        self.destroyed = None  # the thread that told of it


class Thread:
    """One kernel thread: what runs on it, innermost last."""

    def __init__(self):
        self.stack = []  # (opening event, id)
        self.loops = []  # ids of the loops whose uv_run was entered
        self.time = -1
        self.wakeup = None  # the id that the event before this one woke
        self.destroying = None  # the execution id of a destroy, while hooks hear of it


class Stream:
    def __init__(self, options):
        self.late = "--late" in options
        self.named_triggers = "--named-triggers" in options
        self.nested_hooks = "--nested-hooks" in options
        self.resources = {}
        self.threads = {}
        self.last = {}  # id space -> the latest sequence

    def check(self, event):
        self.check_shape(event)
        thread = self.threads.setdefault(event["thread"], Thread())
        require(event["time_ns"] >= thread.time, "time runs backwards in this thread")
        thread.time = event["time_ns"]
        woken, thread.wakeup = thread.wakeup, None
        kind = event["event"]
        in_hook = self.nested_hooks and kind == "init" and event["execution"] == thread.destroying
        if not in_hook:
            thread.destroying = event["execution"] if kind == "destroy" else None
        if kind in LOOP_EVENTS:
            self.check_loop(thread, event)
            return
        require(parse_id(event["id"])[1] >= 2, "no resource has this id")
        if kind == "init":
            self.check_init(thread, event)
            return
        resource = self.find(event)
        if resource is None:
            self.check_unknown(thread, event)
            return
        self.check_destroyed(event, resource)
        require(event["trigger"] == resource.trigger, "the trigger is not that of init")
        if kind != "type_change":
            require(type_of(event) == resource.type, f"the type was {resource.type}")
        getattr(self, "check_" + kind)(thread, event, resource)
        if kind == "before" and resource.type == "ASYNCWRAP" and "closing" not in flags(event):
            require(woken == event["id"], "an async callback without a wakeup just before it")

    def check_shape(self, event):
        require(isinstance(event, dict), "not an object")
        keys = list(event)
        require(keys[: len(KEYS)] == KEYS, f"the keys are {keys}")
        more = keys[len(KEYS) :]
        require(more == [key for key in MORE_KEYS if key in more], f"the keys end in {more}")
        require(event["event"] in EVENTS, f"no event: {event['event']!r}")
        self.check_type(event)
        for key in ("id", "trigger", "execution", "sender", "other"):
            if key in event:
                parse_id(event[key])
        require(type(event["thread"]) is int and event["thread"] > 0, "no thread")
        require(type(event["time_ns"]) is int and event["time_ns"] >= 0, "no time")
        if type_of(event) == "UVTHREAD":
            require(event["loop"] is None, "a thread has no loop")
        elif event["loop"] is not None or event["uv_type"] != EMBEDDER:
            require(event["loop"] == parse_id(event["id"])[0], "the loop is not that of the id")
        require(("call" in event) == (type_of(event) == "FSREQCALLBACK"), "call is for fs requests")
        require(("sender" in event) == (event["event"] == "wakeup"), "sender is for wakeup")
        require(("other" in event) == (event["event"] == "link"), "other is for link")
        if "flags" in event:
            require(event["flags"] and set(event["flags"]) <= FLAGS, "unknown or no flags")
            for flag in flags(event) & set(EMBEDDER_FLAGS):
                require(event["uv_type"] == EMBEDDER, f"{flag} is for the program's own resources")
                require(event["event"] in EMBEDDER_FLAGS[flag], f"{flag} is not for {event['event']}")

    def check_type(self, event):
        if event["uv_type"] == EMBEDDER and event["event"] not in LOOP_EVENTS:
            require(NAME.fullmatch(event["type"]), "no name of a type")
            require(len(event["type"].encode()) <= NAME_BYTES, "the name of the type is too long")
        else:
            require(UV_TYPES.get(event["type"]) == event["uv_type"],
                    "the two names of the type differ")

    def check_destroyed(self, event, resource):
        """
        An embedder's resource may run after its destroy, and says so, unless it began to run as another
        thread ended it; nothing else may.
        """
        told = "after_destroy" in flags(event)
        elsewhere = resource.destroyed not in (None, event["thread"])
        if resource.embedder and (event["event"] == "after" or
                                  event["event"] == "before" and elsewhere):
            return
        require(resource.destroyed or not told, "its destroy has not been delivered")
        require(told or not resource.destroyed, f"{event['event']} after destroy")

    def find(self, event):
        resource = self.resources.get(event["id"])
        require(resource or self.late, f"{event['event']} before init")
        return resource

    def known(self, text):
        """An id of a resource that was made, or of a thread's top level, or of libuv itself."""
        return parse_id(text)[1] < 2 or text in self.resources or self.late

    def current(self, thread):
        """The execution id that an event of this thread must have: one of the ids returned."""
        if thread.stack and self.is_callback(thread.stack[-1][1]):
            return [thread.stack[-1][1]]
        if thread.loops:
            return [thread.loops[-1]]
        if thread.stack:
            return [thread.stack[-1][1]]
        return None  # top level of this thread

    def is_callback(self, text):
        """Top-level code of a thread that uv_thread_create made is no callback of a loop."""
        return text not in self.resources or self.resources[text].type != "UVTHREAD"

    def check_execution(self, thread, event):
        current = self.current(thread)
        if current is not None:
            require(event["execution"] in current, f"the execution id should be {current[0]}")
        elif not self.late:
            sequence = parse_id(event["execution"])[1]
            is_thread = not self.is_callback(event["execution"])
            require(sequence == 1 or is_thread, "the execution id should be that of top-level code")

    def check_unknown(self, thread, event):
        kind = event["event"]
        if kind in ("before", "work_begin"):
            thread.stack.append((kind, event["id"]))
        elif kind in OPENED_BY and thread.stack and thread.stack[-1][1] == event["id"]:
            thread.stack.pop()

    def check_init(self, thread, event):
        text = event["id"]
        require(text not in self.resources, "a second init")
        space, sequence = parse_id(text)
        expected = self.last.get(space, 1) + 1
        if self.late and space not in self.last:
            expected = sequence
        require(sequence == expected, f"the next id of this space is {expected}")
        self.last[space] = sequence
        if thread.destroying is None:
            self.check_execution(thread, event)
        made = Resource(event)
        if not self.named_triggers:
            self.check_trigger(thread, event, made)
        require("SERVER" not in made.type or made.embedder, "no handle is made a server")
        self.resources[text] = made

    def check_trigger(self, thread, event, made):
        trigger = event["trigger"]
        cause = self.resources.get(trigger)
        require(self.known(trigger), "the trigger is unknown")
        require(cause is None or not cause.destroyed or self.runs(thread, trigger),
                "the trigger is destroyed")
        if made.type in ON_HANDLE:
            require(cause is None or cause.type in ON_HANDLE[made.type],
                    "the trigger should be the handle that the request works on")
        elif not (made.type == cause_type(cause) == "embedder PROMISE"):
            require(trigger == event["execution"], "the trigger should be the execution id")

    def runs(self, thread, text):
        return any(text == running for _, running in thread.stack)

    def check_before(self, thread, event, resource):
        require(event["execution"] == event["id"], "the execution id should be its own")
        require(not resource.closing, "a callback after the close callback")
        require(resource.work != "work_begin", "the callback comes before work_end")
        if resource.type not in HANDLES:
            require(resource.callbacks == 0 or resource.embedder, "a request has one callback")
            require("closing" not in flags(event), "only handles close")
        resource.callbacks += 1
        resource.open += 1
        resource.closing = "closing" in flags(event)
        thread.stack.append(("before", event["id"]))

    def check_after(self, thread, event, resource):
        self.leave(thread, event)
        resource.open -= 1

    def leave(self, thread, event):
        opening = OPENED_BY[event["event"]]
        require(event["execution"] == event["id"], "the execution id should be its own")
        require(thread.stack, "nothing runs in this thread")
        require(thread.stack[-1] == (opening, event["id"]),
                f"{thread.stack[-1][1]} runs in this thread")
        thread.stack.pop()

    def check_work_begin(self, thread, event, resource):
        require(resource.type == "WORKREQ", "only uv_queue_work has work")
        require(resource.work is None and resource.callbacks == 0, "the work began before")
        require(event["execution"] == event["id"], "the execution id should be its own")
        resource.work = "work_begin"
        resource.open += 1
        thread.stack.append(("work_begin", event["id"]))

    def check_work_end(self, thread, event, resource):
        self.leave(thread, event)
        resource.work = "work_end"
        resource.open -= 1

    def check_destroy(self, thread, event, resource):
        space, sequence = parse_id(event["execution"])
        require(sequence == 0 and space == parse_id(event["id"])[0],
                "the execution id should be 0 of its space")
        # Another thread may be in the scope of an embedder's resource that this one ends.
        running = self.runs(thread, event["id"]) if resource.embedder else resource.open > 0
        require(not running, "destroy while it is on a stack")
        if not {"forced", "at_exit"} & flags(event):
            require(not any(self.is_callback(text) for _, text in thread.stack),
                    f"destroy while {thread.stack and thread.stack[-1][1]} runs in this thread")
        resource.destroyed = event["thread"]

    def check_start(self, thread, event, resource):
        self.check_execution(thread, event)
        require(resource.type in HANDLES, "only handles are started")
        require(not resource.closing, "start of a handle that is closed")
        resource.started = True

    def check_stop(self, thread, event, resource):
        self.check_execution(thread, event)
        require(resource.started, "stop without a start")

    def check_wakeup(self, thread, event, resource):
        self.check_execution(thread, event)
        require(resource.type == "ASYNCWRAP", "only uv_async_t wakes a loop")
        require(self.known(event["sender"]), "the sender is unknown")
        thread.wakeup = event["id"]

    def check_link(self, thread, event, resource):
        self.check_execution(thread, event)
        require(event["other"] in self.resources or self.late, "the other is unknown")
        require(resource.type in ("TCPSERVERWRAP", "PIPESERVERWRAP", "PIPEWRAP", "WRITEWRAP"),
                "nothing is tied to this type")

    def check_type_change(self, thread, event, resource):
        self.check_execution(thread, event)
        require(SERVERS.get(resource.type) == event["type"], f"{resource.type} cannot become this")
        resource.type = event["type"]

    def check_promise_resolve(self, thread, event, resource):
        self.check_execution(thread, event)
        require(resource.type == "embedder PROMISE", "this is no promise")
        require(not resource.resolved, "it was resolved before")
        resource.resolved = True

    def check_loop(self, thread, event):
        require(event["type"] == "NONE" and parse_id(event["id"])[1] == 0, "no loop")
        if event["event"] == "loop_enter":
            thread.loops.append(event["id"])
        elif thread.loops or not self.late:
            require(thread.loops and thread.loops[-1] == event["id"],
                    f"uv_run of {thread.loops[-1] if thread.loops else 'no loop'} ends first")
            thread.loops.pop()

    def finish(self, ended):
        """What must hold at the end of a log; yields what does not."""
        for text, resource in self.resources.items():
            if resource.destroyed:
                continue
            if resource.open == 0 and (resource.closing or
                                       resource.type in REQUESTS and resource.callbacks):
                yield f"{resource.type} {text} has ended and was never destroyed"
            elif ended:
                yield f"{resource.type} {text} was never destroyed"


def flags(event):
    return set(event.get("flags", ()))


def cause_type(cause):
    return cause.type if cause is not None else None


def check_file(path, options):
    broken = 0
    stream = Stream(options)
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                event = json.loads(line)
                stream.check(event)
            except ValueError as error:
                print(f"{path}:{number}: not JSON: {error}: {line.rstrip()}")
                broken += 1
            except Broken as error:
                print(f"{path}:{number}: {error}: {line.rstrip()}")
                broken += 1
    for message in stream.finish("--ended" in options):
        print(f"{path}: {message}")
        broken += 1
    return broken


def main(arguments):
    options = {a for a in arguments if a.startswith("--")}
    paths = [argument for argument in arguments if not argument.startswith("--")]
    if options - OPTIONS or not paths:
        print(__doc__, file=sys.stderr)
        return 2
    return 1 if sum([check_file(path, options) for path in paths]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
