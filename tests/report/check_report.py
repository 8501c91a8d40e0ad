#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes up a program, writes its trace, and holds the report against what the program did.

usage: check_report.py UVHOOKS DIR SEED

The numbers that the report must give are gathered here while the program is made up, and the
percentiles are taken from all the durations, sorted.
"""
import collections
import json
import math
import pathlib
import random
import subprocess
import sys

from stories import MS, US, Story

TIMERS = ((2, "on_first"), (3, "on_second"), (4, "on_third"))
PREPARE, ASYNC = 5, 6
CALLS = ("open", "stat", "read")
THREADS = 3


class Times(list):
    """Durations, and what the report makes of them: exactly, or to 1/64."""

    def expect(self, where, seen):
        wanted = {"count": len(self), "max_ns": max(self, default=0),
                  "mean_ns": sum(self) // len(self) if self else 0}
        for key, value in wanted.items():
            yield from expect(f"{where}.{key}", seen.get(key, seen.get("runs")), value)
        for key, share in (("p50_ns", 0.5), ("p99_ns", 0.99)):
            exact = sorted(self)[math.ceil(share * len(self)) - 1] if self else 0
            if abs(seen[key] - exact) > exact / 64:
                yield f"{where}.{key} is {seen[key]}, not about {exact}"


def expect(where, seen, wanted):
    if seen != wanted:
        yield f"{where} is {seen}, not {wanted}"


class Program:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.story = Story(folder)
        self.threads = [self.story.thread(number + 1) for number in range(THREADS)]
        self.made, self.alive = collections.Counter(), {}
        self.runs = collections.defaultdict(Times)  # by type and callback
        self.self_ns = collections.Counter()
        self.waits = collections.defaultdict(Times)  # by type and call
        self.delays, self.direct = Times(), []  # (begin, end, id)
        self.queue, self.service, self.back = Times(), Times(), Times()
        self.free_at = [0] * THREADS
        self.next_id, self.now = 10, 0
        self.requests, self.jobs, self.tasks = [], [], []
        self.wakeups, self.prepared = 0, 0

    def init(self, time_ns, async_id, kind, **given):
        self.story.at(time_ns, "init", async_id, type=kind, **given)
        self.made[kind] += 1
        self.alive[async_id] = kind

    def destroy(self, time_ns, async_id):
        self.story.at(time_ns, "destroy", async_id)
        del self.alive[async_id]

    def new_id(self):
        self.next_id += 1
        return self.next_id - 1

    def make_something(self, time_ns):
        """What callbacks do: hand in requests and work, and make tasks of their own."""
        async_id, choice = self.new_id(), self.random.randrange(3)
        if choice == 0:
            call = self.random.choice(CALLS)
            self.init(time_ns, async_id, "FSREQCALLBACK", fs_type=call, callback="on_" + call)
            self.requests.append((time_ns, async_id, call))
        elif choice == 1:
            self.init(time_ns, async_id, "WORKREQ", callback="on_worked")
            self.hand_in(time_ns, async_id)
        else:
            self.init(time_ns, async_id, "Task")
            self.tasks.append((time_ns, async_id))

    def hand_in(self, time_ns, async_id):
        number = min(range(THREADS), key=lambda one: self.free_at[one])
        begin = max(time_ns, self.free_at[number]) + self.random.randrange(1, 5 * US)
        end = begin + self.random.randrange(10 * US, 30 * MS)
        self.free_at[number] = end
        self.story.at(begin, "work_begin", async_id, thread=self.threads[number], callback="work")
        self.story.at(end, "work_end", async_id, thread=self.threads[number])
        self.queue.append(begin - time_ns)
        self.service.append(end - begin)
        self.jobs.append((time_ns, async_id, begin, end))

    def run(self, async_id, kind, callback):
        """A callback of the loop's, with another one inside it now and then."""
        begin = self.now
        duration = int(10 ** self.random.uniform(2.5, 7))
        inner = 0
        if self.random.randrange(3) == 0:
            self.make_something(begin + 10)
        if self.tasks and self.random.randrange(3) == 0:
            made, task = self.tasks.pop(0)
            inner = duration // 3
            self.story.run(begin + 20, begin + 20 + inner, task, "do_task")
            self.count("Task", "do_task", inner, inner)
            self.waits["Task", None].append(begin + 20 - made)
            self.destroy(begin + 21 + inner, task)
        duration += 40
        self.story.run(begin, begin + duration, async_id, callback)
        self.count(kind, callback, duration, duration - inner)
        self.direct.append((begin, begin + duration, async_id, callback))
        self.now = begin + duration

    def count(self, kind, callback, duration, own):
        self.runs[kind, callback].append(duration)
        self.self_ns[kind, callback] += own

    def step(self):
        self.now += int(10 ** self.random.uniform(2, 6.3))
        choice = self.random.randrange(10)
        if choice < 4:
            timer, callback = self.random.choice(TIMERS)
            late = self.random.randrange(40) * MS + self.now % MS
            self.story.at(self.now - 2, "start", timer, callback=callback,
                          due_ns=self.now - late)
            self.delays.append(late)
            self.run(timer, "TIMERWRAP", callback)
        elif choice < 5:
            self.prepared += 1
            self.run(PREPARE, "PREPAREWRAP", "on_prepare")
        elif choice < 6:
            self.wakeups += 1
            self.story.at(self.now - 1, "wakeup", ASYNC, other=1, callback="on_async")
            self.run(ASYNC, "ASYNCWRAP", "on_async")
        elif choice < 8 and self.requests:
            made, async_id, call = self.requests.pop(self.random.randrange(len(self.requests)))
            self.waits["FSREQCALLBACK", call].append(self.now - made)
            self.run(async_id, "FSREQCALLBACK", "on_" + call)
            self.destroy(self.now + 1, async_id)
        elif self.jobs and self.jobs[0][3] < self.now:
            made, async_id, _, end = self.jobs.pop(0)
            self.waits["WORKREQ", None].append(self.now - made)
            self.back.append(self.now - end)
            self.run(async_id, "WORKREQ", "on_worked")
            self.destroy(self.now + 1, async_id)

    def live(self, steps):
        self.story.at(0, "init", 999_999, type="IDLEWRAP", trigger=1)
        self.made["IDLEWRAP"] += 1
        self.alive[999_999] = "IDLEWRAP"
        for timer, _ in TIMERS:
            self.init(1, timer, "TIMERWRAP")
        self.init(2, PREPARE, "PREPAREWRAP")
        self.init(3, ASYNC, "ASYNCWRAP", callback="on_async")
        self.entered = self.now = 100 * US
        self.story.at(self.entered, "loop_enter", 0)
        for _ in range(steps):
            self.step()
        self.now = max([self.now] + self.free_at) + 1000
        self.story.at(self.now, "loop_exit", 0)
        self.story.write()

    def busy(self):
        """How long so many threads were busy, up to the end of the trace."""
        changes = []
        for _, _, thread, event, _, _ in self.story.events:
            del thread
            if event in ("work_begin", "work_end"):
                changes.append(event)
        times = sorted((time_ns, event) for time_ns, _, _, event, _, _ in self.story.events
                       if event in ("work_begin", "work_end"))
        spent, busy, last = collections.Counter(), 0, times[0][0]
        for time_ns, event in times:
            spent[busy] += time_ns - last
            busy += 1 if event == "work_begin" else -1
            last = time_ns
        spent[busy] += self.now - last
        return spent


def check_runs(program, report):
    seen = {(one["type"], one["callback"]): one for one in report["callbacks"]}
    yield from expect("callbacks", set(seen), set(program.runs))
    for key, times in program.runs.items():
        yield from times.expect(f"callbacks {key}", seen[key])
        yield from expect(f"{key}.total_ns", seen[key]["total_ns"], sum(times))
        yield from expect(f"{key}.self_ns", seen[key]["self_ns"], program.self_ns[key])
    totals = [one["total_ns"] for one in report["callbacks"]]
    yield from expect("the order of callbacks", totals, sorted(totals, reverse=True))


def check_types(program, report):
    seen = {one["type"]: one for one in report["types"]}
    yield from expect("types", set(seen), set(program.made))
    for kind in program.made:
        times = Times(duration for (other, _), durations in program.runs.items()
                      if other == kind for duration in durations)
        yield from times.expect(f"types {kind}", seen[kind])
        yield from expect(f"{kind}.made", seen[kind]["made"], program.made[kind])
        yield from expect(f"{kind}.live", seen[kind]["live"],
                          list(program.alive.values()).count(kind))


def check_waits(program, report):
    seen = {(one["type"], one.get("call")): one for one in report["requests"]}
    yield from expect("requests", set(seen), set(program.waits))
    for key, times in program.waits.items():
        yield from times.expect(f"requests {key}", seen[key]["wait"])


def check_pool(program, report):
    (pool,) = report["thread_pools"]
    for key, times in (("queue", program.queue), ("service", program.service),
                       ("return", program.back)):
        yield from times.expect(f"pool {key}", pool[key])
    spent = program.busy()
    whole = sum(spent.values())
    mean = sum(busy * spent[busy] for busy in spent) / whole
    yield from expect("threads", pool["threads"], THREADS)
    yield from expect("busy_max", pool["busy_max"], max(busy for busy in spent if spent[busy]))
    for key, wanted in (("busy_mean", mean), ("all_busy_share", spent[THREADS] / whole)):
        if abs(pool[key] - wanted) > 1e-5:
            yield f"pool {key} is {pool[key]}, not {wanted}"


def check_loop(program, report):
    (loop,) = report["loops"]
    busy = sum(end - begin for begin, end, _, _ in program.direct)
    bursts = 1 + sum(two[0] - one[1] > 10 * US
                     for one, two in zip(program.direct, program.direct[1:]))
    elapsed = program.now - program.entered
    longest = sorted(program.direct, key=lambda one: one[0] - one[1])[:5]
    wanted = {"runs": 1, "elapsed_ns": elapsed, "busy_ns": busy, "bursts": bursts,
              "callbacks": len(program.direct), "iterations_at_least": program.prepared}
    for key, value in wanted.items():
        yield from expect(f"loop.{key}", loop[key], value)
    if abs(loop["utilization"] - busy / elapsed) > 1e-6:
        yield f"utilization is {loop['utilization']}, not {busy / elapsed}"
    yield from expect("longest", [(one["at_ns"], one["at_ns"] + one["run_ns"], int(one["id"]),
                                   one["callback"]) for one in loop["longest"]], longest)
    yield from program.delays.expect("timer_delay", loop["timer_delay"])
    yield from expect("latest", [one["delay_ns"] for one in loop["latest_timers"]],
                      sorted(program.delays, reverse=True)[:3])


def check_head(program, report):
    (process,) = report["processes"]
    kinds = collections.Counter(one[3] for one in program.story.events)
    seen = {kind: count for kind, count in report["events_by_kind"].items() if count}
    yield from expect("events_by_kind", seen, dict(kinds))
    yield from expect("events", report["events"], len(program.story.events))
    yield from expect("duration", process["duration_ns"], program.now)
    yield from expect("live", sum(one["count"] for one in report["live"]), len(program.alive))
    yield from expect("wakeups", sum(one["count"] for one in report["wakeups"]), program.wakeups)


def main():
    uvhooks, folder, seed = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    program = Program(folder, seed)
    program.live(2000)
    text = subprocess.run([uvhooks, "report", "--json", "--all", folder], check=True,
                          capture_output=True).stdout
    report = json.loads(text)
    wrong = [one for check in (check_head, check_types, check_runs, check_waits, check_pool,
                               check_loop) for one in check(program, report)]
    print("\n".join(wrong[:20]) if wrong else f"{len(program.story.events)} events are told rightly")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
