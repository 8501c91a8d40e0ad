#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what Node's own async_hooks told of a program with what the shim told.

usage: parity.py [--types TYPE,...] FOLDER

FOLDER holds PID-TID.hooks, one for each thread, written by parity_hook.js, and PID.json, the logs of
the log plugin. Prints how many natives and edges there are; prints each difference, and exits 1 if
there is any. Each TYPE (a name of Node's) must be among those seen.

A native is a resource of Node's that stands for one of libuv's. The others exist on one side only:
JavaScript's own (Timeout, Immediate, TickObject, PROMISE and others) are not known to libuv, and the
timer, check, idle and prepare handles beneath them are not known to JavaScript. Writes, sends and
compressions that libuv does at once make no resource on either side.

What must hold in every thread, whose loop is the one with most of its resources:

 - natives: a socket that Node gives a new id, since an agent uses it again, is still the one that it
   was. Of each class there are as many on both sides. So they are paired in the order of their
   inits. Two classes are paired otherwise. A MESSAGEPORT is a uv_async_t, of which Node has made some
   before JavaScript runs: the last ones are paired. Work for the thread pool is paired by the order
   of its callbacks, as a ZLIB has one for each write: requests to the file system (uv_fs_t, or a
   uv_work_t of Node's own), cryptography and compression (uv_work_t). Its inits are in the same
   order too.
 - servers: a native is a server for Node if and only if uv_listen made its twin one.
 - edges: where a native's trigger is a native, its twin's trigger is the trigger's twin. So it is too
   with nothing but TickObjects in between that Node itself ties to where they were made. One trigger
   is Node's own choice, which libuv cannot know of: the look-up of a name for a socket has that
   socket for Node, but what made both for the shim; so the twins of both must have one trigger.
 - places: a native is made in the callback of a native if and only if its twin is made in the callback
   of that one's twin. A socket that a server accepts is made in the server's callback, although Node
   enters it only later. A parser of HTTP reads its socket by itself: what is made in its callbacks, is
   made in those of a socket.
 - callbacks: requests that are twins call back in the same order, and as often.
 - workers: a WORKER's thread was made in the same place.
"""

import collections
import json
import os
import re
import sys

# Node's type -> the type that its twin has at its init.
CLASSES = {
    "TCPWRAP": "TCPWRAP", "TCPSERVERWRAP": "TCPWRAP",
    "PIPEWRAP": "PIPEWRAP", "PIPESERVERWRAP": "PIPEWRAP",
    "TTYWRAP": "TTYWRAP", "UDPWRAP": "UDPWRAP", "PROCESSWRAP": "PROCESSWRAP",
    "SIGNALWRAP": "SIGNALWRAP", "FSEVENTWRAP": "FSEVENTWRAP", "STATWATCHER": "STATWATCHER",
    "TCPCONNECTWRAP": "TCPCONNECTWRAP", "PIPECONNECTWRAP": "PIPECONNECTWRAP",
    "WRITEWRAP": "WRITEWRAP", "SHUTDOWNWRAP": "SHUTDOWNWRAP", "UDPSENDWRAP": "UDPSENDWRAP",
    "GETADDRINFOREQWRAP": "GETADDRINFOREQWRAP", "GETNAMEINFOREQWRAP": "GETNAMEINFOREQWRAP",
    "MESSAGEPORT": "ASYNCWRAP",
}
REQUESTS = {"TCPCONNECTWRAP", "PIPECONNECTWRAP", "WRITEWRAP", "SHUTDOWNWRAP", "UDPSENDWRAP",
            "GETADDRINFOREQWRAP", "GETNAMEINFOREQWRAP"}
# What has the pool work: one callback for each piece of work.
FILES = {"FSREQCALLBACK": {"FSREQCALLBACK", "WORKREQ"}, "FSREQPROMISE": {"FSREQCALLBACK", "WORKREQ"},
         "FILEHANDLECLOSEREQ": {"FSREQCALLBACK"}}
# What of this never called back was done synchronously.
JOBS = re.compile(r"ZLIB|(?!HTTPCLIENT)[A-Z0-9]+REQUEST$")
SERVERS = {"TCPSERVERWRAP", "PIPESERVERWRAP"}
# They run at the end of a callback of libuv's, after that of the native that it was for.
IN_THE_SAME_CALLBACK = {"TickObject", "PROMISE", "Microtask"}


# A parser that reads its socket by itself: Node shows its callbacks, not those of the socket.
READ_STREAMS = {"HTTPINCOMINGMESSAGE", "HTTPCLIENTREQUEST"}
STREAMS = {"TCPWRAP", "PIPEWRAP"}


class NodeResource:
    def __init__(self, number, kind, trigger, execution, place):
        self.id = number
        self.type = kind
        self.trigger = trigger
        self.execution = execution
        self.place = place  # (id, number of the callback) of what called us from the loop, or None
        self.twin = None

    def __str__(self):
        return f"{self.type} {self.id}"


class NodeView:
    """What parity_hook.js wrote in one thread."""

    def __init__(self, path):
        self.pid, self.thread = map(int, re.search(r"(\d+)-(\d+)\.hooks$", path).groups())
        self.resources = {}
        self.same = {}  # id -> the id that it had before
        self.callbacks = []  # ids, in order
        self.work = []  # (id, number of the callback) of each piece of work that ended
        times = collections.Counter()
        stack = []
        place = None
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                what, *words = line.split()
                number = int(words[0])
                if what != "r":
                    number = self.first(number)
                if what == "r":
                    self.same[number] = int(words[4])
                elif what == "i":
                    trigger, execution = self.first(int(words[2])), self.first(int(words[3]))
                    here = place
                    if not stack and execution == 0 and trigger in self.resources:
                        here = (trigger, None)
                    self.resources[number] = NodeResource(number, words[1], trigger, execution, here)
                elif what == "b":
                    times[number] += 1
                    resource = self.resources.get(number)
                    kind = resource.type if resource else "unknown"
                    if not stack and kind not in IN_THE_SAME_CALLBACK:
                        place = (number, times[number])
                    stack.append(number)
                    self.callbacks.append(number)
                    if kind in FILES or JOBS.match(kind):
                        self.work.append((number, times[number]))
                elif number in stack:
                    del stack[stack.index(number):]

    def first(self, number):
        """The id that this one's resource had at its init."""
        while number in self.same:
            number = self.same[number]
        return number

    def natives(self, kind):
        return [resource for resource in self.resources.values()
                if CLASSES.get(resource.type) == kind]


class Shim:
    """What the log plugin wrote for one process."""

    def __init__(self, path):
        self.inits = {}
        self.made_in = {}  # id -> the thread that made it
        self.servers = set()
        self.runs_in = {}  # id of a UVTHREAD -> the thread that it is
        self.callbacks = []
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                name = event["event"]
                if name == "init":
                    self.inits[event["id"]] = event
                elif name == "type_change":
                    self.servers.add(event["id"])
                elif name == "before":
                    self.callbacks.append(event["id"])
                    if event["type"] == "UVTHREAD":
                        self.runs_in[event["id"]] = event["thread"]

    def loop_of(self, thread):
        """The loop in which this thread has made most."""
        loops = collections.Counter(event["loop"] for event in self.inits.values()
                                    if event["thread"] == thread and event["loop"] is not None)
        return loops.most_common(1)[0][0] if loops else None


class Comparison:
    """One thread of one process: pairs its natives, then asks one rule after the other."""

    def __init__(self, node, shim):
        self.node = node
        self.shim = shim
        self.loop = shim.loop_of(node.thread)
        self.twins = {}  # id of the shim's -> NodeResource
        self.work = {}  # (id of Node's, number of the callback) -> id of the shim's
        self.wrong = []
        self.edges = 0
        self.counts = collections.Counter()

    def complain(self, text):
        self.wrong.append(f"thread {self.node.thread}: {text}")

    def ours(self, kind):
        return [number for number, event in self.shim.inits.items()
                if event["loop"] == self.loop and event["type"] == kind]

    def pair(self, native, number):
        native.twin = number
        self.twins[number] = native
        self.counts[native.type] += 1

    def pair_all(self):
        for kind in sorted(set(CLASSES.values())):
            natives, ours = self.node.natives(kind), self.ours(kind)
            if kind == "ASYNCWRAP":
                ours = ours[len(ours) - min(len(natives), len(ours)):]
            if len(natives) != len(ours):
                self.complain(f"{len(natives)} {kind} in Node, {len(ours)} in the shim")
                continue
            for native, number in zip(natives, ours):
                self.pair(native, number)
        self.pair_work()

    def pair_work(self):
        mine = set(self.ours("FSREQCALLBACK") + self.ours("WORKREQ"))
        ended = [number for number in self.shim.callbacks if number in mine]
        done = {number for number, _ in self.node.work}
        for number in sorted(mine - set(ended)):
            self.complain(f"{self.shim.inits[number]['type']} {number} has not called back in the shim")
        for native in self.node.resources.values():
            if native.type in FILES and native.id not in done:
                self.complain(f"{native} has not called back in Node")
        if len(ended) != len(self.node.work):
            self.complain(f"{len(self.node.work)} times work ended in Node, {len(ended)} in the shim")
            return
        for (number, time), twin in zip(self.node.work, ended):
            self.work[number, time] = twin
            native = self.node.resources[number]
            if self.shim.inits[twin]["type"] not in FILES.get(native.type, {"WORKREQ"}):
                self.complain(f"{native} cannot be the {self.shim.inits[twin]['type']} {twin}")
            if native.type == "ZLIB":
                # It was there before its first write, and stands for all of them.
                self.twins[twin] = native
                self.counts["ZLIB"] += 1
            else:
                self.pair(native, twin)
        self.check_order()

    def check_order(self):
        """What is paired by its callbacks was made in the same order, too."""
        order = {number: position for position, number in enumerate(self.shim.inits)}
        last = None
        for native in self.node.resources.values():
            if native.twin and (native.type in FILES or JOBS.match(native.type)):
                if last and order[native.twin] < order[last.twin]:
                    self.complain(f"{native} is made after {last} in Node, but {native.twin} before "
                                  f"{last.twin} in the shim")
                last = native

    def check_servers(self):
        for number, native in self.twins.items():
            for_node = native.type in SERVERS
            if for_node != (number in self.shim.servers):
                self.complain(f"{native} is {'a' if for_node else 'no'} server, "
                              f"{number} is {'no' if for_node else 'one'}")

    def trigger_of(self, native):
        """The native that triggered this one, directly or by ticks; None if none did so."""
        trigger = self.node.resources.get(native.trigger)
        while trigger and trigger.type == "TickObject" and trigger.trigger == trigger.execution:
            trigger = self.node.resources.get(trigger.trigger)
        return trigger if trigger and trigger.twin else None

    def check_edges(self):
        for native in self.node.resources.values():
            trigger = self.trigger_of(native) if native.twin else None
            if not trigger:
                continue
            self.edges += 1
            expected, seen = trigger.twin, self.shim.inits[native.twin]["trigger"]
            if native.type == "GETADDRINFOREQWRAP" and native.trigger != native.execution:
                expected = self.shim.inits[trigger.twin]["trigger"]
            if seen != expected:
                self.complain(f"{native} ({native.twin}) should have the trigger {expected} "
                              f"({trigger}), not {seen}")

    def check_place(self, native, number):
        seen = self.shim.inits[number]["execution"]
        place = self.node.resources.get(native.place[0]) if native.place else None
        twin = self.work.get(native.place) or (place and place.twin)
        if twin:
            right = seen == twin
        elif place and place.type in READ_STREAMS:
            right = seen in self.twins and self.twins[seen].type in STREAMS
        else:
            right = seen not in self.twins
        if not right:
            self.complain(f"{native} ({number}) should be made in a callback of "
                          f"{place or 'no native'} ({twin}), not of {self.twins.get(seen)} ({seen})")

    def check_places(self):
        for native in self.node.resources.values():
            if native.twin:
                self.check_place(native, native.twin)

    def check_callbacks(self):
        def requests(ids, is_request):
            return [number for number in ids if is_request(number)]

        theirs = [self.node.resources[number].twin for number in requests(
            self.node.callbacks, lambda number: number in self.node.resources and
            self.node.resources[number].twin and
            CLASSES.get(self.node.resources[number].type) in REQUESTS)]
        ours = requests(self.shim.callbacks, lambda number: number in self.twins and
                        self.shim.inits[number]["type"] in REQUESTS)
        for position, (first, second) in enumerate(zip(theirs, ours)):
            if first != second:
                self.complain(f"callback {position} is that of {first} ({self.twins[first]}) in Node, "
                              f"of {second} ({self.twins[second]}) in the shim")
                break
        if len(theirs) != len(ours):
            self.complain(f"requests call back {len(theirs)} times in Node, {len(ours)} in the shim")

    def check_workers(self, threads):
        workers = [resource for resource in self.node.resources.values() if resource.type == "WORKER"]
        ours = [number for number, event in self.shim.inits.items()
                if event["type"] == "UVTHREAD" and event["thread"] == self.node.thread
                and self.shim.runs_in.get(number) in threads]
        if len(workers) != len(ours):
            self.complain(f"{len(workers)} WORKER in Node, {len(ours)} threads of workers in the shim")
            return
        for worker, number in zip(workers, ours):
            self.counts["WORKER"] += 1
            self.check_place(worker, number)

    def check(self, threads):
        if self.loop is None:
            self.complain("the shim has seen no loop in it")
            return
        self.pair_all()
        self.check_servers()
        self.check_edges()
        self.check_places()
        self.check_callbacks()
        self.check_workers(threads)


def compare(folder, types):
    names = sorted(os.listdir(folder))
    views = [NodeView(os.path.join(folder, name)) for name in names if name.endswith(".hooks")]
    threads = {view.thread for view in views}
    wrong = [] if views else [f"no view of Node's in {folder}"]
    counts = collections.Counter()
    edges = 0
    for view in views:
        log = os.path.join(folder, f"{view.pid}.json")
        if not os.path.exists(log):
            wrong.append(f"thread {view.thread}: the shim has seen nothing of process {view.pid}")
            continue
        comparison = Comparison(view, Shim(log))
        comparison.check(threads)
        wrong += comparison.wrong
        counts += comparison.counts
        edges += comparison.edges
    wrong += [f"there is no {kind} at all" for kind in types if not counts[kind]]
    if not edges:
        wrong.append("there is no edge at all")
    print(f"{len(views)} threads, {sum(counts.values())} natives, {edges} edges between them")
    print(", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    return wrong


def main(arguments):
    types = []
    if arguments[:1] == ["--types"] and len(arguments) > 1:
        types = arguments[1].split(",")
        arguments = arguments[2:]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    wrong = compare(arguments[0], types)
    print("\n".join(wrong[:50]))
    if len(wrong) > 50:
        print(f"... {len(wrong)} in all")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
