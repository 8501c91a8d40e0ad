# SPDX-License-Identifier: MIT
"""
What an export must show, worked out from the lines of `uvhooks log --format json` alone, by the rule
of arrows in tools/export_flows.h: slices, for each its cause, and lives. One process.
"""
import collections
import functools
import json
import subprocess


class Slice:
    """`cause` is a slice, `caused` when in it, where that is known."""

    def __init__(self, kind, thread, begin, name, identity, cause=(None, None)):
        self.kind, self.thread, self.begin, self.name = kind, thread, begin, name
        self.id, (self.cause, self.caused) = identity, cause
        self.end, self.inner, self.outer = None, 0, None

    def key(self):
        return (self.thread, self.begin, self.end, self.name, self.id)

    def __repr__(self):
        return f"{self.name} ({self.id}) at {self.begin} in thread {self.thread}"


def sequence(identity):
    return int(identity.split(":")[-1])


@functools.cache
def readable(callback):
    """The log has what the linker knows; people read C++, here without the arguments."""
    if callback is None or not callback.startswith("_Z"):
        return callback
    return subprocess.run(["c++filt", "-p", callback], capture_output=True, text=True,
                          check=True).stdout.strip()


def name_of(event):
    words = [event["type"], event.get("call"), readable(event.get("callback"))]
    return " ".join(word for word in words if word is not None)


class Expectation:
    """`slices`: all; `effects`: those that may have an arrow; `lives`: id, type, begin, end."""

    def __init__(self, path):
        self.slices, self.effects, self.lives, self.made = [], [], [], set()
        self.stacks, self.last = {}, {}
        self.causes, self.settled, self.latest, self.alive = {}, {}, {}, {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                self.event(json.loads(line))
        for thread, stack in self.stacks.items():
            while stack:
                self.pop(thread, self.last[thread])
        for life in self.alive.values():
            self.lives.append((*life, None))

    def push(self, one):
        stack = self.stacks[one.thread]
        one.outer = stack[-1] if stack else None
        stack.append(one)
        self.slices.append(one)
        if one.kind in ("work", "callback"):
            self.effects.append(one)
            self.latest[one.id] = one

    def pop(self, thread, time):
        stack = self.stacks[thread]
        one = stack.pop()
        one.end = time
        if stack:
            stack[-1].inner += time - one.begin
        if one.kind == "work":
            self.causes[one.id] = (one, None)

    def end(self, event, kind):
        stack = self.stacks[event["thread"]]
        if not any(one.kind == kind and one.id == event["id"] for one in stack):
            return
        while stack[-1].kind != kind or stack[-1].id != event["id"]:
            self.pop(event["thread"], event["time_ns"])
        self.pop(event["thread"], event["time_ns"])

    def sender(self, identity):
        if sequence(identity) != 1:
            return self.latest.get(identity)
        for stack in self.stacks.values():
            if stack and stack[0].kind == "top" and stack[0].id == identity:
                return stack[0]
        return None

    def life(self, event):
        known = self.alive.get(event["id"])
        if known is not None and (event["event"] == "destroy" or known[1] != event["type"]):
            self.lives.append((*known, event["time_ns"]))
            del self.alive[event["id"]]
        if event["event"] != "destroy" and "after_destroy" not in event.get("flags", []):
            self.alive.setdefault(event["id"], (event["id"], event["type"], event["time_ns"]))

    def event(self, event):
        what, thread, identity = event["event"], event["thread"], event["id"]
        stack = self.stacks.setdefault(thread, [])
        self.last[thread] = event["time_ns"]
        if not stack and sequence(event["execution"]) == 1:
            self.push(Slice("top", thread, event["time_ns"], "top level", event["execution"]))
        if what == "loop_enter":
            self.push(Slice("loop", thread, event["time_ns"], "uv_run", identity))
        elif what == "loop_exit":
            self.end(event, "loop")
        if what in ("loop_enter", "loop_exit"):
            return
        self.life(event)
        here = (stack[-1], event["time_ns"]) if stack else (None, None)
        if what == "init":
            self.made.add(identity)
        if what in ("init", "start"):
            self.causes[identity] = here
        elif what == "promise_resolve":
            self.settled[identity] = here
        elif what == "wakeup":
            self.causes[identity] = (self.sender(event["sender"]), None)
        elif what in ("before", "work_begin"):
            cause = self.causes.get(identity, (None, None))
            settled = self.settled.get(event["trigger"], (None, None))
            if event["type"] == "PROMISE" and settled[0] is not None:
                cause = settled
            self.push(Slice("work" if what == "work_begin" else "callback", thread,
                            event["time_ns"], name_of(event), identity, cause))
        elif what == "after":
            self.end(event, "callback")
        elif what == "work_end":
            self.end(event, "work")

    def chain(self, one):
        """Why it ran: names, the root's first, each once."""
        if one is None:
            return ("not in the trace",)
        if one.kind == "top":
            return (one.name,)
        if one.kind == "loop":
            return self.chain(one.outer)
        if one not in self.chains:
            # Not by recursion: a chain of causes is as long as the program ran.
            ways = [one]
            while (ways[-1].cause is not None and ways[-1].cause.kind in ("work", "callback") and
                   ways[-1].cause not in self.chains):
                ways.append(ways[-1].cause)
            for way in reversed(ways):
                before = self.chain(way.cause)
                self.chains[way] = (before[:before.index(way.name) + 1] if way.name in before
                                    else before + (way.name,))
        return self.chains[one]

    def weights(self):
        """For each chain, how long its callbacks ran, without what ran within them."""
        self.chains = {}
        weights = collections.Counter()
        for one in self.effects:
            weights[";".join(self.chain(one))] += one.end - one.begin - one.inner
        return {chain: weight for chain, weight in weights.items() if weight > 0}
